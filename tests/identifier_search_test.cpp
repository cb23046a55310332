// What the search for identifiers takes for an NHS number or a postcode, and what it leaves alone.
#include "jobs/verify/identifier_search.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

std::vector<std::uint64_t> numbers_in(std::string_view text) {
  std::vector<std::uint64_t> numbers;
  search_identifiers(text, [&](const IdentifierShape& shape) {
    if (shape.kind == IdentifierKind::nhs_number) numbers.push_back(shape.value);
  });
  return numbers;
}

std::vector<std::string> postcodes_in(std::string_view text) {
  std::vector<std::string> postcodes;
  search_identifiers(text, [&](const IdentifierShape& shape) {
    if (shape.kind == IdentifierKind::postcode) postcodes.push_back(postcode_text(shape.value));
  });
  return postcodes;
}

using Numbers = std::vector<std::uint64_t>;
using Texts = std::vector<std::string>;

TEST(IdentifierSearch, nothing_is_found_in_nothing) {
  EXPECT_TRUE(numbers_in("").empty());
  EXPECT_TRUE(postcodes_in("").empty());
}

TEST(IdentifierSearch, ten_digits_are_a_number_wherever_they_stand_alone) {
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

TEST(IdentifierSearch, separators_between_digits_do_not_hide_a_number) {
  EXPECT_EQ(numbers_in("943 476 5919"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("943-476-5919"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("943\xC2\xA0"
                       "476\xC2\xA0"
                       "5919"),
            Numbers{9434765919});
  EXPECT_EQ(numbers_in("9 4 3 4 7 6 5 9 1 9"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("94347 65919"), Numbers{9434765919});
}

TEST(IdentifierSearch, number_beside_other_digits_is_found) {
  EXPECT_EQ(numbers_in("2014-04-01 9434765919"), Numbers{9434765919});
  EXPECT_EQ(numbers_in("7 943 476 5919 8"), Numbers{9434765919});
}

TEST(IdentifierSearch, other_runs_of_digits_are_no_number) {
  EXPECT_TRUE(numbers_in("943476591").empty());
  EXPECT_TRUE(numbers_in("94347659190").empty());
  EXPECT_TRUE(numbers_in("a9434765919").empty());
  EXPECT_TRUE(numbers_in("9434765919b").empty());
  EXPECT_TRUE(numbers_in("943  476  5919").empty());
  EXPECT_TRUE(numbers_in("943,476,5919").empty());
  EXPECT_TRUE(numbers_in("00112233445566778899aabbccddeeff").empty());
}

TEST(IdentifierSearch, postcode_is_found_in_any_case_and_spacing) {
  for (const char* text : {"SW1A 1AA", "SW1A1AA", "sw1a 1aa", "sw1a1aa", "SW1A  1AA", "SW1A   1AA", "SW1A-1AA",
                           "(SW1A 1AA)", "area=SW1A1AA;", "London, SW1A 1AA.",
                           "London SW1A\xC2\xA0"
                           "1AA"}) {
    EXPECT_EQ(postcodes_in(text), Texts{"SW1A 1AA"}) << text;
  }
  EXPECT_EQ(postcodes_in("M1 1AE B33 8TH CR2 6XH DN55 1PT W1A 0AX EC1A 1BB"),
            (Texts{"M1 1AE", "B33 8TH", "CR2 6XH", "DN55 1PT", "W1A 0AX", "EC1A 1BB"}));
}

TEST(IdentifierSearch, other_words_are_no_postcode) {
  for (const char* text : {"SW1A", "1AA", "SW1A 1AAA", "XSW1A 1AA", "SW1A1AAX", "SW1A\n1AA", "SW1A, 1AA", "SW1A    1AA",
                           "nausea", "A81001", "billion", "ZZ99 3VZ", "C01AAAA"}) {
    EXPECT_TRUE(postcodes_in(text).empty()) << text;
  }
}

TEST(IdentifierSearch, pieces_with_context_find_what_the_whole_has) {
  const std::string text = "x 943-476-5919, then SW1A   1AA; 9 4 3 4 7 6 5 9 1 9 and sw1a1aa 12345678901 M1 1AE";
  std::vector<IdentifierShape> whole;
  search_identifiers(text, [&](const IdentifierShape& shape) { whole.push_back(shape); });
  ASSERT_EQ(whole.size(), 5U);
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    std::vector<std::size_t> positions;
    for (std::size_t begin = 0; begin < text.size(); begin += piece) {
      const std::size_t end = std::min(text.size(), begin + piece);
      const std::size_t from = begin < kSearchContext ? 0 : begin - kSearchContext;
      const std::string part = text.substr(from, end + kSearchContext - from);
      search_identifiers(part, [&](const IdentifierShape& shape) {
        const std::size_t position = from + shape.position;
        if (position >= begin && position < end) positions.push_back(position);
      });
    }
    ASSERT_EQ(positions.size(), whole.size()) << "pieces of " << piece;
    for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(positions[i], whole[i].position);
  }
}

TEST(IdentifierSearch, long_runs_and_any_bytes_are_searched_without_harm) {
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
