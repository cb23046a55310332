// A stable sort of many items by a 64-bit key: parallel, linear, every item moved twice.
//
// Items are dealt to buckets that fit in a core's second-level cache, by the leading bits of their keys; in a bucket
// only 8 bytes an item are sorted (32 bits of the key, then the place), and the items are put in that order as they are
// moved back.  Even keys, such as linkage keys or dense numbers, take two steps of eight bits; any others are sorted
// right, though not as fast.  Sources: least significant digit first: Knuth, volume 3, section 5.2.5; most significant
// first down to the cache, and moving records instead of sorting indexes of all: Polychroniou and Ross, SIGMOD 2014.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/cache_line.hpp"
#include "engine/counting_sort.hpp"
#include "engine/parallel.hpp"
#include "engine/raw_vector.hpp"

namespace ligature {

namespace radix_sort_detail {

inline constexpr std::size_t kItemsPerBucket = 1U << 12;
inline constexpr unsigned kMostBucketBits = 12;  // more open buckets than this and their ends no longer lie in cache
inline constexpr std::size_t kFewItems = 64;     // sorted by comparing

// Keys of [smallest, largest], stretched so that the largest has its top bit set: their order is the same.
struct Stretch {
  std::uint64_t smallest = 0;
  unsigned shift = 0;
  [[nodiscard]] std::uint64_t operator()(std::uint64_t key) const noexcept { return (key - smallest) << shift; }
};

// Sorts different numbers whose top 16 bits tell most of them apart.
void sort_places(std::vector<std::uint64_t>& places, std::vector<std::uint64_t>& other);

// The runs of equal keys in sorted items: calls visit(first, last).
template <typename T, typename KeyOf, typename Visit>
void for_each_run(std::span<T> items, const KeyOf& key_of, const Visit& visit) {
  for (std::size_t begin = 0, end = 0; begin < items.size(); begin = end) {
    const std::uint64_t key = key_of(std::as_const(items[begin]));
    for (end = begin + 1; end < items.size() && key_of(std::as_const(items[end])) == key; ++end) {
    }
    visit(items.data() + begin, items.data() + end);
  }
}

// Where items of one bucket lie one after the other.
struct Run {
  std::uint64_t begin = 0, end = 0;
};

// One bucket: what lies in the runs of from, ascending, moves to sorted.
template <typename T, typename KeyOf>
void sort_bucket(const T* from, std::span<const Run> runs, std::span<T> sorted, const KeyOf& key_of,
                 const Stretch& stretch, unsigned bucket_bits, std::vector<std::uint64_t>& places,
                 std::vector<std::uint64_t>& other) {
  const auto by_key = [&](const T& a, const T& b) { return key_of(a) < key_of(b); };
  if (sorted.empty()) return;
  places.resize(sorted.size());
  std::uint64_t before = 0;
  std::size_t count = 0;
  bool is_sorted = true;
  for (const Run& run : runs) {
    for (std::uint64_t i = run.begin; i < run.end; ++i) {
      const std::uint64_t here = key_of(from[i]);
      is_sorted = is_sorted && before <= here;
      before = here;
      places[count++] = stretch(here) << bucket_bits >> 32 << 32 | static_cast<std::uint32_t>(i);
    }
  }
  if (is_sorted || runs.back().end > std::numeric_limits<std::uint32_t>::max()) {
    auto to = sorted.begin();
    for (const Run& run : runs) to = std::copy(from + run.begin, from + run.end, to);
    if (!is_sorted) std::stable_sort(sorted.begin(), sorted.end(), by_key);
    return;
  }
  sort_places(places, other);
  bool is_told_apart = true;  // by the bits that were sorted
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    sorted[i] = from[static_cast<std::uint32_t>(places[i])];
    is_told_apart = is_told_apart && (i == 0 || !by_key(sorted[i], sorted[i - 1]));
  }
  if (!is_told_apart) std::stable_sort(sorted.begin(), sorted.end(), by_key);
}

// A bucket that lies in one piece.
template <typename T, typename KeyOf>
void sort_bucket(std::span<const T> from, std::span<T> sorted, const KeyOf& key_of, const Stretch& stretch,
                 unsigned bucket_bits, std::vector<std::uint64_t>& places, std::vector<std::uint64_t>& other) {
  const Run run{0, from.size()};
  sort_bucket(from.data(), std::span(&run, 1), sorted, key_of, stretch, bucket_bits, places, other);
}

// Sorts dealt items, bucket by bucket: a bucket is so many runs of from, ascending.
template <typename T, typename KeyOf, typename Less>
void sort_dealt(const T* from, std::span<const Run> runs, std::size_t runs_a_bucket, std::span<T> sorted,
                const KeyOf& key_of, const Stretch& stretch, unsigned bucket_bits, const Less& less) {
  constexpr bool has_less = !std::is_same_v<Less, std::nullptr_t>;
  const std::size_t buckets = runs.size() / runs_a_bucket;
  std::vector<std::uint64_t> first(buckets + 1, 0);
  for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
    first[bucket + 1] = first[bucket];
    for (const Run& run : runs.subspan(bucket * runs_a_bucket, runs_a_bucket)) first[bucket + 1] += run.end - run.begin;
  }
  struct Scratch {
    std::vector<std::uint64_t> places, other;
  };
  PerThread<Scratch> scratch;
  for_blocks(buckets, 8, [&](std::size_t begin, std::size_t end) {
    Scratch& mine = scratch.local();
    for (std::size_t bucket = begin; bucket < end; ++bucket) {
      const std::span<T> here = sorted.subspan(first[bucket], first[bucket + 1] - first[bucket]);
      sort_bucket(from, runs.subspan(bucket * runs_a_bucket, runs_a_bucket), here, key_of, stretch, bucket_bits,
                  mine.places, mine.other);
      if constexpr (has_less) {
        for_each_run(here, key_of, [&](T* run, T* run_end) {
          if (run_end - run > 1) std::sort(run, run_end, less);
        });
      }
    }
  });
}

}  // namespace radix_sort_detail

