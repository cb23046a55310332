#include "engine/nhs_number.hpp"

#include <array>
#include <bit>

#include "engine/field_text.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kEvenBytes = 0x00FF00FF00FF00FFULL;
constexpr std::uint64_t kNumbers = 10'000'000'000ULL;

// Modulus 11 in the form "the sum of digit times weight, weights 10 down to 1, is a multiple of 11".
//
// It is ISB 0149's rule: the check digit is 11 - (sum of the first nine mod 11), with 11 written 0; where it would be
// 10 no digit can complete the multiple.  first_eight: digits 0..9 one a byte, the first in the lowest.  Each product
// adds four digits' terms up in its highest sixteen bits (no lane passes 252, so none spills into the next).
constexpr bool passes_modulus_11(std::uint64_t first_eight, std::uint32_t ninth, std::uint32_t tenth) noexcept {
  constexpr std::uint64_t kOddWeights = (10ULL << 48) | (8ULL << 32) | (6ULL << 16) | 4ULL;  // digits 1, 3, 5, 7
  constexpr std::uint64_t kEvenWeights = (9ULL << 48) | (7ULL << 32) | (5ULL << 16) | 3ULL;  // digits 2, 4, 6, 8
  const std::uint64_t sum = (((first_eight & kEvenBytes) * kOddWeights) >> 48) +
                            ((((first_eight >> 8) & kEvenBytes) * kEvenWeights) >> 48) + 2 * ninth + tenth;
  return sum % 11 == 0;
}

