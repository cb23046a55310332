// Where the items of each number lie in a list that is sorted by dense numbers, most of which have none.
//
// A bit a number and beside 32 of them the count of those before answer with one read, where a binary search of
// millions reads a dozen lines that lie in no cache (rank over a bit vector: Jacobson, FOCS 1989).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "engine/error.hpp"

namespace ligature {

class SpansByNumber {
 public:
  // number_at(i): the number of item i of [0, count), ascending, below `numbers`.  Takes two bits a number, and 4 bytes
  // a different one where a number has several items.  Throws Error from 2^32 items on.
  template <typename NumberAt>
  SpansByNumber(std::uint64_t numbers, std::size_t count, const NumberAt& number_at)
      : count_(count), words_(numbers / kBits + 1) {
    if (count >= std::numeric_limits<std::uint32_t>::max()) {
      throw Error("one rank has more than 2^32 items to look up: run the job on more ranks");
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t number = number_at(i);
      words_[number / kBits].bits |= std::uint32_t{1} << number % kBits;
    }
    std::uint32_t different = 0;
    for (Word& word : words_) {
      word.before = different;
      different += set_bits(word.bits);
    }
    if (different == count) return;
    first_.reserve(std::size_t{different} + 1);
    for (std::size_t i = 0; i < count; ++i) {
      if (i == 0 || number_at(i) != number_at(i - 1)) first_.push_back(static_cast<std::uint32_t>(i));
    }
    first_.push_back(static_cast<std::uint32_t>(count));
  }

  // Fetches what tells whether a number has items: worth it some numbers before it is asked for.
  void prefetch(std::uint64_t number) const noexcept { __builtin_prefetch(&words_[number / kBits]); }
  [[nodiscard]] bool has(std::uint64_t number) const noexcept {
    return (words_[number / kBits].bits >> number % kBits & 1) != 0;
  }

  // The first item of a number and the one after its last; equal if it has none.
  [[nodiscard]] std::pair<std::size_t, std::size_t> of(std::uint64_t number) const noexcept {
    const Word word = words_[number / kBits];
    if ((word.bits >> number % kBits & 1) == 0) return {count_, count_};
    const std::size_t place = word.before + set_bits(word.bits & ((std::uint32_t{1} << number % kBits) - 1));
    if (first_.empty()) return {place, place + 1};
    return {first_[place], first_[place + 1]};
  }

 private:
  static constexpr std::uint64_t kBits = 32;
  struct Word {
    std::uint32_t bits = 0;    // of 32 numbers
    std::uint32_t before = 0;  // different numbers before them
  };
  // std::popcount calls a function where the instruction set is not known to count bits (Warren, Hacker's Delight,
  // 5-1).
  static constexpr std::uint32_t set_bits(std::uint32_t x) noexcept {
    x -= x >> 1 & 0x55555555U;
    x = (x & 0x33333333U) + (x >> 2 & 0x33333333U);
    return ((x + (x >> 4)) & 0x0F0F0F0FU) * 0x01010101U >> 24;
  }

  std::size_t count_;
  std::vector<Word> words_;
  std::vector<std::uint32_t> first_;  // of each different number; empty if each has one item
};

}  // namespace ligature
