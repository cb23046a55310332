// What an identity's values count for, once the file has been seen as a whole: values that are not its own, and how
// common its date of birth and its postcode are.
//
// An NHS number that somebody else has the better claim to, and a date of birth that a system writes when it knows
// none, are no evidence: they count as missing.  Agreement on a rare value is better evidence than on a common one
// (term frequency: Winkler, Frequency-based matching in Fellegi-Sunter, US Bureau of the Census, 2000).
#pragma once

#include <cstdint>

#include "engine/identity.hpp"

namespace ligature {

// How much rarer than the average a value is, in quarters of a bit about kAverageRarity: a value shared by half as many
// people as the average has kAverageRarity + 4.
using Rarity = std::uint8_t;
inline constexpr unsigned kRarities = 128;
inline constexpr Rarity kAverageRarity = 64;
inline constexpr double kRaritiesPerBit = 4;

// share: the probability that another person has the value; average: that two persons share a value.  Both positive.
Rarity rarity_of(double share, double average) noexcept;
// In bits, -16 to 15.75; negative for common values.
constexpr double rarity_bits(Rarity rarity) noexcept {
  return (static_cast<double>(rarity) - kAverageRarity) / kRaritiesPerBit;
}

struct Evidence {
  enum Flag : std::uint8_t {
    number_disowned = 1,  // a valid NHS number that others use with a better claim, or equally good
    number_default = 2,   // an NHS number that a system writes for many people
    birth_default = 4,    // a date of birth that a system writes when it knows none
    number_thin = 8,      // a valid NHS number that one identity in one dataset has, and nothing else in the file
    // Somebody of this gender has a number of the same batch and the same date of birth, at the same postcode: a twin.
    twin_male = 16,
    twin_female = 32,
    suppressed = 64,         // only rows that an objection bars have it: it is looked for and never kept (clusters.hpp)
    several_patients = 128,  // without a number, and its provider has its rows under several patient numbers
  };
  Rarity birth = kAverageRarity;
  Rarity postcode = kAverageRarity;
  std::uint8_t flags = 0;
  std::uint8_t unused = 0;
  [[nodiscard]] bool has(Flag flag) const noexcept { return (flags & flag) != 0; }
};
static_assert(sizeof(Evidence) == 4);

// The genders of known twins: 1 male, 2 female.
inline std::uint8_t twins_of(const Evidence& evidence) noexcept {
  return static_cast<std::uint8_t>((evidence.has(Evidence::twin_male) ? 1 : 0) |
                                   (evidence.has(Evidence::twin_female) ? 2 : 0));
}

// The identity as it counts in comparison: what is not evidence is missing, and the rarities are in its spare bits.
// Not for one-time identities, which are never compared.
inline Identity weighed(const Identity& identity, const Evidence& evidence) noexcept {
  Identity result = identity;
  if ((evidence.flags & (Evidence::number_disowned | Evidence::number_default)) != 0) result.first &= kWithoutNumber;
  if (evidence.has(Evidence::birth_default)) result.second &= kWithoutBirth;
  if (evidence.has(Evidence::number_thin)) result.first |= 1;
  if (evidence.has(Evidence::suppressed)) result.first |= 2;
  result.second |= std::uint64_t{evidence.birth} << 7 | evidence.postcode;
  return result;
}

// Of a weighed identity: a valid number that may be another's, where the file says that such numbers often are.
constexpr bool is_thin(const Identity& identity) noexcept {
  return (identity.first & 1) != 0;
}
// Of a weighed identity: only rows that an objection bars have it.
constexpr bool is_suppressed(const Identity& identity) noexcept {
  return (identity.first & 2) != 0;
}
constexpr Identity suppressed(Identity identity) noexcept {
  identity.first |= 2;
  return identity;
}
constexpr Rarity birth_rarity(const Identity& identity) noexcept {
  return static_cast<Rarity>(identity.second >> 7 & 0x7F);
}
constexpr Rarity postcode_rarity(const Identity& identity) noexcept {
  return static_cast<Rarity>(identity.second & 0x7F);
}

}  // namespace ligature
