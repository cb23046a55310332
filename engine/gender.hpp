// Gender as the NHS data dictionary codes it: 0 not known, 1 male, 2 female, 9 not specified.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace ligature {

// In linkage unknown and indeterminate are both "missing": no evidence, never a disagreement.
enum class Gender : std::uint8_t { unknown = 0, male = 1, female = 2, indeterminate = 3 };

// Standardises one field: 0/1/2/9, M/F/U/I/X and the words (male, female, man, woman, unknown, indeterminate,
// not known, not specified, other), any case, spaces around.  Anything else is unknown.
Gender standardise_gender(std::string_view text) noexcept;

// The same for a column of fields.
void standardise_genders(std::span<const std::string_view> texts, std::span<Gender> genders) noexcept;

// The NHS code: 0, 1, 2 or 9.
std::uint8_t gender_code(Gender gender) noexcept;

}  // namespace ligature
