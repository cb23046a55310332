// Columns from which a few rows were taken.  Source: a copy row by row.
#include "engine/close_gaps.hpp"

#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace ligature {
namespace {

TEST(Columns, keep_all_other_rows_in_their_order) {
  std::mt19937_64 random(7);
  for (std::size_t rows = 0; rows < 40; ++rows) {
    for (const std::size_t width : {std::size_t{1}, std::size_t{3}}) {
      std::vector<int> items(rows * width), expected;
      std::iota(items.begin(), items.end(), 0);
      std::vector<std::uint32_t> gone;
      const std::uint64_t one_in = 1 + random() % 4;
      for (std::size_t row = 0; row < rows; ++row) {
        if (random() % one_in == 0) {
          gone.push_back(static_cast<std::uint32_t>(row));
        } else {
          for (std::size_t i = 0; i < width; ++i) expected.push_back(items[row * width + i]);
        }
      }
      items.resize(close_gaps(std::span(items), std::span<const std::uint32_t>(gone), width));
      ASSERT_EQ(items, expected) << rows << " rows, one of " << one_in << " gone";
    }
  }
}

}  // namespace
}  // namespace ligature
