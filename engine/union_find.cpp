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

// The pairs in order of the slice of nodes that the larger of each is in, with that one second.
RawVector<UnionFind::Pair> dealt_by_larger(std::span<const UnionFind::Pair> pairs, std::size_t nodes,
                                           unsigned slice_bits) {
  std::vector<std::size_t> next((nodes >> slice_bits) + 2, 0);  // of each slice
  for (const UnionFind::Pair pair : pairs) ++next[(in_order(pair).b >> slice_bits) + 1];
  for (std::size_t slice = 1; slice < next.size(); ++slice) next[slice] += next[slice - 1];
  RawVector<UnionFind::Pair> dealt(pairs.size());
  for (const UnionFind::Pair pair : pairs) {
    const UnionFind::Pair ordered = in_order(pair);
    dealt[next[ordered.b >> slice_bits]++] = ordered;
  }
  return dealt;
}

}  // namespace

void UnionFind::unite_all(std::span<const Pair> pairs) {
  constexpr unsigned kSliceBits = 19;                       // their parents lie in a core's second-level cache, nearly
  constexpr std::size_t kManyNodes = std::size_t{1} << 22;  // fewer are near enough as they are
  if (parent_.size() < kManyNodes) return unite_near(pairs);
  unite_near(dealt_by_larger(pairs, parent_.size(), kSliceBits));
}

void UnionFind::unite_near(std::span<const Pair> pairs) noexcept {
  constexpr std::size_t kAhead = 16;
  const auto ahead_of = [&](std::size_t i) { return pairs[std::min(i + kAhead, pairs.size() - 1)]; };
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [least, other] = in_order(pairs[i]);
    __builtin_prefetch(&parent_[in_order(ahead_of(i)).b], 1);
    parent_[other] = smaller(parent_[other], least);
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Pair coming = ahead_of(i);
    __builtin_prefetch(&parent_[coming.a]);
    __builtin_prefetch(&parent_[coming.b]);
    const auto [a, b] = pairs[i];
    const std::uint32_t above_a = parent_[a], above_b = parent_[b];
    // One is the other's parent, or they have the same: one test, which nearly always says so.
    if (std::min({above_a ^ above_b, above_a ^ b, above_b ^ a}) != 0) unite(a, b);
  }
}

}  // namespace ligature
