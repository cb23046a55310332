// Balance: big groups are cut into tiles of pairs, and tiles are dealt to ranks so that no rank waits for one birthday.
//
// A group of n items has n(n-1)/2 pairs.  Cut into nearly equal segments of at most kTileItems items, it is the tiles
// (i, i) and (i, j), i < j.  Groups of one segment are compared where they are; the tiles of larger groups are dealt
// round-robin in the order of a global numbering by falling work, and each rank gets the segments that its tiles need,
// once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/identity.hpp"
#include "engine/raw_vector.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

inline constexpr std::uint64_t kTileItems = 4096;
inline constexpr std::uint64_t kShipBytes = std::uint64_t{256} << 20;  // that a rank sends of its segments at a time

// An identity as it travels for comparison: 32 bytes.
struct PassItem {
  Identity identity;
  IdentityId id = 0;
  std::uint64_t key = 0;  // the linkage key of the pass's identifier
};
static_assert(sizeof(PassItem) == 32);

// One piece of comparison work: all pairs inside a segment, or all pairs between two segments of one group.
struct Tile {
  std::size_t left = 0;   // index into Work::segments
  std::size_t right = 0;  // equal to left for the pairs inside one segment
};

struct Work {
  RawVector<PassItem> items;    // what the segments point into
  std::vector<Range> segments;  // index ranges of items
  std::vector<Tile> tiles;
  std::uint64_t largest_group = 0;  // items in the largest group, over all ranks
  std::uint64_t groups = 0;         // groups of two and more, over all ranks
};

// Collective.  items: this rank's items, sorted so that equal keys (under same_key, by key then content) are adjacent;
// groups: the index ranges of the groups of two or more items, ascending.  A group lies on one rank.
// Returns the tiles that this rank compares; together, over all ranks, every pair of every group exactly once.
// Of the pairs of groups larger than a tile, ranks get shares that differ by about 3/2 tile_items^2 at most.
// Memory: the items and the segments received; about ship_bytes more while they travel.
// tile_items, ship_bytes: kTileItems, at least 1, and kShipBytes but in tests; the same on every rank.
Work balance_tiles(const Communicator& comm, RawVector<PassItem>&& items, std::span<const Range> groups,
                   std::uint64_t tile_items = kTileItems, std::uint64_t ship_bytes = kShipBytes);

}  // namespace ligature
