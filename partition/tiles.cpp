// All ranks know the sizes of all large groups (8 bytes each), so each rank works out its own tiles, and asks the
// owners of the groups for the segments that these need, in rounds of bounded size.
//
// Dealing a falling sequence of costs round-robin leaves any two ranks within its first cost of each other.  Tiles
// between two segments (s * s pairs) and inside one (s * (s - 1) / 2) are dealt one sequence after the other.
#include "partition/tiles.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "engine/error.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// A group of more than one segment, as every rank sees it.
struct LargeGroup {
  std::uint64_t items = 0;
  std::uint64_t segments = 0;
  int owner = 0;
  std::uint64_t index = 0;  // among the large groups of its owner
};

std::uint64_t count_segments(std::uint64_t items, std::uint64_t tile_items) {
  const std::uint64_t segments = (items - 1) / tile_items + 1;
  if (segments > std::numeric_limits<int>::max()) throw LimitError("tiles: a group has 2^31 segments or more");
  return segments;
}

// Segment s of a group of that many items; indexes count from the group's first item.
Range segment_range(std::uint64_t items, std::uint64_t segments, std::uint64_t s) {
  return share_of(items, static_cast<int>(s), static_cast<int>(segments));
}

// Moves the items of groups to the front of work.items, over those that are in no group.  Groups of one segment become
// work, to be compared where they are; returns the new ranges of the others.
std::vector<Range> keep_groups(Work& work, std::span<const Range> groups, std::uint64_t tile_items) {
  const auto is_large = [&](const Range& group) { return group.size() > tile_items; };
  const auto count = static_cast<std::size_t>(std::count_if(groups.begin(), groups.end(), is_large));
  std::vector<Range> large;
  large.reserve(count);
  work.segments.reserve(groups.size() - count);
  work.tiles.reserve(groups.size() - count);
  std::uint64_t free = 0, end = 0;
  for (const Range& group : groups) {
    if (group.begin < end || group.end < group.begin + 2 || group.end > work.items.size()) {
      throw Error("tiles: groups must be ascending ranges of two or more items");
    }
    end = group.end;
    PassItem* const items = work.items.data();
    if (free != group.begin) std::copy(items + group.begin, items + group.end, items + free);
    const Range moved{free, free + group.size()};
    free = moved.end;
    if (is_large(group)) {
      large.push_back(moved);
    } else {
      work.tiles.push_back({work.segments.size(), work.segments.size()});
      work.segments.push_back(moved);
    }
  }
  work.items.resize(free);
  return large;
}

// Collective.  All large groups, in the order in which their tiles are numbered: by falling size of segment.
std::vector<LargeGroup> number_large_groups(const Communicator& comm, std::span<const Range> mine,
                                            std::uint64_t tile_items) {
  std::vector<std::uint64_t> sizes;
  sizes.reserve(mine.size());
  for (const Range& group : mine) sizes.push_back(group.size());
  const std::vector<std::uint64_t> counts = comm.all_gather(sizes.size());
  const std::vector<std::uint64_t> all_sizes = comm.all_gather(std::span<const std::uint64_t>(sizes));

  std::vector<LargeGroup> all;
  all.reserve(all_sizes.size());
  for (std::size_t owner = 0; owner < counts.size(); ++owner) {
    for (std::uint64_t index = 0; index < counts[owner]; ++index) {
      const std::uint64_t items = all_sizes[all.size()];
      all.push_back({items, count_segments(items, tile_items), static_cast<int>(owner), index});
    }
  }
  std::sort(all.begin(), all.end(), [](const LargeGroup& x, const LargeGroup& y) {
    const std::uint64_t x_size = segment_range(x.items, x.segments, 0).size();
    const std::uint64_t y_size = segment_range(y.items, y.segments, 0).size();
    if (x_size != y_size) return x_size > y_size;
    return std::tie(x.owner, x.index) < std::tie(y.owner, y.index);
  });
  return all;
}

// Deals the tiles of the large groups and fetches the segments that this rank's tiles need.
class Dealer {
 public:
  // mine: the ranges in work.items of this rank's large groups.
  Dealer(const Communicator& comm, Work& work, std::span<const Range> mine, std::uint64_t tile_items)
      : comm_(comm),
        work_(work),
        mine_(mine),
        tile_items_(tile_items),
        ranks_(static_cast<std::uint64_t>(comm.size())),
        awaited_(static_cast<std::size_t>(comm.size())) {}

  // Adds this rank's tiles to the work.  Segments of other ranks' groups are without items until fetch().
  void deal(std::span<const LargeGroup> all) {
    std::uint64_t between = 0;  // number of the next tile between two segments
    std::uint64_t inside = 0;   // number of the next tile inside one: these come after all others
    for (const LargeGroup& group : all) inside += tiles_between(group);
    for (const LargeGroup& group : all) {
      places_.assign(group.segments, kNone);
      for (std::uint64_t row = 0, column = 1 + skip_to_mine(between); row < group.segments; ++row) {
        for (; column < group.segments; column += ranks_) {
          const std::size_t left = place_of(group, row);
          work_.tiles.push_back({left, place_of(group, column)});
        }
        column = column - group.segments + row + 2;  // as far into the next row, which begins at its own number plus 1
      }
      between += tiles_between(group);
      for (std::uint64_t s = skip_to_mine(inside); s < group.segments; s += ranks_) {
        const std::size_t place = place_of(group, s);
        work_.tiles.push_back({place, place});
      }
      inside += group.segments;
    }
  }

