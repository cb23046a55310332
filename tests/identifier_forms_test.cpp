// What the search for identifiers takes for an NHS number, a postcode or a date of birth beside one, and what it leaves
// alone.
#include "jobs/verify/identifier_forms.hpp"

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/identity.hpp"
#include "jobs/verify/leak_reader.hpp"

namespace ligature {
namespace {

std::set<SearchKey> keys_in_text(std::string_view text) {
  std::set<SearchKey> keys;
  find_in_text(text, [&](const FoundForm& find) { keys.insert(find.key); });
  return keys;
}

std::vector<std::uint64_t> numbers_in(std::string_view text) {
  std::vector<std::uint64_t> numbers;
  find_in_text(text, [&](const FoundForm& find) {
    if (is_nhs_number(find.form)) numbers.push_back(find.key);
  });
  return numbers;
}

std::vector<std::string> postcodes_in(std::string_view text) {
  std::vector<std::string> postcodes;
  find_in_text(text, [&](const FoundForm& find) {
    if (find.form == IdentifierForm::postcode_spaced || find.form == IdentifierForm::postcode_compact) {
      postcodes.push_back(postcode_text(find.key & ((std::uint64_t{1} << kPostcodeBits) - 1)));
    }
  });
  return postcodes;
}

using Numbers = std::vector<std::uint64_t>;
using Texts = std::vector<std::string>;

TEST(IdentifierForms, nothing_is_found_in_nothing) {
  EXPECT_TRUE(numbers_in("").empty());
  EXPECT_TRUE(postcodes_in("").empty());
}

TEST(IdentifierForms, ten_digits_are_a_number_wherever_they_stand_alone) {
  EXPECT_EQ(numbers_in("9434765919"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("{\"a\": \"9434765919\"}"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("a/9434765919.csv"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("_9434765919_"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("\xC3\xA9"
                       "9434765919\xC3\xA9"),
            Numbers{9434765919});
  EXPECT_EQ(numbers_in(std::string_view("\0009434765919\000", 12)), Numbers{9434765919});
  EXPECT_EQ(numbers_in("0034765919"), Numbers{34765919});
}

TEST(IdentifierForms, separators_between_digits_do_not_hide_a_number) {
  EXPECT_EQ(numbers_in("943 476 5919"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("943-476-5919"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("943\xC2\xA0"
                       "476\xC2\xA0"
                       "5919"),
            Numbers{9434765919});
  EXPECT_EQ(numbers_in("9 4 3 4 7 6 5 9 1 9"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("94347 65919"), Numbers{9434765919});
}

TEST(IdentifierForms, number_beside_other_digits_is_found) {
  EXPECT_EQ(numbers_in("2014-04-01 9434765919"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("7 943 476 5919 8"), Numbers{9434765919});
}

TEST(IdentifierForms, other_runs_of_digits_are_no_number) {
  EXPECT_TRUE(numbers_in("943476591").empty());
  EXPECT_TRUE(numbers_in("94347659190").empty());
  EXPECT_TRUE(numbers_in("943  476  5919").empty());
  EXPECT_TRUE(numbers_in("943,476,5919").empty());
  EXPECT_TRUE(numbers_in("00112233445566778899aabbccddeeff").empty());
}

TEST(IdentifierForms, postcode_is_found_in_any_case_and_spacing) {
  for (const char* text : {"SW1A 1AA", "SW1A1AA", "sw1a 1aa", "sw1a1aa", "SW1A  1AA", "SW1A   1AA", "SW1A-1AA",
                           "(SW1A 1AA)", "area=SW1A1AA;", "London, SW1A 1AA.",
                           "London SW1A\xC2\xA0"
                           "1AA"}) {
    EXPECT_EQ(postcodes_in(text), Texts{"SW1A 1AA"}) << text;
  }
  EXPECT_EQ(postcodes_in("M1 1AE B33 8TH CR2 6XH DN55 1PT W1A 0AX EC1A 1BB"),
            (Texts{"M1 1AE", "B33 8TH", "CR2 6XH", "DN55 1PT", "W1A 0AX", "EC1A 1BB"}));
}

TEST(IdentifierForms, other_words_are_no_postcode) {
  for (const char* text : {"SW1A", "1AA", "SW1A 1AAA", "XSW1A 1AA", "SW1A1AAX", "SW1A\n1AA", "SW1A, 1AA", "SW1A    1AA",
                           "nausea", "A81001", "billion", "ZZ99 3VZ", "C01AAAA"}) {
    EXPECT_TRUE(postcodes_in(text).empty()) << text;
  }
}

TEST(IdentifierForms, dates_of_every_spelling_join_a_postcode) {
  const DayNumber day = *day_number({1970, 12, 31});
  const PackedPostcode postcode = standardise_postcode("SW1A 1AA").packed;
  for (const char* date :
       {"1970-12-31", "1970/12/31", "31/12/1970", "31-12-1970", "31.12.1970", "19701231", "31121970", "31-Dec-1970",
        "31 Dec 1970", "31 December 1970", "31DEC1970", "12/31/1970", "1970-12-31T00:00:00"}) {
    for (const char* code : {"SW1A 1AA", "SW1A1AA", "sw1a1aa"}) {
      for (const char* between : {",", ", ", "|", "\t", " ", ",1,9434765919,"}) {
        const std::string there = std::string(date) + between + code, back = std::string(code) + between + date;
        EXPECT_TRUE(keys_in_text(there).contains(birth_key(day, postcode))) << there;
        EXPECT_TRUE(keys_in_text(back).contains(birth_key(day, postcode))) << back;
      }
    }
  }
  for (const char* glued : {"19701231SW1A1AA", "31121970sw1a1aa", "SW1A1AA19701231", "19701231SW1A 1AA",
                            "SW1A 1AA19701231", "31DEC1970SW1A1AA"}) {
    EXPECT_TRUE(keys_in_text(glued).contains(birth_key(day, postcode))) << glued;
  }
  EXPECT_FALSE(keys_in_text("1970-12-31\nSW1A 1AA").contains(birth_key(day, postcode)));
}

TEST(IdentifierForms, numbers_are_found_in_every_spelling) {
  for (const char* text :
       {"9434765919", "943 476 5919", "943-476-5919", "943.476.5919", "943_476_5919", "94347 65919", "NHS9434765919",
        "000009434765919", "943476591919701231", "197012319434765919", "x,\"9434765919\",y", "id=9434765919;"}) {
    EXPECT_TRUE(keys_in_text(text).contains(nhs_key(9434765919))) << text;
  }
  for (const char* text :
       {"943476591", "94347659190", "943  476  5919", "943,476,5919", "0a1b9434765919c2d3e4f5a6b7"}) {
    EXPECT_FALSE(keys_in_text(text).contains(nhs_key(9434765919))) << text;
  }
}

TEST(IdentifierForms, both_byte_orders_and_packed_identities_are_found_at_any_byte) {
  const IdentityFields fields{
      {9434765919, NhsStatus::valid}, 20000, false, standardise_postcode("LS1 4AP"), Gender::male};
  const Identity identity = pack(fields);
  const auto found = [](std::uint64_t word, bool big) {
    if (big) word = __builtin_bswap64(word);
    std::string bytes = "\x01\x02\x03" + std::string(8, '\0') + "\xFF";
    std::memcpy(bytes.data() + 3, &word, 8);
    std::set<SearchKey> keys;
    find_in_bytes(bytes, [&](const FoundForm& find) { keys.insert(find.key); });
    return keys;
  };
  for (const bool big : {false, true}) {
    EXPECT_TRUE(found(9434765919, big).contains(nhs_key(9434765919)));
    EXPECT_TRUE(found(fields.postcode.packed, big).contains(postcode_key(fields.postcode.packed)));
    EXPECT_TRUE(found(identity.first, big).contains(nhs_key(9434765919)));
    EXPECT_TRUE(found(identity.second, big).contains(birth_key(20000, fields.postcode.packed)));
  }
}

TEST(IdentifierForms, pieces_with_context_find_what_the_whole_has) {
  const std::string text =
      "a 943-476-5919, 31/12/1970,1,x, SW1A   1AA; NHS9434765919 19701231LS14AP M1 1AE 01-Jan-1960 12345";
  std::multiset<std::pair<SearchKey, std::size_t>> whole;
  find_in_text(text, [&](const FoundForm& find) { whole.emplace(find.key, find.position); });
  ASSERT_GE(whole.size(), 8U);
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    std::multiset<std::pair<SearchKey, std::size_t>> parts;
    for (std::size_t begin = 0; begin < text.size(); begin += piece) {
      const std::size_t end = begin + piece, from = begin - std::min(begin, kFormContext);
      find_in_text(std::string_view(text).substr(from, end + kFormContext - from), [&](const FoundForm& find) {
        const std::size_t at = from + find.position;
        if (at >= begin && at < end) parts.emplace(find.key, at);
      });
    }
    EXPECT_EQ(parts, whole) << "pieces of " << piece;
  }
}

TEST(IdentifierForms, long_runs_and_any_bytes_are_searched_without_harm) {
  std::string text;
  std::uint32_t state = 1;
  for (int i = 0; i < 200'000; ++i) {
    state = state * 1664525 + 1013904223;
    text += static_cast<char>(state >> 24);
  }
  text += std::string(10'000, '7') + std::string(10'000, ' ') + std::string(10'000, 'A');
  for (const std::uint64_t number : numbers_in(text)) EXPECT_LT(number, 10'000'000'000U);
}

TEST(JsonStrings, numbers_are_blanked_and_strings_are_kept) {
  EXPECT_EQ(json_strings_only(R"({"n": 9434765919, "t": "9434765919 \" 12", "b": true})"),
            R"({"n": ,,,,,,,,,,, "t": "9434765919 \" 12", "b": ,,,,})");
}

TEST(JsonStrings, blanked_numbers_do_not_join) {
  EXPECT_TRUE(numbers_in(json_strings_only("[943, 476, 5919]")).empty());
  EXPECT_TRUE(numbers_in(json_strings_only("[9434765919]")).empty());
  EXPECT_EQ(numbers_in(json_strings_only("[\"9434765919\"]")), Numbers{9434765919});
}

}  // namespace
}  // namespace ligature
