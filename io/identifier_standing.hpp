// How the identifiers of a row stand: eight yes or no, a byte each of a word, so that the words of up to 255 rows can
// be added up before their bytes are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/identity.hpp"
#include "io/intake.hpp"

namespace ligature {

namespace standing {
enum Byte : unsigned {
  nhs_valid,
  nhs_invalid,
  nhs_missing,
  birth_missing,
  birth_placeholder,
  postcode_missing,
  postcode_pseudo,
  gender_missing
};
inline constexpr std::size_t kMostRows = 255;
constexpr std::uint64_t yes(Byte byte) noexcept {
  return std::uint64_t{1} << 8 * byte;
}

// Looked up, for what varies from row to row is dear to branch on.
inline constexpr std::array kOfNumber{yes(nhs_missing), yes(nhs_valid), yes(nhs_invalid),
                                      yes(nhs_missing)};  // by NhsStatus
inline constexpr std::array kOfBirth{std::uint64_t{0}, yes(birth_missing), yes(birth_placeholder),
                                     yes(birth_placeholder)};
inline constexpr std::array kOfPostcode{std::uint64_t{0}, yes(postcode_missing), yes(postcode_pseudo),
                                        yes(postcode_pseudo)};
inline constexpr std::array kOfGender{yes(gender_missing), std::uint64_t{0}, std::uint64_t{0}, yes(gender_missing)};
static_assert(static_cast<int>(NhsStatus::valid) == 1 && static_cast<int>(NhsStatus::invalid) == 2);
static_assert(static_cast<int>(Gender::male) == 1 && static_cast<int>(Gender::female) == 2);

inline std::uint64_t word_of(const IdentityFields& identity) noexcept {
  const unsigned birth = (identity.date_of_birth == kMissingDay ? 1 : 0) | (identity.placeholder_birth ? 2 : 0);
  const unsigned postcode =
      (identity.postcode.packed == 0 ? 1 : 0) | (identity.postcode.flag != PostcodeFlag::none ? 2 : 0);
  return kOfNumber[static_cast<std::size_t>(identity.nhs.status)] | kOfBirth[birth] | kOfPostcode[postcode] |
         kOfGender[static_cast<std::size_t>(identity.gender)];
}

// What counts each byte, in the order of Byte.
inline constexpr std::array kOfRows{&RowCounts::nhs_valid,         &RowCounts::nhs_invalid,
                                    &RowCounts::nhs_missing,       &RowCounts::birth_missing,
                                    &RowCounts::birth_placeholder, &RowCounts::postcode_missing,
                                    &RowCounts::postcode_pseudo,   &RowCounts::gender_missing};
inline constexpr std::array kOfProvider{&ProviderCounts::nhs_valid,        &ProviderCounts::nhs_invalid,
                                        &ProviderCounts::nhs_missing,      &ProviderCounts::birth_missing,
                                        &ProviderCounts::birth_default,    &ProviderCounts::postcode_missing,
                                        &ProviderCounts::postcode_default, &ProviderCounts::gender_missing};

// words: the sum of up to kMostRows rows' words.
template <typename Counts>
void add(std::uint64_t words, const std::array<std::uint64_t Counts::*, 8>& counters, Counts& counts) noexcept {
  for (const auto counter : counters) {
    counts.*counter += words & 0xFF;
    words >>= 8;
  }
}
}  // namespace standing

}  // namespace ligature
