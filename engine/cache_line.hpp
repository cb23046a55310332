// Dealing items to many open places: the line of memory that a place reaches next is fetched while others are written.
//
// Some thousand places that each advance by less than a line are too many streams for a processor to foresee, so every
// line would be waited for when its turn comes (bench/README.md, "What shares a key").
#pragma once

#include <cstddef>

namespace ligature {

inline constexpr std::size_t kLineBytes = 64;

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
