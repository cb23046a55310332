// What people who moved together say of a record at a new address: the weights, from counts that are known.
#include <cmath>

#include <gtest/gtest.h>

#include "engine/moves.hpp"

namespace ligature {
namespace {

// 1,000 records without a provider of which a fifth are new to their postcode, half of them in company; and with one as
// many, in company that the provider mostly knows.
MoveCounts some_moves() {
  MoveCounts counts;
  HeldOutCounts& without = counts.held_out[0];
  without.records = 1'000;
  without.alone[0] = {90, 80, 120, 0, 0};
  without.alone[1] = {10, 0, 0, 0, 0};
  HeldOutCounts& with = counts.held_out[1];
  with.records = 1'000;
  with.alone[0] = {90, 8, 12, 72, 108};
  with.alone[1] = {10, 0, 0, 0, 0};
  counts.persons = {600, 150, 50};
  return counts;
}

ModelParameters some_parameters() {
  ModelParameters parameters = documented_model({});
  parameters.birth.back().m = 0.98;
  parameters.unnumbered = 0.03;
  parameters.margin_bits = 5;
  return parameters;
}

TEST(Moves, company_weighs_what_the_file_shows) {
  const MoveModel moves(some_moves(), some_parameters());
  ASSERT_TRUE(moves.is_learnt());
  // m: 80.5 of 1,000; persons of one postcode: 600.5 of 800; u: one in 256.
  const double bits = std::log2(80.5 / 1'000 / (600.5 / 800)) + 8;
  EXPECT_EQ(moves.weight(false, 1, 1, 1.0 / 256), std::llround(bits * kWeightPerBit));
  EXPECT_GT(moves.weight(false, 1, 2, 1.0 / 256), moves.weight(false, 1, 1, 1.0 / 256));
}

TEST(Moves, company_is_of_the_more_evidence_the_more_they_are_and_where_the_provider_knows_them) {
  EXPECT_EQ(company_class(0, true), 0U);
  EXPECT_EQ(company_class(2, false), company_class(7, false));
  EXPECT_LT(company_class(1, false), company_class(2, false));
  EXPECT_LT(company_class(2, false), company_class(1, true));
  EXPECT_LT(company_class(1, true), company_class(2, true));
  for (const std::uint64_t others : {1U, 2U}) {
    EXPECT_TRUE(is_known_company(company_class(others, true)));
    EXPECT_FALSE(is_known_company(company_class(others, false)));
  }
}

TEST(Moves, company_that_the_provider_does_not_know_counts_for_less) {
  const MoveModel moves(some_moves(), some_parameters());
  // Of a hundred who moved in company of several, ten had company that the provider did not know.
  const auto weight = [&](bool known) { return moves.weight(true, 1, company_class(2, known), 1.0 / 256); };
  EXPECT_NEAR(weight(true) - weight(false), std::log2(108.5 / 12.5) * kWeightPerBit, 1);
  EXPECT_LT(weight(false), moves.weight(false, 1, company_class(2, false), 1.0 / 256));
}

TEST(Moves, crowded_companions_count_for_less) {
  const MoveModel moves(some_moves(), some_parameters());
  EXPECT_EQ(moves.weight(false, 1, 1, 1.0 / 256) - moves.weight(false, 1, 1, 1.0 / 128), kWeightPerBit);
}

TEST(Moves, who_has_two_addresses_already_is_less_likely_to_have_a_third) {
  const MoveModel moves(some_moves(), some_parameters());
  EXPECT_LT(moves.weight(false, 2, 1, 1.0 / 256), moves.weight(false, 1, 1, 1.0 / 256));
}

TEST(Moves, link_is_believed_against_all_that_its_person_could_be_otherwise) {
  const MoveModel moves(some_moves(), some_parameters());
  // Moved without company 0.1, another date of birth 0.02, no number 0.03.
  EXPECT_NEAR(moves.elsewhere(), 0.15, 1e-12);
  EXPECT_EQ(moves.threshold(false), std::llround((5 + 2.5 + std::log2(0.15)) * kWeightPerBit));
  EXPECT_EQ(moves.threshold(true), std::llround((5 + std::log2(0.15)) * kWeightPerBit));
  ModelParameters careful = some_parameters();
  careful.threshold_bits = 8;
  EXPECT_EQ(MoveModel(some_moves(), careful).threshold(true), std::llround((8 + std::log2(0.15)) * kWeightPerBit));
}

TEST(Moves, providers_that_know_company_by_chance_are_no_evidence) {
  MoveCounts chance = some_moves();
  chance.held_out[1].alone[0] = {90, 30, 50, 50, 70};
  const MoveModel moves(chance, some_parameters());
  EXPECT_FALSE(moves.providers_tell());
  EXPECT_FALSE(moves.is_learnt(true));
  // All 2,000 records as if without a provider: 80 each in company of one.
  const double bits = std::log2(160.5 / 2'000 / (600.5 / 800)) + 8;
  EXPECT_EQ(moves.weight(false, 1, 1, 1.0 / 256), std::llround(bits * kWeightPerBit));
  EXPECT_TRUE(MoveModel(some_moves(), some_parameters()).providers_tell());
}

TEST(Moves, few_moves_teach_nothing) {
  MoveCounts counts = some_moves();
  counts.held_out[0].alone[0] = {90, 40, 59, 0, 0};
  EXPECT_FALSE(MoveModel(counts, some_parameters()).is_learnt(false));
  EXPECT_TRUE(MoveModel(counts, some_parameters()).is_learnt(true));
  counts.held_out[1].alone[0] = {90, 0, 0, 40, 59};
  EXPECT_FALSE(MoveModel(counts, some_parameters()).is_learnt(true));
  EXPECT_TRUE(MoveModel(counts, some_parameters()).is_learnt(false));  // both together
  counts.held_out[1].alone[0] = {90, 0, 0, 0, 0};
  EXPECT_FALSE(MoveModel(counts, some_parameters()).is_learnt());
  EXPECT_FALSE(MoveModel({}, some_parameters()).is_learnt());
  EXPECT_EQ(MoveModel({}, some_parameters()).elsewhere(), 1);
}

TEST(Moves, no_share_of_people_makes_a_weight_infinite) {
  const MoveModel moves(some_moves(), some_parameters());
  EXPECT_LE(moves.weight(false, 1, 1, 0), 40 * kWeightPerBit);
  EXPECT_GE(moves.weight(false, 1, 1, 1e300), -40 * kWeightPerBit);
}

}  // namespace
}  // namespace ligature