  // Collective.  Brings the segments of other ranks' groups, each once.
  void fetch(std::uint64_t ship_bytes) {
    // Segments that a rank asks one owner for in a round, so that an owner packs ship_bytes at most for all of them.
    const std::uint64_t quota = std::max<std::uint64_t>(1, ship_bytes / (ranks_ * tile_items_ * sizeof(PassItem)));
    work_.items.reserve(work_.items.size() + awaited_items_);
    for (std::uint64_t begin = 0;; begin += quota) {
      std::vector<SegmentRequest> requests;  // of this round, by owner
      std::vector<std::uint64_t> first{0};
      for (const std::vector<Awaited>& from : awaited_) {
        for (std::uint64_t i = begin; i < std::min<std::uint64_t>(from.size(), begin + quota); ++i) {
          requests.push_back(from[i].request);
        }
        first.push_back(requests.size());
      }
      if (!comm_.any(!requests.empty())) return;
      std::uint64_t position = work_.items.size();
      ship(exchange(comm_, std::span<const SegmentRequest>(requests), first));
      // Items come by owner, in the order in which they were asked for.
      for (const std::vector<Awaited>& from : awaited_) {
        for (std::uint64_t i = begin; i < std::min<std::uint64_t>(from.size(), begin + quota); ++i) {
          Range& segment = work_.segments[from[i].place];
          segment = {position, position + segment.size()};
          position = segment.end;
        }
      }
    }
  }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  // What a rank asks the owner of a group for.
  struct SegmentRequest {
    std::uint64_t group = 0;  // LargeGroup::index
    std::uint64_t segment = 0;
  };
  // A request, and the place in work.segments of what comes.
  struct Awaited {
    SegmentRequest request;
    std::size_t place = 0;
  };

  static std::uint64_t tiles_between(const LargeGroup& group) noexcept {
    return group.segments * (group.segments - 1) / 2;
  }

  // How far after the tile of this number the first tile for this rank comes.
  [[nodiscard]] std::uint64_t skip_to_mine(std::uint64_t number) const noexcept {
    return (static_cast<std::uint64_t>(comm_.rank()) + ranks_ - number % ranks_) % ranks_;
  }

  // The place in work.segments of a segment of the group that is being dealt.
  std::size_t place_of(const LargeGroup& group, std::uint64_t s) {
    if (places_[s] != kNone) return places_[s];
    places_[s] = work_.segments.size();
    Range range = segment_range(group.items, group.segments, s);
    if (group.owner == comm_.rank()) {
      const std::uint64_t start = mine_[group.index].begin;
      range = {start + range.begin, start + range.end};
    } else {
      awaited_[static_cast<std::size_t>(group.owner)].push_back({{group.index, s}, places_[s]});
      awaited_items_ += range.size();
    }
    work_.segments.push_back(range);
    return places_[s];
  }

  // Collective.  Sends each rank the items that it asked for; those asked for by this rank go to the end of work.items.
  void ship(const Received<SegmentRequest>& asked) {
    std::vector<PassItem> packed;
    std::vector<std::uint64_t> first_byte{0};
    for (std::size_t rank = 0; rank < ranks_; ++rank) {
      for (std::uint64_t i = asked.first[rank]; i < asked.first[rank + 1]; ++i) {
        const Range& group = mine_[asked.items[i].group];
        const Range part =
            segment_range(group.size(), count_segments(group.size(), tile_items_), asked.items[i].segment);
        const PassItem* start = work_.items.data() + group.begin;
        packed.insert(packed.end(), start + part.begin, start + part.end);
      }
      first_byte.push_back(packed.size() * sizeof(PassItem));
    }
    const std::uint64_t before = work_.items.size();
    exchange_into(comm_, std::as_bytes(std::span(packed)), first_byte, [&](std::size_t bytes) {
      work_.items.resize(before + bytes / sizeof(PassItem));
      return reinterpret_cast<std::byte*>(work_.items.data() + before);
    });
  }

  const Communicator& comm_;
  Work& work_;
  std::span<const Range> mine_;
  std::uint64_t tile_items_;
  std::uint64_t ranks_;
  std::vector<std::size_t> places_;            // by segment of the group that is being dealt
  std::vector<std::vector<Awaited>> awaited_;  // by owner
  std::uint64_t awaited_items_ = 0;
};

}  // namespace

Work balance_tiles(const Communicator& comm, RawVector<PassItem>&& items, std::span<const Range> groups,
                   std::uint64_t tile_items, std::uint64_t ship_bytes) {
  if (tile_items == 0) throw Error("tiles: a tile must have at least one item");
  Work work;
  work.items = std::move(items);
  std::uint64_t largest = 0;
  for (const Range& group : groups) largest = std::max(largest, group.size());
  const std::vector<Range> large = keep_groups(work, groups, tile_items);
  work.largest_group = comm.max(largest);
  work.groups = comm.sum(std::uint64_t{groups.size()});
  Dealer dealer(comm, work, large, tile_items);
  dealer.deal(number_large_groups(comm, large, tile_items));
  dealer.fetch(ship_bytes);
  return work;
}

}  // namespace ligature
