// The packed pair kernel: one identity against many, patterns out, in SIMD lanes chosen at run time (Highway).
//
// Identities of a block are unpacked once into columns of digits, so that a level is a few bit operations on a 64-bit
// lane: a one-digit error is one non-zero nibble of an exclusive or.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/comparison.hpp"

namespace ligature {

// A block of identities as columns, padded so that a full vector may be read past the end.
class IdentityColumns {
 public:
  void assign(std::span<const Identity> identities);
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const std::uint64_t* nhs() const noexcept { return nhs_.data(); }            // ten nibbles, 0 missing
  [[nodiscard]] const std::uint64_t* birth() const noexcept { return birth_.data(); }        // eight nibbles, 0 missing
  [[nodiscard]] const std::uint64_t* postcode() const noexcept { return postcode_.data(); }  // seven bytes, 0 missing
  [[nodiscard]] const std::uint64_t* gender() const noexcept { return gender_.data(); }      // 0 missing, 1, 2

 private:
  std::size_t size_ = 0;
  std::vector<std::uint64_t> nhs_, birth_, postcode_, gender_;
};

// Writes the pattern of (query of a) with each of b's identities [begin, end) to patterns[0 .. end-begin).
// patterns must have room for (end - begin) rounded up to a multiple of 16.
void compare_one_to_many(const IdentityColumns& a, std::size_t query, const IdentityColumns& b, std::size_t begin,
                         std::size_t end, Pattern* patterns);

// The instruction set that compare_one_to_many runs on here, e.g. "AVX3" or "SSE4".  The environment variable
// LIGATURE_SIMD=baseline|avx2|avx512 restricts it.
const char* pair_kernel_target();

}  // namespace ligature
