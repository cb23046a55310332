// A search by doubling steps against one of everything: from any place, for what is there, between, before and beyond.
#include "engine/gallop.hpp"

#include <functional>
#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

TEST(LowerBoundNear, finds_what_a_search_of_everything_finds) {
  for (int count = 0; count < 70; ++count) {
    std::vector<int> items;
    for (int i = 0; i < count; ++i) items.push_back(2 * (i - i % 3));  // some are equal
    for (auto begin = items.begin();; ++begin) {
      for (int value = -1; value < 2 * count + 2; ++value) {
        ASSERT_EQ(lower_bound_near(begin, items.end(), value, std::less<>()) - items.begin(),
                  std::lower_bound(begin, items.end(), value) - items.begin())
            << value << " of " << count << " from " << begin - items.begin();
      }
      if (begin == items.end()) break;
    }
  }
}

TEST(LowerBoundNear, looks_at_little_where_the_answer_is_near) {
  std::vector<int> items(1'000'000);
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<int>(i);
  std::size_t looks = 0;
  const auto before = [&](int a, int b) {
    ++looks;
    return a < b;
  };
  EXPECT_EQ(lower_bound_near(items.begin() + 500, items.end(), 510, before) - items.begin(), 510);
  EXPECT_LT(looks, 10U);
}

}  // namespace
}  // namespace ligature
