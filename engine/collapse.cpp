#include "engine/collapse.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <memory>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"

namespace ligature {

namespace {

// A bucket of so many rows (128 KiB), its table and its different identities lie in a core's second-level cache.
constexpr std::uint64_t kRowsPerBucket = 1U << 13;
constexpr unsigned kMostBucketBits = 14;  // more open buckets than this and their ends no longer lie in cache
constexpr std::uint64_t kRowsPerRound = std::uint64_t{1} << 25;
constexpr std::uint64_t kRowsPerTask = std::uint64_t{1} << 18;
constexpr std::size_t kKeysAtOnce = 256;

// Some runs of one dataset, worked on by one thread at a time.
struct Task {
  std::size_t first_run = 0, last_run = 0;
  std::uint64_t first_row = 0;
  std::uint32_t dataset = 0;
};

std::vector<Task> make_tasks(std::span<const IdentityRun> runs) {
  std::vector<Task> tasks;
  std::uint64_t row = 0, rows = 0;  // rows of the last task
  for (std::size_t r = 0; r < runs.size(); ++r) {
    if (tasks.empty() || rows >= kRowsPerTask || runs[r].dataset != tasks.back().dataset) {
      tasks.push_back({r, r, row, runs[r].dataset});
      rows = 0;
    }
    tasks.back().last_run = r + 1;
    rows += runs[r].identities.size();
    row += runs[r].identities.size();
  }
  return tasks;
}

// Calls visit(identity) for the rows of a task.
template <typename Visit>
void for_each_identity(std::span<const IdentityRun> runs, const Task& task, const Visit& visit) {
  for (std::size_t r = task.first_run; r < task.last_run; ++r) {
    for (const Identity& identity : runs[r].identities) visit(identity);
  }
}

// The different identities of one bucket in order of first sight, found by open addressing.
class BucketTable {
 public:
  // Before the bucket's rows are added.
  void start(std::size_t rows) {
    const std::size_t slots = std::bit_ceil(rows * 2);
    slots_.assign(slots, kEmpty);
    shift_ = slots <= 1 ? 63 : 64 - static_cast<unsigned>(std::bit_width(slots - 1));
    different_.clear();
    different_.reserve(rows);
  }

  // index: of each row's identity among the different ones.
  void add(std::span<const Identity> rows, std::uint32_t dataset, std::uint32_t* index) {
    const std::size_t mask = slots_.size() - 1;
    for (const Identity& row : rows) {
      std::size_t slot = slot_of(row);
      while (slots_[slot] != kEmpty && different_[slots_[slot]].identity != row) slot = (slot + 1) & mask;
      if (slots_[slot] == kEmpty) {
        slots_[slot] = static_cast<std::uint32_t>(different_.size());
        different_.push_back({row, 0, 0});
      }
      CountedIdentity& entry = different_[slots_[slot]];
      ++entry.rows;
      entry.datasets |= 1U << dataset;
      *index++ = slots_[slot];
    }
  }

  [[nodiscard]] const std::vector<CountedIdentity>& different() const noexcept { return different_; }

 private:
  // Cheaper than the linkage key, whose top bits are the same in all of the bucket anyway (Fibonacci hashing; Knuth,
  // volume 3, section 6.4).
  [[nodiscard]] std::size_t slot_of(const Identity& identity) const noexcept {
    constexpr std::uint64_t kFirst = 0x9E3779B97F4A7C15ULL, kSecond = 0xC2B2AE3D27D4EB4FULL;
    return (identity.first * kFirst + std::rotl(identity.second, 32)) * kSecond >> shift_;
  }

  static constexpr std::uint32_t kEmpty = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> slots_;
  unsigned shift_ = 63;
  std::vector<CountedIdentity> different_;
};

// Memory that need not be touched before it is written.
template <typename T>
std::unique_ptr<T[]> room_for(std::uint64_t count) {
  return std::make_unique_for_overwrite<T[]>(count);
}

}  // namespace

std::vector<CountedIdentity> collapse(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row) {
  const std::uint64_t rows = of_row.size();
  const unsigned bits = std::min(kMostBucketBits, static_cast<unsigned>(std::bit_width(rows / kRowsPerBucket)));
  const std::size_t buckets = std::size_t{1} << bits;
  const std::vector<Task> tasks = make_tasks(runs);

  // Each row's bucket, and places[t][k]: how many rows of bucket k come before task t.
  const auto bucket_of_row = room_for<std::uint16_t>(rows);
  std::vector<std::vector<std::uint32_t>> places(tasks.size() + 1, std::vector<std::uint32_t>(buckets, 0));
  for_each_item(tasks.size(), [&](std::size_t t) {
    std::uint16_t* bucket = bucket_of_row.get() + tasks[t].first_row;
    std::uint32_t* const counts = places[t + 1].data();
    std::array<std::uint64_t, kKeysAtOnce> keys;
    for (std::size_t r = tasks[t].first_run; r < tasks[t].last_run; ++r) {
      for (std::span<const Identity> left = runs[r].identities; !left.empty();) {
        const auto some = left.first(std::min(left.size(), kKeysAtOnce));
        linkage_keys(some, std::span(keys).first(some.size()));
        for (std::size_t i = 0; i < some.size(); ++i) {
          *bucket = static_cast<std::uint16_t>(keys[i] >> 32 >> (32 - bits));
          ++counts[*bucket++];
        }
        left = left.subspan(some.size());
      }
    }
  });
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    for (std::size_t k = 0; k < buckets; ++k) places[t + 1][k] += places[t][k];
  }

