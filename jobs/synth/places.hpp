// Where artificial people live and are treated: postcodes, practices and hospital trusts by neighbourhood.
//
// A neighbourhood is 10,000 people in one postcode sector.  Five neighbourhoods that follow each other share a district
// and ten an area, so neighbours in number are neighbours on the map.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ligature::synthetic {

inline constexpr std::uint64_t kNeighbourhoodPeople = 10'000;
inline constexpr std::uint64_t kNeighbourhoodsPerArea = 10;   // in a row
inline constexpr std::uint64_t kNeighbourhoodsPerTrust = 25;  // a trust serves about 250,000 people
inline constexpr std::uint32_t kUnitsPerSector = 400;         // two letters of twenty
inline constexpr std::uint32_t kStreetUnits = 370;            // the rest are communal establishments

struct Place {
  std::uint32_t neighbourhood = 0;
  std::uint32_t unit = 0;  // 0 .. kUnitsPerSector - 1
  friend bool operator==(const Place&, const Place&) = default;
};

// A postcode in its two parts; at most four and exactly three characters.
struct PostcodeText {
  char outward[4] = {};
  char inward[3] = {};
  std::uint8_t outward_length = 0;
  [[nodiscard]] std::string_view outward_view() const noexcept { return {outward, outward_length}; }
  [[nodiscard]] std::string_view inward_view() const noexcept { return {inward, 3}; }
  friend bool operator==(const PostcodeText&, const PostcodeText&) = default;
};

// REQUIRES: outward of at most 4 characters, inward of 3.
PostcodeText make_postcode(std::string_view outward, std::string_view inward) noexcept;
PostcodeText postcode_of(Place place) noexcept;

// Three practices serve two neighbourhoods: 6,700 people each.
inline constexpr std::uint32_t kPracticesPerPair = 3;
std::string practice_code(std::uint64_t pair, std::uint32_t practice);  // "A81003"
std::string trust_code(std::uint64_t trust);                            // "RA7"

}  // namespace ligature::synthetic
