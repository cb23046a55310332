// What pairs weigh beyond the sum of their identifiers: the three kinds of pairs, term frequencies, twins, and valid
// numbers that contradict each other.  Sources: Fellegi and Sunter, JASA 64(328), 1969; Winkler, 2000.
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "engine/decisive.hpp"
#include "engine/model.hpp"
#include "tests/identity_maker.hpp"

namespace ligature {
namespace {

using Nhs = NhsLevel;
using Birth = BirthLevel;
using Postal = PostcodeLevel;
using Sex = GenderLevel;

const std::uint64_t kX = number_of_stem(1), kY = number_of_stem(500);
constexpr auto kBirth = "1970-12-31", kPostcode = "SW1A 1AA";
constexpr Gender kMale = Gender::male;

double bits(Weight weight) {
  return static_cast<double>(weight) / kWeightPerBit;
}

// Probabilities that are powers of two, so that weights are whole bits.
ModelParameters round_parameters() {
  ModelParameters parameters;
  parameters.prior = 1.0 / 1025;  // odds of 2^-10
  parameters.nhs[static_cast<std::size_t>(Nhs::near)] = {0.5, 0x1p-20};
  parameters.nhs[static_cast<std::size_t>(Nhs::other)] = {0.5, 1};
  parameters.birth.back() = {1, 0x1p-14};
  parameters.birth[1] = {0x1p-8, 1};
  parameters.postcode.back() = {0.5, 0x1p-12};
  parameters.postcode[1] = {0.25, 0.5};
  parameters.gender.back() = {1, 0.5};
  parameters.gender[1] = {0x1p-8, 0.5};
  parameters.unnumbered = 1.0 / 9;  // odds of 8 to 1 that a person shows a number
  parameters.wrong_number[0][0] = 0x1p-9;
  parameters.threshold_bits = 2;
  parameters.margin_bits = 5;
  return parameters;
}

Evidence rarities(int birth_bits, int postcode_bits) {
  Evidence evidence;
  evidence.birth = static_cast<Rarity>(kAverageRarity + 4 * birth_bits);
  evidence.postcode = static_cast<Rarity>(kAverageRarity + 4 * postcode_bits);
  return evidence;
}

Identity person(std::uint64_t number, const char* postcode = kPostcode, const Evidence& evidence = {},
                const char* birth = kBirth, Gender gender = kMale) {
  return weighed_identity(number, birth, postcode, gender, evidence);
}

double weight(const LinkageModel& model, const Identity& a, const Identity& b) {
  EXPECT_EQ(model.weight(compare(a, b), a, b), model.weight(compare(b, a), b, a)) << "a weight has no direction";
  return bits(model.weight(compare(a, b), a, b));
}

// --- the same number ---

TEST(SameNumber, is_worth_the_odds_that_it_is_not_a_mistake_and_not_the_prior) {
  ModelParameters parameters = round_parameters();
  const LinkageModel model(parameters);
  const double alone = bits(model.weight(pattern_of({Nhs::exact, Birth::missing, Postal::missing, Sex::missing})));
  EXPECT_NEAR(alone, std::log2((1 - 0x1p-9) / 0x1p-9), 1e-3);
  parameters.prior = 1e-9;
  EXPECT_EQ(bits(LinkageModel(parameters).weight(pattern_of({Nhs::exact, Birth::missing, Postal::missing, {}}))),
            alone);
}

TEST(SameNumber, weighs_postcode_and_gender_against_those_whose_numbers_are_mixed_up) {
  ModelParameters parameters = round_parameters();
  auto& exact = parameters.wrong_number[static_cast<std::size_t>(Postal::exact)];
  exact[static_cast<std::size_t>(Sex::same)] = 0x1p-10;
  exact[static_cast<std::size_t>(Sex::different)] = 0x1p-12;
  const LinkageModel model(parameters);
  const double right = std::log2(1 - 0x1p-9);
  const auto of = [&](Sex sex) {
    return bits(model.weight(pattern_of({Nhs::exact, Birth::exact, Postal::exact, sex})));
  };
  EXPECT_NEAR(of(Sex::same), 14 + right - 1 + 10, 2e-3) << "m of postcode and gender over a household's";
  EXPECT_NEAR(of(Sex::different), 14 + right - 1 - 8 + 12, 2e-3);
}

TEST(SameNumber, is_evidence_whatever_the_birth_and_postcode_are_shared_with) {
  const LinkageModel model(round_parameters());
  EXPECT_EQ(weight(model, person(kX, kPostcode, rarities(-9, -9)), person(kX, kPostcode, rarities(-9, -9))),
            weight(model, person(kX, kPostcode, rarities(9, 9)), person(kX, kPostcode, rarities(9, 9))));
}

TEST(SameNumber, at_one_address_with_another_birthday_is_weaker_than_at_two_where_households_mix_numbers_up) {
  const LinkageModel model(documented_model({}));
  const double one_home = weight(model, person(kX), person(kX, kPostcode, {}, "1950-02-03"));
  const double two_homes = weight(model, person(kX), person(kX, "YO10 5DD", {}, "1950-02-03"));
  EXPECT_LT(one_home, 2);
  EXPECT_LT(two_homes, 2);
  EXPECT_LT(one_home, weight(model, person(kX), person(kX))) << "and the birthday is what counts";
}

// --- term frequencies ---

TEST(TermFrequency, agreement_on_a_common_birthday_counts_for_a_bit_less_for_each_doubling) {
  const LinkageModel model(round_parameters());
  const auto of = [&](int rarity) {
    const Evidence evidence = rarities(rarity, 0);
    return weight(model, person(0, kPostcode, evidence), person(0, "YO10 5DD", evidence));
  };
  EXPECT_EQ(of(0), -10 + 14 - 1 + 1);
  for (int rarity = -10; rarity <= 10; ++rarity) EXPECT_EQ(of(rarity), of(0) + rarity);
}

TEST(TermFrequency, agreement_on_a_common_postcode_counts_for_a_bit_less_for_each_doubling) {
  const LinkageModel model(round_parameters());
  const auto of = [&](int rarity) {
    const Evidence evidence = rarities(0, rarity);
    return weight(model, person(0, kPostcode, evidence), person(0, kPostcode, evidence, "1950-02-03"));
  };
  EXPECT_EQ(of(0), -10 - 8 + 11 + 1);
  for (int rarity = -10; rarity <= 10; ++rarity) EXPECT_EQ(of(rarity), of(0) + rarity);
}

TEST(TermFrequency, is_of_no_account_where_the_values_do_not_agree) {
  const LinkageModel model(round_parameters());
  const Identity common = person(0, kPostcode, rarities(-10, -10));
  const Identity rare = person(0, "YO10 5DD", rarities(10, 10), "1950-02-03");
  EXPECT_EQ(weight(model, common, rare), -10 - 8 - 1 + 1);
}

TEST(TermFrequency, a_first_of_january_at_a_hall_of_residence_does_not_link_where_a_usual_birthday_at_home_does) {
  FileFrequencies file;
  file.identities = 40'000'000;
  file.distinct_nhs = 20'000'000;
  const LinkageModel model(documented_model(file));
  const auto links = [&](const Evidence& evidence) {
    return weight(model, person(0, kPostcode, evidence), person(0, kPostcode, evidence)) >= bits(model.threshold());
  };
  EXPECT_TRUE(links(rarities(0, 0)));
  EXPECT_FALSE(links(rarities(-6, -8)));
}

// --- twins ---

TEST(Siblings, weaken_a_shared_birthday_and_postcode_to_the_rate_at_which_two_persons_share_them) {
  ModelParameters parameters = round_parameters();
  const auto of = [&](const ModelParameters& given) {
    return bits(LinkageModel(given).weight(pattern_of({Nhs::missing, Birth::exact, Postal::exact, Sex::same})));
  };
  const double chance_alone = -10 + 14 + 11 + 1;
  EXPECT_NEAR(of(parameters), chance_alone, 2e-3);
  // By chance two share birthday and gender at 2^-15; siblings three times that make it 2^-13.
  parameters.siblings_at_postcode[postcode_class(kAverageRarity)][static_cast<std::size_t>(Sex::same)] = 3 * 0x1p-15;
  EXPECT_NEAR(of(parameters), chance_alone - 2, 2e-3);
  EXPECT_EQ(bits(LinkageModel(parameters).weight(pattern_of({Nhs::missing, Birth::exact, Postal::other, Sex::same}))),
            -10 + 14 - 1 + 1)
      << "siblings at other postcodes are like anybody";
}

TEST(Siblings, are_counted_for_postcodes_of_one_kind_and_do_not_weaken_the_others) {
  ModelParameters parameters = round_parameters();
  parameters.siblings_at_postcode[postcode_class(kAverageRarity)].fill(0.25);
  const LinkageModel model(parameters), without(round_parameters());
  const auto difference = [&](int rarity) {
    const Identity here = person(0, kPostcode, rarities(0, rarity));
    return weight(without, here, here) - weight(model, here, here);
  };
  EXPECT_GT(difference(0), 10);
  EXPECT_EQ(difference(1), 0);
  EXPECT_EQ(difference(-1), 0);
}

TEST(Siblings, the_documented_rate_of_twins_is_the_lower_the_more_people_share_the_postcode) {
  FileFrequencies file;
  file.identities = 2'000'000;
  file.distinct_nhs = 1'000'000;
  file.different_pairs_both_postcodes = 1'000'000'000;
  file.different_pairs_same_postcode = 50'000;  // some fifty at a postcode
  const ModelParameters model = documented_model(file);
  for (std::size_t k = postcode_class(kAverageRarity) - 8; k < postcode_class(kAverageRarity); ++k) {
    EXPECT_LT(model.siblings_at_postcode[k][0], model.siblings_at_postcode[k + 1][0]) << k;
  }
}

TEST(Siblings, that_are_seen_in_numbers_are_believed) {
  FileFrequencies file;
  file.identities = 2'000'000;
  file.distinct_nhs = 1'000'000;
  const std::size_t k = postcode_class(kAverageRarity);
  const auto same = static_cast<std::size_t>(Sex::same);
  file.pairs_at_postcode[k] = 1'000'000;
  file.same_birth_at_postcode[k][same] = 20'000;
  EXPECT_NEAR(documented_model(file).siblings_at_postcode[k][same], 0.02, 0.001);
}

// --- one side has a number ---

TEST(ToNumbered, an_identity_with_a_number_is_likelier_the_person_only_where_birthday_and_postcode_both_agree) {
  const LinkageModel model(round_parameters());
  const auto gain = [&](const char* postcode, const char* birth) {
    return weight(model, person(kX), person(0, postcode, {}, birth)) -
           weight(model, person(0), person(0, postcode, {}, birth));
  };
  EXPECT_NEAR(gain(kPostcode, kBirth), 3, 1e-3) << "eight strangers in nine would show a number of their own";
  EXPECT_EQ(gain("YO10 5DD", kBirth), 0);
  EXPECT_EQ(gain(kPostcode, "1950-02-03"), 0);
  EXPECT_EQ(gain("", kBirth), 0);
}

TEST(ToNumbered, an_invalid_number_is_no_number_of_ones_own) {
  const LinkageModel model(round_parameters());
  ASSERT_FALSE(nhs_check_digit_ok(kY + 1));
  EXPECT_NEAR(weight(model, person(kX), person(kY + 1)) - weight(model, person(0), person(0)), 3 - 1, 2e-3)
      << "eight to one, less a half for a number that is another";
}

// --- two valid numbers ---

TEST(Conflict, weighs_birthday_and_postcode_together_by_how_many_such_pairs_are_two_persons) {
  ModelParameters parameters = round_parameters();
  parameters.conflict_of_two = 0.2;  // odds of four to one that it is one person
  parameters.conflict_different_gender = 0.5;
  parameters.gender.back().m = 0.5;
  const LinkageModel model(parameters);
  EXPECT_NEAR(weight(model, person(kX), person(kY)), 2, 1e-3);
  EXPECT_NEAR(weight(model, person(kX), person(kY, kPostcode, {}, kBirth, Gender::female)), 2 - 7, 1e-3)
      << "one person's gender differs in one of 256, two persons' in one of two";
  EXPECT_NEAR(weight(model, person(kX), person(kY, kPostcode, {}, kBirth, Gender::unknown)), 2, 1e-3);
  EXPECT_TRUE(model.conflicts_may_link());
}

TEST(Conflict, weighs_all_else_as_without_numbers_but_for_its_own_prior) {
  ModelParameters parameters = round_parameters();
  parameters.conflict_prior = parameters.prior / (64 - 63 * parameters.prior);  // odds 64 times smaller
  const LinkageModel model(parameters);
  EXPECT_EQ(weight(model, person(kX), person(kY, "YO10 5DD")), weight(model, person(0), person(0, "YO10 5DD")) - 6);
}

TEST(Conflict, never_links_in_a_file_that_shows_no_seldom_seen_numbers) {
  for (const std::uint64_t persons : {0U, 1'000U, 1'000'000U}) {
    FileFrequencies file;
    file.identities = 2 * persons;
    file.distinct_nhs = persons;
    const LinkageModel model(documented_model(file));
    EXPECT_FALSE(model.conflicts_may_link()) << persons;
    EXPECT_LT(weight(model, person(kX), person(kY)), 0) << persons;
  }
}

TEST(Conflict, links_where_the_genders_of_seldom_seen_numbers_say_one_person_and_not_where_they_say_twins) {
  const auto links = [](std::uint64_t same_gender, std::uint64_t different_gender) {
    FileFrequencies file;
    file.identities = 20'000;
    file.distinct_nhs = 10'000;
    file.thin_numbers = 2'000;
    file.alike_thin[static_cast<std::size_t>(Sex::same)] = same_gender;
    file.alike_thin[static_cast<std::size_t>(Sex::different)] = different_gender;
    return LinkageModel(documented_model(file)).conflicts_may_link();
  };
  EXPECT_TRUE(links(1'000, 5));
  EXPECT_FALSE(links(32, 18));
  EXPECT_FALSE(links(640, 360));
}

TEST(Returns, add_more_the_likelier_a_strangers_record_would_have_found_its_own_and_never_much) {
  ModelParameters parameters = round_parameters();
  parameters.birth.back().m = parameters.postcode.back().m = 0;
  EXPECT_EQ(LinkageModel(parameters).return_weight(), 0);
  parameters.birth.back().m = 1;
  parameters.postcode.back().m = 0.25;
  const Weight low = LinkageModel(parameters).return_weight();
  EXPECT_GT(low, 0);
  parameters.postcode.back().m = 0.9;
  EXPECT_GT(LinkageModel(parameters).return_weight(), low);
  parameters.postcode.back().m = 1;
  EXPECT_LE(LinkageModel(parameters).return_weight(), 2 * kWeightPerBit);
}

// --- what the passes may leave out ---

TEST(DecisivePatterns, hold_every_pair_that_links_or_rivals) {
  std::mt19937_64 random(14);
  FileFrequencies file;
  file.identities = 300'000;
  file.distinct_nhs = 100'000;
  file.unnumbered = 30'000;
  const LinkageModel model(documented_model(file));
  const char* const births[] = {"", "1970-12-31", "1970-12-30", "1970-01-01", "1950-02-03"};
  const char* const postcodes[] = {"", "SW1A 1AA", "SW1A 1AB", "SW1A 2DH", "YO10 5DD"};
  std::uint64_t seen = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Evidence evidence = rarities(static_cast<int>(random() % 31) - 15, static_cast<int>(random() % 31) - 15);
    const Identity a = person(random() % 2 == 0 ? 0 : kX, postcodes[random() % 5], evidence, births[random() % 5]);
    const Identity b = person(0, postcodes[random() % 5], evidence, births[random() % 5]);
    const Pattern pattern = compare(a, b);
    if (!is_decisive(model, model.weight(pattern, a, b), a, b) || (a.nhs() != 0 && a.nhs() == b.nhs())) continue;
    ++seen;
    ASSERT_TRUE(decisive_patterns(model, a.has_valid_nhs(), birth_rarity(a), postcode_rarity(a))[pattern]);
  }
  EXPECT_GT(seen, 1'000U);
}

// --- any counts ---

TEST(DocumentedModel, is_finite_whatever_was_counted_of_twins_and_of_numbers) {
  constexpr std::uint64_t kLargest = 1'000'000'000'000'000;
  const std::uint64_t counts[] = {0, 0, 1, 7, 1'000, 1'000'000'000, kLargest};
  std::mt19937_64 random(15);
  const auto any = [&] { return counts[random() % std::size(counts)]; };
  for (int round = 0; round < 300; ++round) {
    FileFrequencies file;
    file.identities = any(), file.distinct_nhs = any(), file.unnumbered = any(), file.male = any(), file.female = any();
    file.invalid_numbers = any(), file.near_pairs_other_birth = any();
    file.thin_numbers = any(), file.neighbours = any(), file.neighbours_same_birth = any();
    for (std::uint64_t& count : file.pairs_at_postcode) count = any();
    for (auto& row : file.same_birth_at_postcode) {
      for (std::uint64_t& count : row) count = any();
    }
    for (std::uint64_t& count : file.alike_in_use) count = any();
    for (std::uint64_t& count : file.alike_thin) count = any();
    for (std::uint64_t& count : file.sampled_birth) count = any();
    for (std::uint64_t& count : file.sampled_postcode) count = any();
    const ModelParameters parameters = documented_model(file);
    for (const double probability : {parameters.prior, parameters.unnumbered, parameters.conflict_prior,
                                     parameters.conflict_of_two, parameters.conflict_different_gender}) {
      ASSERT_GE(probability, 0) << round;
      ASSERT_LE(probability, 1) << round;
    }
    ASSERT_TRUE(std::isfinite(parameters.neighbours_twins));
    for (const auto& of_class : parameters.siblings_at_postcode) {
      for (const double probability : of_class) ASSERT_TRUE(std::isfinite(probability) && probability >= 0) << round;
    }
    const LinkageModel model(parameters);
    for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
      for (const unsigned rarity : {0U, 64U, 127U}) {
        const auto r = static_cast<Rarity>(rarity);
        ASSERT_LT(std::abs(model.weight(static_cast<Pattern>(pattern), r, r)), 200 * kWeightPerBit) << round;
      }
    }
    ASSERT_LT(std::abs(model.weight(compare(person(kX), person(kY)), person(kX), person(kY))), 200 * kWeightPerBit);
  }
}

}  // namespace
}  // namespace ligature
