// The threading seam.  The same tests run on oneTBB and, under ThreadSanitizer, on plain threads.
#include "engine/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/gather_blocks.hpp"
#include "engine/sort_items.hpp"
#include "io/ordered_work.hpp"

namespace ligature {
namespace {

// Runs the test body on 1, 2 and 4 threads.
class Parallel : public testing::TestWithParam<int> {
 private:
  ThreadLimit limit_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Threads, Parallel, testing::Values(1, 2, 4),
                         [](const auto& threads) { return std::to_string(threads.param); });

TEST_P(Parallel, no_more_threads_than_the_limit_are_used) {
  EXPECT_GE(num_threads(), 1);
  EXPECT_LE(num_threads(), GetParam());
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  for_each_item(2'000, [&](std::size_t) {
    const int now = ++inside;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    --inside;
  });
  EXPECT_LE(most, GetParam());
}

TEST_P(Parallel, blocks_cover_every_item_once) {
  for (const std::size_t count : {0U, 1U, 2U, 63U, 64U, 65U, 1'000U}) {
    for (const std::size_t grain : {1U, 2U, 64U, 999U, 1'000U, 5'000U}) {
      std::vector<std::atomic<int>> visits(count);
      std::atomic<std::size_t> blocks{0};
      for_blocks(count, grain, [&](std::size_t begin, std::size_t end) {
        EXPECT_LT(begin, end);
        EXPECT_LE(end - begin, grain);
        EXPECT_EQ(begin % grain, 0U) << "blocks depend on count and grain alone";
        for (std::size_t i = begin; i < end; ++i) ++visits[i];
        ++blocks;
      });
      EXPECT_EQ(blocks, (count + grain - 1) / grain);
      EXPECT_TRUE(std::all_of(visits.begin(), visits.end(), [](const auto& n) { return n == 1; }))
          << count << ' ' << grain;
    }
  }
}

TEST_P(Parallel, a_grain_beyond_all_counts_is_one_block) {
  std::vector<std::pair<std::size_t, std::size_t>> blocks;
  for_blocks(3, std::numeric_limits<std::size_t>::max(),
             [&](std::size_t begin, std::size_t end) { blocks.emplace_back(begin, end); });
  EXPECT_EQ(blocks, (std::vector<std::pair<std::size_t, std::size_t>>{{0, 3}}));
}

TEST_P(Parallel, partial_results_by_block_combine_to_the_same_bits) {
  // Sums of doubles differ with the order of addition: equal bits mean equal order.
  constexpr std::size_t kGrain = 1'000;
  std::vector<double> values(100'000);
  std::mt19937_64 random(1);
  for (double& value : values) value = std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 60));
  std::vector<double> partial(values.size() / kGrain);
  for_blocks(values.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    partial[begin / kGrain] = std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(begin),
                                              values.begin() + static_cast<std::ptrdiff_t>(end), 0.0);
  });
  double expected = 0;
  for (std::size_t begin = 0; begin < values.size(); begin += kGrain) {
    double block = 0;
    for (std::size_t i = begin; i < begin + kGrain; ++i) block += values[i];
    expected += block;
  }
  EXPECT_EQ(std::accumulate(partial.begin(), partial.end(), 0.0), expected);
}

TEST_P(Parallel, an_exception_of_a_body_reaches_the_caller) {
  EXPECT_THROW(for_each_item(1'000,
                             [](std::size_t i) {
                               if (i == 777) throw std::runtime_error("row 777");
                             }),
               std::runtime_error);
  std::atomic<int> visits{0};
  for_each_item(100, [&](std::size_t) { ++visits; });
  EXPECT_EQ(visits, 100) << "the next work is not disturbed";
}

