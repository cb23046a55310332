// The job's own m, u and merged levels in a model: what changes, what must not, and that probabilities stay such.
#include "engine/model_settings.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/comparison.hpp"
#include "engine/model.hpp"

namespace ligature {
namespace {

constexpr LinkageIdentifier kNhs = LinkageIdentifier::nhs_number, kBirth = LinkageIdentifier::date_of_birth,
                            kPostcode = LinkageIdentifier::postcode, kGender = LinkageIdentifier::gender;

template <typename Level>
LevelOverride given(LinkageIdentifier identifier, Level level, std::optional<double> m, std::optional<double> u) {
  return {identifier, static_cast<std::uint8_t>(level), m, u, std::nullopt};
}

template <typename Level>
LevelOverride merged(LinkageIdentifier identifier, Level level, Level weaker) {
  return {identifier, static_cast<std::uint8_t>(level), std::nullopt, std::nullopt, static_cast<std::uint8_t>(weaker)};
}

ModelParameters estimated() {
  FileFrequencies file;
  file.identities = 3'000'000, file.distinct_nhs = 1'000'000, file.unnumbered = 200'000;
  file.male = 1'400'000, file.female = 1'600'000;
  return documented_model(file);
}

ModelParameters changed(std::vector<LevelOverride> levels, ModelParameters model = estimated()) {
  ModelSettings settings;
  settings.levels = std::move(levels);
  apply_levels(settings, model);
  return model;
}

template <std::size_t Count, typename Level>
const LevelProbabilities& at(const std::array<LevelProbabilities, Count>& levels, Level level) {
  return levels[static_cast<std::size_t>(level)];
}

template <std::size_t Count>
double sum(const std::array<LevelProbabilities, Count>& levels, double LevelProbabilities::*column) {
  double total = 0;
  for (std::size_t level = 1; level < Count; ++level) total += levels[level].*column;
  return total;
}

bool same_bytes(const ModelParameters& a, const ModelParameters& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

TEST(LevelNames, they_are_those_of_the_comparison_from_the_weakest_up) {
  const auto is = [](LinkageIdentifier identifier, const std::vector<std::string_view>& names) {
    const auto found = linkage_level_names(identifier);
    EXPECT_EQ(std::vector<std::string_view>(found.begin(), found.end()), names);
  };
  is(kNhs, {"other", "near", "exact"});
  is(kBirth, {"other", "same_year", "two_parts", "one_digit", "swapped", "exact"});
  is(kPostcode, {"other", "area", "district", "sector", "near", "exact"});
  is(kGender, {"different", "same"});
}

TEST(ApplyLevels, without_any_the_model_keeps_every_bit) {
  const ModelParameters model = estimated();
  EXPECT_TRUE(same_bytes(changed({}, model), model));
}

TEST(ApplyLevels, a_given_probability_stands_and_the_others_keep_their_proportions) {
  const ModelParameters before = estimated();
  const ModelParameters after = changed({given(kPostcode, PostcodeLevel::near, 0.01, std::nullopt)});
  EXPECT_EQ(at(after.postcode, PostcodeLevel::near).m, 0.01);
  EXPECT_NEAR(sum(after.postcode, &LevelProbabilities::m), 1, 1e-12);
  const double factor = 0.99 / (1 - at(before.postcode, PostcodeLevel::near).m);
  for (std::size_t level = 1; level < kPostcodeLevels; ++level) {
    EXPECT_EQ(after.postcode[level].u, before.postcode[level].u);
    if (level == static_cast<std::size_t>(PostcodeLevel::near)) continue;
    EXPECT_NEAR(after.postcode[level].m, before.postcode[level].m * factor, 1e-12) << level;
  }
}

TEST(ApplyLevels, only_the_identifier_that_is_named_changes) {
  ModelParameters after = changed({given(kBirth, BirthLevel::swapped, 0.002, 0.001)});
  EXPECT_NEAR(sum(after.birth, &LevelProbabilities::m), 1, 1e-12);
  EXPECT_NEAR(sum(after.birth, &LevelProbabilities::u), 1, 1e-12);
  after.birth = estimated().birth;
  EXPECT_TRUE(same_bytes(after, estimated()));
}

TEST(ApplyLevels, several_levels_are_fixed_together) {
  const ModelParameters after = changed(
      {given(kPostcode, PostcodeLevel::exact, 0.5, 1e-6), given(kPostcode, PostcodeLevel::area, 0.2, std::nullopt)});
  EXPECT_EQ(at(after.postcode, PostcodeLevel::exact).m, 0.5);
  EXPECT_EQ(at(after.postcode, PostcodeLevel::area).m, 0.2);
  EXPECT_EQ(at(after.postcode, PostcodeLevel::exact).u, 1e-6);
  EXPECT_NEAR(sum(after.postcode, &LevelProbabilities::m), 1, 1e-12);
  EXPECT_NEAR(sum(after.postcode, &LevelProbabilities::u), 1, 1e-12);
}

TEST(ApplyLevels, levels_never_seen_share_what_is_left_alike) {
  ModelParameters model = estimated();
  model.gender = {};
  model.gender[2] = {1, 1};
  const ModelParameters after = changed({given(kGender, GenderLevel::same, 0.75, std::nullopt)}, model);
  EXPECT_EQ(at(after.gender, GenderLevel::different).m, 0.25);
}

TEST(ApplyLevels, of_the_nhs_number_near_and_other_share_and_exact_is_untouched) {
  const ModelParameters after = changed({given(kNhs, NhsLevel::near, 0.6, 1e-7)});
  EXPECT_NEAR(at(after.nhs, NhsLevel::other).m, 0.4, 1e-12);
  EXPECT_NEAR(at(after.nhs, NhsLevel::other).u, 1 - 1e-7, 1e-12);
  EXPECT_EQ(at(after.nhs, NhsLevel::exact).m, at(estimated().nhs, NhsLevel::exact).m);
  EXPECT_EQ(at(after.nhs, NhsLevel::exact).u, at(estimated().nhs, NhsLevel::exact).u);
}

TEST(ApplyLevels, a_weight_is_that_of_the_given_m_and_u) {
  const LinkageModel model(changed({given(kPostcode, PostcodeLevel::near, 0.02, 0.005)}));
  Levels levels{NhsLevel::missing, BirthLevel::exact, PostcodeLevel::missing, GenderLevel::same};
  const Weight without = model.weight(pattern_of(levels));
  levels.postcode = PostcodeLevel::near;
  EXPECT_EQ(model.weight(pattern_of(levels)) - without, 2 * kWeightPerBit);
}

TEST(ApplyLevels, merged_levels_weigh_the_same_in_every_pattern) {
  const LinkageModel model(changed({merged(kPostcode, PostcodeLevel::near, PostcodeLevel::sector),
                                    merged(kPostcode, PostcodeLevel::sector, PostcodeLevel::other),
                                    merged(kBirth, BirthLevel::swapped, BirthLevel::one_digit)}));
  const ModelParameters before = estimated();
  EXPECT_DOUBLE_EQ(at(model.parameters().postcode, PostcodeLevel::near).m,
                   at(before.postcode, PostcodeLevel::near).m + at(before.postcode, PostcodeLevel::sector).m +
                       at(before.postcode, PostcodeLevel::other).m);
  EXPECT_DOUBLE_EQ(at(model.parameters().birth, BirthLevel::one_digit).u,
                   at(before.birth, BirthLevel::one_digit).u + at(before.birth, BirthLevel::swapped).u);
  for (std::size_t p = 0; p < kPatterns; ++p) {
    Levels levels = levels_of(static_cast<Pattern>(p));
    const Weight weight = model.weight(static_cast<Pattern>(p));
    if (levels.postcode == PostcodeLevel::near || levels.postcode == PostcodeLevel::sector) {
      levels.postcode = PostcodeLevel::other;
    }
    if (levels.birth == BirthLevel::swapped) levels.birth = BirthLevel::one_digit;
    EXPECT_EQ(weight, model.weight(pattern_of(levels))) << p;
  }
  EXPECT_EQ(at(model.parameters().postcode, PostcodeLevel::district).m, at(before.postcode, PostcodeLevel::district).m);
}

TEST(ApplyLevels, merged_postcodes_are_summed_among_wrong_numbers_too) {
  const ModelParameters before = estimated();
  const ModelParameters after = changed({merged(kPostcode, PostcodeLevel::near, PostcodeLevel::area)});
  const auto near = static_cast<std::size_t>(PostcodeLevel::near), area = static_cast<std::size_t>(PostcodeLevel::area);
  for (std::size_t gender = 0; gender < kGenderLevels; ++gender) {
    const double both = before.wrong_number[near][gender] + before.wrong_number[area][gender];
    EXPECT_DOUBLE_EQ(after.wrong_number[near][gender], both);
    EXPECT_DOUBLE_EQ(after.wrong_number[area][gender], both);
    EXPECT_EQ(after.wrong_number[0][gender], before.wrong_number[0][gender]);
  }
}

TEST(ApplyLevels, probabilities_are_set_before_levels_merge) {
  const ModelParameters after = changed({merged(kPostcode, PostcodeLevel::near, PostcodeLevel::sector),
                                         given(kPostcode, PostcodeLevel::sector, 0.1, std::nullopt)});
  EXPECT_GT(at(after.postcode, PostcodeLevel::sector).m, 0.1);
  EXPECT_EQ(at(after.postcode, PostcodeLevel::sector).m, at(after.postcode, PostcodeLevel::near).m);
}

TEST(ApplyLevels, the_order_in_the_job_file_does_not_matter) {
  std::vector<LevelOverride> levels = {
      given(kPostcode, PostcodeLevel::exact, 0.6, 1e-6), merged(kPostcode, PostcodeLevel::near, PostcodeLevel::sector),
      merged(kPostcode, PostcodeLevel::sector, PostcodeLevel::district), given(kGender, GenderLevel::same, 0.99, 0.5),
      merged(kBirth, BirthLevel::swapped, BirthLevel::two_parts)};
  const ModelParameters first = changed(levels);
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(levels.begin(), levels.end(), random);
    EXPECT_TRUE(same_bytes(changed(levels), first));
  }
}

TEST(ApplyLevels, impossible_settings_give_finite_weights_still) {
  std::vector<LevelOverride> levels = {given(kPostcode, PostcodeLevel::near, 0.9, 0.9),
                                       given(kPostcode, PostcodeLevel::area, 0.9, 0.9),
                                       {kGender, 200, 0.5, 0.5, std::nullopt},
                                       {kGender, 0, 0.5, 0.5, std::nullopt},
                                       {kBirth, 3, std::nullopt, std::nullopt, std::uint8_t{250}},
                                       {kBirth, 250, std::nullopt, std::nullopt, std::uint8_t{1}}};
  const ModelParameters after = changed(levels);
  EXPECT_EQ(at(after.postcode, PostcodeLevel::exact).m, 0);
  EXPECT_EQ(after.gender[2].m, estimated().gender[2].m);
  EXPECT_EQ(after.birth[3].m, estimated().birth[3].m);
  const LinkageModel model(after);
  for (std::size_t p = 0; p < kPatterns; ++p) {
    EXPECT_LT(std::abs(model.weight(static_cast<Pattern>(p))), 1000 * kWeightPerBit);
  }
}

}  // namespace
}  // namespace ligature
