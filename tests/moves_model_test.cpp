// What people who moved together say of a record at a new address: the weights, from counts that are known.
#include <cmath>

#include <gtest/gtest.h>

#include "engine/moves.hpp"

namespace ligature {
namespace {

// 1,000 records of which a fifth are new to their postcode, half of them in company.
MoveCounts some_moves() {
  MoveCounts counts;
  counts.held_out = 1'000;
  counts.alone[0] = {90, 80, 120};
  counts.alone[1] = {10, 0, 0};
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
  EXPECT_EQ(moves.weight(1, 1, 1.0 / 256), std::llround(bits * kWeightPerBit));
  EXPECT_GT(moves.weight(1, 2, 1.0 / 256), moves.weight(1, 1, 1.0 / 256));
  EXPECT_EQ(moves.weight(1, 2, 1.0 / 256), moves.weight(1, 7, 1.0 / 256));
}

TEST(Moves, crowded_companions_count_for_less) {
  const MoveModel moves(some_moves(), some_parameters());
  EXPECT_EQ(moves.weight(1, 1, 1.0 / 256) - moves.weight(1, 1, 1.0 / 128), kWeightPerBit);
}

TEST(Moves, who_has_two_addresses_already_is_less_likely_to_have_a_third) {
  const MoveModel moves(some_moves(), some_parameters());
  EXPECT_LT(moves.weight(2, 1, 1.0 / 256), moves.weight(1, 1, 1.0 / 256));
}

TEST(Moves, link_is_believed_against_all_that_its_person_could_be_otherwise) {
  const MoveModel moves(some_moves(), some_parameters());
  // Moved without company 0.1, another date of birth 0.02, no number 0.03.
  EXPECT_NEAR(moves.elsewhere(), 0.15, 1e-12);
  EXPECT_EQ(moves.threshold(), std::llround((5 + 1 + std::log2(0.15)) * kWeightPerBit));
}

TEST(Moves, few_moves_teach_nothing) {
  MoveCounts counts = some_moves();
  counts.alone[0] = {90, 40, 59};
  EXPECT_FALSE(MoveModel(counts, some_parameters()).is_learnt());
  EXPECT_FALSE(MoveModel({}, some_parameters()).is_learnt());
  EXPECT_EQ(MoveModel({}, some_parameters()).elsewhere(), 1);
}

TEST(Moves, no_share_of_people_makes_a_weight_infinite) {
  const MoveModel moves(some_moves(), some_parameters());
  EXPECT_LE(moves.weight(1, 1, 0), 40 * kWeightPerBit);
  EXPECT_GE(moves.weight(1, 1, 1e300), -40 * kWeightPerBit);
}

}  // namespace
}  // namespace ligature
