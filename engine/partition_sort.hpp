// Sorting many items that an integer orders first: cut into runs that lie in cache, then each run by itself.
//
// One pass finds the range of the keys, a parallel counting sort on the keys' leading bits moves every item once, and a
// run of a few hundred is sorted where it lies.  A comparison sort of the whole moves it some twenty times.  Keys need
// not be spread evenly; a run is as long as they make it.  The method: LaMarca and Ladner, The Influence of Caches on
// the Performance of Sorting, SODA 1997 (distribution into cache-sized pieces, then a sort in cache).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "engine/counting_sort.hpp"
#include "engine/parallel.hpp"

namespace ligature {

// Sorts items by less, a strict total order (no two items equal under it unless identical) under which no item comes
// before one with a smaller key(item), an unsigned integer of up to 64 bits.  The result is that of std::sort.
// Memory: a second copy of the items while it runs.
template <typename Item, typename KeyOf, typename Less>
void partition_sort(std::vector<Item>& items, const KeyOf& key, const Less& less) {
  constexpr std::size_t kItemsPerRun = 256, kMostRuns = std::size_t{1} << 14, kRunsPerTask = 64;
  constexpr std::size_t kGrain = std::size_t{1} << 16;
  if (items.size() < 2 * kItemsPerRun) {
    std::sort(items.begin(), items.end(), less);
    return;
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges((items.size() - 1) / kGrain + 1);
  for_blocks(items.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max(), most = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t k = key(items[i]);
      least = std::min(least, k);
      most = std::max(most, k);
    }
    ranges[begin / kGrain] = {least, most};
  });
  auto [least, most] = ranges.front();
  for (const auto& range : ranges) {
    least = std::min(least, range.first);
    most = std::max(most, range.second);
  }
  const std::size_t wanted = std::min(kMostRuns, std::bit_floor(items.size() / kItemsPerRun));
  const auto width = [](std::uint64_t value) { return static_cast<int>(std::bit_width(value)); };
  const int shift = std::max(0, width(most - least) - (width(wanted) - 1));
  const auto run_of = [&](std::size_t i) { return static_cast<std::size_t>((key(items[i]) - least) >> shift); };
  SortPlan plan = plan_sort(items.size(), static_cast<std::size_t>((most - least) >> shift) + 1, run_of);
  std::vector<Item> sorted(items.size());
  for_blocks(items.size(), plan.grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* const cursors = plan.cursors_of(begin);
    for (std::size_t i = begin; i < end; ++i) sorted[cursors[run_of(i)]++] = items[i];
  });
  items.swap(sorted);
  std::vector<Item>().swap(sorted);
  for_blocks(plan.first.size() - 1, kRunsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t run = begin; run < end; ++run) {
      std::sort(items.begin() + static_cast<std::ptrdiff_t>(plan.first[run]),
                items.begin() + static_cast<std::ptrdiff_t>(plan.first[run + 1]), less);
    }
  });
}

}  // namespace ligature
