// Every usual spelling of an NHS number, a full postcode, and a full date of birth with its postcode: in text, in raw
// bytes and in numbers.
//
// Only shapes are found here; whether a find is an identifier in use is asked of the run's identities
// (leak_filter.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "engine/date.hpp"
#include "engine/postcode.hpp"

namespace ligature {

enum class IdentifierForm : std::uint8_t {
  nhs_grouped,         // 943 476 5919: one separator, 3 3 4
  nhs_plain,           // ten digits next to no letter or digit
  nhs_broken,          // ten digits with single separators elsewhere
  nhs_attached,        // ten digits beside letters, behind zeros, or beside eight digits of a date
  nhs_binary,          // a number of 64 bits, of either byte order; a column's value
  nhs_packed,          // the first word of a packed identity
  postcode_spaced,     // SW1A 1AA
  postcode_compact,    // SW1A1AA
  postcode_packed,     // as 34 bits of a 64-bit number
  birth_and_postcode,  // both in text, in either order, at most kJoinedBytes apart on one line
  birth_packed,        // the second word of a packed identity
};
inline constexpr std::size_t kIdentifierForms = 11;
inline constexpr std::array<std::string_view, kIdentifierForms> kFormNames{"NHS number, 3 3 4",
                                                                           "NHS number, ten digits",
                                                                           "NHS number, broken digits",
                                                                           "NHS number, attached",
                                                                           "NHS number, as a number",
                                                                           "NHS number, packed",
                                                                           "postcode, spaced",
                                                                           "postcode, compact",
                                                                           "postcode, packed",
                                                                           "birth date and postcode",
                                                                           "birth date and postcode, packed"};

// Found among bytes or numbers, not in text.
constexpr bool is_binary(IdentifierForm form) noexcept {
  return form == IdentifierForm::nhs_binary || form == IdentifierForm::nhs_packed ||
         form == IdentifierForm::postcode_packed || form == IdentifierForm::birth_packed;
}
constexpr bool is_nhs_number(IdentifierForm form) noexcept {
  return form <= IdentifierForm::nhs_packed;
}

// What tells a find from all others: two bits of kind, then the number, the postcode, or day and postcode.
using SearchKey = std::uint64_t;
constexpr SearchKey nhs_key(std::uint64_t number) noexcept {
  return number;
}
constexpr SearchKey postcode_key(PackedPostcode postcode) noexcept {
  return std::uint64_t{1} << 62 | postcode;
}
constexpr SearchKey birth_key(DayNumber day, PackedPostcode postcode) noexcept {
  return std::uint64_t{2} << 62 | std::uint64_t{day} << kPostcodeBits | postcode;
}

struct FoundForm {
  IdentifierForm form = IdentifierForm::nhs_plain;
  SearchKey key = 0;
  std::size_t position = 0;  // of the last word that belongs to it
};

inline constexpr std::size_t kJoinedBytes = 48;
// Pieces of a long text are searched with this many bytes of their neighbours on both sides; finds are taken whose
// position is in the piece itself.
inline constexpr std::size_t kFormContext = 128;

using FoundForms = std::function<void(const FoundForm&)>;

// Text in any encoding whose digits and letters are ASCII.
void find_in_text(std::string_view text, const FoundForms& found);
// Words of 64 bits at every byte, of both byte orders.
void find_in_bytes(std::string_view bytes, const FoundForms& found);
// One number of a column at a time, in the byte order that the column declares: exchanged, row numbers would look like
// packed identities.  Numbers below 100,000,000 are in no range in use and are ordinary counts.
void find_in_number(std::uint64_t value, std::size_t position, const FoundForms& found);
void find_in_number(double value, std::size_t position, const FoundForms& found);

}  // namespace ligature
