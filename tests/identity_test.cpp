// Identities.  Sources: HES validity rules (1895-01-01 to the end of the data); UKHSA epidm and MPS Diagnostics user
// guide case 14 (placeholder dates of birth); MPS one-time-use identifiers and their incident of June 2024
// (duplicates).
#include "engine/identity.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

constexpr DayNumber kLatest = 43'555;  // 2014-04-01

IdentityFields born(std::string_view text, DayNumber latest = kLatest) {
  IdentityFields fields;
  standardise_birth(text, latest, fields);
  return fields;
}

IdentityFields fields_of(std::string_view nhs, std::string_view birth, std::string_view postcode,
                         std::string_view gender) {
  IdentityFields fields = born(birth);
  fields.nhs = standardise_nhs_number(nhs);
  fields.postcode = standardise_postcode(postcode);
  fields.gender = standardise_gender(gender);
  return fields;
}

TEST(Identity, nothing_known_is_zero) {
  EXPECT_EQ(pack({}), Identity{});
  EXPECT_EQ(unpack({}), IdentityFields{});
  EXPECT_FALSE(is_linkable({}));
}

TEST(Identity, edge_values_of_every_field_survive_packing) {
  const std::array<NhsNumber, 7> numbers = {{{0, NhsStatus::missing},
                                             {0, NhsStatus::valid},
                                             {1, NhsStatus::invalid},
                                             {9'999'999'999ULL, NhsStatus::valid},
                                             {9'999'999'999ULL, NhsStatus::invalid},
                                             {4'010'232'137ULL, NhsStatus::valid},
                                             {(1ULL << 34) - 1, NhsStatus::invalid}}};
  const std::array<Postcode, 5> postcodes = {{{},
                                              {0, PostcodeFlag::no_fixed_abode},
                                              {0, PostcodeFlag::pseudo},
                                              standardise_postcode("A1 1AA"),
                                              {(1ULL << kPostcodeBits) - 1, PostcodeFlag::none}}};
  for (const NhsNumber& nhs : numbers) {
    for (const DayNumber day : {kMissingDay, DayNumber{1}, DayNumber{0x8000}, DayNumber{65'535}}) {
      for (const Postcode& postcode : postcodes) {
        for (const Gender gender : {Gender::unknown, Gender::male, Gender::female, Gender::indeterminate}) {
          for (const bool placeholder : {false, true}) {
            const IdentityFields fields{nhs, day, placeholder, postcode, gender};
            const Identity identity = pack(fields);
            ASSERT_EQ(unpack(identity), fields);
            ASSERT_EQ(identity.has_valid_nhs(), nhs.status == NhsStatus::valid);
            ASSERT_EQ(identity.valid_nhs(), nhs.status == NhsStatus::valid ? nhs.value : 0);
            ASSERT_EQ(identity.first & 0x7FFFFFULL, 0U) << "the documented zero bits";
            ASSERT_EQ(identity.second & 0x3FFFULL, 0U);
          }
        }
      }
    }
  }
}

TEST(Identity, random_fields_survive_packing_and_different_fields_stay_different) {
  std::mt19937_64 random(16);
  std::vector<std::pair<Identity, IdentityFields>> packed;
  for (int i = 0; i < 50'000; ++i) {
    IdentityFields fields;
    fields.nhs.status = static_cast<NhsStatus>(random() % 3);
    fields.nhs.value = fields.nhs.status == NhsStatus::missing ? 0 : random() % 10'000'000'000ULL;
    fields.date_of_birth = static_cast<DayNumber>(random());
    fields.placeholder_birth = random() % 2 == 0;
    fields.postcode.flag = static_cast<PostcodeFlag>(random() % 3);
    fields.postcode.packed = random() >> (64 - kPostcodeBits);
    fields.gender = static_cast<Gender>(random() % 4);
    const Identity identity = pack(fields);
    ASSERT_EQ(unpack(identity), fields);
    packed.emplace_back(identity, fields);
  }
  std::sort(packed.begin(), packed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < packed.size(); ++i) {
    ASSERT_EQ(packed[i - 1].first == packed[i].first, packed[i - 1].second == packed[i].second);
  }
}

TEST(Identity, the_order_is_by_status_number_gender_then_birth_and_postcode) {
  const Identity base = pack(fields_of("4010232137", "1970-12-31", "SW1A 1AA", "1"));
  EXPECT_LT(pack(fields_of("", "1970-12-31", "SW1A 1AA", "1")), base);
  EXPECT_LT(base, pack(fields_of("4010232138", "1900-01-02", "", "")));  // invalid after valid
  EXPECT_LT(base, pack(fields_of("4010232137", "1960-12-31", "SW1A 1AA", "2")));
  EXPECT_LT(base, pack(fields_of("4010232137", "1971-01-01", "AB1 1AA", "1")));
  EXPECT_LT(base, pack(fields_of("4010232137", "1970-12-31", "SW1A 1AB", "1")));
}

TEST(Identity, equal_rows_in_different_spelling_are_one_identity) {
  EXPECT_EQ(pack(fields_of("401 023 2137", "31/12/1970", "sw1a1aa", "M")),
            pack(fields_of("4010232137", "1970-12-31T00:00:00", "SW1A 1AA", "1")));
}

TEST(Identity, linkable_means_that_equals_may_be_one_person) {
  EXPECT_TRUE(is_linkable(fields_of("4010232137", "", "", "")));
  EXPECT_TRUE(is_linkable(fields_of("", "1970-12-31", "SW1A 1AA", "")));
  EXPECT_TRUE(is_linkable(fields_of("4010232138", "1970-12-31", "", "")));
  EXPECT_FALSE(is_linkable(fields_of("", "1970-12-31", "", "1")));
  EXPECT_FALSE(is_linkable(fields_of("", "", "SW1A 1AA", "1")));
  EXPECT_TRUE(is_linkable(fields_of("4010232138", "", "SW1A 1AA", "1"))) << "a misspelt number at one address";
  EXPECT_TRUE(is_linkable(fields_of("4010232138", "1900-01-01", "SW1A 1AA", "1")));
  EXPECT_FALSE(is_linkable(fields_of("4010232138", "", "", "1"))) << "an invalid number needs something beside it";
  EXPECT_FALSE(is_linkable(fields_of("4010232138", "1900-01-01", "ZZ99 3VZ", "1"))) << "a placeholder is no birthday";
  EXPECT_FALSE(is_linkable(fields_of("", "1970-12-31", "ZZ99 3VZ", "1"))) << "a pseudo postcode is no address";
  EXPECT_FALSE(is_linkable(fields_of("1234567890", "", "", ""))) << "a filler is no number";
}

TEST(Identity, one_time_identities_differ_as_their_digests_do) {
  const IdentityFields fields = fields_of("", "1970-12-31", "ZZ99 3VZ", "2");
  std::set<Identity> identities;
  std::mt19937_64 random(56);
  for (int i = 0; i < 10'000; ++i) identities.insert(one_time_identity(fields, random()));
  // Each of 56 bits counts.
  for (int bit = 1; bit < 57; ++bit) identities.insert(one_time_identity(fields, 1ULL << bit));
  EXPECT_EQ(identities.size(), 10'056U);
  EXPECT_EQ(one_time_identity(fields, 1ULL << 57), one_time_identity(fields, 0));
  EXPECT_EQ(one_time_identity(fields, 1), one_time_identity(fields, 0));
}

TEST(Identity, one_time_identities_keep_the_published_attributes_and_no_number) {
  IdentityFields fields = fields_of("4010232138", "1970-12-31", "SW1A 1AA", "2");
  fields.placeholder_birth = true;
  const Identity identity = one_time_identity(fields, ~0ULL);
  EXPECT_EQ(identity.nhs_status(), NhsStatus::one_time);
  EXPECT_EQ(identity.nhs(), 0U);
  EXPECT_EQ(identity.valid_nhs(), 0U);
  EXPECT_EQ(identity.written_nhs_status(), NhsStatus::invalid);
  EXPECT_EQ(one_time_identity(fields_of("", "1970-12-31", "", ""), ~0ULL).written_nhs_status(), NhsStatus::missing);
  IdentityFields expected = fields;
  expected.nhs = {0, NhsStatus::one_time};
  EXPECT_EQ(unpack(identity), expected);
  EXPECT_FALSE(is_linkable(unpack(one_time_identity({}, ~0ULL))));
  // Statuses are the highest bits: no ordinary identity can equal it.
  EXPECT_LT(pack(fields), one_time_identity(fields, 0));
}

TEST(DateOfBirth, lies_between_1895_and_the_date_of_the_extract) {
  EXPECT_EQ(born("1895-01-01").date_of_birth, 1);
  EXPECT_EQ(born("1894-12-31").date_of_birth, kMissingDay);
  EXPECT_EQ(born("2014-04-01").date_of_birth, kLatest);
  EXPECT_EQ(born("2014-04-02").date_of_birth, kMissingDay);
  EXPECT_EQ(born("2014-04-02", 65'535).date_of_birth, kLatest + 1);
  EXPECT_EQ(born("2014-04-02", kMissingDay).date_of_birth, kLatest + 1) << "no extract date, no bound";
  for (const std::string_view text : {"", "unknown", "1970-02-29", "31/12/70", "1860-01-01", "2075-01-01"}) {
    EXPECT_EQ(born(text), IdentityFields{}) << text;
  }
}

TEST(DateOfBirth, placeholders_are_missing_and_flagged) {
  for (const std::string_view text :
       {"1900-01-01", "01/01/1900", "1800-01-01", "1901-01-01", "1899-12-30", "1899-12-31", "0001-01-01", "1582-10-15",
        "1601-01-01", "1753-01-01", "1840-12-31", "1858-11-17", "2099-12-31", "2999-12-31", "9999-12-31"}) {
    EXPECT_EQ(born(text, 65'535).date_of_birth, kMissingDay) << text;
    EXPECT_TRUE(born(text, 65'535).placeholder_birth) << text;
  }
}

TEST(DateOfBirth, the_first_of_january_of_an_ordinary_year_is_a_birthday) {  // 01/01/YYYY: year known, day not
  for (const std::string_view text : {"1970-01-01", "1960-01-01", "1902-01-01", "1895-01-01", "2000-01-01"}) {
    EXPECT_FALSE(born(text).placeholder_birth) << text;
    EXPECT_NE(born(text).date_of_birth, kMissingDay) << text;
  }
  EXPECT_FALSE(born("1900-01-02").placeholder_birth);
  EXPECT_FALSE(born("1900-02-01").placeholder_birth);
}

TEST(DateOfBirth, no_trace_of_an_earlier_row_remains) {
  IdentityFields fields = born("1970-12-31");
  fields.gender = Gender::male;
  standardise_birth("1900-01-01", kLatest, fields);
  EXPECT_EQ(fields.date_of_birth, kMissingDay);
  EXPECT_TRUE(fields.placeholder_birth);
  standardise_birth("nothing", kLatest, fields);
  EXPECT_FALSE(fields.placeholder_birth);
  EXPECT_EQ(fields.gender, Gender::male) << "the other fields are left alone";
}

TEST(DateOfBirth, impossible_parts_are_no_placeholder) {
  EXPECT_FALSE(is_placeholder_birth({}));
  EXPECT_FALSE(is_placeholder_birth({1900, 0, 257}));
  EXPECT_FALSE(is_placeholder_birth({-2147483647 - 1, -1, -1}));
  EXPECT_FALSE(is_placeholder_birth({2147483647, 2147483647, 2147483647}));
}

TEST(DateOfBirth, a_column_reads_as_each_field_does) {
  std::vector<std::string> texts;
  for (const char* text : {"", "1900-01-01", "1901-01-01", "1901-12-31", "1902-01-01", "1899-12-30", "30/12/1899",
                           "9999-12-31", "2014-04-01", "2014-04-02", "2074-06-05", "1894-12-31", "nothing"}) {
    texts.insert(texts.end(), 9, text);
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const DayNumber bound : {kMissingDay, kLatest, DayNumber{65'535}}) {
    const std::vector<DayNumber> latest(texts.size(), bound);
    std::vector<Birth> births(texts.size());
    standardise_births(views, latest, births);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      IdentityFields fields;
      standardise_birth(texts[i], bound, fields);
      ASSERT_EQ(births[i], (Birth{fields.date_of_birth, fields.placeholder_birth})) << texts[i];
    }
  }
}

}  // namespace
}  // namespace ligature
