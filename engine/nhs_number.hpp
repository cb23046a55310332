// NHS numbers: reading, the modulus 11 check, filler numbers and range flags.
//
// Sources: ISB 0149 (format and check digit); the national linkage validity rules (ten digits, not all the same, check
// digit correct); the ranges as collated by the uk-fci/nhs-number project.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ligature {

enum class NhsStatus : std::uint8_t {
  missing = 0,   // absent, not ten digits, all digits the same, or a known filler: no evidence
  valid = 1,     // ten digits with a correct check digit
  invalid = 2,   // ten digits whose check digit is wrong: evidence only by nearness to a valid number
  one_time = 3,  // not a number: marks an identity that stands for one row alone (see identity.hpp)
};

enum class NhsRange : std::uint8_t { not_in_use, scotland, northern_ireland, england_wales, ireland, test };

struct NhsNumber {
  std::uint64_t value = 0;  // 0..9'999'999'999; 0 unless status is valid or invalid
  NhsStatus status = NhsStatus::missing;
  friend bool operator==(const NhsNumber&, const NhsNumber&) = default;
};

// Ten-digit values that are typed where the number is not known, beside ten equal digits (the national validity rule;
// 0000000000 and 9999999999 are also the null values of the Master Person Service).  A check digit does not catch them:
// ten equal digits always pass it, and so do 0123456789, 9876543210 and 1234567881.
//
// The runs: none was ever issued (a Scottish 0xxxxxxxxx or 1xxxxxxxxx starts with a day and a month, which these do
// not; 9xxxxxxxxx is kept for tests).  4857773456 is the example that the NHS digital service manual prints beside NHS
// number fields.
inline constexpr std::array<std::uint64_t, 6> kFillers = {
    123'456'789,    // 0123456789
    987'654'321,    // 0987654321
    1'234'567'881,  // 123456788 with its check digit
    1'234'567'890, 4'857'773'456, 9'876'543'210,
};

// True if the ten digits of value pass modulus 11 (weights 10..2; 11 -> 0; 10 -> no valid number).
bool nhs_check_digit_ok(std::uint64_t value) noexcept;

// Standardises one field.  Spaces, hyphens and the no-break space are dropped wherever they stand; anything but ten
// digits is missing; all-same-digit numbers and fillers (0000000000, 9999999999, 1234567890, 0123456789, ...) are
// missing.
NhsNumber standardise_nhs_number(std::string_view text) noexcept;

// The same for a column of fields, as many numbers as texts.  Fast where they are ten digits, or groups of three, three
// and four.  Throws as ensure_simd_targets does.
void standardise_nhs_numbers(std::span<const std::string_view> texts, std::span<NhsNumber> numbers);

// A flag, never a reason to refuse: which authority issues numbers of this range.
NhsRange nhs_range(std::uint64_t value) noexcept;

// Ten decimal digits as ten nibbles, first digit highest: the form that comparisons work on.
std::uint64_t nhs_digits_bcd(std::uint64_t value) noexcept;

// Calls visit(number) for every valid number that becomes this one by one wrong digit or one exchange of neighbouring
// digits, each once, in a fixed order.  Of a number that fails the check there are about a dozen.
//
// With the sum of the check at s (mod 11) one digit at a position of weight w can only be meant to be what it is less
// s / w, and two neighbours only to be exchanged where the left is greater than the right by s: nothing is tried.
template <typename Visit>
void for_each_valid_neighbour(std::uint64_t number, const Visit& visit) {
  constexpr std::array<std::uint64_t, 11> kInverse{0, 1, 6, 4, 3, 9, 2, 8, 7, 5, 10};  // modulo 11
  std::array<std::uint64_t, 10> digits;                                                // the check digit first
  std::uint64_t sum = 0, left = number;
  for (std::size_t position = 0; position < 10; ++position, left /= 10) {
    digits[position] = left % 10;
    sum += digits[position] * (position + 1);
  }
  sum %= 11;
  std::uint64_t power = 1;
  for (std::size_t position = 0; position < 10; ++position, power *= 10) {
    const std::uint64_t digit = digits[position], meant = (digit + (11 - sum) * kInverse[position + 1]) % 11;
    if (meant < 10 && meant != digit) visit(number + meant * power - digit * power);
    if (position == 9) break;
    const std::uint64_t next = digits[position + 1];
    if (next == digit || (11 + next - digit) % 11 != sum) continue;
    visit(number - (next * 10 + digit) * power + (digit * 10 + next) * power);
  }
}

}  // namespace ligature
