// The cells of a cube that occur, and what each counts, while every person or event is counted into one of them: a hash
// table with open addressing (Knuth, The Art of Computer Programming 3, 6.4, algorithm L), since a table of nodes
// spent more time on them than on reading.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/disclosure.hpp"

namespace ligature {

using CellKey = std::array<std::uint32_t, kMostDimensions>;

class Cells {
 public:
  struct Cell {
    CellKey key{};
    std::uint64_t count = 0;  // 0: there is none here
  };

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  void add(const CellKey& key, std::uint64_t count = 1) {
    std::size_t at = place_of(key);
    while (places_[at].count != 0 && places_[at].key != key) at = (at + 1) & (places_.size() - 1);
    Cell& cell = places_[at];
    cell.count += count;
    if (cell.count != count) return;
    cell.key = key;
    if (++size_ > places_.size() / 2) grow();
  }
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (const Cell& cell : places_) {
      if (cell.count != 0) visit(cell.key, cell.count);
    }
  }

 private:
  static constexpr std::size_t kFirstPlaces = std::size_t{1} << 10;

  [[nodiscard]] std::size_t place_of(const CellKey& key) const noexcept {
    std::uint64_t hash = 0;
    for (const std::uint32_t value : key) hash = (hash + value) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>(hash >> 20) & (places_.size() - 1);
  }
  void grow() {
    std::vector<Cell> before(2 * places_.size());
    before.swap(places_);
    size_ = 0;
    for (const Cell& cell : before) {
      if (cell.count != 0) add(cell.key, cell.count);
    }
  }

  std::vector<Cell> places_ = std::vector<Cell>(kFirstPlaces);  // a power of two of them, half at the most filled
  std::size_t size_ = 0;
};

}  // namespace ligature
