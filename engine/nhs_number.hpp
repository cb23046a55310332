// NHS numbers: reading, the modulus 11 check, filler numbers and range flags.
//
// Sources: ISB 0149 (format and check digit); the national linkage validity rules (ten digits, not all the same, check
// digit correct); the ranges as collated by the uk-fci/nhs-number project.
#pragma once

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

// True if the ten digits of value pass modulus 11 (weights 10..2; 11 -> 0; 10 -> no valid number).
bool nhs_check_digit_ok(std::uint64_t value) noexcept;

// Standardises one field.  Spaces, hyphens and the no-break space are dropped wherever they stand; anything but ten
// digits is missing; all-same-digit numbers and fillers (0000000000, 9999999999, 1234567890, 0123456789, ...) are
// missing.
NhsNumber standardise_nhs_number(std::string_view text) noexcept;

// The same for a column of fields.
void standardise_nhs_numbers(std::span<const std::string_view> texts, std::span<NhsNumber> numbers) noexcept;

// A flag, never a reason to refuse: which authority issues numbers of this range.
NhsRange nhs_range(std::uint64_t value) noexcept;

// Ten decimal digits as ten nibbles, first digit highest: the form that comparisons work on.
std::uint64_t nhs_digits_bcd(std::uint64_t value) noexcept;

// Calls visit(number) for every valid number that becomes this one by one wrong digit or one exchange of neighbouring
// digits, each once, in a fixed order.  Of a number that fails the check there are about a dozen.
template <typename Visit>
void for_each_valid_neighbour(std::uint64_t number, const Visit& visit) {
  std::uint64_t power = 1;
  for (int position = 0; position < 10; ++position, power *= 10) {
    const std::uint64_t digit = number / power % 10;
    const std::uint64_t others = number - digit * power;
    for (std::uint64_t meant = 0; meant < 10; ++meant) {
      if (meant != digit && nhs_check_digit_ok(others + meant * power)) visit(others + meant * power);
    }
    if (position == 9) break;
    const std::uint64_t next = number / (power * 10) % 10;
    if (next == digit) continue;  // an exchange that changes nothing
    const std::uint64_t exchanged = number - (next * 10 + digit) * power + (digit * 10 + next) * power;
    if (nhs_check_digit_ok(exchanged)) visit(exchanged);
  }
}

}  // namespace ligature