// Sorts items by key_of(item), a std::uint64_t; those of equal keys by less, or without one keep their order.
// key_of: a pure function, called from several threads.  Memory: a second copy of the items while it runs.
template <typename T, typename Allocator, typename KeyOf, typename Less>
void sort_by_key(std::vector<T, Allocator>& items, const KeyOf& key_of, const Less& less) {
  using namespace radix_sort_detail;
  static_assert(std::is_trivially_copyable_v<T>);
  const std::size_t count = items.size();
  if (count < 2) return;

  struct KeyRange {
    std::uint64_t smallest = std::numeric_limits<std::uint64_t>::max(), largest = 0;
  };
  PerThread<KeyRange> bounds;
  for_blocks(count, std::size_t{1} << 16, [&](std::size_t begin, std::size_t end) {
    KeyRange here;
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t key = key_of(std::as_const(items[i]));
      here = {std::min(here.smallest, key), std::max(here.largest, key)};
    }
    KeyRange& mine = bounds.local();
    mine = {std::min(mine.smallest, here.smallest), std::max(mine.largest, here.largest)};
  });
  KeyRange all;
  bounds.for_each([&](const KeyRange& mine) {
    all = {std::min(all.smallest, mine.smallest), std::max(all.largest, mine.largest)};
  });
  const std::uint64_t range = all.largest - all.smallest;
  const Stretch stretch{all.smallest, range == 0 ? 0U : static_cast<unsigned>(std::countl_zero(range))};
  const unsigned bits = std::min(kMostBucketBits, static_cast<unsigned>(std::bit_width(count / kItemsPerBucket)));
  const auto bucket_of = [&](std::size_t i) {
    return static_cast<std::size_t>(stretch(key_of(std::as_const(items[i]))) >> 32 >> (32 - bits));
  };

  SortPlan plan = plan_sort(count, std::size_t{1} << bits, bucket_of);
  RawVector<T> dealt(count);
  for_blocks(count, plan.grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* const cursors = plan.cursors_of(begin);
    for (std::size_t i = begin; i < end; ++i) {
      T& place = dealt[cursors[bucket_of(i)]++];
      fetch_line_after(&place);
      place = items[i];
    }
  });

  std::vector<Run> runs(std::size_t{1} << bits);
  for (std::size_t bucket = 0; bucket < runs.size(); ++bucket) {
    runs[bucket] = {plan.first[bucket], plan.first[bucket + 1]};
  }
  sort_dealt(std::as_const(dealt).data(), std::span<const Run>(runs), 1, std::span(items), key_of, stretch, bits, less);
}

template <typename T, typename Allocator, typename KeyOf>
void sort_by_key(std::vector<T, Allocator>& items, const KeyOf& key_of) {
  sort_by_key(items, key_of, nullptr);
}

// Sorts items that lie in buckets by the top bits of their keys already, each bucket in so many runs of dealt; those of
// equal keys by less, or without one in the order of the runs.  Takes dealt, and frees it.
template <typename T, typename KeyOf, typename Less>
RawVector<T> sort_buckets(RawVector<T>&& dealt, std::span<const radix_sort_detail::Run> runs, std::size_t runs_a_bucket,
                          unsigned bucket_bits, const KeyOf& key_of, const Less& less) {
  const RawVector<T> from = std::move(dealt);
  RawVector<T> sorted(from.size());
  radix_sort_detail::sort_dealt(from.data(), runs, runs_a_bucket, std::span(sorted), key_of, {}, bucket_bits, less);
  return sorted;
}

// The plain reference.
template <typename T, typename KeyOf>
void sort_by_key_plain(std::vector<T>& items, const KeyOf& key_of) {
  std::stable_sort(items.begin(), items.end(), [&](const T& a, const T& b) { return key_of(a) < key_of(b); });
}

}  // namespace ligature
