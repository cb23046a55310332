// Many pairs at once, where nodes are far apart in memory and caches decide.
#include "engine/union_find.hpp"

#include <algorithm>

#include "engine/raw_vector.hpp"

namespace ligature {

namespace {

// The smaller of two, without a branch: which one it is cannot be foreseen, and costs more than all the rest.
constexpr std::uint32_t smaller(std::uint32_t a, std::uint32_t b) noexcept {
  return b ^ ((a ^ b) & (0U - static_cast<std::uint32_t>(a < b)));
}

constexpr UnionFind::Pair in_order(UnionFind::Pair pair) noexcept {
  const std::uint32_t least = smaller(pair.a, pair.b);
  return {least, pair.a ^ pair.b ^ least};
}

// Pairs dealt to slices of nodes, by the larger of each, which comes second: in chunks, so that those of a slice need
// not be counted first.
class DealtPairs {
 public:
  DealtPairs(std::span<const UnionFind::Pair> pairs, std::size_t nodes, unsigned slice_bits)
      : slices_((nodes >> slice_bits) + 1), room_(pairs.size() + slices_.size() * kChunk) {
    UnionFind::Pair* unused = room_.data();
    for (const UnionFind::Pair pair : pairs) {
      const UnionFind::Pair ordered = in_order(pair);
      Slice& slice = slices_[ordered.b >> slice_bits];
      if (slice.next == slice.end) {
        slice.chunks.push_back(unused);
        slice.next = unused;
        slice.end = unused += kChunk;
      }
      *slice.next++ = ordered;
    }
  }

  // Calls take(pairs) for each chunk, slice by slice.
  template <typename Take>
  void for_each(const Take& take) const {
    for (const Slice& slice : slices_) {
      for (const UnionFind::Pair* const chunk : slice.chunks) {
        const bool is_last = chunk == slice.chunks.back();
        take(std::span(chunk, is_last ? static_cast<std::size_t>(slice.next - chunk) : kChunk));
      }
    }
  }

 private:
  static constexpr std::size_t kChunk = 4096;  // the last pairs of each are not fetched ahead
  struct Slice {
    UnionFind::Pair *next = nullptr, *end = nullptr;  // of the last chunk
    std::vector<UnionFind::Pair*> chunks;
  };
  std::vector<Slice> slices_;
  RawVector<UnionFind::Pair> room_;
};

}  // namespace

void UnionFind::unite_all(std::span<const Pair> pairs) {
  constexpr unsigned kSliceBits = 19;                       // their parents lie in a core's second-level cache, nearly
  constexpr std::size_t kManyNodes = std::size_t{1} << 22;  // fewer are near enough as they are
  if (parent_.size() < kManyNodes) {
    hang(pairs);
    unite_open(pairs);
    return;
  }
  const DealtPairs dealt(pairs, parent_.size(), kSliceBits);
  dealt.for_each([&](std::span<const Pair> chunk) { hang(chunk); });
  dealt.for_each([&](std::span<const Pair> chunk) { unite_open(chunk); });
}

void UnionFind::hang(std::span<const Pair> pairs) noexcept {
  constexpr std::size_t kAhead = 16;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [least, other] = in_order(pairs[i]);
    __builtin_prefetch(&parent_[in_order(pairs[std::min(i + kAhead, pairs.size() - 1)]).b], 1);
    parent_[other] = smaller(parent_[other], least);
  }
}

void UnionFind::unite_open(std::span<const Pair> pairs) noexcept {
  constexpr std::size_t kAhead = 32;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Pair coming = pairs[std::min(i + kAhead, pairs.size() - 1)];
    __builtin_prefetch(&parent_[coming.a]);
    __builtin_prefetch(&parent_[coming.b]);
    const auto [a, b] = pairs[i];
    const std::uint32_t above_a = parent_[a], above_b = parent_[b];
    // One is the other's parent, or they have the same: one test, which nearly always says so.
    if (std::min({above_a ^ above_b, above_a ^ b, above_b ^ a}) != 0) unite(a, b);
  }
}

}  // namespace ligature
