// Items found by their number against a search of the sorted list: none, one and several a number, and the last number.
#include "partition/spans_by_number.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

void expect_spans_of(std::uint64_t numbers, std::vector<std::uint64_t> items) {
  std::sort(items.begin(), items.end());
  const SpansByNumber spans(numbers, items.size(), [&](std::size_t i) { return items[i]; });
  for (std::uint64_t number = 0; number < numbers; ++number) {
    const auto [first, last] = std::equal_range(items.begin(), items.end(), number);
    const auto [found_first, found_last] = spans.of(number);
    ASSERT_EQ(found_last - found_first, static_cast<std::size_t>(last - first)) << number;
    ASSERT_EQ(spans.has(number), first != last) << number;
    if (first == last) continue;
    ASSERT_EQ(found_first, static_cast<std::size_t>(first - items.begin())) << number;
  }
}

TEST(SpansByNumber, of_nothing_are_empty) {
  expect_spans_of(0, {});
  expect_spans_of(1000, {});
}

TEST(SpansByNumber, of_different_numbers_are_one_item_each) {
  expect_spans_of(1, {0});
  expect_spans_of(64, {0, 31, 32, 63});
  expect_spans_of(65, {64});
  std::vector<std::uint64_t> all(500);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  expect_spans_of(500, all);
}

TEST(SpansByNumber, of_any_numbers_are_those_of_a_search) {
  for (const std::uint64_t numbers : {1U, 31U, 32U, 33U, 63U, 64U, 130U, 5000U}) {
    for (const std::size_t count : {1U, 2U, 100U, 3000U}) {
      std::mt19937_64 random(numbers + count);
      std::vector<std::uint64_t> items(count);
      for (std::uint64_t& item : items) item = random() % numbers;
      expect_spans_of(numbers, items);
    }
  }
}

}  // namespace
}  // namespace ligature
