// Reading the bytes of one field of an extract: spaces, hyphens, case and digits.
//
// Fields come from spreadsheets and word processors as well as databases, so the space or hyphen of a printed NHS
// number may be any of Unicode's.  Eight digits at a time: D. Lemire, "Quickly parsing eight digits", 2018.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ligature {

static_assert(std::endian::native == std::endian::little, "eight characters are read as one little-endian word");

// Eight characters as one word, the first in the lowest byte.  REQUIRES: eight readable characters.
inline std::uint64_t load_eight(const char* text) noexcept {
  std::uint64_t word;
  std::memcpy(&word, text, sizeof word);
  return word;
}

// Four characters likewise.  REQUIRES: four readable characters.
inline std::uint32_t load_four(const char* text) noexcept {
  std::uint32_t word;
  std::memcpy(&word, text, sizeof word);
  return word;
}

// True if all eight characters of a word are '0'..'9'.
constexpr bool are_eight_digits(std::uint64_t word) noexcept {
  constexpr std::uint64_t kHighNibbles = 0xF0F0F0F0F0F0F0F0ULL;
  constexpr std::uint64_t kZeros = 0x3030303030303030ULL;
  // The sum may carry out of a byte only where the first test has failed already.
  return (word & kHighNibbles) == kZeros && ((word + 0x0606060606060606ULL) & kHighNibbles) == kZeros;
}

// The number that eight digits spell.  REQUIRES: are_eight_digits(word).
constexpr std::uint32_t eight_digit_value(std::uint64_t word) noexcept {
  word &= 0x0F0F0F0F0F0F0F0FULL;
  word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FFULL;
  word = (word * 100 + (word >> 16)) & 0x0000FFFF0000FFFFULL;
  return static_cast<std::uint32_t>((word & 0xFFFFFFFFULL) * 10'000 + (word >> 32));
}

// Two characters likewise.  REQUIRES: two readable characters.
inline std::uint16_t load_two(const char* text) noexcept {
  std::uint16_t word;
  std::memcpy(&word, text, sizeof word);
  return word;
}

// The value of a digit; 10 or more for any other character.
constexpr unsigned digit_value(char c) noexcept {
  return static_cast<unsigned>(static_cast<unsigned char>(c)) - static_cast<unsigned>('0');
}

constexpr char lower_case(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool is_letter(char c) noexcept {
  return lower_case(c) >= 'a' && lower_case(c) <= 'z';
}

// True if text is expected in any case.  REQUIRES: expected is lower case.
constexpr bool equals_ignoring_case(std::string_view text, std::string_view expected) noexcept {
  if (text.size() != expected.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (lower_case(text[i]) != expected[i]) return false;
  }
  return true;
}

// Bytes of the white space that text starts with one character of: ASCII, U+00A0, U+2000..200B, U+202F, U+FEFF; else 0.
constexpr std::size_t space_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  if (byte(0) == ' ' || (byte(0) >= '\t' && byte(0) <= '\r')) return 1;
  if (byte(0) == 0xC2 && byte(1) == 0xA0) return 2;
  if (byte(0) == 0xE2 && byte(1) == 0x80 && ((byte(2) >= 0x80 && byte(2) <= 0x8B) || byte(2) == 0xAF)) return 3;
  if (byte(0) == 0xEF && byte(1) == 0xBB && byte(2) == 0xBF) return 3;
  return 0;
}

// Bytes of the hyphen or dash that text starts with: '-', U+2010..2015, U+2212; else 0.
constexpr std::size_t hyphen_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  if (byte(0) == '-') return 1;
  if (byte(0) == 0xE2 && byte(1) == 0x80 && byte(2) >= 0x90 && byte(2) <= 0x95) return 3;
  if (byte(0) == 0xE2 && byte(1) == 0x88 && byte(2) == 0x92) return 3;
  return 0;
}

// The field without white space at its ends.
constexpr std::string_view trimmed(std::string_view text) noexcept {
  // Nearly every field begins and ends with a printing ASCII character.
  const auto prints = [](char c) { return c > ' ' && c < '\x7F'; };
  if (!text.empty() && prints(text.front()) && prints(text.back())) return text;
  while (const std::size_t length = space_length(text)) text.remove_prefix(length);
  for (bool found = true; found;) {
    found = false;
    for (std::size_t length = 1; length <= 3 && length <= text.size(); ++length) {
      if (space_length(text.substr(text.size() - length)) == length) {
        text.remove_suffix(length);
        found = true;
        break;
      }
    }
  }
  return text;
}

}  // namespace ligature
