// The documented model: what must link and what must not at every size of file, and that no file makes it infinite.
#include "engine/model.hpp"

#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace ligature {
namespace {

// A file of so many persons, each with a number and two identities, in which nothing could be measured.
FileFrequencies file_of(std::uint64_t persons) {
  FileFrequencies file;
  file.identities = 2 * persons;
  file.distinct_nhs = persons;
  return file;
}

constexpr std::uint64_t kSizes[] = {0, 1, 500, 1'000, 4'096, 8'192, 100'000, 1'000'000, 20'000'000, 60'000'000};

using Nhs = NhsLevel;
using Birth = BirthLevel;
using Postal = PostcodeLevel;
using Sex = GenderLevel;

bool links(const FileFrequencies& file, const Levels& levels) {
  return LinkageModel(documented_model(file)).links(pattern_of(levels));
}

void expect_links_at_every_size(const Levels& levels, bool expected, const std::string& reason) {
  for (const std::uint64_t persons : kSizes) {
    EXPECT_EQ(links(file_of(persons), levels), expected) << reason << ", persons " << persons;
  }
}

TEST(DocumentedModel, links_birth_postcode_and_gender_without_a_number) {
  expect_links_at_every_size({Nhs::missing, Birth::exact, Postal::exact, Sex::same}, true, "all but the number");
  expect_links_at_every_size({Nhs::missing, Birth::exact, Postal::exact, Sex::missing}, true, "gender missing too");
}

TEST(DocumentedModel, links_an_equal_number_with_two_parts_of_the_birth_whatever_the_postcode) {
  expect_links_at_every_size({Nhs::exact, Birth::two_parts, Postal::other, Sex::same}, true, "moved");
  expect_links_at_every_size({Nhs::exact, Birth::one_digit, Postal::other, Sex::same}, true, "moved");
  expect_links_at_every_size({Nhs::exact, Birth::swapped, Postal::missing, Sex::missing}, true, "little else known");
  expect_links_at_every_size({Nhs::exact, Birth::exact, Postal::other, Sex::different}, true, "gender mistaken");
  expect_links_at_every_size({Nhs::exact, Birth::missing, Postal::missing, Sex::missing}, true, "the number alone");
}

TEST(DocumentedModel, does_not_link_an_equal_number_that_all_else_contradicts) {
  expect_links_at_every_size({Nhs::exact, Birth::other, Postal::other, Sex::different}, false, "a wrong number");
  expect_links_at_every_size({Nhs::exact, Birth::other, Postal::other, Sex::same}, false, "a wrong number");
}

TEST(DocumentedModel, does_not_link_birth_and_gender_across_postcode_areas) {
  for (const std::uint64_t persons : kSizes) {
    FileFrequencies file = file_of(persons);
    EXPECT_FALSE(links(file, {Nhs::missing, Birth::exact, Postal::other, Sex::same})) << persons;
    // Births spread over 80 years, as in a whole population: an equal one is then the strongest evidence.
    file.different_pairs_both_births = persons * persons / 2;
    file.different_pairs_same_birth = file.different_pairs_both_births / 29'200;
    EXPECT_FALSE(links(file, {Nhs::missing, Birth::exact, Postal::other, Sex::same})) << persons;
  }
}

TEST(DocumentedModel, links_a_number_with_one_wrong_digit_if_birth_gender_and_district_agree) {
  expect_links_at_every_size({Nhs::near, Birth::exact, Postal::exact, Sex::same}, true, "same postcode");
  expect_links_at_every_size({Nhs::near, Birth::exact, Postal::district, Sex::same}, true, "same district");
  expect_links_at_every_size({Nhs::near, Birth::other, Postal::other, Sex::same}, false, "nothing else agrees");
  expect_links_at_every_size({Nhs::near, Birth::other, Postal::other, Sex::missing}, false, "nothing else agrees");
}

TEST(DocumentedModel, does_not_link_birth_and_gender_alone) {
  expect_links_at_every_size({Nhs::missing, Birth::exact, Postal::missing, Sex::same}, false, "no postcode");
  expect_links_at_every_size({Nhs::missing, Birth::exact, Postal::missing, Sex::missing}, false, "birth alone");
}

TEST(DocumentedModel, no_single_identifier_but_the_number_links) {
  expect_links_at_every_size({Nhs::missing, Birth::other, Postal::exact, Sex::same}, false, "a neighbour");
  expect_links_at_every_size({Nhs::missing, Birth::other, Postal::other, Sex::same}, false, "anybody");
  expect_links_at_every_size({Nhs::missing, Birth::missing, Postal::missing, Sex::same}, false, "anybody");
  expect_links_at_every_size({}, false, "nothing known");
}

TEST(DocumentedModel, asks_for_less_certainty_where_few_pairs_have_a_number) {
  FileFrequencies file = file_of(1'000'000);
  const ModelParameters all_numbered = documented_model(file);
  EXPECT_DOUBLE_EQ(all_numbered.threshold_bits, 1.5);
  EXPECT_DOUBLE_EQ(all_numbered.margin_bits, 3.5);
  file.unnumbered = file.identities / 10;
  EXPECT_NEAR(documented_model(file).threshold_bits, 1.5 * 0.99, 1e-3);
  file.unnumbered = file.identities;
  EXPECT_NEAR(documented_model(file).threshold_bits, 0, 1e-3);
  EXPECT_NEAR(documented_model(file).margin_bits, 0, 1e-3);
  // A few rows without numbers say nothing yet.
  FileFrequencies few;
  few.identities = few.unnumbered = 3;
  EXPECT_GT(documented_model(few).threshold_bits, 1.49);
}

TEST(DocumentedModel, an_equal_number_net_of_the_prior_is_worth_eight_bits_in_any_file) {
  for (const std::uint64_t persons : kSizes) {
    const LinkageModel model(documented_model(file_of(persons)));
    const Weight net = model.weight(pattern_of({Nhs::exact, Birth::missing, Postal::missing, Sex::missing}));
    EXPECT_NEAR(static_cast<double>(net) / kWeightPerBit, 8, 0.1) << persons;
  }
}

TEST(DocumentedModel, counts_persons_by_their_numbers_or_by_their_identities_where_few_have_one) {
  FileFrequencies file;
  file.identities = 3'000'000;
  file.distinct_nhs = 2'000'000;
  EXPECT_DOUBLE_EQ(documented_model(file).prior, 1 / 2e6);
  file.distinct_nhs = 10;
  EXPECT_DOUBLE_EQ(documented_model(file).prior, 1 / 1.5e6);
}

TEST(DocumentedModel, measures_chance_agreement_once_there_is_enough_of_it) {
  FileFrequencies file = file_of(100'000);
  file.different_pairs_both_births = 10'000'000;
  file.different_pairs_same_birth = 300;
  file.different_pairs_both_postcodes = 10'000'000;
  file.different_pairs_same_postcode = 4'000;
  const ModelParameters measured = documented_model(file);
  EXPECT_DOUBLE_EQ(measured.birth.back().u, 3e-5);
  EXPECT_DOUBLE_EQ(measured.postcode.back().u, 4e-4);
}

TEST(DocumentedModel, of_few_agreements_believes_only_those_that_weaken_the_evidence) {
  FileFrequencies file = file_of(500);
  const ModelParameters documented = documented_model(file);
  file.different_pairs_both_births = file.different_pairs_both_postcodes = 100'000;
  EXPECT_DOUBLE_EQ(documented_model(file).birth.back().u, documented.birth.back().u) << "no agreement seen";
  file.different_pairs_same_birth = 1;
  file.different_pairs_same_postcode = 99;
  EXPECT_DOUBLE_EQ(documented_model(file).birth.back().u, documented.birth.back().u) << "rarer than documented";
  EXPECT_DOUBLE_EQ(documented_model(file).postcode.back().u, 49.5e-5) << "more common than documented";
  file.different_pairs_both_postcodes = 3;
  file.different_pairs_same_postcode = 1;
  EXPECT_LT(documented_model(file).postcode.back().u, 1.1e-5) << "one pair of twins among ten rows";
}

TEST(DocumentedModel, in_a_file_of_one_town_the_town_is_no_evidence) {
  FileFrequencies file = file_of(500);
  file.different_pairs_both_postcodes = 125'000;
  file.different_pairs_same_postcode = 600;  // some 200 postcodes
  EXPECT_TRUE(links(file, {Nhs::missing, Birth::exact, Postal::exact, Sex::same}));
  EXPECT_FALSE(links(file, {Nhs::missing, Birth::exact, Postal::area, Sex::same}));
  EXPECT_FALSE(links(file, {Nhs::missing, Birth::two_parts, Postal::exact, Sex::same})) << "a brother or sister";
}

// Files at the edges of what can be counted, sound or not.
std::vector<FileFrequencies> extreme_files() {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  std::vector<FileFrequencies> files{FileFrequencies{}};
  for (const std::uint64_t persons : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1'000'000}, kMost}) {
    for (const std::uint64_t both : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1'000'000'000}, kMost}) {
      for (const std::uint64_t same : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{100}, both / 2, both, kMost}) {
        FileFrequencies file = file_of(persons);
        file.different_pairs_both_births = file.different_pairs_both_postcodes = both;
        file.different_pairs_same_birth = file.different_pairs_same_postcode = same;
        files.push_back(file);
      }
    }
  }
  return files;
}

