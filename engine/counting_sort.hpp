// The plan of a stable counting sort by destination, made in parallel: where each block of items writes.
//
// Blocks depend on the number of items and destinations alone, so the plan, and what is sorted by it, are the same on
// any number of threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/error.hpp"
#include "engine/parallel.hpp"

namespace ligature {

struct SortPlan {
  std::size_t grain = 1;               // items a block
  std::vector<std::uint64_t> cursors;  // blocks x destinations: place of the block's next item for that destination
  std::vector<std::uint64_t> first;    // destinations + 1: place of the first item for each
  std::uint64_t* cursors_of(std::size_t begin) noexcept { return cursors.data() + begin / grain * (first.size() - 1); }
};

// destination(i): where item i of [0, count) goes, below destinations; called from several threads.
template <typename DestinationOf>
SortPlan plan_sort(std::size_t count, std::size_t destinations, const DestinationOf& destination) {
  SortPlan plan;
  // At least 16 items for each cursor: the cursors take at most half a byte an item.
  plan.grain = std::max(std::size_t{1} << 14, 16 * destinations);
  plan.first.assign(destinations + 1, 0);
  const std::size_t blocks = count == 0 ? 0 : (count - 1) / plan.grain + 1;
  plan.cursors.assign(blocks * destinations, 0);
  for_blocks(count, plan.grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* counts = plan.cursors_of(begin);
    for (std::size_t i = begin; i < end; ++i) {
      const auto to = static_cast<std::size_t>(destination(i));  // a negative one becomes a huge one
      if (to >= destinations) throw Error("counting sort: the destination of an item does not exist");
      ++counts[to];
    }
  });
  std::uint64_t place = 0;
  for (std::size_t to = 0; to < destinations; ++to) {
    plan.first[to] = place;
    for (std::size_t block = 0; block < blocks; ++block) {
      place += std::exchange(plan.cursors[block * destinations + to], place);
    }
  }
  plan.first[destinations] = place;
  return plan;
}

}  // namespace ligature
