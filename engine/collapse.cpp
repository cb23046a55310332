#include "engine/collapse.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <memory>
#include <vector>

#include "engine/cache_line.hpp"
#include "engine/error.hpp"
#include "engine/identity_buckets.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/release.hpp"

namespace ligature {

namespace {

using namespace collapse_detail;

// A bucket of so many rows (128 KiB), its table and its different identities lie in a core's second-level cache.
constexpr std::uint64_t kRowsPerBucket = 1U << 13;
constexpr unsigned kLeastBucketBits = 12;  // the order that finish() promises
constexpr unsigned kMostBucketBits = 14;   // more open buckets than this and their ends no longer lie in cache
constexpr std::uint64_t kRowsPerTask = std::uint64_t{1} << 18;
constexpr std::size_t kBucketsPerTask = 16;
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

// Neighbouring tasks of one dataset, whose rows in a bucket are added together.
struct Stretch {
  std::size_t first_task = 0, last_task = 0;
  std::uint32_t dataset = 0;
};

std::vector<Stretch> make_stretches(std::span<const Task> tasks) {
  std::vector<Stretch> stretches;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    if (stretches.empty() || stretches.back().dataset != tasks[t].dataset) {
      stretches.push_back({t, t, tasks[t].dataset});
    }
    stretches.back().last_task = t + 1;
  }
  return stretches;
}

// REQUIRES: not the first row.
bool repeats_row_before(const IdentityRun& run, std::size_t row) noexcept {
  const Identity &identity = run.identities[row], &before = run.identities[row - 1];
  return ((identity.first ^ before.first) | (identity.second ^ before.second)) == 0 &&
         (run.providers.empty() || run.providers[row] == run.providers[row - 1]);
}

// Whether it is worth it to look for repeats: an extract is in the order of its patients or it is not.
bool seems_to_repeat(const IdentityRun& run) noexcept {
  constexpr std::size_t kRowsToJudgeBy = 256;
  for (std::size_t row = 1; row < std::min(run.identities.size(), kRowsToJudgeBy); ++row) {
    if (repeats_row_before(run, row)) return true;
  }
  return false;
}

// The bucket of an identity with this linkage key.  buckets: a power of two.
std::uint16_t bucket_of(std::uint64_t key, std::size_t buckets) noexcept {
  return static_cast<std::uint16_t>(key >> (64 - std::countr_zero(buckets)));
}

// Until they are resolved, rows have their bucket in the leading bits of their entry, and their place in it below.
unsigned place_bits_of(std::size_t buckets) noexcept {
  return static_cast<unsigned>(32 - std::countr_zero(buckets));
}

// One batch on its way through the buckets, in the order of its functions.
class Batch {
 public:
  Batch(std::span<const IdentityRun> runs, std::size_t rows, std::vector<Bucket>& buckets)
      : runs_(runs),
        tasks_(make_tasks(runs)),
        buckets_(buckets),
        repeated_(static_cast<std::uint16_t>(buckets.size())),
        bucket_of_row_(rows),
        places_(tasks_.size() + 1, std::vector<std::uint32_t>(buckets.size() + 1, 0)),
        start_(buckets.size() + 1, 0) {}

  void find_buckets() {
    const std::size_t buckets = buckets_.size();
    for_each_item(tasks_.size(), [&](std::size_t t) {
      std::uint16_t* bucket = bucket_of_row_.data() + tasks_[t].first_row;
      std::uint32_t* const counts = places_[t + 1].data();
      std::array<std::uint64_t, kKeysAtOnce> keys;
      for (std::size_t r = tasks_[t].first_run; r < tasks_[t].last_run; ++r) {
        const IdentityRun& run = runs_[r];
        const bool may_repeat = seems_to_repeat(run);
        std::uint64_t repeats = kMostRepeats;  // of the last row that was none itself
        for (std::size_t begin = 0; begin < run.identities.size(); begin += kKeysAtOnce) {
          const auto some = run.identities.subspan(begin, std::min(run.identities.size() - begin, kKeysAtOnce));
          linkage_keys(some, std::span(keys).first(some.size()));
          for (std::size_t i = 0; i < some.size(); ++i) bucket[i] = bucket_of(keys[i], buckets);
          for (std::size_t i = 0; may_repeat && i < some.size(); ++i) {
            repeats = repeats < kMostRepeats && repeats_row_before(run, begin + i) ? repeats + 1 : 0;
            if (repeats != 0) bucket[i] = repeated_;
          }
          for (std::size_t i = 0; i < some.size(); ++i) ++counts[bucket[i]];
          bucket += some.size();
        }
      }
    });
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      for (std::size_t k = 0; k < buckets_.size(); ++k) places_[t + 1][k] += places_[t][k];
    }
    for (std::size_t k = 0; k < buckets_.size(); ++k) start_[k + 1] = start_[k] + places_.back()[k];
  }

