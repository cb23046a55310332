// The packed pair kernel: one identity against many, in SIMD lanes chosen at run time (Highway).
//
// Identities of a block are unpacked once into columns of 16 bits, two characters each, so that a vector holds 8 to 32
// pairs and a level takes a few operations: the bytes of an exclusive or that are not zero are where two values differ.
//   compare_one_to_many   the pattern of every pair
//   find_wanted           only the pairs whose pattern is wanted; most vectors hold none, and are left after the
//                         identifiers that decide
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/comparison.hpp"

namespace ligature {

// A block of identities as columns, padded so that a full vector may be read past the end.
class IdentityColumns {
 public:
  // Columns of two characters, the first in the high byte; the first column of what is missing is 0.
  enum Column : std::size_t {
    nhs = 0,       // ten digits in ASCII: 5 columns
    year = 5,      // four digits as nibbles
    month_day,     // four digits as nibbles
    postcode = 7,  // seven characters and a zero: 4 columns
    gender = 11,   // 1, 2
    count
  };
  void assign(std::span<const Identity> identities);
  // The same one by one: every index below the size must be set.
  void resize(std::size_t size);
  void set(std::size_t index, const Identity& identity);
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const std::uint16_t* column(std::size_t index) const noexcept { return data_.data() + index * stride_; }

 private:
  std::size_t size_ = 0, stride_ = 0;
  std::vector<std::uint16_t> data_;
};

// Writes the pattern of (query of a) with each of b's identities [begin, end) to patterns[0 .. end-begin).
void compare_one_to_many(const IdentityColumns& a, std::size_t query, const IdentityColumns& b, std::size_t begin,
                         std::size_t end, Pattern* patterns);

// What all identities of two blocks agree on, so that it need not be compared.
enum class Shared : std::uint8_t { nothing, birth, postcode };

// A set of patterns, and what of it can be told from each identifier alone.
class WantedPatterns {
 public:
  // Pairs of equal NHS numbers are settled, and those of equal dates of birth if births_settled: they are counted and
  // not found, wanted or not.
  WantedPatterns(const std::array<bool, kPatterns>& wanted, bool births_settled, Shared shared);
  [[nodiscard]] bool has(Pattern pattern) const noexcept { return wanted_[pattern]; }
  [[nodiscard]] Shared shared() const noexcept { return shared_; }
  [[nodiscard]] bool births_settled() const noexcept { return births_settled_; }

  // Bit n of a level: it occurs in a wanted pattern with NhsLevel n, so a wanted pair has a bit in all its levels.
  // kSettled: pairs of this level are settled.
  static constexpr std::uint16_t kSettled = 0x8000;
  std::array<std::uint16_t, kNhsLevels> nhs{};
  std::array<std::uint16_t, kBirthLevels> birth{};
  std::array<std::uint16_t, kPostcodeLevels> postcode{};

 private:
  std::array<bool, kPatterns> wanted_;
  bool births_settled_;
  Shared shared_;
};

struct FoundPair {
  std::uint32_t index;  // into b
  Pattern pattern;
};

struct FoundPairs {
  std::size_t wanted = 0;     // entries of found
  std::uint64_t settled = 0;  // pairs
};

// Writes the pairs of (query of a) with b's identities [begin, end) that are wanted and not settled to found, in the
// order of b; found must have room for end - begin.
FoundPairs find_wanted(const IdentityColumns& a, std::size_t query, const IdentityColumns& b, std::size_t begin,
                       std::size_t end, const WantedPatterns& wanted, FoundPair* found);

// The instruction set that the kernel runs on here, e.g. "AVX3" or "SSE4" (simd_targets.hpp).
const char* pair_kernel_target();

}  // namespace ligature
