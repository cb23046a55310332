// Spellings of identifiers and dates in the artificial extracts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "engine/date.hpp"
#include "engine/gender.hpp"
#include "jobs/synth/errors.hpp"

namespace ligature::synthetic {

enum class DateStyle : std::uint8_t {
  iso,
  day_first,
  compact,
  month_name
};                                                                    // 1970-12-31 31/12/1970 19701231 31-Dec-1970
enum class PostcodeStyle : std::uint8_t { spaced, padded, compact };  // "B1 1AA", "B1   1AA", "B11AA"
enum class GenderStyle : std::uint8_t { codes, words, codes_with_nine, letters };

// The last `digits` decimal digits, leading zeros kept.
inline void append_digits(std::string& out, std::uint64_t value, std::size_t digits) {
  std::array<char, 20> text{};
  for (std::size_t i = digits; i-- > 0; value /= 10) text[i] = static_cast<char>('0' + value % 10);
  out.append(text.data(), digits);
}

// Nothing for kNoNumber; grouped: "943 476 5919".
inline void append_nhs_number(std::string& out, std::uint64_t nhs, bool grouped) {
  if (nhs == kNoNumber) return;
  if (!grouped) {
    append_digits(out, nhs, 10);
    return;
  }
  append_digits(out, nhs / 10'000'000, 3);
  out += ' ';
  append_digits(out, nhs / 10'000, 3);
  out += ' ';
  append_digits(out, nhs, 4);
}

// Nothing for year 0.
inline void append_date(std::string& out, const CivilDate& date, DateStyle style) {
  static constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (date.year == 0) return;
  const auto year = static_cast<std::uint64_t>(date.year), month = static_cast<std::uint64_t>(date.month),
             day = static_cast<std::uint64_t>(date.day);
  switch (style) {
    case DateStyle::iso:
      append_digits(out, year, 4);
      out += '-';
      append_digits(out, month, 2);
      out += '-';
      append_digits(out, day, 2);
      break;
    case DateStyle::day_first:
      append_digits(out, day, 2);
      out += '/';
      append_digits(out, month, 2);
      out += '/';
      append_digits(out, year, 4);
      break;
    case DateStyle::compact:
      append_digits(out, (year * 100 + month) * 100 + day, 8);
      break;
    case DateStyle::month_name:
      append_digits(out, day, 2);
      out += '-';
      out += kMonths[month - 1];
      out += '-';
      append_digits(out, year, 4);
      break;
  }
}

// Nothing if missing.  A letter for a digit: O for the first 0, else I for the first 1, else lower case.
inline void append_postcode(std::string& out, const PostcodeText& postcode, PostcodeStyle style, Spelling spelling) {
  if (postcode.outward_length == 0) return;
  const std::size_t begin = out.size();
  out += postcode.outward_view();
  if (spelling == Spelling::other_spacing) {
    if (style == PostcodeStyle::compact) out += "  ";
  } else if (style == PostcodeStyle::spaced) {
    out += ' ';
  } else if (style == PostcodeStyle::padded) {
    out.append(5U - postcode.outward_length, ' ');  // eight characters: the inward part begins at the sixth
  }
  out += postcode.inward_view();
  if (spelling == Spelling::letter_for_digit) {
    for (const auto& [digit, letter] : {std::pair{'0', 'O'}, std::pair{'1', 'I'}}) {
      if (const std::size_t at = out.find(digit, begin); at != std::string::npos) {
        out[at] = letter;
        return;
      }
    }
  }
  if (spelling == Spelling::lower_case || spelling == Spelling::letter_for_digit) {
    for (std::size_t i = begin; i < out.size(); ++i) {
      if (out[i] >= 'A' && out[i] <= 'Z') out[i] = static_cast<char>(out[i] - 'A' + 'a');
    }
  }
}

inline std::string_view gender_text(Gender gender, GenderStyle style) noexcept {
  using Texts = std::array<std::string_view, 3>;  // unknown, male, female
  static constexpr std::array<Texts, 4> kTexts = {Texts{"0", "1", "2"}, Texts{"Not known", "Male", "Female"},
                                                  Texts{"9", "1", "2"}, Texts{"U", "M", "F"}};
  return kTexts[static_cast<std::size_t>(style)][static_cast<std::size_t>(gender)];
}

// "nhs_missing|postcode_moved"
inline void append_errors(std::string& out, Errors errors) {
  bool first = true;
  for (std::size_t kind = 0; kind < kErrorKinds; ++kind) {
    if ((errors & bit(static_cast<ErrorKind>(kind))) == 0) continue;
    if (!first) out += '|';
    first = false;
    out += error_name(static_cast<ErrorKind>(kind));
  }
}

}  // namespace ligature::synthetic