TEST_P(Parallel, sorting_gives_the_one_order_of_a_total_order) {
  std::vector<std::pair<int, int>> items(50'000);
  for (int i = 0; i < 50'000; ++i) items[static_cast<std::size_t>(i)] = {i % 97, i};
  std::vector<std::pair<int, int>> expected = items;
  std::mt19937 random(5);
  std::shuffle(items.begin(), items.end(), random);
  sort_items(items.begin(), items.end(), std::less<>{});
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(items, expected);
}

TEST_P(Parallel, what_blocks_find_comes_in_their_order) {
  for (const std::size_t count : {0U, 1U, 99U, 100U, 101U, 25'000U}) {
    const RawVector<std::size_t> found =
        gather_blocks<std::size_t>(count, 100, [](std::size_t begin, std::size_t end, RawVector<std::size_t>& here) {
          EXPECT_TRUE(here.empty());
          for (std::size_t i = begin; i < end; ++i) {
            if (i % 3 == 0) here.insert(here.end(), i % 7, i);  // none of some, several of others
          }
        });
    std::vector<std::size_t> expected;
    for (std::size_t i = 0; i < count; i += 3) expected.insert(expected.end(), i % 7, i);
    EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin(), expected.end())) << count;
  }
}

TEST_P(Parallel, counts_of_blocks_are_summed) {
  for (const std::size_t items : {0U, 1U, 999U, 100'000U}) {
    for (const std::size_t grain : {1U, 64U, 200'000U}) {
      const std::uint64_t odd = sum_blocks(items, grain, [](std::size_t begin, std::size_t end) {
        std::uint64_t count = 0;
        for (std::size_t i = begin; i < end; ++i) count += i % 2;
        return count;
      });
      EXPECT_EQ(odd, items / 2);
    }
  }
}

TEST_P(Parallel, what_is_wanted_comes_in_order) {
  for (const std::size_t count : {0U, 1U, 64U, 65U, 10'000U}) {
    const RawVector<std::size_t> found = gather_wanted<std::size_t>(
        count, 64, [](std::size_t i) { return i % 5 < 2 || i / 64 == 3; }, [](std::size_t i) { return i * i; });
    std::vector<std::size_t> expected;
    for (std::size_t i = 0; i < count; ++i) {
      if (i % 5 < 2 || i / 64 == 3) expected.push_back(i * i);
    }
    EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin(), expected.end())) << count;
  }
}

TEST_P(Parallel, ordered_work_takes_results_in_the_order_of_the_items_and_uses_workers_again) {
  struct Worker {
    std::vector<int> found;
    bool is_used = false;
  };
  int next = 0;
  std::atomic<int> new_workers = 0;
  std::vector<int> taken;
  ordered_work<Worker>([&] { return next < 500 ? std::optional(next++) : std::nullopt; },
                       [&](Worker& worker, int item) {
                         new_workers += worker.is_used ? 0 : 1;
                         worker.is_used = true;
                         EXPECT_TRUE(worker.found.empty());
                         worker.found.assign(static_cast<std::size_t>(item % 4), item);
                       },
                       [&](Worker& worker) {
                         taken.insert(taken.end(), worker.found.begin(), worker.found.end());
                         worker.found.clear();
                       });
  std::vector<int> expected;
  for (int item = 0; item < 500; ++item) expected.insert(expected.end(), static_cast<std::size_t>(item % 4), item);
  EXPECT_EQ(taken, expected);
  EXPECT_LE(new_workers, 2 * GetParam());
}

TEST_P(Parallel, each_thread_has_its_own_value_and_none_is_lost) {
  PerThread<std::uint64_t> sums;
  for_blocks(100'000, 100, [&](std::size_t begin, std::size_t end) {
    std::uint64_t& sum = sums.local();
    for (std::size_t i = begin; i < end; ++i) sum += i;
  });
  std::uint64_t total = 0;
  int values = 0;
  sums.for_each([&](std::uint64_t sum) {
    total += sum;
    ++values;
  });
  EXPECT_EQ(total, 100'000ULL * 99'999 / 2);
  EXPECT_GE(values, 1);
  EXPECT_LE(values, GetParam());
}

// An item that counts how many of its kind exist.
class Counted {
 public:
  Counted(int number, std::atomic<int>& existing) : number_(number), existing_(&existing) { ++*existing_; }
  Counted(Counted&& other) noexcept : number_(other.number_), existing_(std::exchange(other.existing_, nullptr)) {}
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (existing_ != nullptr) --*existing_;
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
  std::atomic<int>* existing_;
};

// A pipeline over items 0..count-1 that may throw at one number in one stage.
struct PipelineRun {
  std::vector<int> consumed;
  int most_existing = 0;
  int left_behind = 0;
  bool thrown = false;
};

enum class Stage { none, produce, transform, consume };

PipelineRun run_pipeline(int count, std::size_t in_flight, Stage failing = Stage::none, int failing_at = 0) {
  PipelineRun run;
  std::atomic<int> existing{0};
  std::atomic<int> most{0};
  int next = 0;
  const auto fail_at = [&](Stage stage, int number) {
    if (stage == failing && number == failing_at) throw std::runtime_error("item");
  };
  try {
    ordered_pipeline(
        in_flight,
        [&]() -> std::optional<Counted> {
          if (next == count) return std::nullopt;
          fail_at(Stage::produce, next);
          Counted item(next++, existing);
          const int now = existing;
          for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
          }
          return item;
        },
        [&](Counted item) {
          fail_at(Stage::transform, item.number());
          return std::make_unique<Counted>(std::move(item));  // move-only, like a buffer
        },
        [&](std::unique_ptr<Counted> item) {
          fail_at(Stage::consume, item->number());
          run.consumed.push_back(item->number());
        });
  } catch (const std::runtime_error&) {
    run.thrown = true;
  }
  run.most_existing = most;
  run.left_behind = existing;
  return run;
}

