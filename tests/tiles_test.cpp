// Tiles: every pair of every group once, no rank with much more of a large group than another.
#include "partition/tiles.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

using Pair = std::array<IdentityId, 2>;

// Items of one rank in groups of the given sizes; a size of 1 makes an item that is in no group.
struct Grouped {
  RawVector<PassItem> items;
  std::vector<Range> groups;
};

Grouped make_groups(int rank, const std::vector<std::uint64_t>& sizes) {
  Grouped grouped;
  for (std::size_t g = 0; g < sizes.size(); ++g) {
    const std::uint64_t begin = grouped.items.size();
    for (std::uint64_t i = 0; i < sizes[g]; ++i) {
      const IdentityId id = (static_cast<std::uint64_t>(rank) << 40) + grouped.items.size();
      grouped.items.push_back({{id * 3, id * 5}, id, (static_cast<std::uint64_t>(rank) << 40) + g});
    }
    if (sizes[g] > 1) grouped.groups.push_back({begin, begin + sizes[g]});
  }
  return grouped;
}

std::vector<Pair> pairs_of_work(const Work& work) {
  std::vector<Pair> pairs;
  for (const Tile& tile : work.tiles) {
    const Range left = work.segments.at(tile.left), right = work.segments.at(tile.right);
    for (std::uint64_t i = left.begin; i < left.end; ++i) {
      for (std::uint64_t j = tile.left == tile.right ? i + 1 : right.begin; j < right.end; ++j) {
        const auto [low, high] = std::minmax(work.items.at(i).id, work.items.at(j).id);
        pairs.push_back({low, high});
      }
    }
  }
  return pairs;
}

class TilesTest : public testing::Test {
 protected:
  const Communicator world_ = Communicator::world();
  const std::uint64_t ranks_ = static_cast<std::uint64_t>(world_.size());

  // sizes(rank): group sizes of a rank.  Holds the pairs of all ranks against all pairs of all groups.
  template <typename Sizes>
  Work expect_every_pair_once(const Sizes& sizes, std::uint64_t tile_items, std::uint64_t ship_bytes = kShipBytes) {
    Grouped grouped = make_groups(world_.rank(), sizes(world_.rank()));
    Work work = balance_tiles(world_, std::move(grouped.items), grouped.groups, tile_items, ship_bytes);

    std::vector<Pair> found = world_.all_gather(std::span<const Pair>(pairs_of_work(work)));
    std::sort(found.begin(), found.end());
    std::vector<Pair> expected;
    std::uint64_t groups = 0, largest = 0;
    for (int rank = 0; rank < world_.size(); ++rank) {
      const Grouped all = make_groups(rank, sizes(rank));
      for (const Range& group : all.groups) {
        ++groups;
        largest = std::max(largest, group.size());
        for (std::uint64_t i = group.begin; i < group.end; ++i) {
          for (std::uint64_t j = i + 1; j < group.end; ++j) expected.push_back({all.items[i].id, all.items[j].id});
        }
      }
    }
    EXPECT_TRUE(found == expected) << found.size() << " pairs for " << expected.size() << ", tiles of " << tile_items;
    EXPECT_EQ(work.groups, groups);
    EXPECT_EQ(work.largest_group, largest);

    std::set<IdentityId> first_items;
    for (const Range& segment : work.segments) {
      EXPECT_LE(segment.size(), tile_items);
      EXPECT_TRUE(first_items.insert(work.items.at(segment.begin).id).second) << "a segment is here twice";
      for (std::uint64_t i = segment.begin; i < segment.end; ++i) {
        const PassItem& item = work.items.at(i);
        EXPECT_EQ(item.key, work.items.at(segment.begin).key);
        EXPECT_EQ(item.identity, (Identity{item.id * 3, item.id * 5}));
      }
    }
    return work;
  }

  void expect_balance(const Work& work, std::uint64_t bound) {
    std::uint64_t pairs = 0;
    for (const Tile& tile : work.tiles) {
      const std::uint64_t left = work.segments.at(tile.left).size(), right = work.segments.at(tile.right).size();
      pairs += tile.left == tile.right ? left * (left - 1) / 2 : left * right;
    }
    EXPECT_LE(world_.max(pairs) - world_.min(pairs), bound);
  }
};

