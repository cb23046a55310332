// The plain comparison levels, each rule by an example, and their symmetry over random pairs.
#include "engine/comparison.hpp"

#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "engine/date.hpp"
#include "engine/nhs_number.hpp"
#include "engine/postcode.hpp"

namespace ligature {
namespace {

NhsLevel nhs(std::uint64_t a, std::uint64_t b) {
  return compare_nhs(nhs_digits_bcd(a), nhs_digits_bcd(b));
}

PostcodeLevel postcode(const char* a, const char* b) {
  return compare_postcode(postcode_bytes(standardise_postcode(a).packed),
                          postcode_bytes(standardise_postcode(b).packed));
}

DayNumber day(int year, int month, int day_of_month) {
  return day_number({year, month, day_of_month}).value();
}

TEST(Comparison, two_empty_identities_are_missing_on_every_identifier) {
  EXPECT_EQ(levels_of(compare(Identity{}, Identity{})), Levels{});
  EXPECT_EQ(compare(Identity{}, Identity{}), 0);
}

TEST(Comparison, patterns_and_levels_are_one_to_one) {
  for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
    ASSERT_EQ(pattern_of(levels_of(static_cast<Pattern>(pattern))), pattern);
  }
  const Levels strongest{NhsLevel::exact, BirthLevel::exact, PostcodeLevel::exact, GenderLevel::same};
  EXPECT_EQ(pattern_of(strongest), kPatterns - 1);
}

TEST(Comparison, every_level_of_an_identifier_has_a_name_of_its_own) {
  std::set<std::string_view> nhs_names, birth_names, postcode_names, gender_names;
  for (std::size_t i = 0; i < kNhsLevels; ++i) nhs_names.insert(level_name(static_cast<NhsLevel>(i)));
  for (std::size_t i = 0; i < kBirthLevels; ++i) birth_names.insert(level_name(static_cast<BirthLevel>(i)));
  for (std::size_t i = 0; i < kPostcodeLevels; ++i) postcode_names.insert(level_name(static_cast<PostcodeLevel>(i)));
  for (std::size_t i = 0; i < kGenderLevels; ++i) gender_names.insert(level_name(static_cast<GenderLevel>(i)));
  EXPECT_EQ(nhs_names.size(), kNhsLevels);
  EXPECT_EQ(birth_names.size(), kBirthLevels);
  EXPECT_EQ(postcode_names.size(), kPostcodeLevels);
  EXPECT_EQ(gender_names.size(), kGenderLevels);
}

TEST(NhsComparison, is_missing_if_either_side_is) {
  EXPECT_EQ(nhs(0, 9434765919), NhsLevel::missing);
  EXPECT_EQ(nhs(9434765919, 0), NhsLevel::missing);
}

TEST(NhsComparison, one_wrong_digit_anywhere_is_near) {
  EXPECT_EQ(nhs(9434765919, 9434765919), NhsLevel::exact);
  EXPECT_EQ(nhs(9434765919, 1434765919), NhsLevel::near);
  EXPECT_EQ(nhs(9434765919, 9434765918), NhsLevel::near);
  EXPECT_EQ(nhs(9434765919, 9434065919), NhsLevel::near);
}

TEST(NhsComparison, exchanged_neighbours_are_near_but_two_other_wrong_digits_are_not) {
  EXPECT_EQ(nhs(9434765919, 4934765919), NhsLevel::near);
  EXPECT_EQ(nhs(9434765919, 9434765991), NhsLevel::near);
  EXPECT_EQ(nhs(9434765919, 9434765998), NhsLevel::other) << "neighbours, not exchanged";
  EXPECT_EQ(nhs(1234765919, 3214765919), NhsLevel::other) << "exchanged, not neighbours";
  // 12.. and 30..: both digits differ by the same exclusive or (2), yet nothing was exchanged.
  EXPECT_EQ(nhs(1234765919, 3034765919), NhsLevel::other);
}

TEST(BirthComparison, is_missing_if_either_side_is) {
  EXPECT_EQ(compare_birth(0, 0x19700304), BirthLevel::missing);
  EXPECT_EQ(compare_birth(0x19700304, 0), BirthLevel::missing);
}

TEST(BirthComparison, tries_levels_from_the_strongest_down) {
  EXPECT_EQ(compare_birth(0x19700304, 0x19700304), BirthLevel::exact);
  EXPECT_EQ(compare_birth(0x19700304, 0x19700403), BirthLevel::swapped) << "day and month exchanged";
  EXPECT_EQ(compare_birth(0x19701112, 0x19701211), BirthLevel::swapped);
  EXPECT_EQ(compare_birth(0x19700412, 0x19700421), BirthLevel::swapped) << "digits of the day exchanged";
  EXPECT_EQ(compare_birth(0x19700412, 0x19070412), BirthLevel::swapped) << "digits of the year exchanged";
  EXPECT_EQ(compare_birth(0x19700304, 0x19710304), BirthLevel::one_digit);
  EXPECT_EQ(compare_birth(0x19700304, 0x19700305), BirthLevel::one_digit);
  EXPECT_EQ(compare_birth(0x19700304, 0x19701304), BirthLevel::one_digit);
  EXPECT_EQ(compare_birth(0x19700304, 0x19700319), BirthLevel::two_parts) << "year and month agree";
  EXPECT_EQ(compare_birth(0x19700309, 0x19701209), BirthLevel::two_parts) << "year and day agree";
  EXPECT_EQ(compare_birth(0x19700309, 0x19850309), BirthLevel::two_parts) << "month and day agree";
  EXPECT_EQ(compare_birth(0x19700309, 0x19701128), BirthLevel::same_year);
  EXPECT_EQ(compare_birth(0x19700309, 0x19810928), BirthLevel::other);
}

TEST(BirthComparison, digits_exchanged_across_two_parts_are_no_exchange) {
  // The month's last and the day's first digit: 12|03 and 10|23.
  EXPECT_EQ(compare_birth(0x19701203, 0x19701023), BirthLevel::same_year);
  // The year's last and the month's first digit: 1970|12 and 1971|02.
  EXPECT_EQ(compare_birth(0x19701203, 0x19710203), BirthLevel::other);
}

TEST(BirthComparison, birth_digits_are_the_calendar_date) {
  EXPECT_EQ(birth_digits_bcd(kMissingDay), 0U);
  EXPECT_EQ(birth_digits_bcd(day(1895, 1, 1)), 0x18950101U);
  EXPECT_EQ(birth_digits_bcd(day(2000, 2, 29)), 0x20000229U);
  EXPECT_EQ(birth_digits_bcd(day(1999, 12, 31)), 0x19991231U);
}

TEST(PostcodeComparison, is_missing_if_either_side_is_or_is_a_pseudo_postcode) {
  EXPECT_EQ(postcode("", "SW1A 1AA"), PostcodeLevel::missing);
  EXPECT_EQ(postcode("SW1A 1AA", "ZZ99 3VZ"), PostcodeLevel::missing);
}

TEST(PostcodeComparison, follows_the_hierarchy_of_the_postcode) {
  EXPECT_EQ(postcode("SW1A 1AA", "SW1A 1AA"), PostcodeLevel::exact);
  EXPECT_EQ(postcode("SW1A 1AA", "SW1A 1AB"), PostcodeLevel::near);
  EXPECT_EQ(postcode("SW1A 1AA", "SW1A 2AA"), PostcodeLevel::near);
  EXPECT_EQ(postcode("SW1A 1AA", "SE1A 1AA"), PostcodeLevel::near) << "one character of the area";
  EXPECT_EQ(postcode("M1 1AA", "M11 1AA"), PostcodeLevel::near) << "one character more";
  EXPECT_EQ(postcode("SW1A 1AA", "SW1A 1BD"), PostcodeLevel::sector);
  EXPECT_EQ(postcode("SW1A 1AA", "SW1A 2BA"), PostcodeLevel::district);
  EXPECT_EQ(postcode("SW1A 1AA", "SW12 2BA"), PostcodeLevel::area);
  EXPECT_EQ(postcode("SW1A 1AA", "CB2 3QB"), PostcodeLevel::other);
  EXPECT_EQ(postcode("S1 1AA", "SW2 2BB"), PostcodeLevel::other) << "S and SW are two areas";
}

TEST(GenderComparison, knows_evidence_only_from_male_and_female) {
  EXPECT_EQ(compare_gender(Gender::male, Gender::male), GenderLevel::same);
  EXPECT_EQ(compare_gender(Gender::male, Gender::female), GenderLevel::different);
  EXPECT_EQ(compare_gender(Gender::unknown, Gender::female), GenderLevel::missing);
  EXPECT_EQ(compare_gender(Gender::indeterminate, Gender::indeterminate), GenderLevel::missing);
}

TEST(Comparison, compares_the_identifiers_of_packed_identities) {
  IdentityFields a;
  a.nhs = standardise_nhs_number("943 476 5919");
  a.date_of_birth = day(1970, 3, 4);
  a.postcode = standardise_postcode("SW1A 1AA");
  a.gender = Gender::female;
  IdentityFields b = a;
  b.nhs = standardise_nhs_number("943 476 5991");
  b.date_of_birth = day(1970, 4, 3);
  b.postcode = standardise_postcode("SW1A 2BB");
  b.gender = Gender::male;
  const Levels expected{NhsLevel::near, BirthLevel::swapped, PostcodeLevel::district, GenderLevel::different};
  EXPECT_EQ(levels_of(compare(pack(a), pack(b))), expected);
  const Levels same{NhsLevel::exact, BirthLevel::exact, PostcodeLevel::exact, GenderLevel::same};
  EXPECT_EQ(levels_of(compare(pack(a), pack(a))), same);
}

TEST(Comparison, a_one_time_identity_has_no_nhs_number_to_compare) {
  IdentityFields fields;
  fields.date_of_birth = day(1970, 3, 4);
  const Identity one_time = one_time_identity(fields, 0x0123456789ABCDEFULL);
  EXPECT_EQ(levels_of(compare(one_time, one_time)).nhs, NhsLevel::missing);
  EXPECT_EQ(levels_of(compare(one_time, one_time)).birth, BirthLevel::exact);
}

TEST(Comparison, is_symmetric_on_strings_a_digit_or_two_apart) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200'000; ++round) {
    std::uint64_t a = 0, b = 0;
    for (int position = 0; position < 10; ++position) a = a << 4 | random() % 10;
    b = a;
    for (std::uint64_t change = random() % 3; change-- > 0;) {
      const auto shift = static_cast<int>(4 * (random() % 10));
      b = (b & ~(0xFULL << shift)) | (random() % 10) << shift;
    }
    ASSERT_EQ(compare_nhs(a, b), compare_nhs(b, a)) << std::hex << a << ' ' << b;
    const auto birth_a = static_cast<std::uint32_t>(a), birth_b = static_cast<std::uint32_t>(b);
    ASSERT_EQ(compare_birth(birth_a, birth_b), compare_birth(birth_b, birth_a))
        << std::hex << birth_a << ' ' << birth_b;
  }
}

}  // namespace
}  // namespace ligature
