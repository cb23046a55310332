#include "engine/nhs_number.hpp"

#include <algorithm>
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

// Ten equal digits, or listed.
constexpr bool is_filler(std::uint64_t value) noexcept {
  return value % 1'111'111'111ULL == 0 || std::find(kFillers.begin(), kFillers.end(), value) != kFillers.end();
}

NhsNumber from_ten_digits(const std::array<char, 10>& digits) noexcept {
  const std::uint64_t word = load_eight(digits.data());
  const std::uint32_t ninth = digit_value(digits[8]), tenth = digit_value(digits[9]);
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

NhsNumber standardise_nhs_number(std::string_view text) noexcept {
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
  return count == digits.size() ? from_ten_digits(digits) : NhsNumber{};
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
