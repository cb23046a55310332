// Which keys some rank has: a bit for each, the same on every rank, so that what nobody waits for is not sent.
//
// A Bloom filter of one hash function (Bloom, CACM 1970): keys are uniform already.  One key in sixteen that nobody has
// is taken for one that somebody has; beyond kMostBits more are, and never is a key missed.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "partition/communicator.hpp"

namespace ligature {

class KeyFilter {
 public:
  // Collective.  keys: how many this rank has.  for_each(add): calls add(key) for each of them, a linkage key.
  template <typename ForEach>
  KeyFilter(const Communicator& comm, std::uint64_t keys, const ForEach& for_each) {
    const std::uint64_t wanted = std::min(comm.sum(keys), kMostBits) * kBitsPerKey;
    const std::uint64_t bits = std::bit_ceil(std::clamp(wanted, kLeastBits, kMostBits));
    shift_ = 64 - static_cast<unsigned>(std::bit_width(bits - 1));
    words_.assign(bits / 64, 0);
    for_each([&](std::uint64_t key) { words_[word_of(key)] |= bit_of(key); });
    comm.unite(words_);
  }

  // False only if no rank has the key.
  [[nodiscard]] bool may_have(std::uint64_t key) const noexcept { return (words_[word_of(key)] & bit_of(key)) != 0; }

 private:
  static constexpr std::uint64_t kLeastBits = 1U << 10;
  static constexpr std::uint64_t kBitsPerKey = 16;
  static constexpr std::uint64_t kMostBits = std::uint64_t{1} << 28;
  [[nodiscard]] std::size_t word_of(std::uint64_t key) const noexcept { return key >> shift_ >> 6; }
  [[nodiscard]] std::uint64_t bit_of(std::uint64_t key) const noexcept {
    return std::uint64_t{1} << (key >> shift_ & 63);
  }
  std::vector<std::uint64_t> words_;
  unsigned shift_ = 0;
};

}  // namespace ligature
