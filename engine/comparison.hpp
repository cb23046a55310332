// Comparison levels: how far two identities agree on each identifier, and the pattern of all four.
//
// compare() is the plain reference; compare_one_to_many (pair_kernel.hpp) gives the same patterns many at a time.
// Missing on either side is level 0 and no evidence.  Levels are tried from the strongest down.
// Sources: NHS number: modulus 11 transmission errors are one-digit errors and adjacent transpositions (ISB 0149).
// Date of birth: HES partial-date stages (two parts agree; day and month switched).  Postcode: its own hierarchy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/identity.hpp"

namespace ligature {

enum class NhsLevel : std::uint8_t { missing, other, near, exact };  // near: one digit, or two neighbours swapped
// Postcodes are near if one character differs, or two neighbours are exchanged.
// swapped: day and month exchanged, or two neighbouring digits of one part.  two_parts: of year, month and day.
enum class BirthLevel : std::uint8_t { missing, other, same_year, two_parts, one_digit, swapped, exact };
enum class PostcodeLevel : std::uint8_t { missing, other, area, district, sector, near, exact };
enum class GenderLevel : std::uint8_t { missing, different, same };

inline constexpr std::size_t kNhsLevels = 4, kBirthLevels = 7, kPostcodeLevels = 7, kGenderLevels = 3;

// The four levels as one small number, 0..587.
using Pattern = std::uint16_t;
inline constexpr std::size_t kPatterns = kNhsLevels * kBirthLevels * kPostcodeLevels * kGenderLevels;

struct Levels {
  NhsLevel nhs = NhsLevel::missing;
  BirthLevel birth = BirthLevel::missing;
  PostcodeLevel postcode = PostcodeLevel::missing;
  GenderLevel gender = GenderLevel::missing;
  friend bool operator==(const Levels&, const Levels&) = default;
};

constexpr Pattern pattern_of(const Levels& levels) noexcept {
  return static_cast<Pattern>(
      ((static_cast<unsigned>(levels.nhs) * kBirthLevels + static_cast<unsigned>(levels.birth)) * kPostcodeLevels +
       static_cast<unsigned>(levels.postcode)) *
          kGenderLevels +
      static_cast<unsigned>(levels.gender));
}

constexpr Levels levels_of(Pattern pattern) noexcept {
  Levels levels;
  levels.gender = static_cast<GenderLevel>(pattern % kGenderLevels);
  levels.postcode = static_cast<PostcodeLevel>(pattern / kGenderLevels % kPostcodeLevels);
  levels.birth = static_cast<BirthLevel>(pattern / (kGenderLevels * kPostcodeLevels) % kBirthLevels);
  levels.nhs = static_cast<NhsLevel>(pattern / (kGenderLevels * kPostcodeLevels * kBirthLevels));
  return levels;
}

std::string_view level_name(NhsLevel level) noexcept;
std::string_view level_name(BirthLevel level) noexcept;
std::string_view level_name(PostcodeLevel level) noexcept;
std::string_view level_name(GenderLevel level) noexcept;

// Each identifier's level.  NHS numbers compare by digits, valid or not.  Symmetric.
NhsLevel compare_nhs(std::uint64_t bcd_a, std::uint64_t bcd_b) noexcept;                // nhs_digits_bcd, 0 = missing
BirthLevel compare_birth(std::uint32_t bcd_a, std::uint32_t bcd_b) noexcept;            // birth_digits_bcd, 0 = missing
PostcodeLevel compare_postcode(std::uint64_t bytes_a, std::uint64_t bytes_b) noexcept;  // postcode_bytes, 0 = missing
GenderLevel compare_gender(Gender a, Gender b) noexcept;

// YYYYMMDD as eight nibbles, first digit highest; 0 for missing.
std::uint32_t birth_digits_bcd(DayNumber day) noexcept;

// The pattern of two identities.  Symmetric.
Pattern compare(const Identity& a, const Identity& b) noexcept;

// Exact integer counts of patterns over compared pairs.
using PatternCounts = std::array<std::uint64_t, kPatterns>;

}  // namespace ligature