template <std::size_t Count>
void expect_sound(const std::array<LevelProbabilities, Count>& levels) {
  double m = 0, u = 0;
  for (std::size_t level = 1; level < Count; ++level) {
    EXPECT_GT(levels[level].m, 0) << level;
    EXPECT_GT(levels[level].u, 0) << level;
    m += levels[level].m;
    u += levels[level].u;
  }
  EXPECT_NEAR(m, 1, 1e-12);
  EXPECT_NEAR(u, 1, 1e-12);
  EXPECT_LE(levels[1].m, levels[1].u) << "disagreement must not be evidence for a match";
  const double exact = levels[Count - 1].m / levels[Count - 1].u;
  for (std::size_t level = 1; level + 1 < Count; ++level) {
    EXPECT_LE(levels[level].m / levels[level].u, exact * (1 + 1e-9)) << "level " << level << " outdoes the exact one";
  }
}

// The levels of NHS numbers that differ are a distribution of their own: pairs that share one are another kind.
void expect_sound_of_different_numbers(const std::array<LevelProbabilities, kNhsLevels>& levels) {
  const LevelProbabilities &other = levels[static_cast<std::size_t>(NhsLevel::other)],
                           &near = levels[static_cast<std::size_t>(NhsLevel::near)];
  EXPECT_NEAR(other.m + near.m, 1, 1e-12);
  EXPECT_NEAR(other.u + near.u, 1, 1e-12);
  EXPECT_GT(near.u, 0);
  EXPECT_GE(near.m, near.u);
}

