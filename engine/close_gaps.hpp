// Takes rows out of columns where few of many go: all that stands between two of them moves together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ligature {

// Moves what stays to the front, in its order; returns how many items that is.
// gone: places of rows, ascending, each once.  width: items a row.
template <typename T>
std::size_t close_gaps(std::span<T> items, std::span<const std::uint32_t> gone, std::size_t width = 1) {
  for (std::size_t g = 0; g < gone.size(); ++g) {
    const std::size_t from = (gone[g] + std::size_t{1}) * width;
    const std::size_t to = g + 1 < gone.size() ? gone[g + 1] * width : items.size();
    std::copy(items.data() + from, items.data() + to, items.data() + (gone[g] - g) * width);
  }
  return items.size() - gone.size() * width;
}

template <typename T>
void close_gaps(std::vector<T>& column, std::span<const std::uint32_t> gone) {
  column.resize(close_gaps(std::span(column), gone));
}

}  // namespace ligature
