// Dealing items to many open places: the line of memory that a place reaches next is fetched while others are written.
//
// A thousand places that each advance by less than a line are too many streams for a processor to foresee, so a line
// may be waited for when its turn comes.  How much that saves depends on how many places there are (deal_records in
// bench/grouping_bench.cpp; bench/README.md, "What shares a key").
#pragma once

#include <cstddef>

namespace ligature {

inline constexpr std::size_t kLineBytes =
    64;  // of the cache; elsewhere than x86-64 and most ARM only slower, not wrong

// place: where the next item is written, or read; the line need not be there.
template <typename T>
void fetch_line_after(const T* place) noexcept {
  __builtin_prefetch(reinterpret_cast<const std::byte*>(place) + kLineBytes);
}
template <typename T>
void fetch_line_after(T* place) noexcept {
  __builtin_prefetch(reinterpret_cast<std::byte*>(place) + kLineBytes, 1);
}

}  // namespace ligature
