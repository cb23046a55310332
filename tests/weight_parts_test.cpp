// The parts of a weight: they add up to it, and each is what the model says of its identifier.
#include "engine/weight_parts.hpp"

#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "engine/wrong_numbers.hpp"

namespace ligature {
namespace {

LinkageModel test_model() {
  FileFrequencies file;
  file.identities = 200'000;
  file.distinct_nhs = 100'000;
  return LinkageModel(documented_model(file));
}

constexpr Rarity kValues[] = {0, 30, kAverageRarity, 71, 127};

// Every pattern with every pair of some rarities.
template <typename Visit>
void for_all(const Visit& visit) {
  for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
    for (const Rarity birth : kValues) {
      for (const Rarity postcode : kValues) visit(static_cast<Pattern>(pattern), birth, postcode);
    }
  }
}

// A weighed identity of which only what the weight asks for is filled in.  number: valid; 0 for none.
Identity identity_of(std::uint64_t number, Rarity birth, Rarity postcode) {
  return {number != 0 ? std::uint64_t{1} << 62 | number << 28 : 0, std::uint64_t{birth} << 7 | postcode};
}

std::map<WeightPart, Weight> parts_of(const LinkageModel& model, const Levels& levels, Rarity birth = kAverageRarity,
                                      Rarity postcode = kAverageRarity, bool one_numbered = false) {
  std::map<WeightPart, Weight> parts;
  for (const PartOfWeight& part : weight_parts(model, pattern_of(levels), identity_of(0, birth, postcode),
                                               identity_of(one_numbered ? 7 : 0, birth, postcode))) {
    EXPECT_TRUE(parts.emplace(part.part, part.weight).second) << "twice: " << weight_part_name(part.part);
  }
  return parts;
}

Weight bits(double m, double u) {
  return static_cast<Weight>(std::llround(std::log2(m / u) * kWeightPerBit));
}

TEST(WeightParts, add_up_to_the_weight_for_every_pattern_and_rarity) {
  const LinkageModel model = test_model();
  for_all([&](Pattern pattern, Rarity birth, Rarity postcode) {
    const bool same_number = levels_of(pattern).nhs == NhsLevel::exact;
    for (const std::uint64_t number_a : {0U, 7U}) {
      for (const std::uint64_t number_b : {0U, 7U, 8U}) {
        if (same_number && number_a != number_b) continue;
        const Identity a = identity_of(number_a, birth, postcode), b = identity_of(number_b, birth, postcode);
        Weight sum = 0;
        for (const PartOfWeight& part : weight_parts(model, pattern, a, b)) sum += part.weight;
        ASSERT_EQ(sum, model.weight(pattern, a, b)) << pattern;
      }
    }
  });
}

TEST(WeightParts, two_valid_numbers_are_a_part_in_place_of_their_level) {
  const LinkageModel model = test_model();
  const Levels levels{NhsLevel::other, BirthLevel::exact, PostcodeLevel::exact, GenderLevel::same};
  Levels rest = levels;
  rest.nhs = NhsLevel::missing;
  std::map<WeightPart, Weight> parts;
  for (const PartOfWeight& part :
       weight_parts(model, pattern_of(levels), identity_of(7, 64, 64), identity_of(8, 64, 64))) {
    parts.emplace(part.part, part.weight);
  }
  ASSERT_TRUE(parts.contains(WeightPart::two_numbers));
  EXPECT_LT(parts.at(WeightPart::two_numbers), 0);
  parts.erase(WeightPart::two_numbers);
  EXPECT_EQ(parts, parts_of(model, rest));
}

TEST(WeightParts, number_of_one_of_the_two_is_a_part_of_its_own) {
  const LinkageModel model = test_model();
  std::size_t differ = 0;
  for_all([&](Pattern pattern, Rarity birth, Rarity postcode) {
    const Identity none = identity_of(0, birth, postcode);
    const Weight amount =
        model.weight(pattern, none, identity_of(7, birth, postcode)) - model.weight(pattern, none, none);
    auto with = parts_of(model, levels_of(pattern), birth, postcode, true);
    ASSERT_EQ(with[WeightPart::one_numbered], amount) << pattern;
    with.erase(WeightPart::one_numbered);
    ASSERT_EQ(with, parts_of(model, levels_of(pattern), birth, postcode, false)) << pattern;
    differ += amount != 0 ? 1U : 0U;
  });
  EXPECT_GT(differ, 0U);
}

TEST(WeightParts, missing_identifier_has_none) {
  const LinkageModel model = test_model();
  for_all([&](Pattern pattern, Rarity birth, Rarity postcode) {
    const Levels levels = levels_of(pattern);
    const auto parts = parts_of(model, levels, birth, postcode);
    const bool same_number = levels.nhs == NhsLevel::exact;
    ASSERT_EQ(parts.contains(WeightPart::prior), !same_number);
    ASSERT_EQ(parts.contains(WeightPart::same_number), same_number);
    ASSERT_EQ(parts.contains(WeightPart::nhs_number), !same_number && levels.nhs != NhsLevel::missing);
    ASSERT_EQ(parts.contains(WeightPart::date_of_birth), levels.birth != BirthLevel::missing);
    ASSERT_EQ(parts.contains(WeightPart::postcode), levels.postcode != PostcodeLevel::missing);
    ASSERT_EQ(parts.contains(WeightPart::gender), levels.gender != GenderLevel::missing);
  });
}

TEST(WeightParts, of_levels_are_the_logarithms_of_m_over_u) {
  const LinkageModel model = test_model();
  const ModelParameters& p = model.parameters();
  for_all([&](Pattern pattern, Rarity birth, Rarity postcode) {
    const Levels levels = levels_of(pattern);
    if (levels.nhs == NhsLevel::exact) return;
    const auto expect = [&](WeightPart part, const LevelProbabilities& level) {
      const auto parts = parts_of(model, levels, birth, postcode);
      ASSERT_EQ(parts.at(part), bits(level.m, level.u)) << weight_part_name(part) << pattern;
    };
    ASSERT_EQ(parts_of(model, levels).at(WeightPart::prior), bits(p.prior, 1 - p.prior));
    if (levels.nhs != NhsLevel::missing) expect(WeightPart::nhs_number, p.nhs[static_cast<std::size_t>(levels.nhs)]);
    if (levels.birth != BirthLevel::missing) {
      expect(WeightPart::date_of_birth, p.birth[static_cast<std::size_t>(levels.birth)]);
    }
    if (levels.postcode != PostcodeLevel::missing) {
      expect(WeightPart::postcode, p.postcode[static_cast<std::size_t>(levels.postcode)]);
    }
    if (levels.gender != GenderLevel::missing) {
      expect(WeightPart::gender, p.gender[static_cast<std::size_t>(levels.gender)]);
    }
  });
}

TEST(WeightParts, without_a_common_number_only_birth_with_postcode_say_something_together) {
  const LinkageModel model = test_model();
  std::size_t together = 0;
  for_all([&](Pattern pattern, Rarity birth, Rarity postcode) {
    const Levels levels = levels_of(pattern);
    if (levels.nhs == NhsLevel::exact) return;
    const bool both = levels.birth == BirthLevel::exact && levels.postcode == PostcodeLevel::exact;
    const bool has = parts_of(model, levels, birth, postcode).contains(WeightPart::together);
    ASSERT_TRUE(both || !has) << pattern;
    together += has ? 1U : 0U;
  });
  EXPECT_GT(together, 0U);
}

TEST(WeightParts, same_number_and_postcode_with_another_gender_speak_for_a_household_of_couples) {
  ModelParameters parameters = test_model().parameters();
  set_wrong_numbers({0.002, 0.002, household_postcodes(), 0.9}, parameters);
  const LinkageModel model(parameters);
  const Levels levels{NhsLevel::exact, BirthLevel::exact, PostcodeLevel::exact, GenderLevel::different};
  EXPECT_LT(parts_of(model, levels).at(WeightPart::together), -kWeightPerBit / 4);
}

TEST(WeightParts, rare_value_counts_for_more_and_a_common_one_for_less) {
  const LinkageModel model = test_model();
  const Levels birth{NhsLevel::missing, BirthLevel::exact, PostcodeLevel::missing, GenderLevel::missing};
  EXPECT_EQ(parts_of(model, birth, kAverageRarity + 8).at(WeightPart::birth_rarity), 2 * kWeightPerBit);
  EXPECT_EQ(parts_of(model, birth, kAverageRarity - 4).at(WeightPart::birth_rarity), -kWeightPerBit);
  EXPECT_FALSE(parts_of(model, birth).contains(WeightPart::birth_rarity));
  const Levels postcode{NhsLevel::missing, BirthLevel::other, PostcodeLevel::exact, GenderLevel::missing};
  EXPECT_EQ(parts_of(model, postcode, 0, kAverageRarity + 4).at(WeightPart::postcode_rarity), kWeightPerBit);
  const Levels neither{NhsLevel::missing, BirthLevel::other, PostcodeLevel::sector, GenderLevel::missing};
  const auto parts = parts_of(model, neither, 0, 0);
  EXPECT_FALSE(parts.contains(WeightPart::birth_rarity) || parts.contains(WeightPart::postcode_rarity));
}

}  // namespace
}  // namespace ligature
