// The numbers that providers give their own patients: one a person and provider, of no meaning anywhere else.
//
// Each provider numbers its patients from the same million, as hospitals do, so that a number without its provider
// identifies nobody.  The order is shuffled by provider: the numbers of a household have nothing in common.
#pragma once

#include <cstdint>

#include "jobs/synth/places.hpp"
#include "jobs/synth/random.hpp"

namespace ligature::synthetic {

inline constexpr std::uint64_t kLocalIdDigits = 7;

// A key for each provider: practices and trusts are counted apart.
constexpr std::uint64_t practice_key(std::uint64_t pair, std::uint32_t practice) noexcept {
  return 2 * (pair * kPracticesPerPair + practice) + 1;
}
constexpr std::uint64_t trust_key(std::uint64_t trust) noexcept {
  return 2 * trust;
}

// order: of the provider, Subject::provider.  person: the number over all people.  A trust has patients of its own
// neighbourhoods and of those of its neighbour, a practice those of its pair: within them no two people share a number.
constexpr std::uint64_t local_id(const Random& order, std::uint64_t person) noexcept {
  constexpr std::uint64_t kPeople = 2 * kNeighbourhoodsPerTrust * kNeighbourhoodPeople;
  constexpr unsigned kBits = 20;
  constexpr std::uint64_t kMask = (std::uint64_t{1} << kBits) - 1;
  static_assert(kPeople <= kMask);
  // Steps that can each be undone make a bijection of [0, 2^20).
  std::uint64_t x = person % kPeople;
  for (std::uint64_t round = 0; round < 3; ++round) {
    x = (x + order.bits(round)) & kMask;
    x = (x * 0xD1342543DE82EF95ULL) & kMask;
    x ^= x >> (kBits / 2 + 1);
  }
  return 1'000'000 + x;
}

}  // namespace ligature::synthetic
