// Which rank owns a shard: contiguous, nearly equal ranges of the fixed number of shards.
//
// Invariants: every shard has one owner; a rank's shards are a range; shard numbers never depend on ranks.
#pragma once

#include <cstdint>

#include "engine/linkage_key.hpp"

namespace ligature {

// A half-open range of indexes.
struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] std::uint64_t size() const noexcept { return end - begin; }
};

// This rank's share of [0, count): contiguous, in rank order, sizes within one of each other.
constexpr Range share_of(std::uint64_t count, int rank, int ranks) noexcept {
  const auto r = static_cast<std::uint64_t>(rank), p = static_cast<std::uint64_t>(ranks);
  const std::uint64_t base = count / p, extra = count % p;
  const std::uint64_t begin = r * base + (r < extra ? r : extra);
  return {begin, begin + base + (r < extra ? 1 : 0)};
}

// The rank whose share of [0, count) holds index.  REQUIRES: index < count.
constexpr int owner_in_shares(std::uint64_t index, std::uint64_t count, int ranks) noexcept {
  const auto p = static_cast<std::uint64_t>(ranks);
  const std::uint64_t base = count / p, extra = count % p, big = extra * (base + 1);
  return static_cast<int>(index < big ? index / (base + 1) : extra + (index - big) / base);
}

class ShardMap {
 public:
  explicit constexpr ShardMap(int ranks) noexcept : ranks_(ranks) {}
  [[nodiscard]] constexpr int owner(ShardId shard) const noexcept { return owner_in_shares(shard, kShards, ranks_); }
  [[nodiscard]] constexpr Range shards_of(int rank) const noexcept { return share_of(kShards, rank, ranks_); }

 private:
  int ranks_;
};

}  // namespace ligature