TEST_P(Parallel, a_pipeline_keeps_the_order_and_loses_nothing) {
  for (const int count : {0, 1, 7, 8, 9, 1'000}) {
    for (const std::size_t in_flight : {1U, 2U, 8U}) {
      const PipelineRun run = run_pipeline(count, in_flight);
      std::vector<int> expected(static_cast<std::size_t>(count));
      std::iota(expected.begin(), expected.end(), 0);
      EXPECT_EQ(run.consumed, expected);
      EXPECT_LE(run.most_existing, static_cast<int>(in_flight));
      EXPECT_EQ(run.left_behind, 0);
    }
  }
}

TEST_P(Parallel, a_pipeline_with_no_room_still_moves) {
  EXPECT_EQ(run_pipeline(3, 0).consumed, (std::vector{0, 1, 2}));
}

TEST_P(Parallel, an_exception_in_any_stage_ends_the_pipeline_and_frees_its_items) {
  for (const Stage stage : {Stage::produce, Stage::transform, Stage::consume}) {
    for (const int failing_at : {0, 5, 499}) {
      const PipelineRun run = run_pipeline(500, 8, stage, failing_at);
      EXPECT_TRUE(run.thrown);
      EXPECT_EQ(run.left_behind, 0) << "items in flight are destroyed";
      ASSERT_LE(run.consumed.size(), static_cast<std::size_t>(failing_at));
      for (std::size_t i = 0; i < run.consumed.size(); ++i) EXPECT_EQ(run.consumed[i], static_cast<int>(i));
    }
  }
}

TEST_P(Parallel, work_may_be_nested) {
  std::atomic<int> visits{0};
  for_each_item(10, [&](std::size_t) {
    for_blocks(100, 7, [&](std::size_t begin, std::size_t end) { visits += static_cast<int>(end - begin); });
  });
  EXPECT_EQ(visits, 1'000);
}

TEST(ThreadLimit, ends_with_its_life_and_zero_leaves_the_default) {
  const int before = num_threads();
  {
    const ThreadLimit one(1);
    EXPECT_EQ(num_threads(), 1);
    const ThreadLimit none(0);
    EXPECT_EQ(num_threads(), 1);
  }
  EXPECT_EQ(num_threads(), before);
}

}  // namespace
}  // namespace ligature
