// NHS numbers.  Sources: ISB 0149 Amd 136/2010 (format, check digit); HES validity rules (PSEUDO_HESID methodology);
// the uk-fci/nhs-number project (ranges); MPS Diagnostics user guide 1.0.0 (null values).
#include "engine/nhs_number.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/every_target.hpp"

namespace ligature {
namespace {

// ISB 0149 as it is worded: multiply the first nine digits by 10 down to 2, add up, take the remainder by 11 from 11;
// 11 becomes 0; 10 means that there is no such number; otherwise it must be the tenth digit.
bool check_digit_by_the_standard(const std::string& ten_digits) {
  int sum = 0;
  for (std::size_t i = 0; i < 9; ++i) sum += (ten_digits[i] - '0') * (10 - static_cast<int>(i));
  int check = 11 - sum % 11;
  if (check == 11) check = 0;
  return check != 10 && check == ten_digits[9] - '0';
}

std::string ten_digits(std::uint64_t value) {
  std::string text = std::to_string(value);
  return std::string(10 - text.size(), '0') + text;
}

NhsStatus status_of(std::string_view text) {
  return standardise_nhs_number(text).status;
}

TEST(NhsNumber, check_digit_agrees_with_the_wording_of_the_standard) {
  std::mt19937_64 random(20140401);
  std::uniform_int_distribution<std::uint64_t> any(0, 9'999'999'999ULL);
  int valid = 0;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t value = any(random);
    const std::string text = ten_digits(value);
    const bool expected = check_digit_by_the_standard(text);
    ASSERT_EQ(nhs_check_digit_ok(value), expected) << text;
    ASSERT_EQ(standardise_nhs_number(text), (NhsNumber{value, expected ? NhsStatus::valid : NhsStatus::invalid}))
        << text;
    valid += expected ? 1 : 0;
  }
  // One random number in eleven passes.
  EXPECT_GT(valid, 17'500);
  EXPECT_LT(valid, 18'900);
}

TEST(NhsNumber, check_digit_is_right_for_every_value_of_every_digit_alone) {
  for (std::uint64_t place = 1; place <= 1'000'000'000ULL; place *= 10) {
    for (std::uint64_t digit = 0; digit <= 9; ++digit) {
      EXPECT_EQ(nhs_check_digit_ok(place * digit), check_digit_by_the_standard(ten_digits(place * digit)));
    }
  }
  EXPECT_FALSE(nhs_check_digit_ok(10'000'000'000ULL));
  EXPECT_FALSE(nhs_check_digit_ok(~0ULL));
}

TEST(NhsNumber, no_tenth_digit_completes_a_stem_whose_check_would_be_ten) {
  // The stem 000000006 sums to 12, remainder 1, check 10.
  for (std::uint64_t last = 0; last <= 9; ++last) EXPECT_FALSE(nhs_check_digit_ok(60 + last));
}

TEST(NhsNumber, absent_or_not_ten_digits_is_missing) {
  for (const std::string_view text :
       {"", " ", "-", "401023213", "40102321370", "4010232l37", "40102321x7", "A010232137", "4010232137 x",
        "+4010232137", "4010232137.0", "401023213７", "4,010,232,137", "4.010232137E9"}) {
    EXPECT_EQ(standardise_nhs_number(text), NhsNumber{}) << text;
  }
  EXPECT_EQ(standardise_nhs_number(std::string_view("401023213\0", 10)), NhsNumber{});
  EXPECT_EQ(standardise_nhs_number(std::string(100'000, '4')), NhsNumber{});
}

TEST(NhsNumber, spaces_and_hyphens_are_dropped_wherever_they_stand) {
  const NhsNumber expected{4'010'232'137ULL, NhsStatus::valid};
  for (const std::string_view text : {"4010232137", "401 023 2137", "401-023-2137", " 4010232137 ",
                                      "4 0 1 0 2 3 2 1 3 7", "401  023--2137\t", "401\u00A0023\u00A02137"}) {
    EXPECT_EQ(standardise_nhs_number(text), expected) << text;
  }
  EXPECT_EQ(standardise_nhs_number("401\u2011023\u20112137"), expected) << "non-breaking hyphen";
  EXPECT_EQ(standardise_nhs_number("401\u2013023\u20132137"), expected) << "en dash";
  EXPECT_EQ(standardise_nhs_number("\uFEFF401\u2009023\u202F2137"), expected) << "byte order mark and thin spaces";
}

TEST(NhsNumber, a_wrong_check_digit_keeps_the_digits_as_weak_evidence) {
  EXPECT_EQ(standardise_nhs_number("4010232138"), (NhsNumber{4'010'232'138ULL, NhsStatus::invalid}));
  EXPECT_EQ(standardise_nhs_number("401 023 2138"), (NhsNumber{4'010'232'138ULL, NhsStatus::invalid}));
}

TEST(NhsNumber, ten_equal_digits_are_missing_even_where_they_pass_modulus_11) {  // HES validity rule
  for (char digit = '0'; digit <= '9'; ++digit) {
    const std::string text(10, digit);
    EXPECT_EQ(standardise_nhs_number(text), NhsNumber{}) << text;
    EXPECT_TRUE(check_digit_by_the_standard(text)) << "the weights sum to 55, a multiple of 11";
  }
}

TEST(NhsNumber, fillers_are_missing) {
  for (const std::string_view text : {"1234567890", "0123456789", "9876543210", "0987654321", "1234567881",
                                      "485 777 3456", "123 456 7890", "000 000 0000", "9999999999"}) {
    EXPECT_EQ(standardise_nhs_number(text), NhsNumber{}) << text;
  }
  EXPECT_TRUE(check_digit_by_the_standard("9876543210")) << "a check digit alone does not catch it";
}

TEST(NhsNumber, range_is_a_flag_and_never_a_refusal) {
  struct Case {
    std::uint64_t first;
    std::uint64_t last;
    NhsRange range;
  };
  constexpr std::array<Case, 10> kCases = {{{0, 99'999'999, NhsRange::not_in_use},
                                            {100'000'000, 3'112'999'999, NhsRange::scotland},
                                            {3'113'000'000, 3'199'999'999, NhsRange::not_in_use},
                                            {3'200'000'000, 3'999'999'999, NhsRange::northern_ireland},
                                            {4'000'000'000, 4'999'999'999, NhsRange::england_wales},
                                            {5'000'000'000, 5'999'999'999, NhsRange::test},
                                            {6'000'000'000, 7'999'999'999, NhsRange::england_wales},
                                            {8'000'000'000, 8'599'999'999, NhsRange::ireland},
                                            {8'600'000'000, 8'999'999'999, NhsRange::not_in_use},
                                            {9'000'000'000, 9'999'999'999, NhsRange::test}}};
  std::uint64_t next = 0;
  for (const Case& c : kCases) {
    EXPECT_EQ(c.first, next) << "the ranges leave no gap";
    EXPECT_EQ(nhs_range(c.first), c.range) << c.first;
    EXPECT_EQ(nhs_range(c.last), c.range) << c.last;
    next = c.last + 1;
  }
  EXPECT_EQ(nhs_range(10'000'000'000ULL), NhsRange::not_in_use);
  // Some numbers of 3xx xxx xxxx are current in England.
  EXPECT_EQ(status_of("3150000009"), NhsStatus::valid);
  EXPECT_EQ(nhs_range(3'150'000'009ULL), NhsRange::not_in_use);
}

TEST(NhsNumber, neighbours_are_exactly_the_valid_numbers_one_wrong_digit_or_one_exchange_away_each_once) {
  // Every number that one mistake can make, by writing the mistakes out on the digits as text.
  std::mt19937_64 random(10);
  std::uniform_int_distribution<std::uint64_t> any(0, 9'999'999'999ULL);
  std::size_t neighbours = 0;
  constexpr std::size_t kNumbers = 3'000;
  for (std::size_t i = 0; i < kNumbers; ++i) {
    // Runs of equal digits and leading zeros, where an exchange changes nothing, are tried too.
    const std::uint64_t number = i % 4 == 0 ? any(random) % 1'000 * 1'000'100 : any(random);
    const std::string text = ten_digits(number);
    std::set<std::uint64_t> expected;
    const auto add = [&](const std::string& mistaken) {
      if (mistaken != text && check_digit_by_the_standard(mistaken)) expected.insert(std::stoull(mistaken));
    };
    for (std::size_t place = 0; place < 10; ++place) {
      for (char digit = '0'; digit <= '9'; ++digit) {
        std::string mistaken = text;
        mistaken[place] = digit;
        add(mistaken);
      }
      std::string exchanged = text;
      if (place < 9) std::swap(exchanged[place], exchanged[place + 1]);
      add(exchanged);
    }
    std::vector<std::uint64_t> visited;
    for_each_valid_neighbour(number, [&](std::uint64_t neighbour) { visited.push_back(neighbour); });
    const std::set<std::uint64_t> distinct(visited.begin(), visited.end());
    ASSERT_EQ(distinct.size(), visited.size()) << "a neighbour was visited twice";
    ASSERT_EQ(distinct, expected);
    neighbours += visited.size();
    const bool is_valid = check_digit_by_the_standard(text);
    ASSERT_FALSE(is_valid && !visited.empty()) << "the check digit catches every such mistake";
  }
  EXPECT_LT(neighbours, kNumbers * 12) << "an eleventh of some hundred";
  EXPECT_GT(neighbours, kNumbers * 6);
}

TEST(NhsNumber, binary_coded_digits_read_like_the_number) {
  EXPECT_EQ(nhs_digits_bcd(0), 0U);
  EXPECT_EQ(nhs_digits_bcd(4'010'232'137ULL), 0x4010232137ULL);
  EXPECT_EQ(nhs_digits_bcd(9'999'999'999ULL), 0x9999999999ULL);
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::uint64_t> any(0, 9'999'999'999ULL);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = any(random);
    ASSERT_EQ(nhs_digits_bcd(value), std::stoull(std::to_string(value), nullptr, 16));
  }
}

TEST(NhsNumber, usual_spellings_read_as_they_do_digit_by_digit) {
  std::mt19937 random(11);
  std::vector<std::string> texts = {"", "0123456789", "012 345 6789", "999-999-9999", "485 777 3456", "485  7773456"};
  for (int i = 0; i < 100'000; ++i) {
    std::string text = i % 2 == 0 ? "4010232137" : i % 4 == 1 ? "401 023 2137" : "401-023-2137";
    for (char& c : text) {
      if (c != ' ' && c != '-' && random() % 2 == 0) c = static_cast<char>('0' + random() % 10);
    }
    if (random() % 2 == 0) text[random() % text.size()] = "0123456789 -/x:\xC2"[random() % 16];
    texts.push_back(text);
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<NhsNumber> numbers(texts.size());
  on_every_target([&](const char* target) {
    standardise_nhs_numbers(views, numbers);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(numbers[i], standardise_nhs_number(texts[i])) << target << ": " << texts[i];
      // Spaces at both ends lead past the usual spellings.
      ASSERT_EQ(numbers[i], standardise_nhs_number(" " + texts[i] + "  ")) << target << ": " << texts[i];
    }
  });
}

}  // namespace
}  // namespace ligature
