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
// block's own and empty.  Returns what all have found, block after block.  Memory: twice that while it is put together:
// for what is much less than it is found among, else gather_wanted.
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

// make(i) of each i of [0, count) with is_wanted(i), in order: both pure functions, called from several threads, the
// first twice.
template <typename T, typename IsWanted, typename Make>
RawVector<T> gather_wanted(std::size_t count, std::size_t grain, const IsWanted& is_wanted, const Make& make) {
  std::vector<std::size_t> first((count + grain - 1) / grain + 1, 0);  // by block
  for_blocks(count, grain, [&](std::size_t begin, std::size_t end) {
    std::size_t wanted = 0;
    for (std::size_t i = begin; i < end; ++i) wanted += is_wanted(i) ? std::size_t{1} : 0;
    first[begin / grain + 1] = wanted;
  });
  for (std::size_t block = 1; block < first.size(); ++block) first[block] += first[block - 1];
  RawVector<T> all(first.back());
  for_blocks(count, grain, [&](std::size_t begin, std::size_t end) {
    T* next = all.data() + first[begin / grain];
    for (std::size_t i = begin; i < end; ++i) {
      if (is_wanted(i)) *next++ = make(i);
    }
  });
  return all;
}

}  // namespace ligature