TEST_F(TilesTest, NoItemsMakeNoWork) {
  const Work work = expect_every_pair_once([](int) { return std::vector<std::uint64_t>(); }, 4);
  EXPECT_TRUE(work.tiles.empty());
  EXPECT_EQ(work.largest_group, 0U);
}

TEST_F(TilesTest, ItemsOutsideGroupsMakeNoWork) {
  const Work work = expect_every_pair_once([](int) { return std::vector<std::uint64_t>(7, 1); }, 4);
  EXPECT_TRUE(work.tiles.empty());
}

TEST_F(TilesTest, GroupsOfOneSegmentAreComparedWhereTheyAre) {
  const Work work = expect_every_pair_once([](int) { return std::vector<std::uint64_t>{1, 2, 5, 1, 1, 3, 2}; }, 5);
  EXPECT_EQ(work.tiles.size(), 4U);
  for (const Tile& tile : work.tiles) EXPECT_EQ(tile.left, tile.right);
  for (const PassItem& item : work.items) EXPECT_EQ(item.id >> 40, static_cast<std::uint64_t>(world_.rank()));
}

TEST_F(TilesTest, TinyTilesCoverEveryPairOnce) {
  const auto sizes = [](int rank) {
    std::mt19937_64 random(static_cast<std::uint64_t>(rank) + 5);
    std::vector<std::uint64_t> result;
    for (int i = 0; i < 20; ++i) result.push_back(1 + random() % 17);
    return result;
  };
  for (const std::uint64_t tile_items : {1U, 2U, 3U, 4U, 7U, 16U, 17U}) expect_every_pair_once(sizes, tile_items);
}

TEST_F(TilesTest, AGroupOneItemAboveATileIsCut) {
  for (const std::uint64_t tile_items : {2U, 8U, 9U}) {
    expect_every_pair_once([&](int) { return std::vector<std::uint64_t>{tile_items + 1, tile_items}; }, tile_items);
  }
}

TEST_F(TilesTest, OneGiantGroupIsSharedByAllRanks) {
  const int holder = world_.size() - 1;
  const auto sizes = [&](int rank) {
    return rank == holder ? std::vector<std::uint64_t>{2, 1001, 1} : std::vector<std::uint64_t>();
  };
  const Work work = expect_every_pair_once(sizes, 16);
  // Beyond a tile and a half: segments differ by one item, so tiles of one group by up to a row of a segment.
  expect_balance(work, 3 * 16 * 16 / 2 + 2 * 1001);
}

TEST_F(TilesTest, ManyMiddlingGroupsOfOneRankAreSharedByAllRanks) {
  const auto sizes = [](int rank) {
    std::vector<std::uint64_t> result;
    for (std::uint64_t i = 0; rank == 0 && i < 60; ++i) result.push_back(17 + i);
    return result;
  };
  const Work work = expect_every_pair_once(sizes, 16);
  expect_balance(work, 2 * 16 * 16);
}

TEST_F(TilesTest, LargeGroupsOnEveryRankMixWithSmallOnes) {
  const auto sizes = [](int rank) {
    std::mt19937_64 random(static_cast<std::uint64_t>(rank) + 99);
    std::vector<std::uint64_t> result;
    for (int i = 0; i < 40; ++i) result.push_back(random() % 8 == 0 ? 100 + random() % 100 : 1 + random() % 6);
    return result;
  };
  expect_every_pair_once(sizes, 32);
}

TEST_F(TilesTest, SegmentsShippedOneAtATimeArriveRight) {
  const auto sizes = [](int rank) { return std::vector<std::uint64_t>{2, 90 + static_cast<std::uint64_t>(rank), 3}; };
  expect_every_pair_once(sizes, 7, 1);
}

TEST_F(TilesTest, RangesThatAreNoGroupsAreRefused) {
  for (const std::vector<Range>& groups : {std::vector<Range>{{0, 1}}, std::vector<Range>{{0, 3}, {2, 4}},
                                           std::vector<Range>{{3, 5}}, std::vector<Range>{{2, 4}, {0, 2}}}) {
    Grouped grouped = make_groups(world_.rank(), {4});
    EXPECT_THROW(balance_tiles(world_, std::move(grouped.items), groups), Error);
  }
  EXPECT_THROW(balance_tiles(world_, {}, {}, 0), Error);
}

}  // namespace
}  // namespace ligature
