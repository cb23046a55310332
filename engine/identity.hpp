// An identity: the standardised (NHS number, date of birth, postcode, gender) of a row, packed into 16 bytes.
//
// Rows are many, identities are few: equal rows collapse to one identity, and everything quadratic runs on identities.
// The order of identities (numeric, first word then second) comes from their content alone, so numbering by it is the
// same on any number of ranks.
//
//   first word    [63..62] NHS status  [61..28] NHS number  [27..26] gender  [25..24] postcode flag
//                 [23] date of birth was a placeholder  [22..0] zero
//   second word   [63..48] date of birth  [47..14] postcode  [13..0] zero
//
// A row whose identifiers cannot tell people apart (is_linkable) must not collapse with its like: two strangers born on
// one day are not one person.  Such a row gets a one-time identity: NHS status one_time, and 56 bits of a digest of the
// row in place of the NHS number and the low bits, but the lowest: it says that the row has a misspelt number.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/date.hpp"
#include "engine/gender.hpp"
#include "engine/nhs_number.hpp"
#include "engine/postcode.hpp"

namespace ligature {

struct IdentityFields {
  NhsNumber nhs;
  DayNumber date_of_birth = kMissingDay;
  bool placeholder_birth = false;  // a date was given that means "unknown" (1900-01-01 and the like)
  Postcode postcode;
  Gender gender = Gender::unknown;
  friend bool operator==(const IdentityFields&, const IdentityFields&) = default;
};

struct Identity {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  friend auto operator<=>(const Identity&, const Identity&) = default;

  [[nodiscard]] NhsStatus nhs_status() const noexcept { return static_cast<NhsStatus>(first >> 62); }
  [[nodiscard]] bool has_valid_nhs() const noexcept { return nhs_status() == NhsStatus::valid; }
  // The number of a valid or invalid NHS number; 0 when missing or one-time.
  [[nodiscard]] std::uint64_t nhs() const noexcept {
    return nhs_status() == NhsStatus::one_time ? 0 : (first >> 28) & 0x3FFFFFFFFULL;
  }
  // The status of the row's number, also of a row that stands alone.
  [[nodiscard]] NhsStatus written_nhs_status() const noexcept {
    if (nhs_status() != NhsStatus::one_time) return nhs_status();
    return (first & 1) != 0 ? NhsStatus::invalid : NhsStatus::missing;
  }
  // The valid NHS number, else 0.
  [[nodiscard]] std::uint64_t valid_nhs() const noexcept { return has_valid_nhs() ? nhs() : 0; }
  [[nodiscard]] Gender gender() const noexcept { return static_cast<Gender>((first >> 26) & 3); }
  [[nodiscard]] PostcodeFlag postcode_flag() const noexcept { return static_cast<PostcodeFlag>((first >> 24) & 3); }
  [[nodiscard]] bool placeholder_birth() const noexcept { return ((first >> 23) & 1) != 0; }
  [[nodiscard]] DayNumber date_of_birth() const noexcept { return static_cast<DayNumber>(second >> 48); }
  [[nodiscard]] PackedPostcode postcode() const noexcept { return (second >> 14) & 0x3FFFFFFFFULL; }
};
static_assert(sizeof(Identity) == 16);
// The first word but for the number and its status; the second but for the date of birth.
inline constexpr std::uint64_t kWithoutNumber = (1ULL << 28) - 1, kWithoutBirth = (1ULL << 48) - 1;

// Packs and unpacks without loss (status one_time excepted: it has no fields to give back but the last three).
inline Identity pack(const IdentityFields& fields) noexcept {
  return {static_cast<std::uint64_t>(fields.nhs.status) << 62 | (fields.nhs.value & 0x3FFFFFFFFULL) << 28 |
              static_cast<std::uint64_t>(fields.gender) << 26 | static_cast<std::uint64_t>(fields.postcode.flag) << 24 |
              static_cast<std::uint64_t>(fields.placeholder_birth) << 23,
          static_cast<std::uint64_t>(fields.date_of_birth) << 48 | fields.postcode.packed << 14};
}
IdentityFields unpack(const Identity& identity) noexcept;

// True if equal identities may be taken for one person: a valid NHS number; or date of birth and postcode; or an
// invalid NHS number and either of them.
inline bool is_linkable(const IdentityFields& fields) noexcept {
  const bool has_birth = fields.date_of_birth != kMissingDay;
  const bool has_postcode = fields.postcode.packed != 0;
  const bool misspelt = fields.nhs.status == NhsStatus::invalid;
  return fields.nhs.status == NhsStatus::valid || (has_birth && has_postcode) ||
         (misspelt && (has_birth || has_postcode));
}

// The identity of a row that stands alone.  digest: 64 bits that differ between rows (56 are kept); the date of birth,
// postcode, gender and flags of fields are kept, so that the person's published attributes are not lost.
Identity one_time_identity(const IdentityFields& fields, std::uint64_t digest) noexcept;

// Dates that mean "unknown" in practice: 1900-01-01, 1901-01-01, 1899-12-30/31 and others listed with their source in
// identity.cpp.  1 January of an ordinary year is common but real: it is not a placeholder.
bool is_placeholder_birth(const CivilDate& date) noexcept;

// Standardises a date of birth: any spelling of parse_date; a real calendar date from 1895-01-01 to latest (the
// extract's date; kMissingDay sets no bound); else missing.  Sets placeholder_birth instead for placeholder dates,
// 1800-01-01 among them.
void standardise_birth(std::string_view text, DayNumber latest, IdentityFields& fields) noexcept;

// The same for a column of fields, each with its latest day.  Throws as ensure_simd_targets does.
struct Birth {
  DayNumber day = kMissingDay;
  bool placeholder = false;
  friend bool operator==(const Birth&, const Birth&) = default;
};
void standardise_births(std::span<const std::string_view> texts, std::span<const DayNumber> latest,
                        std::span<Birth> births);

}  // namespace ligature
