// Gender.  Sources: NHS data dictionary, person gender code (0 not known, 1 male, 2 female, 9 not specified); local
// feeds M/F/U/I; ICAO Doc 9303 (X, unspecified).
#include "engine/gender.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

TEST(Gender, absent_or_unheard_of_is_unknown) {
  for (const std::string_view text : {"", " ", "3", "4", "Z", "10", "01", "1.0", "MF", "males", "malé", "\xFF", "é"}) {
    EXPECT_EQ(standardise_gender(text), Gender::unknown) << text;
  }
  EXPECT_EQ(standardise_gender(std::string_view("\0", 1)), Gender::unknown);
  EXPECT_EQ(standardise_gender(std::string_view("M\0", 2)), Gender::unknown);
  EXPECT_EQ(standardise_gender(std::string(100'000, 'M')), Gender::unknown);
}

TEST(Gender, the_codes_of_the_data_dictionary_come_back_as_they_went_in) {
  for (const int code : {0, 1, 2, 9}) {
    EXPECT_EQ(gender_code(standardise_gender(std::to_string(code))), code);
  }
}

TEST(Gender, letters_and_words_in_any_case_with_spaces_around) {
  for (const std::string_view text : {"M", "m", "male", "Male", "MALE", "man", " M ", "\tmale\n", "1"}) {
    EXPECT_EQ(standardise_gender(text), Gender::male) << text;
  }
  for (const std::string_view text : {"F", "f", "female", "Female", "FEMALE", "Woman", " f", "\u00A0F", "2"}) {
    EXPECT_EQ(standardise_gender(text), Gender::female) << text;
  }
}

TEST(Gender, not_specified_is_not_the_same_code_as_not_known) {
  for (const std::string_view text : {"9", "I", "X", "i", "x", "indeterminate", "Not specified", "OTHER"}) {
    EXPECT_EQ(gender_code(standardise_gender(text)), 9) << text;
  }
  for (const std::string_view text : {"0", "U", "u", "unknown", "Not known"}) {
    EXPECT_EQ(gender_code(standardise_gender(text)), 0) << text;
  }
}

TEST(Gender, a_single_byte_is_read_alike_alone_and_between_spaces) {
  for (int c = 0; c < 256; ++c) {
    const std::string text(1, static_cast<char>(c));
    EXPECT_EQ(standardise_gender(text), standardise_gender(" " + text + " ")) << c;
  }
}

TEST(Gender, a_column_reads_as_each_field_does) {
  std::vector<std::string> texts = {"", "Male", " female ", "1 ", "not specified", "unknown"};
  for (int c = 0; c < 256; ++c) texts.emplace_back(1, static_cast<char>(c));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<Gender> genders(texts.size());
  standardise_genders(views, genders);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(genders[i], standardise_gender(texts[i])) << texts[i];
}

}  // namespace
}  // namespace ligature
