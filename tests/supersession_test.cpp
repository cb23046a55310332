// Superseded NHS numbers.  Source: MPS Diagnostics user guide (replacedBy; chains 111.. -> 222.. -> 333.. are
// possible).
#include "engine/supersession.hpp"

#include <algorithm>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

using Pairs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

std::string refusal(const Pairs& pairs) {
  try {
    const SupersessionTable table(pairs);
    return "accepted";
  } catch (const UsageError& error) {
    return error.what();
  }
}

TEST(Supersession, an_empty_table_leaves_every_number) {
  const SupersessionTable table;
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.current(4'010'232'137ULL), 4'010'232'137ULL);
  EXPECT_EQ(SupersessionTable(Pairs{}).size(), 0U);
}

TEST(Supersession, a_replaced_number_gives_way_and_others_stay) {
  const SupersessionTable table({{4'000'000'004ULL, 4'010'232'137ULL}});
  EXPECT_EQ(table.current(4'000'000'004ULL), 4'010'232'137ULL);
  EXPECT_EQ(table.current(4'010'232'137ULL), 4'010'232'137ULL);
  EXPECT_EQ(table.current(4'000'000'005ULL), 4'000'000'005ULL);
  EXPECT_EQ(table.current(0), 0U);
  EXPECT_EQ(table.current(~0ULL), ~0ULL);
}

TEST(Supersession, chains_are_followed_to_the_number_that_stands_today) {
  const SupersessionTable table({{3, 4}, {1, 2}, {2, 3}, {10, 3}, {4, 5}});
  for (const std::uint64_t number : {1U, 2U, 3U, 4U, 5U, 10U}) EXPECT_EQ(table.current(number), 5U) << number;
}

TEST(Supersession, a_long_chain_is_followed_without_recursion) {
  Pairs pairs;
  constexpr std::uint64_t kLinks = 200'000;
  for (std::uint64_t i = 1; i <= kLinks; ++i) pairs.emplace_back(i, i + 1);
  std::mt19937_64 random(1);
  std::shuffle(pairs.begin(), pairs.end(), random);
  const SupersessionTable table(std::move(pairs));
  for (std::uint64_t i = 1; i <= kLinks; i += 997) ASSERT_EQ(table.current(i), kLinks + 1);
}

TEST(Supersession, the_same_line_twice_is_one) {
  const SupersessionTable table({{1, 2}, {1, 2}});
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.current(1), 2U);
}

TEST(Supersession, a_second_successor_is_refused_with_a_count_and_no_number) {
  const std::string message =
      refusal({{4'000'000'004ULL, 4'010'232'137ULL}, {4'000'000'004ULL, 4'000'000'012ULL}, {7, 8}});
  EXPECT_NE(message.find(" 1 entries"), std::string::npos) << message;
  EXPECT_EQ(message.find("40"), std::string::npos) << message;
}

TEST(Supersession, a_cycle_is_refused_however_it_is_reached) {
  EXPECT_NE(refusal({{5, 5}}).find(" 1 entries"), std::string::npos);
  EXPECT_NE(refusal({{1, 2}, {2, 1}}).find(" 2 entries"), std::string::npos);
  EXPECT_NE(refusal({{1, 2}, {2, 3}, {3, 2}, {7, 8}, {9, 1}}).find(" 4 entries"), std::string::npos);
  EXPECT_EQ(refusal({{1, 2}, {2, 3}, {7, 8}}), "accepted");
}

TEST(Supersession, agrees_with_following_the_chain_by_hand) {
  std::mt19937_64 random(4'500);
  Pairs pairs;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    // Successors are larger, so no cycle arises.
    const std::uint64_t old_number = i * 500'000;
    if (random() % 2 == 0) pairs.emplace_back(old_number, (i + 1 + random() % 5) * 500'000);
  }
  const SupersessionTable table(pairs);
  for (std::uint64_t i = 0; i < 20'010; ++i) {
    std::uint64_t number = i * 500'000;
    for (bool moved = true; moved;) {
      const auto next =
          std::lower_bound(pairs.begin(), pairs.end(), std::pair<std::uint64_t, std::uint64_t>(number, 0));
      moved = next != pairs.end() && next->first == number;
      if (moved) number = next->second;
    }
    ASSERT_EQ(table.current(i * 500'000), number);
  }
}

}  // namespace
}  // namespace ligature
