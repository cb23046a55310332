// How many different things there are, from a sample of the blocks that they stand in (Norris and Pollock 1996).
#include "engine/richness.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

// of_number[i] things stand in i + 1 blocks each, and a block is in the sample with some probability.
std::vector<std::uint64_t> sampled(const std::vector<std::uint64_t>& of_number, double share) {
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> standing(of_number.size());
  for (std::size_t i = 0; i < of_number.size(); ++i) {
    std::binomial_distribution<int> blocks(static_cast<int>(i + 1), share);
    for (std::uint64_t thing = 0; thing < of_number[i]; ++thing) {
      if (const int in = blocks(random)) ++standing[static_cast<std::size_t>(in - 1)];
    }
  }
  return standing;
}

TEST(Richness, a_sample_of_all_blocks_has_everything) {
  EXPECT_EQ(different_in_all(std::array<std::uint64_t, 3>{10, 5, 1}, 1), 16);
  EXPECT_EQ(different_in_all(std::array<std::uint64_t, 3>{}, 0.5), 0);
  EXPECT_EQ(different_in_all({}, 0.5), 0);
}

TEST(Richness, what_stands_in_one_block_is_seen_as_often_as_its_block) {
  EXPECT_NEAR(different_in_all(std::array<std::uint64_t, 1>{1'000}, 0.25), 4'000, 1);
}

TEST(Richness, things_that_all_stand_in_as_many_blocks_are_told_by_how_often_they_are_seen) {
  const std::vector<std::uint64_t> three_each{0, 0, 200'000};
  EXPECT_NEAR(different_in_all(sampled(three_each, 0.3), 0.3), 200'000, 10'000);
}

// As identities stand in blocks of four datasets: most in one or two, some in many.  Where few of the many stand in two
// blocks of the sample (Chao's lower bound is a quarter to a third too low there), a tenth is what can be hoped for.
TEST(Richness, things_of_all_kinds_are_counted_to_a_tenth) {
  const std::vector<std::uint64_t> of_number{396'000, 155'000, 94'000, 48'000, 18'000, 3'800, 480, 30};
  double all = 0;
  for (const std::uint64_t things : of_number) all += static_cast<double>(things);
  for (const double share : {0.9, 0.5, 0.25, 0.1, 0.05}) {
    EXPECT_NEAR(different_in_all(sampled(of_number, share), share), all, all / 10) << share;
  }
}

TEST(Richness, no_counts_give_less_than_was_seen_or_no_number) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::uint64_t> standing(random() % 64);
    double seen = 0;
    for (std::uint64_t& things : standing) seen += static_cast<double>(things = random() >> (16 + random() % 48));
    const double share = std::ldexp(1.0, -static_cast<int>(random() % 20));
    const double all = different_in_all(standing, share);
    EXPECT_GE(all, seen * (1 - 1e-9));
    EXPECT_TRUE(std::isfinite(all)) << share;
  }
}

}  // namespace
}  // namespace ligature
