#include "engine/collapse.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <limits>
#include <memory>
#include <mutex>

#include "engine/cache_line.hpp"
#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/release.hpp"

namespace ligature {

namespace {

// A bucket of so many rows (128 KiB), its table and its different identities lie in a core's second-level cache.
constexpr std::uint64_t kRowsPerBucket = 1U << 13;
constexpr unsigned kLeastBucketBits = 12;  // the order that finish() promises
constexpr unsigned kMostBucketBits = 14;   // more open buckets than this and their ends no longer lie in cache
constexpr std::uint64_t kRowsPerTask = std::uint64_t{1} << 18;
constexpr std::size_t kBucketsPerTask = 16;
constexpr std::size_t kKeysAtOnce = 256;

// While rows are sorted, bits of an identity that are zero have the place of the row's provider and how many rows of
// the same identity and provider come right after it, as a practice's often do: they stay where they are.
constexpr std::uint64_t kPlaceBits = 0x7F;
constexpr unsigned kRepeatShift = 7;
constexpr std::uint64_t kMostRepeats = 0x7F;
constexpr std::uint64_t kBorrowedBits = kPlaceBits | kMostRepeats << kRepeatShift;

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

// Entries in pieces that never move and are given back all together.
class EntryPool {
 public:
  static constexpr std::size_t kPieceEntries = 64;

  // Thread-safe.
  CountedIdentity* take_piece() {
    const std::lock_guard lock(mutex_);
    if (taken_ == kSlabPieces) {
      slabs_.emplace_back(kSlabPieces * kPieceEntries);
      taken_ = 0;
    }
    return slabs_.back().data() + kPieceEntries * taken_++;
  }
  void clear() {
    release(slabs_);
    taken_ = kSlabPieces;
  }

 private:
  static constexpr std::size_t kSlabPieces = 512;
  std::mutex mutex_;
  std::vector<RawVector<CountedIdentity>> slabs_;
  std::size_t taken_ = kSlabPieces;  // of the last slab
};

// The different identities of one bucket, in order of first sight.
class Bucket {
 public:
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  // Copies them out.
  void take_out(CountedIdentity* to) const {
    for_each_piece(size_, [&](std::size_t piece, std::size_t count) { to = std::copy_n(pieces_[piece], count, to); });
  }
  // Copies them back, and those that came after them.
  void put_back(std::span<const CountedIdentity> entries, EntryPool& pool) {
    size_ = static_cast<std::uint32_t>(entries.size());
    const std::size_t pieces = (entries.size() + EntryPool::kPieceEntries - 1) / EntryPool::kPieceEntries;
    while (pieces_.size() < pieces) pieces_.push_back(pool.take_piece());
    const CountedIdentity* from = entries.data();
    for_each_piece(size_, [&](std::size_t piece, std::size_t count) {
      std::copy_n(from, count, pieces_[piece]);
      from += count;
    });
  }

 private:
  template <typename Visit>
  static void for_each_piece(std::size_t entries, const Visit& visit) {
    for (std::size_t piece = 0; entries != 0; ++piece) {
      const std::size_t count = std::min(entries, EntryPool::kPieceEntries);
      visit(piece, count);
      entries -= count;
    }
  }
  std::vector<CountedIdentity*> pieces_;
  std::uint32_t size_ = 0;
};

// Finds identities in a bucket, by open addressing.  While rows are added its entries lie in one piece, and what leads
// to them in registers.
class BucketTable {
 public:
  // rows: of those that will be added, at most.
  void start(const Bucket& bucket, std::size_t rows) {
    const std::size_t most = bucket.size() + rows, slots = std::bit_ceil(most + most / 4 + 1);  // one stays empty
    if (entries_.size() < most) entries_.resize(most);
    size_ = bucket.size();
    bucket.take_out(entries_.data());
    slots_.assign(slots, kEmpty);
    shift_ = 64 - static_cast<unsigned>(std::bit_width(slots - 1));
    for (std::uint32_t i = 0; i < size_; ++i) {
      std::size_t slot = slot_of(entries_[i].identity);
      while (slots_[slot] != kEmpty) slot = (slot + 1) & (slots - 1);
      slots_[slot] = i;
    }
  }

  // rows: with the places of their providers and their repeats.  index: of each row's identity among the bucket's.
  void add(std::span<const Identity> rows, std::uint32_t dataset, std::uint32_t* index) {
    const std::size_t mask = slots_.size() - 1;
    std::uint32_t* const slots = slots_.data();
    CountedIdentity* const entries = entries_.data();
    const std::uint32_t datasets = 1U << dataset;
    std::uint32_t size = size_;
    for (const Identity& with_place : rows) {
      const Identity row{with_place.first, with_place.second & ~kBorrowedBits};
      const ProviderSet providers = provider_set(with_place.second & kPlaceBits);
      const auto count = static_cast<std::uint32_t>(1 + (with_place.second >> kRepeatShift & kMostRepeats));
      for (std::size_t slot = slot_of(row);; slot = (slot + 1) & mask) {
        const std::uint32_t i = slots[slot];
        if (i == kEmpty) {
          entries[size] = {row, count, datasets, providers};
          *index++ = slots[slot] = size++;
          break;
        }
        CountedIdentity& entry = entries[i];
        if (((entry.identity.first ^ row.first) | (entry.identity.second ^ row.second)) == 0) {
          entry.rows += count;
          entry.datasets |= datasets;
          entry.providers |= providers;
          *index++ = i;
          break;
        }
      }
    }
    size_ = size;
  }

