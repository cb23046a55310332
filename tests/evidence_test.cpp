// Evidence: what a value counts for once the file has been seen as a whole.  Source of term frequencies: Winkler,
// Frequency-based matching in Fellegi-Sunter, US Bureau of the Census, 2000.
#include "engine/evidence.hpp"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "engine/comparison.hpp"
#include "tests/identity_maker.hpp"

namespace ligature {
namespace {

const std::uint64_t kNumber = number_of_stem(1);
const IdentityFields kFields = fields_of(kNumber, "1970-12-31", "SW1A 1AA", Gender::female);

Evidence flagged(unsigned flags) {
  Evidence evidence;
  evidence.flags = static_cast<std::uint8_t>(flags);
  return evidence;
}

TEST(Evidence, of_an_ordinary_identity_changes_none_of_its_fields) {
  EXPECT_EQ(unpack(weighed(pack(kFields), {})), kFields);
}

TEST(Evidence, a_number_that_another_owns_or_that_is_nobodys_counts_as_missing_and_nothing_else_does) {
  IdentityFields expected = kFields;
  expected.nhs = {};
  EXPECT_EQ(unpack(weighed(pack(kFields), flagged(Evidence::number_disowned))), expected);
  EXPECT_EQ(unpack(weighed(pack(kFields), flagged(Evidence::number_default))), expected);
  const Identity disowned = weighed(pack(kFields), flagged(Evidence::number_disowned));
  EXPECT_FALSE(disowned.has_valid_nhs());
  EXPECT_EQ(levels_of(compare(disowned, weighed(pack(kFields), {}))).nhs, NhsLevel::missing);
}

TEST(Evidence, a_default_date_of_birth_counts_as_missing_and_nothing_else_does) {
  IdentityFields expected = kFields;
  expected.date_of_birth = kMissingDay;
  EXPECT_EQ(unpack(weighed(pack(kFields), flagged(Evidence::birth_default))), expected);
  expected.nhs = {};
  EXPECT_EQ(unpack(weighed(pack(kFields), flagged(Evidence::birth_default | Evidence::number_disowned))), expected);
}

TEST(Evidence, a_thin_number_stays_a_number_and_says_that_it_is_thin) {
  const Identity thin = weighed(pack(kFields), flagged(Evidence::number_thin));
  EXPECT_TRUE(is_thin(thin));
  EXPECT_EQ(thin.valid_nhs(), kNumber);
  EXPECT_EQ(unpack(thin), kFields);
  EXPECT_FALSE(is_thin(weighed(pack(kFields), {})));
}

TEST(Evidence, every_rarity_survives_in_the_spare_bits_and_does_not_touch_the_fields) {
  for (unsigned rarity = 0; rarity < kRarities; ++rarity) {
    Evidence evidence;
    evidence.birth = static_cast<Rarity>(rarity);
    evidence.postcode = static_cast<Rarity>(kRarities - 1 - rarity);
    const Identity identity = weighed(pack(kFields), evidence);
    ASSERT_EQ(birth_rarity(identity), evidence.birth);
    ASSERT_EQ(postcode_rarity(identity), evidence.postcode);
    ASSERT_EQ(unpack(identity), kFields);
  }
}

TEST(Evidence, comparison_does_not_see_rarities_nor_thinness) {
  std::mt19937_64 random(8);
  const Identity plain = pack(kFields), other = pack(fields_of(0, "1970-12-13", "SW1A 1AB", Gender::male));
  for (int i = 0; i < 1'000; ++i) {
    Evidence evidence;
    evidence.birth = static_cast<Rarity>(random() % kRarities);
    evidence.postcode = static_cast<Rarity>(random() % kRarities);
    evidence.flags = random() % 2 == 0 ? 0 : Evidence::number_thin;
    ASSERT_EQ(compare(weighed(plain, evidence), other), compare(plain, other));
  }
}

TEST(Rarity, is_four_steps_for_each_bit_by_which_a_value_is_rarer_than_the_average) {
  constexpr double kAverage = 1.0 / 30'000;
  EXPECT_EQ(rarity_of(kAverage, kAverage), kAverageRarity);
  for (int bits = -15; bits <= 15; ++bits) {
    const Rarity rarity = rarity_of(kAverage * std::exp2(-bits), kAverage);
    EXPECT_EQ(int{rarity}, int{kAverageRarity} + 4 * bits);
    EXPECT_EQ(rarity_bits(rarity), bits);
  }
}

TEST(Rarity, is_within_an_eighth_of_a_bit_of_the_frequency_it_stands_for) {
  for (double share = 1e-6; share < 1e-2; share *= 1.01) {
    EXPECT_NEAR(rarity_bits(rarity_of(share, 1e-4)), std::log2(1e-4 / share), 0.125 + 1e-9) << share;
  }
}

TEST(Rarity, never_leaves_its_range_whatever_the_shares) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN(), kMost = std::numeric_limits<double>::max();
  EXPECT_EQ(rarity_of(1, 1e-300), 0);
  EXPECT_EQ(rarity_of(1e-300, 1), kRarities - 1);
  EXPECT_EQ(rarity_of(0, 0.5), kRarities - 1) << "a value that nobody has is as rare as can be said";
  EXPECT_EQ(rarity_of(0.5, 0), 0);
  EXPECT_EQ(rarity_of(kNone, 0.5), kAverageRarity);
  EXPECT_EQ(rarity_of(0, 0), kAverageRarity);
  EXPECT_EQ(rarity_of(kMost, kMost), kAverageRarity);
}

}  // namespace
}  // namespace ligature
