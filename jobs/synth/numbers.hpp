// NHS numbers for artificial people: slot k of a seed is a valid number, and no two slots share one.
//
// Numbers come from the ranges issued in England, Wales and the Isle of Man (4000000000-4999999999 and
// 6000000000-7999999999).  Every eight-digit prefix has nine or ten valid numbers (modulus 11 leaves out at most one):
// eight are for people, in ascending pairs, so that twins can have numbers issued one after the other; the ninth is for
// a number that was replaced.  Pairs are scattered over the prefixes: the numbers of a household have nothing in
// common.
#pragma once

#include <cstdint>
#include <optional>

namespace ligature::synthetic {

inline constexpr std::uint64_t kPlacesPerGroup = 8;
inline constexpr std::uint64_t kNumberGroups = 30'000'000;
inline constexpr std::uint64_t kNumberSlots = kNumberGroups * kPlacesPerGroup;

// Where a number stands: the prefix, and its rank among the eight.
struct NumberPlace {
  std::uint64_t group = 0;
  std::uint64_t rank = 0;
};

class NumberRegister {
 public:
  explicit constexpr NumberRegister(std::uint64_t seed) noexcept : seed_(seed) {}

  // A bijection of slots and places.  Slots 2k and 2k + 1 follow each other.  REQUIRES: slot < kNumberSlots.
  [[nodiscard]] NumberPlace place(std::uint64_t slot) const noexcept;
  // The number of a slot.  REQUIRES: slot < kNumberSlots.
  [[nodiscard]] std::uint64_t number(std::uint64_t slot) const noexcept;
  // A ninth number, one for each group, far from the group's own; nullopt for three groups: see numbers.cpp.
  [[nodiscard]] std::optional<std::uint64_t> spare_number(std::uint64_t group) const noexcept;

 private:
  std::uint64_t seed_;
};

}  // namespace ligature::synthetic