  [[nodiscard]] std::span<const CountedIdentity> entries() const noexcept { return {entries_.data(), size_}; }

 private:
  // Cheaper than the linkage key, whose top bits are the same in all of the bucket anyway (Fibonacci hashing; Knuth,
  // volume 3, section 6.4).
  [[nodiscard]] std::size_t slot_of(const Identity& identity) const noexcept {
    constexpr std::uint64_t kFirst = 0x9E3779B97F4A7C15ULL, kSecond = 0xC2B2AE3D27D4EB4FULL;
    return (identity.first * kFirst + std::rotl(identity.second, 32)) * kSecond >> shift_;
  }

  static constexpr std::uint32_t kEmpty = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> slots_;
  RawVector<CountedIdentity> entries_;  // may be longer than what is in use
  std::uint32_t size_ = 0;
  unsigned shift_ = 63;
};

}  // namespace

// Until they are resolved, rows have their bucket in the leading bits of their entry, and their place in it below.
struct Collapser::State {
  unsigned bits = kLeastBucketBits;
  std::vector<Bucket> buckets;
  EntryPool pool;
  std::vector<std::uint32_t> first;  // by bucket, once finished: index of its first identity

  [[nodiscard]] unsigned place_bits() const noexcept { return 32 - bits; }
  [[nodiscard]] std::size_t bucket_of(std::uint64_t key) const noexcept { return key >> (64 - bits); }
};

Collapser::Collapser(std::uint64_t expected_rows) : state_(std::make_unique<State>()) {
  const auto wanted = static_cast<unsigned>(std::bit_width(expected_rows / kRowsPerBucket));
  state_->bits = std::clamp(wanted, kLeastBucketBits, kMostBucketBits);
  state_->buckets.resize(std::size_t{1} << state_->bits);
}

Collapser::~Collapser() = default;

void Collapser::add(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row) {
  State& state = *state_;
  const std::size_t buckets = state.buckets.size();
  const std::vector<Task> tasks = make_tasks(runs);

  // Each row's bucket, and places[t][k]: how many rows of bucket k come before task t.
  RawVector<std::uint16_t> bucket_of_row(of_row.size());
  // Repeats have a bucket beyond all others, whose rows are counted task by task.
  std::vector<std::vector<std::uint32_t>> places(tasks.size() + 1, std::vector<std::uint32_t>(buckets + 1, 0));
  const auto repeated = static_cast<std::uint16_t>(buckets);
  const auto has_repeats = [&](std::size_t t) { return places[t + 1][repeated] != 0; };
  for_each_item(tasks.size(), [&](std::size_t t) {
    std::uint16_t* bucket = bucket_of_row.data() + tasks[t].first_row;
    std::uint32_t* const counts = places[t + 1].data();
    std::array<std::uint64_t, kKeysAtOnce> keys;
    for (std::size_t r = tasks[t].first_run; r < tasks[t].last_run; ++r) {
      const IdentityRun& run = runs[r];
      const bool may_repeat = seems_to_repeat(run);
      std::uint64_t repeats = kMostRepeats;  // of the last row that was none itself
      for (std::size_t begin = 0; begin < run.identities.size(); begin += kKeysAtOnce) {
        const auto some = run.identities.subspan(begin, std::min(run.identities.size() - begin, kKeysAtOnce));
        linkage_keys(some, std::span(keys).first(some.size()));
        for (std::size_t i = 0; i < some.size(); ++i) bucket[i] = static_cast<std::uint16_t>(state.bucket_of(keys[i]));
        for (std::size_t i = 0; may_repeat && i < some.size(); ++i) {
          repeats = repeats < kMostRepeats && repeats_row_before(run, begin + i) ? repeats + 1 : 0;
          if (repeats != 0) bucket[i] = repeated;
        }
        for (std::size_t i = 0; i < some.size(); ++i) ++counts[bucket[i]];
        bucket += some.size();
      }
    }
  });
  std::vector<std::uint64_t> start(buckets + 1, 0);
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    for (std::size_t k = 0; k < buckets; ++k) places[t + 1][k] += places[t][k];
  }
  for (std::size_t k = 0; k < buckets; ++k) start[k + 1] = start[k] + places.back()[k];