  std::vector<CountedIdentity> different;
  for (std::size_t first = 0; first < buckets;) {
    // This round's buckets: [first, last).
    std::vector<std::uint64_t> start{0};
    std::size_t last = first;
    do {
      start.push_back(start.back() + places.back()[last++]);
    } while (last < buckets && start.back() + places.back()[last] <= kRowsPerRound);
    const bool all = last - first == buckets;
    // Calls visit(row of of_row, place in the round) for the rows of a task, in their order.
    const auto for_each_place = [&](std::size_t t, const auto& visit) {
      std::vector<std::uint32_t> next(last - first);
      for (std::size_t k = first; k < last; ++k) {
        next[k - first] = static_cast<std::uint32_t>(start[k - first] + places[t][k]);
      }
      const std::uint16_t* const bucket = bucket_of_row.get() + tasks[t].first_row;
      std::uint64_t row = 0;
      for_each_identity(runs, tasks[t], [&](const Identity& identity) {
        const std::size_t k = bucket[row];
        if (all || (k >= first && k < last)) visit(identity, tasks[t].first_row + row, next[k - first]++);
        ++row;
      });
    };

    const auto sorted = room_for<Identity>(start.back());
    const auto index = room_for<std::uint32_t>(start.back());
    for_each_item(tasks.size(), [&](std::size_t t) {
      for_each_place(t,
                     [&](const Identity& identity, std::uint64_t, std::uint64_t place) { sorted[place] = identity; });
    });
    std::vector<std::vector<CountedIdentity>> found(last - first);
    PerThread<BucketTable> tables;
    for_each_item(found.size(), [&](std::size_t k) {
      BucketTable& table = tables.local();
      table.start(start[k + 1] - start[k]);
      for (std::size_t t = 0; t < tasks.size(); ++t) {
        const std::uint64_t begin = start[k] + places[t][first + k], end = start[k] + places[t + 1][first + k];
        table.add({sorted.get() + begin, end - begin}, tasks[t].dataset, index.get() + begin);
      }
      found[k] = table.different();
    });
    std::vector<std::uint32_t> base;
    for (const auto& bucket : found) {
      base.push_back(static_cast<std::uint32_t>(different.size()));
      different.insert(different.end(), bucket.begin(), bucket.end());
    }
    for_each_item(tasks.size(), [&](std::size_t t) {
      const std::uint16_t* const bucket = bucket_of_row.get();
      for_each_place(t, [&](const Identity&, std::uint64_t row, std::uint64_t place) {
        of_row[row] = base[bucket[row] - first] + index[place];
      });
    });
    first = last;
  }
  return different;
}

std::vector<CountedIdentity> collapse_plain(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row) {
  std::vector<CountedIdentity> all;
  for (const IdentityRun& run : runs) {
    for (const Identity& identity : run.identities) all.push_back({identity, 1, 1U << run.dataset});
  }
  const auto less = [](const CountedIdentity& a, const CountedIdentity& b) { return a.identity < b.identity; };
  std::vector<CountedIdentity> different = all;
  std::sort(different.begin(), different.end(), less);
  std::size_t last = 0;
  for (std::size_t i = 1; i < different.size(); ++i) {
    if (different[i].identity == different[last].identity) {
      different[last].rows += different[i].rows;
      different[last].datasets |= different[i].datasets;
    } else {
      different[++last] = different[i];
    }
  }
  different.resize(different.empty() ? 0 : last + 1);
  for (std::size_t row = 0; row < all.size(); ++row) {
    const auto found = std::lower_bound(different.begin(), different.end(), all[row], less);
    of_row[row] = static_cast<std::uint32_t>(found - different.begin());
  }
  return different;
}

}  // namespace ligature
