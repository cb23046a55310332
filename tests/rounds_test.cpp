// Which identities a round looks at: all that have items in it, each once, in order, and few others.
#include "jobs/rebuild/rounds.hpp"

#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "engine/linkage_key.hpp"

namespace ligature {
namespace {

constexpr std::size_t kIdentities = 5'000;

// Identity i has i % 4 items.
const auto make_items = [](std::size_t i, const auto& emit) {
  for (std::size_t item = 0; item < i % 4; ++item) emit(linkage_key(10 * i + item), item);
};

bool has_items(std::size_t identity, std::uint64_t round, std::uint64_t rounds) {
  bool found = false;
  make_items(identity, [&](std::uint64_t key, std::size_t) { found = found || is_of_round(key, round, rounds); });
  return found;
}

TEST(RoundSieve, visits_each_identity_that_has_items_in_the_round_and_no_other) {
  for (const std::uint64_t rounds : {2U, 5U, 8U}) {
    RoundSieve sieve;
    sieve.mark(kIdentities, rounds, make_items);
    for (std::uint64_t round = 0; round < rounds; ++round) {
      std::vector<std::size_t> wanted, visited;
      for (std::size_t i = 100; i < 4'321; ++i) {
        if (has_items(i, round, rounds)) wanted.push_back(i);
      }
      sieve.for_each(100, 4'321, round, [&](std::size_t i) { visited.push_back(i); });
      EXPECT_EQ(visited, wanted) << round << " of " << rounds;
    }
  }
}

TEST(RoundSieve, leaves_nobody_out_where_rounds_share_a_bit) {
  constexpr std::uint64_t kRounds = 20;
  RoundSieve sieve;
  sieve.mark(kIdentities, kRounds, make_items);
  std::size_t others = 0;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    std::set<std::size_t> visited;
    sieve.for_each(0, kIdentities, round, [&](std::size_t i) { EXPECT_TRUE(visited.insert(i).second); });
    for (std::size_t i = 0; i < kIdentities; ++i) {
      const bool wanted = has_items(i, round, kRounds);
      EXPECT_TRUE(!wanted || visited.contains(i));
      others += !wanted && visited.contains(i);
    }
    EXPECT_FALSE(visited.contains(4));  // it has no items at all
  }
  EXPECT_GT(others, 0U);
}

TEST(RoundSieve, visits_everybody_where_there_is_one_round) {
  RoundSieve sieve;
  sieve.mark(kIdentities, 1, make_items);
  std::size_t visits = 0;
  sieve.for_each(0, kIdentities, 0, [&](std::size_t i) { EXPECT_EQ(i, visits++); });
  EXPECT_EQ(visits, kIdentities);
}

}  // namespace
}  // namespace ligature