  // Where in their buckets' order the rows of a task go, as they come.
  const auto cursors_of = [&](std::size_t t) {
    std::vector<std::uint32_t> next(buckets);
    for (std::size_t k = 0; k < buckets; ++k) next[k] = static_cast<std::uint32_t>(start[k] + places[t][k]);
    return next;
  };
  RawVector<Identity> sorted(of_row.size());
  RawVector<std::uint32_t> index(of_row.size());
  const auto scatter = [&]<bool kMayRepeat>(std::size_t t) {
    std::vector<std::uint32_t> next = cursors_of(t);
    const std::uint16_t* bucket = bucket_of_row.data() + tasks[t].first_row;
    for (std::size_t r = tasks[t].first_run; r < tasks[t].last_run; ++r) {
      const IdentityRun& run = runs[r];
      for (std::size_t i = 0; i < run.identities.size(); ++i) {
        Identity& place = sorted[next[*bucket++]++];
        fetch_line_after(&place);
        place = run.identities[i];
        if (!run.providers.empty()) place.second |= run.providers[i];
        if constexpr (kMayRepeat) {
          for (; i + 1 < run.identities.size() && *bucket == repeated; ++i, ++bucket) {
            place.second += std::uint64_t{1} << kRepeatShift;
          }
        }
      }
    }
  };
  for_each_item(tasks.size(), [&](std::size_t t) {
    has_repeats(t) ? scatter.template operator()<true>(t) : scatter.template operator()<false>(t);
  });
  const std::vector<Stretch> stretches = make_stretches(tasks);
  PerThread<BucketTable> tables;
  std::atomic<bool> full{false};
  for_blocks(buckets, kBucketsPerTask, [&](std::size_t first_bucket, std::size_t last_bucket) {
    BucketTable& table = tables.local();
    for (std::size_t k = first_bucket; k < last_bucket; ++k) {
      if (start[k] == start[k + 1]) continue;
      Bucket& bucket = state.buckets[k];
      table.start(bucket, start[k + 1] - start[k]);
      for (const Stretch& stretch : stretches) {
        const std::uint64_t begin = start[k] + places[stretch.first_task][k];
        const std::uint64_t end = start[k] + places[stretch.last_task][k];
        table.add({sorted.data() + begin, end - begin}, stretch.dataset, index.data() + begin);
      }
      bucket.put_back(table.entries(), state.pool);
      if (bucket.size() > std::uint32_t{1} << state.place_bits()) full = true;
    }
  });
  if (full) throw Error("one rank has read about 2^32 different identities: run the job on more ranks");
  const auto lead_back = [&]<bool kMayRepeat>(std::size_t t) {
    std::vector<std::uint32_t> next = cursors_of(t);
    const std::uint64_t last_row = t + 1 < tasks.size() ? tasks[t + 1].first_row : of_row.size();
    for (std::uint64_t row = tasks[t].first_row; row < last_row; ++row) {
      const std::uint32_t k = bucket_of_row[row];
      if constexpr (kMayRepeat) {
        if (k == repeated) {
          of_row[row] = of_row[row - 1];
          continue;
        }
      }
      const std::uint32_t* const place = index.data() + next[k]++;
      fetch_line_after(place);
      of_row[row] = k << state.place_bits() | *place;
    }
  };
  for_each_item(tasks.size(), [&](std::size_t t) {
    has_repeats(t) ? lead_back.template operator()<true>(t) : lead_back.template operator()<false>(t);
  });
}

RawVector<CountedIdentity> Collapser::finish(std::span<const CountedIdentity> others,
                                             std::span<std::uint32_t> of_other) {
  State& state = *state_;
  std::vector<std::uint64_t> start(state.buckets.size() + 1, 0);
  const auto bucket_of = [&](std::size_t other) { return state.bucket_of(linkage_key(others[other].identity)); };
  for (std::size_t i = 0; i < others.size(); ++i) ++start[bucket_of(i) + 1];
  for (std::size_t k = 0; k < state.buckets.size(); ++k) start[k + 1] += start[k] + state.buckets[k].size();
  if (start.back() > std::numeric_limits<std::uint32_t>::max()) {
    throw Error("one rank has read about 2^32 different identities: run the job on more ranks");
  }
  RawVector<CountedIdentity> different(start.back());
  state.first.assign(start.begin(), start.end() - 1);
  for_blocks(state.buckets.size(), 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t k = begin; k < end; ++k) {
      state.buckets[k].take_out(different.data() + start[k]);
    }
  });
  std::vector<std::uint32_t> next(state.buckets.size());
  for (std::size_t k = 0; k < next.size(); ++k) next[k] = state.first[k] + state.buckets[k].size();
  for (std::size_t i = 0; i < others.size(); ++i) {
    of_other[i] = next[bucket_of(i)]++;
    different[of_other[i]] = others[i];
  }
  release(state.buckets);
  state.pool.clear();
  return different;
}

void Collapser::resolve(std::span<std::uint32_t> of_row) const {
  const unsigned place_bits = state_->place_bits();
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