TEST(DocumentedModel, is_finite_and_sound_for_any_counts_whatever) {
  for (const FileFrequencies& file : extreme_files()) {
    const ModelParameters parameters = documented_model(file);
    expect_sound_of_different_numbers(parameters.nhs);
    expect_sound(parameters.birth);
    expect_sound(parameters.postcode);
    expect_sound(parameters.gender);
    EXPECT_GT(parameters.prior, 0);
    EXPECT_LT(parameters.prior, 1);
    const LinkageModel model(parameters);
    for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
      const Weight weight = model.weight(static_cast<Pattern>(pattern));
      EXPECT_LT(std::abs(weight), 200 * kWeightPerBit);
    }
  }
}

TEST(LinkageModel, weight_is_the_prior_plus_one_term_for_each_identifier_that_both_sides_have) {
  ModelParameters parameters;
  parameters.prior = 1.0 / 3;  // odds of 1/2: -1 bit
  parameters.nhs[static_cast<std::size_t>(NhsLevel::near)] = {0.5, 0.125};
  parameters.birth.back() = {1, 1.0 / 1024};
  parameters.postcode[1] = {0.25, 0.5};
  parameters.gender.back() = {1, 0.5};
  const LinkageModel model(parameters);
  const auto bits = [&](const Levels& levels) {
    return static_cast<double>(model.weight(pattern_of(levels))) / kWeightPerBit;
  };
  EXPECT_EQ(bits({}), -1);
  EXPECT_EQ(bits({Nhs::near, Birth::missing, Postal::missing, Sex::missing}), -1 + 2);
  EXPECT_EQ(bits({Nhs::near, Birth::exact, Postal::other, Sex::same}), -1 + 2 + 10 - 1 + 1);
}

TEST(LinkageModel, copes_with_probabilities_that_are_none) {
  ModelParameters parameters;  // all zero
  EXPECT_EQ(LinkageModel(parameters).weight(pattern_of({Nhs::exact, Birth::exact, Postal::exact, Sex::same})),
            LinkageModel(parameters).weight(0));
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (const double odd : {nan, infinity, -infinity, -1.0, 2.0}) {
    parameters.nhs.fill({odd, odd});
    parameters.birth.fill({odd, 0.5});
    parameters.gender.fill({0.5, odd});
    parameters.prior = parameters.threshold_bits = parameters.margin_bits = odd;
    const LinkageModel model(parameters);
    for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
      EXPECT_LT(std::abs(model.weight(static_cast<Pattern>(pattern))), 200 * kWeightPerBit);
    }
  }
  parameters.threshold_bits = nan;
  EXPECT_FALSE(LinkageModel(parameters).links(kPatterns - 1)) << "nothing reaches a threshold that is not a number";
}

TEST(LinkageModel, a_pair_links_at_the_threshold_itself) {
  ModelParameters parameters;
  parameters.prior = 0.5;
  parameters.gender.back() = {1, 0.5};
  parameters.threshold_bits = 1;
  EXPECT_TRUE(LinkageModel(parameters).links(pattern_of({Nhs::missing, Birth::missing, Postal::missing, Sex::same})));
  parameters.threshold_bits = 1 + 1.0 / kWeightPerBit;
  EXPECT_FALSE(LinkageModel(parameters).links(pattern_of({Nhs::missing, Birth::missing, Postal::missing, Sex::same})));
}

TEST(Posterior, is_a_whole_percentage_rounded_down) {
  EXPECT_EQ(posterior_percent(0), 50);
  EXPECT_EQ(posterior_percent(kWeightPerBit), 66);
  EXPECT_EQ(posterior_percent(2 * kWeightPerBit), 80);
  EXPECT_EQ(posterior_percent(-kWeightPerBit), 33);
  EXPECT_EQ(posterior_percent(10 * kWeightPerBit), 99);
  EXPECT_EQ(posterior_percent(-10 * kWeightPerBit), 0);
  EXPECT_EQ(posterior_percent(std::numeric_limits<Weight>::max()), 100);
  EXPECT_EQ(posterior_percent(std::numeric_limits<Weight>::min()), 0);
}

}  // namespace
}  // namespace ligature
