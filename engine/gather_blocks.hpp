// What many threads find, in the order of where they found it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "engine/parallel.hpp"
#include "engine/raw_vector.hpp"
#include "engine/release.hpp"

namespace ligature {

// Runs body(begin, end, found) for every block of at most grain items of [0, count), as for_blocks does; found is the
// block's own and empty.  Returns what all have found, block after block.  Memory: twice that while it is put together.
template <typename T, typename Body>
RawVector<T> gather_blocks(std::size_t count, std::size_t grain, const Body& body) {
  std::vector<RawVector<T>> found((count + grain - 1) / grain);
  for_blocks(count, grain, [&](std::size_t begin, std::size_t end) { body(begin, end, found[begin / grain]); });
  std::vector<std::size_t> first(1, 0);
  for (const RawVector<T>& some : found) first.push_back(first.back() + some.size());
  RawVector<T> all(first.back());
  for_each_item(found.size(), [&](std::size_t block) {
    std::copy(found[block].begin(), found[block].end(), all.begin() + static_cast<std::ptrdiff_t>(first[block]));
    release(found[block]);
  });
  return all;
}

}  // namespace ligature