// The digits of a number below 10^8, one a byte, the first in the lowest.  Halves, then quarters, then single digits
// are split off side by side by multiplication (P. Khuong, "How to print integers really fast", 2017).
constexpr std::uint64_t digit_bytes(std::uint32_t value) noexcept {
  const std::uint64_t halves = (value / 10'000) | (static_cast<std::uint64_t>(value % 10'000) << 32);
  const std::uint64_t hundreds = ((halves * 10'486) >> 20) & 0x0000007F0000007FULL;
  const std::uint64_t pairs = ((halves - 100 * hundreds) << 16) + hundreds;
  const std::uint64_t tens = ((pairs * 103) >> 10) & 0x000F000F000F000FULL;
  return tens + ((pairs - 10 * tens) << 8);
}

// Ten-digit values that are typed where the number is not known.  A check digit does not catch them: ten equal digits
// always pass it, and so do 0123456789, 9876543210 and 1234567881.
//
// Ten equal digits: the national validity rule; 0000000000 and 9999999999 are also the null values of the Master Person
// Service.  The runs: none was ever issued (a Scottish 0xxxxxxxxx or 1xxxxxxxxx starts with a day and a month, which
// these do not; 9xxxxxxxxx is kept for tests).  4857773456 is the example that the NHS digital service manual prints
// beside NHS number fields.
constexpr bool is_filler(std::uint64_t value) noexcept {
  if (value % 1'111'111'111ULL == 0) return true;
  switch (value) {
    case 123'456'789ULL:
    case 987'654'321ULL:
    case 1'234'567'881ULL:  // 123456788 with its check digit
    case 1'234'567'890ULL:
    case 4'857'773'456ULL:
    case 9'876'543'210ULL:
      return true;
    default:
      return false;
  }
}

// Ten characters in a row: the first eight in a word, and the last two.
struct TenCharacters {
  std::uint64_t first_eight = 0;
  char ninth = 0, tenth = 0;
};

TenCharacters ten_characters(const char* text) noexcept {
  return {load_eight(text), text[8], text[9]};
}

bool are_digits(const TenCharacters& text) noexcept {
  return are_eight_digits(text.first_eight) && digit_value(text.ninth) < 10 && digit_value(text.tenth) < 10;
}

// REQUIRES: are_digits(text).
[[gnu::always_inline]] inline NhsNumber from_ten_digits(const TenCharacters& text) noexcept {
  const std::uint64_t word = text.first_eight;
  const std::uint32_t ninth = digit_value(text.ninth);
  const std::uint32_t tenth = digit_value(text.tenth);
  const std::uint64_t value = eight_digit_value(word) * 100ULL + ninth * 10 + tenth;
  if (is_filler(value)) return {};
  const bool ok = passes_modulus_11(word & 0x0F0F0F0F0F0F0F0FULL, ninth, tenth);
  return {value, ok ? NhsStatus::valid : NhsStatus::invalid};
}

}  // namespace

bool nhs_check_digit_ok(std::uint64_t value) noexcept {
  if (value >= kNumbers) return false;
  const auto last_two = static_cast<std::uint32_t>(value % 100);
  return passes_modulus_11(digit_bytes(static_cast<std::uint32_t>(value / 100)), last_two / 10, last_two % 10);
}

namespace {

// Any spelling, a character at a time.
NhsNumber scan_nhs_number(std::string_view text) noexcept {
  std::array<char, 10> digits{};
  std::size_t count = 0;
  while (!text.empty()) {
    std::size_t length = 1;
    if (digit_value(text[0]) < 10) {
      if (count == digits.size()) return {};
      digits[count++] = text[0];
    } else {
      length = space_length(text) + hyphen_length(text);
      if (length == 0) return {};
    }
    text.remove_prefix(length);
  }
  return count == digits.size() ? from_ten_digits(ten_characters(digits.data())) : NhsNumber{};
}

// The two usual spellings, ten digits and groups of three, three and four; whatever else it is goes the long way.
inline NhsNumber read_nhs_number(std::string_view text) noexcept {
  const char* const t = text.data();
  TenCharacters characters;
  if (text.size() == 10) {
    characters = ten_characters(t);
  } else if (text.size() == 12 && t[3] == t[7] && (t[3] == ' ' || t[3] == '-')) {
    const std::uint64_t groups = load_eight(t);
    const std::uint64_t last_four = load_four(t + 8);
    characters = {(groups & 0xFFFFFFULL) | (groups >> 8 & 0xFFFFFF000000ULL) | last_four << 48, t[10], t[11]};
  }
  return are_digits(characters) ? from_ten_digits(characters) : scan_nhs_number(text);
}

}  // namespace

NhsNumber standardise_nhs_number(std::string_view text) noexcept {
  return read_nhs_number(text);
}

void standardise_nhs_numbers(std::span<const std::string_view> texts, std::span<NhsNumber> numbers) noexcept {
  for (std::size_t i = 0; i < texts.size(); ++i) numbers[i] = read_nhs_number(texts[i]);
}

NhsRange nhs_range(std::uint64_t value) noexcept {
  if (value < 100'000'000ULL) return NhsRange::not_in_use;
  if (value < 3'113'000'000ULL) return NhsRange::scotland;  // CHI numbers: DDMMYY and four more
  if (value < 3'200'000'000ULL) return NhsRange::not_in_use;
  if (value < 4'000'000'000ULL) return NhsRange::northern_ireland;
  if (value < 5'000'000'000ULL) return NhsRange::england_wales;
  if (value < 6'000'000'000ULL) return NhsRange::test;  // kept back for internal testing
  if (value < 8'000'000'000ULL) return NhsRange::england_wales;
  if (value < 8'600'000'000ULL) return NhsRange::ireland;
  if (value < 9'000'000'000ULL) return NhsRange::not_in_use;
  return value < kNumbers ? NhsRange::test : NhsRange::not_in_use;
}

std::uint64_t nhs_digits_bcd(std::uint64_t value) noexcept {
  const auto last_two = static_cast<std::uint32_t>(value % 100);
  std::uint64_t nibbles = __builtin_bswap64(digit_bytes(static_cast<std::uint32_t>(value / 100)));
  nibbles = (nibbles | (nibbles >> 4)) & 0x00FF00FF00FF00FFULL;
  nibbles = (nibbles | (nibbles >> 8)) & 0x0000FFFF0000FFFFULL;
  nibbles = (nibbles | (nibbles >> 16)) & 0x00000000FFFFFFFFULL;
  return (nibbles << 8) | ((last_two / 10) << 4) | (last_two % 10);
}

}  // namespace ligature
