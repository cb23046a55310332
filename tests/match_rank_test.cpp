// The ladder of match ranks, a case a rank.  Source: HSCIC, HES-DID Data Matching Quality report, April 2015: ranks 1
// to 5 and 8 need the NHS number, 6 and 7 that it does not contradict; 1 January and the postcodes of the ignore list
// are no evidence without a number.
#include "engine/match_rank.hpp"

#include <random>
#include <string>

#include <gtest/gtest.h>

#include "tests/identity_maker.hpp"

namespace ligature {
namespace {

const std::uint64_t kX = number_of_stem(1), kY = number_of_stem(500);
constexpr auto kBirth = "1970-12-31", kPostcode = "SW1A 1AA";
constexpr Gender kMale = Gender::male, kFemale = Gender::female;

Identity crowded(std::uint64_t number, const char* birth, int bits) {
  Evidence evidence;
  evidence.postcode = static_cast<Rarity>(kAverageRarity - 4 * bits);
  return weighed_identity(number, birth, kPostcode, kMale, evidence);
}

std::string rank_of(const Identity& a, const Identity& b) {
  EXPECT_EQ(match_rank(a, b), match_rank(b, a)) << "a rank has no direction";
  return std::string(match_rank_name(match_rank(a, b)));
}

// The rank of a full record and this one.
std::string rank_with(std::uint64_t number, const char* birth, const char* postcode, Gender gender) {
  return rank_of(weighed_identity(kX, kBirth, kPostcode, kMale), weighed_identity(number, birth, postcode, gender));
}

TEST(MatchRank, is_1A_where_all_four_identifiers_agree) {
  EXPECT_EQ(rank_with(kX, kBirth, kPostcode, kMale), "1A");
}

TEST(MatchRank, is_1B_where_only_the_end_or_one_character_of_the_postcode_differs) {
  EXPECT_EQ(rank_with(kX, kBirth, "SW1A 1AB", kMale), "1B") << "one character";
  EXPECT_EQ(rank_with(kX, kBirth, "SW1A 1DH", kMale), "1B") << "the unit";
  EXPECT_EQ(rank_with(kX, kBirth, "SW1A 2DH", kMale), "2") << "another sector";
}

TEST(MatchRank, is_2_where_the_postcode_differs_or_is_missing) {
  EXPECT_EQ(rank_with(kX, kBirth, "LS1 4AP", kMale), "2");
  EXPECT_EQ(rank_with(kX, kBirth, "", kMale), "2");
}

TEST(MatchRank, is_3_or_4_where_the_date_of_birth_agrees_in_part) {
  for (const char* birth : {"1970-12-30", "1971-12-31", "1970-10-31", "1970-12-13"}) {
    EXPECT_EQ(rank_with(kX, birth, kPostcode, kMale), "3") << birth;
    EXPECT_EQ(rank_with(kX, birth, "LS1 4AP", kMale), "4") << birth;
    EXPECT_EQ(rank_with(kX, birth, "", kMale), "4") << birth;
  }
  const Identity day_first = weighed_identity(kX, "1970-03-04", kPostcode, kMale);
  EXPECT_EQ(rank_of(day_first, weighed_identity(kX, "1970-04-03", kPostcode, kMale)), "3") << "day and month exchanged";
}

TEST(MatchRank, is_5_where_number_and_postcode_agree_and_birth_or_gender_do_not) {
  EXPECT_EQ(rank_with(kX, "1980-05-02", kPostcode, kMale), "5");
  EXPECT_EQ(rank_with(kX, "1970-05-02", kPostcode, kMale), "5") << "the year alone is not a partial date of birth";
  EXPECT_EQ(rank_with(kX, kBirth, kPostcode, kFemale), "5");
  EXPECT_EQ(rank_with(kX, "", kPostcode, Gender::unknown), "5");
}

TEST(MatchRank, is_6_where_all_but_the_number_agrees_and_no_number_contradicts) {
  EXPECT_EQ(rank_with(0, kBirth, kPostcode, kMale), "6");
  EXPECT_EQ(rank_with(kX + 1, kBirth, kPostcode, kMale), "6") << "an invalid number contradicts nobody";
  EXPECT_EQ(rank_of(crowded(0, kBirth, 0), crowded(0, kBirth, 0)), "6");
  EXPECT_EQ(rank_with(kY, kBirth, kPostcode, kMale), "unranked") << "another valid number does";
}

TEST(MatchRank, is_6_or_7_only_with_gender_birth_and_postcode_all_exact) {
  EXPECT_EQ(rank_with(0, kBirth, kPostcode, kFemale), "unranked");
  EXPECT_EQ(rank_with(0, kBirth, kPostcode, Gender::unknown), "unranked");
  EXPECT_EQ(rank_with(0, kBirth, "SW1A 1AB", kMale), "unranked");
  EXPECT_EQ(rank_with(0, "1970-12-30", kPostcode, kMale), "unranked");
}

TEST(MatchRank, is_7_at_a_postcode_that_sixteen_times_as_many_people_share) {
  EXPECT_EQ(rank_of(crowded(kX, kBirth, 3), crowded(0, kBirth, 3)), "6");
  EXPECT_EQ(rank_of(crowded(kX, kBirth, 4), crowded(0, kBirth, 4)), "7");
  EXPECT_EQ(rank_of(crowded(kX, kBirth, 9), crowded(0, kBirth, 9)), "7");
  EXPECT_EQ(rank_of(crowded(kX, kBirth, 9), crowded(kX, kBirth, 9)), "1A") << "the number needs no such care";
}

TEST(MatchRank, on_the_first_of_january_needs_the_number) {
  EXPECT_EQ(rank_of(crowded(kX, "1970-01-01", 0), crowded(0, "1970-01-01", 0)), "unranked");
  EXPECT_EQ(rank_of(crowded(kX, "1970-01-01", 0), crowded(kX, "1970-01-01", 0)), "1A");
  EXPECT_EQ(rank_of(crowded(kX, "1970-01-02", 0), crowded(0, "1970-01-02", 0)), "6");
  EXPECT_EQ(rank_of(crowded(kX, "1970-02-01", 0), crowded(0, "1970-02-01", 0)), "6");
}

TEST(MatchRank, is_8_where_the_number_alone_agrees) {
  EXPECT_EQ(rank_with(kX, "1980-05-02", "LS1 4AP", kMale), "8");
  EXPECT_EQ(rank_with(kX, kBirth, "LS1 4AP", kFemale), "8") << "gender contradicts";
  EXPECT_EQ(rank_with(kX, "", "", Gender::unknown), "8");
}

TEST(MatchRank, counts_only_a_valid_number_as_one) {
  const auto misspelt = [](const char* postcode) { return weighed_identity(kX + 1, kBirth, postcode, kMale); };
  EXPECT_EQ(rank_of(misspelt(kPostcode), misspelt(kPostcode)), "6");
  EXPECT_EQ(rank_of(misspelt(kPostcode), misspelt("LS1 4AP")), "unranked");
}

TEST(MatchRank, has_no_direction_and_is_never_unmatched) {
  std::mt19937_64 random(81);
  const std::uint64_t numbers[] = {0, kX, kY, kX + 1};
  const char* const births[] = {"", "1970-12-31", "1970-12-30", "1970-01-01", "1980-05-02"};
  const char* const postcodes[] = {"", "SW1A 1AA", "SW1A 1AB", "SW1A 1DH", "LS1 4AP"};
  const Gender genders[] = {Gender::unknown, kMale, kFemale, Gender::indeterminate};
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t postcode_a = random() % 5, postcode_b = random() % 5;
    const auto make = [&](std::size_t postcode) {
      Evidence evidence;
      // Each postcode has one rarity.
      evidence.postcode = static_cast<Rarity>(postcode == 1 ? 20 : 64);
      return weighed_identity(numbers[random() % 4], births[random() % 5], postcodes[postcode], genders[random() % 4],
                              evidence);
    };
    const Identity a = make(postcode_a), b = make(postcode_b);
    ASSERT_EQ(match_rank(a, b), match_rank(b, a));
    ASSERT_NE(match_rank(a, b), MatchRank::unmatched);
  }
}

}  // namespace
}  // namespace ligature
