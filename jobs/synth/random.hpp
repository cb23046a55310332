// Random choices as pure functions: of a seed, of what is chosen for (a household, a person, a row) and of a purpose.
//
// A counter-based generator has no state, so any rank can make any row alone and nothing depends on the order of work.
// Draw number k of a key is output k of SplitMix64 started at that key.  Source: Steele, Lea and Flood, "Fast
// splittable pseudorandom number generators", OOPSLA 2014, with Stafford's variant 13 of the finaliser.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ligature::synthetic {

constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// What a key stands for: two kinds of subject with the same number have nothing in common.
enum class Subject : std::uint64_t {
  neighbourhood = 1,
  establishment,
  household,
  move,
  person,
  number_group,
  number_order,
  registration,
  row,
  provider,
};

// A probability as a 64-bit threshold: no rounding differs between machines.
class Chance {
 public:
  constexpr Chance() = default;
  // share: 0 to 1.
  explicit constexpr Chance(double share) noexcept
      : threshold_(share >= 1  ? UINT64_MAX
                   : share > 0 ? static_cast<std::uint64_t>(share * 0x1p64)
                               : 0) {}
  [[nodiscard]] constexpr bool covers(std::uint64_t bits) const noexcept { return bits < threshold_; }

 private:
  std::uint64_t threshold_ = 0;
};

class Random {
 public:
  constexpr Random(std::uint64_t seed, Subject subject, std::uint64_t index) noexcept
      : key_(mix(mix(seed + kStep * static_cast<std::uint64_t>(subject)) ^ mix(index + kStep))) {}

  // 64 random bits for a purpose; the same call gives the same bits.
  [[nodiscard]] constexpr std::uint64_t bits(std::uint64_t purpose) const noexcept {
    return mix(key_ + kStep * (purpose + 1));
  }
  [[nodiscard]] constexpr bool happens(std::uint64_t purpose, Chance chance) const noexcept {
    return chance.covers(bits(purpose));
  }
  // Uniform in [0, 1), a multiple of 2^-53.
  [[nodiscard]] constexpr double unit(std::uint64_t purpose) const noexcept {
    return static_cast<double>(bits(purpose) >> 11) * 0x1p-53;
  }
  // Uniform in [0, count).  REQUIRES: 0 < count < 2^32.
  [[nodiscard]] constexpr std::uint32_t below(std::uint64_t purpose, std::uint32_t count) const noexcept {
    return static_cast<std::uint32_t>(((bits(purpose) >> 32) * count) >> 32);
  }

 private:
  static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15ULL;
  std::uint64_t key_;
};

}  // namespace ligature::synthetic
