// Bringing together what shares a key: items go to the owner of their key's shard, in rounds that bound memory, and
// come out sorted with equal keys adjacent.
//
// Keys are linkage keys of 64-bit values: XXH3 of eight bytes is a bijection, so equal keys are equal values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/release.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

// A pass goes over its shards in rounds of about this many identities a rank, so that its copies stay bounded.
inline constexpr std::uint64_t kIdentitiesPerRound = std::uint64_t{1} << 24;

// Follows from global counts alone, so all ranks agree.
inline std::uint64_t rounds_for(const Communicator& comm, const Identities& identities) {
  return std::min<std::uint64_t>(
      kShards, 1 + identities.total / (kIdentitiesPerRound * static_cast<std::uint64_t>(comm.size())));
}

// Sorts items by less, which orders by key first: into runs of neighbouring shards that fit in cache, then each run.
template <typename Item, typename Less>
std::vector<Item> sort_by_key(std::vector<Item>&& items, const Less& less) {
  constexpr std::uint32_t kRunShift = 64 - 14;
  std::vector<std::uint64_t> start((std::size_t{1} << 14) + 1, 0);
  for (const Item& item : items) ++start[(item.key >> kRunShift) + 1];
  for (std::size_t run = 1; run < start.size(); ++run) start[run] += start[run - 1];
  std::vector<Item> sorted(items.size());
  {
    std::vector<std::uint64_t> next(start.begin(), start.end() - 1);
    for (const Item& item : items) sorted[next[item.key >> kRunShift]++] = item;
  }
  release(items);
  for_each_item(start.size() - 1, [&](std::size_t run) {
    std::sort(sorted.begin() + static_cast<std::ptrdiff_t>(start[run]),
              sorted.begin() + static_cast<std::ptrdiff_t>(start[run + 1]), less);
  });
  return sorted;
}

// The runs of items with one key, of at least fewest items.
template <typename Item>
std::vector<Range> groups_of(std::span<const Item> items, std::uint64_t fewest) {
  std::vector<Range> groups;
  for (std::uint64_t begin = 0; begin < items.size();) {
    std::uint64_t end = begin + 1;
    while (end < items.size() && items[end].key == items[begin].key) ++end;
    if (end - begin >= fewest) groups.push_back({begin, end});
    begin = end;
  }
  return groups;
}

// Collective.  One round: this rank's sorted items.  make(i, add): calls add(item) for each item of owned identity i.
template <typename Item, typename Make, typename Less>
std::vector<Item> bring_together(const Communicator& comm, const Identities& identities, std::uint64_t round,
                                 std::uint64_t rounds, const Make& make, const Less& less) {
  std::vector<Item> items;
  // Rounds cut the linkage keys crosswise to ranks: each round has an equal share of every rank's shards.
  const auto add = [&](const Item& item) {
    if (item.key % rounds == round) items.push_back(item);
  };
  for (std::uint64_t i = 0; i < identities.owned.size(); ++i) make(i, add);
  const ShardMap shard_map(comm.size());
  Received<Item> received =
      shuffle(comm, std::move(items), [&](const Item& item) { return shard_map.owner(shard_of(item.key)); });
  return sort_by_key(std::move(received.items), less);
}

}  // namespace ligature
