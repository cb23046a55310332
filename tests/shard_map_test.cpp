// Shards and shares: every index has one owner, and owners and ranges say the same.
#include "partition/shard_map.hpp"

#include <gtest/gtest.h>

namespace ligature {
namespace {

TEST(ShardMap, OwnerAndShardsOfAreInverse) {
  for (const int ranks : {1, 2, 3, 4, 7, 64, 1000, 4095, 4096, 5000}) {
    const ShardMap map(ranks);
    std::uint64_t next = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const Range shards = map.shards_of(rank);
      ASSERT_EQ(shards.begin, next) << "rank " << rank << " of " << ranks;
      for (std::uint64_t shard = shards.begin; shard < shards.end; ++shard) {
        ASSERT_EQ(map.owner(static_cast<ShardId>(shard)), rank) << "shard " << shard << " of " << ranks << " ranks";
      }
      next = shards.end;
    }
    EXPECT_EQ(next, kShards) << ranks << " ranks";
  }
}

TEST(ShardMap, SharesDifferByOneAtMost) {
  for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{5}, std::uint64_t{4096},
                                    std::uint64_t{1} << 40, (std::uint64_t{1} << 63) + 12345}) {
    for (const int ranks : {1, 3, 7, 10000}) {
      std::uint64_t smallest = ~std::uint64_t{0}, largest = 0, end = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const Range share = share_of(count, rank, ranks);
        ASSERT_EQ(share.begin, end);
        end = share.end;
        smallest = std::min(smallest, share.size());
        largest = std::max(largest, share.size());
      }
      EXPECT_EQ(end, count);
      EXPECT_LE(largest - smallest, 1U);
    }
  }
}

TEST(ShardMap, TheOwnerOfTheFirstAndTheLastIndexOfAShareIsItsRank) {
  for (const std::uint64_t count : {std::uint64_t{1}, std::uint64_t{6}, std::uint64_t{1} << 33, ~std::uint64_t{0}}) {
    for (const int ranks : {1, 2, 5, 4096}) {
      for (int rank = 0; rank < ranks; ++rank) {
        const Range share = share_of(count, rank, ranks);
        if (share.size() == 0) continue;
        ASSERT_EQ(owner_in_shares(share.begin, count, ranks), rank) << count << " over " << ranks;
        ASSERT_EQ(owner_in_shares(share.end - 1, count, ranks), rank) << count << " over " << ranks;
      }
    }
  }
}

}  // namespace
}  // namespace ligature
