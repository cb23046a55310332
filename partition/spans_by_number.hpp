// Where the items of each number lie in a list that is sorted by dense numbers, most of which have none.
//
// A bit a number and a running count of bits answer with two reads of memory that mostly lie in cache, where a binary
// search of millions reads a dozen lines that do not (rank over a bit vector: Jacobson, FOCS 1989).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "engine/error.hpp"

namespace ligature {

class SpansByNumber {
 public:
  // number_at(i): the number of item i of [0, count), ascending, below `numbers`.  Takes a bit and a half a number, and
  // 4 bytes a different one where a number has several items.  Throws Error from 2^32 items on.
  template <typename NumberAt>
  SpansByNumber(std::uint64_t numbers, std::size_t count, const NumberAt& number_at)
      : count_(count), bits_(numbers / 64 + 1), before_(bits_.size()) {
    if (count >= std::numeric_limits<std::uint32_t>::max()) {
      throw Error("one rank has more than 2^32 items to look up: run the job on more ranks");
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t number = number_at(i);
      bits_[number / 64] |= std::uint64_t{1} << number % 64;
    }
    std::uint32_t different = 0;
    for (std::size_t word = 0; word < bits_.size(); ++word) {
      before_[word] = different;
      different += static_cast<std::uint32_t>(std::popcount(bits_[word]));
    }
    if (different == count) return;
    first_.reserve(std::size_t{different} + 1);
    for (std::size_t i = 0; i < count; ++i) {
      if (i == 0 || number_at(i) != number_at(i - 1)) first_.push_back(static_cast<std::uint32_t>(i));
    }
    first_.push_back(static_cast<std::uint32_t>(count));
  }

  // Fetches what tells whether a number has items: worth it some numbers before it is asked for.
  void prefetch(std::uint64_t number) const noexcept { __builtin_prefetch(&bits_[number / 64]); }
  [[nodiscard]] bool has(std::uint64_t number) const noexcept { return (bits_[number / 64] >> number % 64 & 1) != 0; }

  // The first item of a number and the one after its last; equal if it has none.
  [[nodiscard]] std::pair<std::size_t, std::size_t> of(std::uint64_t number) const noexcept {
    if (!has(number)) return {count_, count_};
    const std::uint64_t below = (std::uint64_t{1} << number % 64) - 1;
    const std::size_t place =
        before_[number / 64] + static_cast<std::size_t>(std::popcount(bits_[number / 64] & below));
    if (first_.empty()) return {place, place + 1};
    return {first_[place], first_[place + 1]};
  }

 private:
  std::size_t count_;
  std::vector<std::uint64_t> bits_;
  std::vector<std::uint32_t> before_;  // different numbers before each word of bits
  std::vector<std::uint32_t> first_;   // of each different number; empty if each has one item
};

}  // namespace ligature