  void deal_rows() {
    dealt_.resize(bucket_of_row_.size());
    for_each_item(tasks_.size(), [&](std::size_t t) { has_repeats(t) ? deal_task<true>(t) : deal_task<false>(t); });
  }

  void add_rows(IdentityPool& pool) {
    const std::vector<Stretch> stretches = make_stretches(tasks_);
    place_.resize(bucket_of_row_.size());
    PerThread<BucketTable> tables;
    for_blocks(buckets_.size(), kBucketsPerTask, [&](std::size_t first_bucket, std::size_t last_bucket) {
      BucketTable& table = tables.local();
      for (std::size_t k = first_bucket; k < last_bucket; ++k) {
        if (start_[k] == start_[k + 1]) continue;
        table.start(buckets_[k], start_[k + 1] - start_[k]);
        for (const Stretch& stretch : stretches) {
          const std::uint64_t begin = start_[k] + places_[stretch.first_task][k];
          const std::uint64_t end = start_[k] + places_[stretch.last_task][k];
          table.add({dealt_.data() + begin, end - begin}, stretch.dataset, place_.data() + begin, pool);
        }
      }
    });
  }

  // Each row's bucket and place: the same partition, read in the order in which it was written.
  void lead_back(std::span<std::uint32_t> of_row) {
    for_each_item(tasks_.size(), [&](std::size_t t) {
      has_repeats(t) ? lead_task_back<true>(t, of_row) : lead_task_back<false>(t, of_row);
    });
  }

 private:
  [[nodiscard]] bool has_repeats(std::size_t t) const { return places_[t + 1][repeated_] != 0; }
  // Where in their buckets' order the rows of a task go, as they come.
  [[nodiscard]] std::vector<std::uint32_t> cursors_of(std::size_t t) const {
    std::vector<std::uint32_t> next(buckets_.size());
    for (std::size_t k = 0; k < next.size(); ++k) next[k] = static_cast<std::uint32_t>(start_[k] + places_[t][k]);
    return next;
  }

  template <bool kMayRepeat>
  void deal_task(std::size_t t) {
    std::vector<std::uint32_t> next = cursors_of(t);
    const std::uint16_t* bucket = bucket_of_row_.data() + tasks_[t].first_row;
    for (std::size_t r = tasks_[t].first_run; r < tasks_[t].last_run; ++r) {
      const IdentityRun& run = runs_[r];
      for (std::size_t i = 0; i < run.identities.size(); ++i) {
        Identity& place = dealt_[next[*bucket++]++];
        fetch_line_after(&place);
        place = run.identities[i];
        if (!run.providers.empty()) place.second |= run.providers[i];
        if constexpr (kMayRepeat) {
          for (; i + 1 < run.identities.size() && *bucket == repeated_; ++i, ++bucket) {
            place.second += std::uint64_t{1} << kRepeatShift;
          }
        }
      }
    }
  }

  template <bool kMayRepeat>
  void lead_task_back(std::size_t t, std::span<std::uint32_t> of_row) const {
    const unsigned place_bits = place_bits_of(buckets_.size());
    std::vector<std::uint32_t> next = cursors_of(t);
    const std::uint64_t last_row = t + 1 < tasks_.size() ? tasks_[t + 1].first_row : of_row.size();
    for (std::uint64_t row = tasks_[t].first_row; row < last_row; ++row) {
      const std::uint32_t k = bucket_of_row_[row];
      if constexpr (kMayRepeat) {
        if (k == repeated_) {
          of_row[row] = of_row[row - 1];
          continue;
        }
      }
      const std::uint32_t* const place = place_.data() + next[k]++;
      fetch_line_after(place);
      of_row[row] = k << place_bits | *place;
    }
  }

  std::span<const IdentityRun> runs_;
  std::vector<Task> tasks_;
  std::vector<Bucket>& buckets_;
  std::uint16_t repeated_;  // the bucket, beyond all others, of rows that repeat the one before, counted task by task
  RawVector<std::uint16_t> bucket_of_row_;
  std::vector<std::vector<std::uint32_t>> places_;  // [t][k]: rows of bucket k that come before task t
  std::vector<std::uint64_t> start_;                // by bucket: of its rows, among those that are dealt
  RawVector<Identity> dealt_;                       // rows, with the places of their providers and their repeats
  RawVector<std::uint32_t> place_;                  // of dealt rows: that of their identity in its bucket
};

}  // namespace

