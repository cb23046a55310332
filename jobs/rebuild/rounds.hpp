// Bringing together what shares a key: items go to the owner of their key's shard, in rounds that bound memory, and
// come out sorted with equal keys adjacent.
//
// Keys are linkage keys of 64-bit values: XXH3 of eight bytes is a bijection, so equal keys are equal values.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

// Collective.  A pass goes over its shards in as few rounds as its copies have room for at this moment on the fullest
// rank; but in none of fewer than least items a rank.  items: of all ranks.  bytes: of an item, with its copies, at the
// peak of a round.
inline std::uint64_t rounds_within(const Communicator& comm, const Identities& identities, std::uint64_t items,
                                   std::uint64_t least, std::uint64_t bytes) {
  const std::uint64_t room = comm.min(identities.room());
  const std::uint64_t a_rank = std::max({std::uint64_t{1}, least, (room - room / 10) / bytes});
  return std::min<std::uint64_t>(kShards, 1 + items / (a_rank * static_cast<std::uint64_t>(comm.size())));
}
// Collective.  Of items that bring_together brings: one is held where it is sent from and where it arrives, and what
// is made of it takes somewhat more.
template <typename Item>
std::uint64_t rounds_for(const Communicator& comm, const Identities& identities, std::uint64_t items) {
  return rounds_within(comm, identities, items, identities.per_round, sizeof(Item) * 9 / 4);
}
template <typename Item>
std::uint64_t rounds_for(const Communicator& comm, const Identities& identities) {
  return rounds_for<Item>(comm, identities, identities.total);
}

// Rounds cut linkage keys crosswise to ranks, by their low half: each round has an equal share of every rank's shards.
constexpr std::uint64_t round_of(std::uint64_t key, std::uint64_t rounds) noexcept {
  return ((key & 0xFFFFFFFF) * rounds) >> 32;
}
constexpr bool is_of_round(std::uint64_t key, std::uint64_t round, std::uint64_t rounds) noexcept {
  return round_of(key, rounds) == round;
}

// Which of this rank's identities have items in which rounds: a byte of eight rounds' bits an identity, so that a round
// need not look at the identities that have nothing in it.  For the rounds of one pass.
class RoundSieve {
 public:
  // make: as for bring_together.
  template <typename Make>
  void mark(std::size_t identities, std::uint64_t rounds, const Make& make) {
    if (rounds == rounds_) return;
    rounds_ = rounds;
    marks_.assign(rounds > 1 ? identities : 0, 0);
    for_blocks(marks_.size(), std::size_t{1} << 14, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        make(i, [&](std::uint64_t key, const auto&) { marks_[i] |= bit(round_of(key, rounds)); });
      }
    });
  }

  // Calls visit(i) for the identities of [begin, end) that may have items in the round.
  template <typename Visit>
  void for_each(std::size_t begin, std::size_t end, std::uint64_t round, const Visit& visit) const {
    if (marks_.empty()) {
      for (std::size_t i = begin; i < end; ++i) visit(i);
      return;
    }
    std::array<std::size_t, 1024> some;  // found without a branch, which would often be guessed wrong
    for (std::size_t next = begin; next < end;) {
      std::size_t found = 0;
      for (const std::size_t last = std::min(end, next + some.size()); next < last; ++next) {
        some[found] = next;
        found += (unsigned{marks_[next]} >> round % 8) & 1U;
      }
      for (std::size_t f = 0; f < found; ++f) visit(some[f]);
    }
  }

 private:
  static constexpr std::uint8_t bit(std::uint64_t round) noexcept { return static_cast<std::uint8_t>(1U << round % 8); }
  std::uint64_t rounds_ = 1;
  std::vector<std::uint8_t> marks_;  // empty: there is but one round
};

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

// Collective.  One round: this rank's items by key, those of one key by less, or without one in the order of their
// identities' numbers.  sieve: the same for all rounds, of no pass else.  make(i, add): calls add(key, build) for each
// item of owned identity i, where build() gives it; a pure function, called twice or more, from several threads.
template <typename Item, typename Make, typename Less = std::nullptr_t>
std::vector<Item> bring_together(const Communicator& comm, const Identities& identities, std::uint64_t round,
                                 std::uint64_t rounds, RoundSieve& sieve, const Make& make, const Less& less = {}) {
  const ShardMap shard_map(comm.size());
  const auto ranks = static_cast<std::size_t>(comm.size());
  sieve.mark(identities.owned.size(), rounds, make);
  const auto for_each_in = [&](std::size_t begin, std::size_t end, const auto& visit) {
    sieve.for_each(begin, end, round, [&](std::size_t i) {
      make(i, [&](std::uint64_t key, const auto& build) {
        if (is_of_round(key, round, rounds)) {
          visit(static_cast<std::size_t>(shard_map.owner(shard_of(key))), build);
        }
      });
    });
  };
  // Items are counted first, and then made where they are sent from.
  const std::size_t grain = std::max(std::size_t{1} << 14, 16 * ranks);
  std::vector<std::uint64_t> places((identities.owned.size() / grain + 1) * ranks, 0), first(ranks + 1, 0);
  const auto places_of = [&](std::size_t begin) { return places.data() + begin / grain * ranks; };
  for_blocks(identities.owned.size(), grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* const counts = places_of(begin);
    for_each_in(begin, end, [&](std::size_t to, const auto&) { ++counts[to]; });
  });
  for (std::size_t to = 0; to < ranks; ++to) {
    first[to + 1] = first[to];
    for (std::size_t at = to; at < places.size(); at += ranks) {
      first[to + 1] += std::exchange(places[at], first[to + 1]);
    }
  }
  std::vector<Item> items(first.back());
  for_blocks(identities.owned.size(), grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* const next = places_of(begin);
    for_each_in(begin, end, [&](std::size_t to, const auto& build) { items[next[to]++] = build(); });
  });
  if (ranks > 1) items = exchange(comm, std::span<const Item>(items), first).items;
  sort_by_key(
      items, [](const Item& item) { return item.key; }, less);
  return items;
}

}  // namespace ligature
