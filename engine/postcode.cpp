// Characters become small codes (letters 1..26, digits 33..42), the pattern of letters and digits picks one of seven
// forms, and the form says which character is which part.  Only a postcode that fits no form, or that could be a
// confusion of O/0 or I/L/1, takes the longer way through mend().
//
// Sources: grammar, NHS data dictionary and the ndr_support project; letters that certain positions never hold, BS 7666
// and the Royal Mail Programmer's Guide to the Postcode Address File; pseudo postcodes, NHS data dictionary.
#include "engine/postcode.hpp"

#include <array>
#include <cstddef>

#include "engine/field_text.hpp"

namespace ligature {

namespace {

using Code = std::uint8_t;
constexpr Code kAbsent = 0;
constexpr Code kDigit = 32;        // '0' is 33, so that the low bits of a code are never 0
constexpr Code kPunctuation = 64;  // dropped
constexpr Code kOther = 128;       // a control character or part of a multi-byte character

constexpr Code letter(char c) noexcept {
  return static_cast<Code>(c - 'A' + 1);
}
constexpr Code digit(char c) noexcept {
  return static_cast<Code>(kDigit + 1 + (c - '0'));
}
constexpr bool is_digit_code(Code code) noexcept {
  return code >= kDigit;
}

constexpr std::array<Code, 256> codes_of_characters() {
  std::array<Code, 256> table{};
  for (std::size_t c = 0; c < table.size(); ++c) {
    const char lower = lower_case(static_cast<char>(c));
    if (c >= 128) {
      table[c] = kOther;
    } else if (lower >= 'a' && lower <= 'z') {
      table[c] = static_cast<Code>(lower - 'a' + 1);
    } else if (c >= '0' && c <= '9') {
      table[c] = digit(static_cast<char>(c));
    } else {
      table[c] = c >= ' ' && c < 127 ? kPunctuation : kOther;
    }
  }
  return table;
}

constexpr std::array<Code, 256> kCodes = codes_of_characters();

// The characters of a compact postcode, absent ones after the last.
struct Compact {
  std::array<Code, 8> codes{};
  std::size_t count = 0;
};

constexpr std::size_t kMaxCharacters = 7;
constexpr std::size_t kAbsentPlace = 7;  // Compact::codes[7] is always kAbsent

// Where the parts of the outward code stand in a compact postcode.
struct Form {
  bool exists = false;
  std::uint8_t second_area_letter = kAbsentPlace;
  std::uint8_t district_digit = kAbsentPlace;
  std::uint8_t district_second = kAbsentPlace;
};

// The pattern of a compact postcode: a bit for each character, set for a digit, below a set bit that marks the length.
using Pattern = std::size_t;

constexpr Pattern pattern_of(const Compact& compact) noexcept {
  Pattern pattern = 1;
  for (std::size_t i = 0; i < compact.count; ++i)
    pattern = (pattern << 1) | (is_digit_code(compact.codes[i]) ? 1U : 0U);
  return pattern;
}

// pattern: as in the grammar, "AA9A9AA".
constexpr Pattern pattern_of(std::string_view grammar) noexcept {
  Pattern pattern = 1;
  for (const char c : grammar) pattern = (pattern << 1) | (c == '9' ? 1U : 0U);
  return pattern;
}

constexpr Pattern kNewportPattern = pattern_of("AAA9AA");

constexpr std::array<Form, 256> forms_of_patterns() {
  std::array<Form, 256> forms{};
  forms[pattern_of("A99AA")] = {true, kAbsentPlace, 1, kAbsentPlace};
  forms[pattern_of("A999AA")] = {true, kAbsentPlace, 1, 2};
  forms[pattern_of("A9A9AA")] = {true, kAbsentPlace, 1, 2};
  forms[pattern_of("AA99AA")] = {true, 1, 2, kAbsentPlace};
  forms[pattern_of("AA999AA")] = {true, 1, 2, 3};
  forms[pattern_of("AA9A9AA")] = {true, 1, 2, 3};
  return forms;
}

constexpr std::array<Form, 256> kForms = forms_of_patterns();

// NPT: Newport before its districts were numbered.
constexpr Form kNewportForm = {true, 1, kAbsentPlace, 2};

bool is_newport(const Compact& compact) noexcept {
  return compact.count == 6 && compact.codes[0] == letter('N') && compact.codes[1] == letter('P') &&
         compact.codes[2] == letter('T');
}

// GIR 0AA, a bank's own postcode where nobody lives: outside the grammar, and not a misspelt G1R.
bool is_girobank(const Compact& compact) noexcept {
  return compact.count == 6 && compact.codes[0] == letter('G') && compact.codes[1] == letter('I') &&
         compact.codes[2] == letter('R');
}

Form form_of(const Compact& compact) noexcept {
  const Pattern pattern = pattern_of(compact);
  return pattern == kNewportPattern && is_newport(compact) ? kNewportForm : kForms[pattern];
}

constexpr bool looks_like_a_digit(Code code) noexcept {
  return code == letter('O') || code == letter('I') || code == letter('L');
}

void make_digit(Code& code) noexcept {
  if (code == letter('O')) code = digit('0');
  if (code == letter('I') || code == letter('L')) code = digit('1');
}

// one: the letter that a 1 stands for at this position.
void make_letter(Code& code, Code one) noexcept {
  if (code == digit('0')) code = letter('O');
  if (code == digit('1')) code = one;
}

// The letter that a 1 at the front stands for: the only areas that begin with I are IG, IM, IP and IV, and none of LG,
// LM, LP and LV exists.
Code front_letter_for_one(Code second) noexcept {
  const bool is_i = second == letter('G') || second == letter('M') || second == letter('P') || second == letter('V');
  return is_i ? letter('I') : letter('L');
}

// Puts right the characters whose position admits only a letter or only a digit.
void mend_characters(Compact& compact) noexcept {
  auto& codes = compact.codes;
  const std::size_t outward = compact.count - 3;
  make_digit(codes[outward]);
  // I is not used in the inward code, so a 1 there is an L.
  make_letter(codes[outward + 1], letter('L'));
  make_letter(codes[outward + 2], letter('L'));
  if (outward == 2) {  // A9
    make_digit(codes[1]);
  } else if (outward == 3) {  // A99, A9A, AA9
    if (is_newport(compact) || is_girobank(compact)) return;
    make_digit(codes[2]);  // the last letter of A9A is never I, L or O
    if (!is_digit_code(codes[2])) {
      make_digit(codes[1]);  // A9A
    } else if (codes[1] == digit('0')) {
      codes[1] = letter('O');  // no district of two digits starts with 0: it is AO9
    } else if (codes[1] == letter('I')) {
      codes[1] = digit('1');  // I is never the second letter of an area: it is A19
    }
  } else {  // AA99, AA9A
    make_letter(codes[1], letter('L'));
    make_digit(codes[2]);
    make_digit(codes[3]);  // the last letter of AA9A is never I, L or O
  }
  make_letter(codes[0], front_letter_for_one(codes[1]));
}

// Mends a postcode as far as that is a repair and not an invention: two characters at most, and a digit must have been
// typed, or numbers such as 00000 and words such as "hellen" would become postcodes.  Leaves it alone otherwise.
void mend(Compact& compact) noexcept {
  constexpr int kMostRepairs = 2;
  Compact mended = compact;
  mend_characters(mended);
  int repairs = 0;
  bool digit_typed = false;
  for (std::size_t i = 0; i < compact.count; ++i) {
    repairs += mended.codes[i] != compact.codes[i] ? 1 : 0;
    digit_typed |= is_digit_code(compact.codes[i]);
  }
  if (digit_typed && repairs <= kMostRepairs) compact = mended;
}

// True if the characters fit a form but one of them may still be a confusion; mend() decides.
bool may_need_mending(const Compact& compact, const Form& form) noexcept {
  return looks_like_a_digit(compact.codes[form.district_second]) || compact.codes[1] == letter('I') ||
         (compact.codes[1] == digit('0') && form.district_second == 2);
}

// Codes of the letters and digits of a field; count is above 7 or 0 where it can be no postcode.
Compact compact_of(std::string_view text) noexcept {
  Compact compact;
  if (text.size() <= compact.codes.size()) {
    // Every character is stored and the next one overwrites it if it was punctuation: no branch to mispredict.
    unsigned seen = 0;
    for (const char c : text) {
      const Code code = kCodes[static_cast<unsigned char>(c)];
      seen |= code;
      compact.codes[compact.count] = code;
      compact.count += code < kPunctuation ? 1U : 0U;
    }
    if (seen < kOther) {
      for (std::size_t i = compact.count; i < compact.codes.size(); ++i) compact.codes[i] = kAbsent;
      return compact;
    }
    compact = {};
  }
  while (!text.empty()) {
    const Code code = kCodes[static_cast<unsigned char>(text[0])];
    std::size_t length = 1;
    if (code < kPunctuation) {
      if (compact.count == kMaxCharacters) return {};
      compact.codes[compact.count++] = code;
    } else if (code == kOther) {
      length = space_length(text) + hyphen_length(text);
      if (length == 0) return {};
    }
    text.remove_prefix(length);
  }
  return compact;
}

bool starts_with_zz99(const Compact& compact) noexcept {
  return compact.codes[0] == letter('Z') && compact.codes[1] == letter('Z') && compact.codes[2] == digit('9') &&
         compact.codes[3] == digit('9');
}

PostcodeFlag pseudo_flag(const Compact& compact) noexcept {
  const bool no_fixed_abode = compact.count == 7 && starts_with_zz99(compact) && compact.codes[4] == digit('3') &&
                              compact.codes[5] == letter('V') && compact.codes[6] == letter('Z');
  return no_fixed_abode ? PostcodeFlag::no_fixed_abode : PostcodeFlag::pseudo;
}

// Fields of a packed postcode, highest first: digits count from 1, as letters do; 0 is absent.
constexpr int kFirstLetterShift = 29;
constexpr int kSecondLetterShift = 24;
constexpr int kDistrictDigitShift = 20;
constexpr int kDistrictSecondShift = 14;
constexpr int kSectorShift = 10;
constexpr int kFirstUnitShift = 5;

// The district's second character: 0 absent, 1..10 a digit, 11..36 a letter.
constexpr PackedPostcode district_second(Code code) noexcept {
  if (is_digit_code(code)) return code & 31U;
  return code == kAbsent ? 0 : code + 10U;
}

PackedPostcode packed(const Compact& compact, const Form& form) noexcept {
  const auto& codes = compact.codes;
  const std::size_t outward = compact.count - 3;
  return static_cast<PackedPostcode>(codes[0]) << kFirstLetterShift |
         static_cast<PackedPostcode>(codes[form.second_area_letter]) << kSecondLetterShift |
         static_cast<PackedPostcode>(codes[form.district_digit] & 31U) << kDistrictDigitShift |
         district_second(codes[form.district_second]) << kDistrictSecondShift |
         static_cast<PackedPostcode>(codes[outward] & 31U) << kSectorShift |
         static_cast<PackedPostcode>(codes[outward + 1]) << kFirstUnitShift | codes[outward + 2];
}

constexpr unsigned field(PackedPostcode packed, int shift, unsigned mask) noexcept {
  return static_cast<unsigned>(packed >> shift) & mask;
}

// ASCII, or 0 where absent.
constexpr std::uint64_t letter_character(unsigned value) noexcept {
  return value == 0 ? 0 : 'A' - 1 + value;
}
constexpr std::uint64_t digit_character(unsigned value) noexcept {
  return value == 0 ? 0 : '0' - 1 + value;
}
constexpr std::uint64_t either_character(unsigned value) noexcept {
  return value <= 10 ? digit_character(value) : letter_character(value - 10);
}

}  // namespace

// By the pattern of its letters and digits.
Postcode standardise_postcode(std::string_view text) noexcept {
  Compact compact = compact_of(text);
  if (compact.count > kMaxCharacters) return {};
  // A pseudo postcode is known by its start, whatever became of its end.
  if (starts_with_zz99(compact)) return {0, pseudo_flag(compact)};
  if (compact.count < 5) return {};
  Form form = form_of(compact);
  if (!form.exists || may_need_mending(compact, form)) {
    mend(compact);
    form = form_of(compact);
  }
  if (!form.exists) return {};
  // National linkage refuses every postcode that starts with ZZ: no such area exists.
  if (compact.codes[0] == letter('Z') && compact.codes[1] == letter('Z')) return {0, pseudo_flag(compact)};
  return {packed(compact, form), PostcodeFlag::none};
}

std::uint64_t postcode_bytes(PackedPostcode packed) noexcept {
  return letter_character(field(packed, kFirstLetterShift, 31)) << 48 |
         letter_character(field(packed, kSecondLetterShift, 31)) << 40 |
         digit_character(field(packed, kDistrictDigitShift, 15)) << 32 |
         either_character(field(packed, kDistrictSecondShift, 63)) << 24 |
         digit_character(field(packed, kSectorShift, 15)) << 16 |
         letter_character(field(packed, kFirstUnitShift, 31)) << 8 | letter_character(field(packed, 0, 31));
}

namespace {

void append_characters(std::string& text, std::uint64_t bytes, int from, int to) {
  for (int i = from; i >= to; --i) {
    const auto character = static_cast<char>(bytes >> (8 * i) & 0x7F);
    if (character != '\0') text.push_back(character);
  }
}

}  // namespace

std::string outward_code(PackedPostcode packed) {
  std::string text;
  append_characters(text, postcode_bytes(packed), 6, 3);
  return text;
}

std::string postcode_text(PackedPostcode packed) {
  std::string text = outward_code(packed);
  text.push_back(' ');
  append_characters(text, postcode_bytes(packed), 2, 0);
  return text;
}

}  // namespace ligature
