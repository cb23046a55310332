#include "jobs/synth/numbers.hpp"

#include "jobs/synth/random.hpp"

namespace ligature::synthetic {
namespace {

constexpr std::uint64_t kPairs = kNumberSlots / 2;
constexpr unsigned kOrderBits = 27;  // 2^27 is the power of two above kPairs
constexpr std::uint64_t kOrderMask = (1ULL << kOrderBits) - 1;

constexpr std::uint64_t prefix_of(std::uint64_t group) noexcept {
  return group < 10'000'000 ? 40'000'000 + group : 50'000'000 + group;
}

// The valid number with this rank, 0 first, among those that begin with eight digits; nullopt if there are fewer.
std::optional<std::uint64_t> valid_number(std::uint64_t prefix, std::uint64_t rank) noexcept {
  std::uint64_t sum = 0;  // weights 10 down to 3 on the first eight digits
  for (std::uint64_t rest = prefix, weight = 3; weight <= 10; ++weight, rest /= 10) sum += rest % 10 * weight;
  for (std::uint64_t digit = 0; digit < 10; ++digit) {
    const std::uint64_t check = (11 - (sum + 2 * digit) % 11) % 11;
    const std::uint64_t number = (prefix * 10 + digit) * 10 + check;
    if (check == 10 || number % 1'111'111'111 == 0) continue;
    if (rank-- == 0) return number;
  }
  return std::nullopt;
}

}  // namespace

// A bijection of [0, 2^27) made of steps that can each be undone, walked until it falls below the number of pairs.
NumberPlace NumberRegister::place(std::uint64_t slot) const noexcept {
  const Random order(seed_, Subject::number_order, 0);
  std::uint64_t x = slot / 2;
  do {
    for (std::uint64_t round = 0; round < 3; ++round) {
      x = (x + order.bits(round)) & kOrderMask;
      x = (x * 0xD1342543DE82EF95ULL) & kOrderMask;
      x ^= x >> (kOrderBits / 2 + 1);
    }
  } while (x >= kPairs);
  constexpr std::uint64_t kPairsPerGroup = kPlacesPerGroup / 2;
  return {x / kPairsPerGroup, x % kPairsPerGroup * 2 + slot % 2};
}

std::uint64_t NumberRegister::number(std::uint64_t slot) const noexcept {
  const NumberPlace at = place(slot);
  return valid_number(prefix_of(at.group), at.rank).value_or(0);
}

// The three prefixes 44444444, 66666666 and 77777777 lose one to a number of equal digits and have none to spare.
std::optional<std::uint64_t> NumberRegister::spare_number(std::uint64_t group) const noexcept {
  constexpr std::uint64_t kFarAway = 17'000'023;
  return valid_number(prefix_of((group + kFarAway) % kNumberGroups), kPlacesPerGroup);
}

}  // namespace ligature::synthetic