struct Collapser::State {
  std::vector<Bucket> buckets;
  IdentityPool pool;
  std::vector<std::uint32_t> first;  // by bucket, once finished: index of its first identity
};

Collapser::Collapser(std::uint64_t expected_rows) : state_(std::make_unique<State>()) {
  const auto wanted = static_cast<unsigned>(std::bit_width(expected_rows / kRowsPerBucket));
  state_->buckets.resize(std::size_t{1} << std::clamp(wanted, kLeastBucketBits, kMostBucketBits));
}

Collapser::~Collapser() = default;

void Collapser::add(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row) {
  Batch batch(runs, of_row.size(), state_->buckets);
  batch.find_buckets();
  batch.deal_rows();
  batch.add_rows(state_->pool);
  const std::uint64_t most = std::uint64_t{1} << place_bits_of(state_->buckets.size());
  const auto is_full = [most](const Bucket& bucket) { return bucket.size() > most; };
  if (std::any_of(state_->buckets.begin(), state_->buckets.end(), is_full)) {
    throw Error("one rank has read about 2^32 different identities: run the job on more ranks");
  }
  batch.lead_back(of_row);
}

RawVector<CountedIdentity> Collapser::finish(std::span<const CountedIdentity> others,
                                             std::span<std::uint32_t> of_other) {
  State& state = *state_;
  const std::size_t buckets = state.buckets.size();
  std::vector<std::uint64_t> start(buckets + 1, 0);
  const auto bucket_of_other = [&](std::size_t i) { return bucket_of(linkage_key(others[i].identity), buckets); };
  for (std::size_t i = 0; i < others.size(); ++i) ++start[bucket_of_other(i) + 1];
  for (std::size_t k = 0; k < buckets; ++k) start[k + 1] += start[k] + state.buckets[k].size();
  if (start.back() > std::numeric_limits<std::uint32_t>::max()) {
    throw Error("one rank has read about 2^32 different identities: run the job on more ranks");
  }
  RawVector<CountedIdentity> different(start.back());
  state.first.assign(start.begin(), start.end() - 1);
  for_blocks(buckets, 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t k = begin; k < end; ++k) {
      auto to = different.begin() + state.first[k];
      state.buckets[k].for_each_piece(
          [&](std::span<const CountedIdentity> entries) { to = std::copy(entries.begin(), entries.end(), to); });
    }
  });
  std::vector<std::uint32_t> next(buckets);
  for (std::size_t k = 0; k < next.size(); ++k) next[k] = state.first[k] + state.buckets[k].size();
  for (std::size_t i = 0; i < others.size(); ++i) {
    of_other[i] = next[bucket_of_other(i)]++;
    different[of_other[i]] = others[i];
  }
  release(state.buckets);
  state.pool.clear();
  return different;
}

void Collapser::resolve(std::span<std::uint32_t> of_row) const {
  const unsigned place_bits = place_bits_of(state_->first.size());
  const std::uint32_t place_mask = (std::uint32_t{1} << place_bits) - 1;
  for_blocks(of_row.size(), kRowsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      of_row[row] = state_->first[of_row[row] >> place_bits] + (of_row[row] & place_mask);
    }
  });
}

RawVector<CountedIdentity> collapse(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row) {
  Collapser collapser(of_row.size());
  collapser.add(runs, of_row);
  RawVector<CountedIdentity> different = collapser.finish();
  collapser.resolve(of_row);
  return different;
}

std::vector<CountedIdentity> collapse_plain(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row) {
  std::vector<CountedIdentity> all;
  for (const IdentityRun& run : runs) {
    for (std::size_t i = 0; i < run.identities.size(); ++i) {
      const ProviderSet providers = run.providers.empty() ? 0 : provider_set(run.providers[i]);
      all.push_back({run.identities[i], 1, 1U << run.dataset, providers});
    }
  }
  const auto less = [](const CountedIdentity& a, const CountedIdentity& b) { return a.identity < b.identity; };
  std::vector<CountedIdentity> different = all;
  std::sort(different.begin(), different.end(), less);
  std::size_t last = 0;
  for (std::size_t i = 1; i < different.size(); ++i) {
    if (different[i].identity == different[last].identity) {
      different[last].rows += different[i].rows;
      different[last].datasets |= different[i].datasets;
      different[last].providers |= different[i].providers;
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
