// Postcodes.  Sources: NHS data dictionary and ndr_support (grammar, NPT); HES validity rules (ZZ never matches); NHS
// data dictionary (pseudo postcodes ZZ99); BS 7666 and the Postcode Address File guide (letters never used at a
// position).
#include "engine/postcode.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tests/every_target.hpp"
#include "tests/sanitized.hpp"

namespace ligature {
namespace {

// The standard spelling; "missing" or a flag's name.
std::string read(std::string_view text) {
  const Postcode postcode = standardise_postcode(text);
  if (postcode.flag != PostcodeFlag::none) {
    EXPECT_EQ(postcode.packed, 0U);
    return postcode.flag == PostcodeFlag::no_fixed_abode ? "no fixed abode" : "pseudo";
  }
  return postcode.packed == 0 ? "missing" : postcode_text(postcode.packed);
}

TEST(Postcode, absent_or_outside_the_grammar_is_missing) {
  for (const std::string_view text : {"",
                                      " ",
                                      "-",
                                      "UNKNOWN",
                                      "SW1A",
                                      "SW1A 1A",
                                      "SW1A 1AAA",
                                      "SWW1 1AA",
                                      "SW1AA 1AA",
                                      "AAA 1AA",
                                      "SW1A AAA",
                                      "123 456",
                                      "90210",
                                      "00000",
                                      "000000",
                                      "0000000",
                                      "SW1A 1A\u00C4",
                                      "N/A",
                                      "NFA",
                                      "GIR 0AA",
                                      "BFPO 12",
                                      "1AA 1AA1",
                                      "SW1A1AA London",
                                      "hellen",
                                      "LILLOO",
                                      "A1A 11A1",
                                      "\xFF\xFE",
                                      "SW1A\xC2"
                                      "1AA"}) {
    EXPECT_EQ(read(text), "missing") << text;
  }
  EXPECT_EQ(standardise_postcode(std::string_view("SW1A\0001AA", 8)), Postcode{});
  EXPECT_EQ(standardise_postcode(std::string(100'000, 'A')), Postcode{});
  EXPECT_EQ(standardise_postcode(std::string(100'000, ' ')), Postcode{});
}

TEST(Postcode, every_form_of_the_grammar_is_read) {
  for (const std::string text : {"M1 1AE", "B33 8TH", "W1A 0AX", "CR2 6XH", "DN55 1PT", "EC1A 1BB", "NPT 8EH"}) {
    EXPECT_EQ(read(text), text);
    const std::string outward = text.substr(0, text.find(' '));
    EXPECT_EQ(outward_code(standardise_postcode(text).packed), outward);
  }
}

TEST(Postcode, case_spacing_and_punctuation_do_not_matter) {
  for (const std::string_view text : {"SW1A 1AA", "SW1A1AA", "sw1a 1aa", "Sw1a1aA", " SW1A 1AA ", "SW1A  1AA",
                                      "SW1A-1AA", "SW1A/1AA", "(SW1A 1AA)", "S W 1 A 1 A A",
                                      "SW1A\u00A0"
                                      "1AA",
                                      "SW1A.1AA.", "SW1A\t1AA", "\"SW1A 1AA\"", "SW1A\u20111AA"}) {
    EXPECT_EQ(read(text), "SW1A 1AA") << text;
  }
  // HES: eight characters, the inward code from the sixth.
  EXPECT_EQ(read("M1   1AE"), "M1 1AE");
  EXPECT_EQ(read("B33  8TH"), "B33 8TH");
}

TEST(Postcode, a_letter_is_mended_where_only_a_digit_can_stand) {
  EXPECT_EQ(read("SW1A OAA"), "SW1A 0AA");
  EXPECT_EQ(read("SW1A IAA"), "SW1A 1AA");
  EXPECT_EQ(read("SW1A lAA"), "SW1A 1AA");
  EXPECT_EQ(read("MI 1AE"), "M1 1AE");
  EXPECT_EQ(read("DN5O 1PT"), "DN50 1PT") << "the last letter of AA9A is never O";
  EXPECT_EQ(read("DN5I 1PT"), "DN51 1PT") << "nor I";
  EXPECT_EQ(read("DNO5 1PT"), "DN05 1PT");
  EXPECT_EQ(read("B3O 8TH"), "B30 8TH") << "the last letter of A9A is never O";
  EXPECT_EQ(read("CRO 6XH"), "CR0 6XH");
  EXPECT_EQ(read("WIA 0AX"), "W1A 0AX");
  EXPECT_EQ(read("EI4 7AB"), "E14 7AB") << "I is never the second letter of an area";
}

TEST(Postcode, a_digit_is_mended_where_only_a_letter_can_stand) {
  EXPECT_EQ(read("0X1 2AB"), "OX1 2AB");
  EXPECT_EQ(read("C01 1AA"), "CO1 1AA") << "no district of two digits starts with 0";
  EXPECT_EQ(read("P012 3AB"), "PO12 3AB");
  EXPECT_EQ(read("1P1 2AB"), "IP1 2AB") << "no area LP";
  EXPECT_EQ(read("1V2 3AB"), "IV2 3AB");
  EXPECT_EQ(read("1E2 3AB"), "LE2 3AB") << "no area IE";
  EXPECT_EQ(read("1 2 3AB"), "L2 3AB") << "no area I";
  EXPECT_EQ(read("B112 3AB"), "BL12 3AB");
  EXPECT_EQ(read("SW1A 11A"), "SW1A 1LA") << "I is not used in the inward code";
  EXPECT_EQ(read("SW1A 1A0"), "SW1A 1AO");
}

TEST(Postcode, nothing_is_mended_where_both_a_letter_and_a_digit_can_stand) {
  EXPECT_EQ(read("E14 7AB"), "E14 7AB");
  EXPECT_EQ(read("EL4 7AB"), "EL4 7AB");
  EXPECT_EQ(read("B11 8TH"), "B11 8TH");
  EXPECT_EQ(read("NO1 1AA"), "NO1 1AA");
  EXPECT_EQ(read("W10 1AA"), "W10 1AA");
}

TEST(Postcode, other_confusions_are_not_guessed) {
  for (const std::string_view text : {"5W1A 1AA", "SW1A 1A8", "SWZ 1AA", "2E1 1AA", "SW1A SAA"}) {
    EXPECT_EQ(read(text), "missing") << text;
  }
}

TEST(Postcode, more_than_two_repairs_are_an_invention) {
  EXPECT_EQ(read("SW1O OAA"), "SW10 0AA");
  EXPECT_EQ(read("0X1 O0A"), "missing");
  EXPECT_EQ(read("01101"), "missing");
  EXPECT_EQ(read("111 111"), "missing");
}

TEST(Postcode, pseudo_postcodes_are_missing_but_flagged) {
  EXPECT_EQ(read("ZZ99 3VZ"), "no fixed abode");
  EXPECT_EQ(read("zz993vz"), "no fixed abode");
  EXPECT_EQ(read("ZZ99  3VZ"), "no fixed abode");
  for (const std::string_view text :
       {"ZZ99 3CZ", "ZZ99 3WZ", "ZZ99 2WZ", "ZZ99 1WZ", "ZZ99 3GZ", "ZZ99 6CZ", "ZZ99 3AZ", "ZZ99 3BZ", "ZZ99 3EZ",
        "ZZ99 3FZ", "ZZ99 3HZ", "ZZ99", "ZZ99 3V", "ZZ1 1AA"}) {
    EXPECT_EQ(read(text), "pseudo") << text;
  }
  EXPECT_EQ(read("ZZTOP"), "missing");
  EXPECT_EQ(read("Z99 3VZ"), "Z99 3VZ");
}

TEST(Postcode, a_shared_prefix_of_a_postcode_is_a_shared_prefix_of_its_bits) {
  const PackedPostcode a = standardise_postcode("SW1A 1AA").packed;
  const auto same = [&](std::string_view text, PackedPostcode mask) {
    return (standardise_postcode(text).packed & mask) == (a & mask);
  };
  EXPECT_TRUE(same("SW1A 1AB", kPostcodeSectorMask));
  EXPECT_FALSE(same("SW1A 2AA", kPostcodeSectorMask));
  EXPECT_TRUE(same("SW1A 2AA", kPostcodeDistrictMask));
  EXPECT_FALSE(same("SW1B 1AA", kPostcodeDistrictMask));
  EXPECT_FALSE(same("SW1 1AA", kPostcodeDistrictMask));
  EXPECT_TRUE(same("SW9 9ZZ", kPostcodeAreaMask));
  EXPECT_FALSE(same("S9 9ZZ", kPostcodeAreaMask));
  EXPECT_LT(a, 1ULL << kPostcodeBits);
}

TEST(Postcode, the_order_of_packed_postcodes_puts_districts_together) {
  const auto packed = [](std::string_view text) { return standardise_postcode(text).packed; };
  EXPECT_LT(packed("S1 1AA"), packed("SA1 1AA"));
  EXPECT_LT(packed("SW1 1AA"), packed("SW10 1AA"));
  EXPECT_LT(packed("SW10 9ZZ"), packed("SW1A 0AA"));
  EXPECT_LT(packed("SW1A 0AA"), packed("SW1A 1AA"));
}

TEST(Postcode, bytes_are_the_characters_by_part) {
  const auto bytes = [](std::string_view text) { return postcode_bytes(standardise_postcode(text).packed); };
  EXPECT_EQ(postcode_bytes(0), 0U);
  EXPECT_EQ(bytes("SW1A 2BC"), 0x53'57'31'41'32'42'43ULL);
  EXPECT_EQ(bytes("M1 0AE"), 0x4D'00'31'00'30'41'45ULL);
  EXPECT_EQ(bytes("NPT 8EH"), 0x4E'50'00'54'38'45'48ULL);
}

// The grammar as it is written down: A a letter, 9 a digit.
bool is_in_the_grammar(const std::string& compact) {
  static const std::set<std::string> kShapes = {"A99AA", "A999AA", "A9A9AA", "AA99AA", "AA999AA", "AA9A9AA"};
  std::string shape = compact;
  for (char& c : shape) c = c >= '0' && c <= '9' ? '9' : 'A';
  return kShapes.contains(shape) || (shape == "AAA9AA" && compact.starts_with("NPT"));
}

TEST(Postcode, agrees_with_the_grammar_on_random_text_that_needs_no_repair) {
  std::mt19937 random(1974);
  const std::string characters = "ABCDEFGHJKMNPQRSTUVWXYZ23456789";  // without O, 0, I, L and 1
  std::uniform_int_distribution<std::size_t> length(4, 8);
  std::uniform_int_distribution<std::size_t> character(0, characters.size() - 1);
  int accepted = 0;
  for (int i = 0; i < 300'000; ++i) {
    std::string text(length(random), ' ');
    std::generate(text.begin(), text.end(), [&] { return characters[character(random)]; });
    if (i % 10 == 0) text.replace(0, 3, "NPT");
    if (text.starts_with("ZZ")) continue;
    const bool expected = is_in_the_grammar(text);
    ASSERT_EQ(standardise_postcode(text).packed != 0, expected) << text;
    accepted += expected ? 1 : 0;
  }
  EXPECT_GT(accepted, 1'000);
}

TEST(Postcode, printing_a_postcode_and_reading_it_gives_it_back) {
  std::mt19937 random(2014);
  const std::string characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789OIL01";
  std::uniform_int_distribution<std::size_t> length(5, 7);
  std::uniform_int_distribution<std::size_t> character(0, characters.size() - 1);
  int accepted = 0;
  for (int i = 0; i < 300'000; ++i) {
    std::string text(length(random), ' ');
    std::generate(text.begin(), text.end(), [&] { return characters[character(random)]; });
    const Postcode postcode = standardise_postcode(text);
    if (postcode.packed == 0) continue;
    ASSERT_EQ(standardise_postcode(postcode_text(postcode.packed)), postcode) << text;
    ++accepted;
  }
  EXPECT_GT(accepted, 1'000);
}

TEST(Postcode, usual_spellings_read_as_they_do_by_pattern) {
  const std::vector<std::string> forms = {"M1 1AA",   "B33 8TH", "W1A 0AX",  "CR2 6XH",  "DN55 1PT",
                                          "EC1A 1BB", "NPT 9AA", "ZZ99 3VZ", "AL1  1LJ", "M11AA",
                                          "EC1A1BB",  "GIR 0AA", "A05 1AA",  "ai1 1ll"};
  const std::string characters = "ABIOLZNPTGR019 -z\xC2\0";
  std::mt19937 random(3);
  std::vector<std::string> texts = {"", "A", "SW1A", "  1AA"};
  for (int i = 0; i < unless_sanitized(300'000, 50'000); ++i) {
    std::string text = forms[random() % forms.size()];
    for (std::size_t times = random() % 4; times > 0; --times) {
      text[random() % text.size()] = characters[random() % characters.size()];
    }
    texts.push_back(text);
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<Postcode> postcodes(texts.size());
  on_every_target([&](const char* target) {
    standardise_postcodes(views, postcodes);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(postcodes[i], standardise_postcode(texts[i])) << target << ": " << texts[i];
      // Too long for the usual spellings.
      ASSERT_EQ(postcodes[i], standardise_postcode("    " + texts[i])) << target << ": " << texts[i];
    }
  });
}

}  // namespace
}  // namespace ligature
