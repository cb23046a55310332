// Which pairs under one NHS number tell what a common provider says, and what it then says.
#include "engine/same_provider.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace ligature {
namespace {

constexpr ProviderSet kPractice = 4, kHospital = 32;

Pattern pattern(BirthLevel birth, GenderLevel gender) {
  return pattern_of({NhsLevel::exact, birth, PostcodeLevel::exact, gender});
}

TEST(SameProvider, is_counted_where_it_is_certain_who_the_two_are) {
  SameProviderCounts counts;
  for (const BirthLevel alike : {BirthLevel::two_parts, BirthLevel::one_digit, BirthLevel::swapped}) {
    counts.add(pattern(alike, GenderLevel::same), kPractice, kHospital, false, 5);
    counts.add(pattern(alike, GenderLevel::same), kPractice | kHospital, kHospital, false, 1);
  }
  EXPECT_EQ(counts.pairs[0], 18U);
  EXPECT_EQ(counts.shared[0], 3U);
  counts.add(pattern(BirthLevel::other, GenderLevel::different), kHospital, kHospital, false, 7);
  counts.add(pattern(BirthLevel::other, GenderLevel::different), kHospital, kPractice, false, 2);
  EXPECT_EQ(counts.pairs[1], 9U);
  EXPECT_EQ(counts.shared[1], 7U);
  // One person or two; the same date; no provider.
  for (const BirthLevel open : {BirthLevel::other, BirthLevel::same_year, BirthLevel::exact, BirthLevel::missing}) {
    counts.add(pattern(open, GenderLevel::same), kHospital, kHospital, false, 100);
  }
  counts.add(pattern(BirthLevel::one_digit, GenderLevel::different), kHospital, kHospital, false, 100);
  counts.add(pattern(BirthLevel::other, GenderLevel::different), 0, kHospital, false, 100);
  EXPECT_EQ(counts.pairs[0] + counts.pairs[1], 27U);
  // What may be either is counted by pattern, where dates are wholly different.
  EXPECT_EQ(counts.other_shared[pattern(BirthLevel::other, GenderLevel::same)], 100U);
  EXPECT_EQ(counts.other_shared[pattern(BirthLevel::other, GenderLevel::different)], 7U);
  EXPECT_EQ(counts.other_apart[pattern(BirthLevel::other, GenderLevel::different)], 2U);
  EXPECT_EQ(counts.other_shared[pattern(BirthLevel::same_year, GenderLevel::same)], 0U);
}

TEST(SameProvider, says_nothing_until_it_was_counted) {
  ModelParameters model;
  EXPECT_EQ(same_provider_weight(model, true), 0);
  set_same_provider({}, model);
  EXPECT_EQ(same_provider_weight(model, true), 0);
  EXPECT_EQ(same_provider_weight(model, false), 0);
  // Nor where one person's records differ as often within a provider as two persons' do.
  set_same_provider({.pairs = {970, 970}, .shared = {385, 385}}, model);
  EXPECT_EQ(same_provider_weight(model, true), 0);
}

TEST(SameProvider, weighs_the_odds_of_one_person_against_two) {
  ModelParameters model;
  set_same_provider({.pairs = {970, 170}, .shared = {85, 105}},
                    model);  // a tenth, and 120 of 200 with the thirty of the prior
  EXPECT_NEAR(same_provider_weight(model, true), std::log2(0.1 / 0.6) * kWeightPerBit, 1);
  EXPECT_NEAR(same_provider_weight(model, false), std::log2(0.9 / 0.4) * kWeightPerBit, 1);
  set_same_provider({.pairs = {1'000'000, 1'000'000}, .shared = {0, 1'000'000}}, model);
  EXPECT_EQ(same_provider_weight(model, true), -5 * kWeightPerBit);
  EXPECT_EQ(same_provider_weight(model, false), 5 * kWeightPerBit);
}

TEST(SameProvider, dates_that_are_both_on_several_rows_are_counted_without_providers_too) {
  SameProviderCounts counts;
  counts.add(pattern(BirthLevel::two_parts, GenderLevel::same), 0, 0, true, 300);
  counts.add(pattern(BirthLevel::two_parts, GenderLevel::same), 0, 0, false, 670);
  counts.add(pattern(BirthLevel::other, GenderLevel::different), kHospital, kPractice, true, 1);
  counts.add(pattern(BirthLevel::other, GenderLevel::different), 0, 0, false, 169);
  counts.add(pattern(BirthLevel::other, GenderLevel::same), 0, 0, true, 100);
  ModelParameters model;
  EXPECT_EQ(several_rows_weight(model), 0);
  set_several_rows(counts, model);
  EXPECT_DOUBLE_EQ(model.several_rows_of_one, 0.315);  // with 15 of the 30 of the prior
  EXPECT_DOUBLE_EQ(model.several_rows_of_two, 0.08);
  EXPECT_NEAR(several_rows_weight(model), std::log2(0.315 / 0.08) * kWeightPerBit, 1);
}

}  // namespace
}  // namespace ligature
