// Bringing together what shares a key: items go to the owner of their key's shard, in rounds that bound memory, and
// come out sorted with equal keys adjacent.
//
// Keys are linkage keys of 64-bit values (XXH3 of eight bytes is a bijection, so equal keys are equal values), or have
// at least the shard in their top bits, and as even a low half.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/cache_line.hpp"
#include "engine/counting_sort.hpp"
#include "engine/gather_blocks.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/raw_vector.hpp"
#include "engine/release.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

// Collective.  A pass goes over its shards in as few rounds as its copies have room for at this moment on the fullest
// rank; but in none of fewer than least items a rank.  items: of all ranks.  bytes: of an item, with its copies, at the
// peak of a round.  kept: bytes that a rank will take meanwhile and keep, of all rounds together.
inline std::uint64_t rounds_within(const Communicator& comm, const Identities& identities, std::uint64_t items,
                                   std::uint64_t least, std::uint64_t bytes, std::uint64_t kept = 0) {
  const std::uint64_t room_now = identities.room();
  const std::uint64_t room = comm.min(room_now > kept ? room_now - kept : 0);
  const std::uint64_t a_rank = std::max({std::uint64_t{1}, least, (room - room / 10) / bytes});
  return std::min<std::uint64_t>(kShards, 1 + items / (a_rank * static_cast<std::uint64_t>(comm.size())));
}
// Of an item that bring_together brings: it is held where it is sent from and where it arrives, and what is made of it
// takes somewhat more.
template <typename Item>
inline constexpr std::uint64_t kBytesOfItem = sizeof(Item) * 9 / 4;
// Collective.
template <typename Item>
std::uint64_t rounds_for(const Communicator& comm, const Identities& identities, std::uint64_t items) {
  return rounds_within(comm, identities, items, identities.per_round, kBytesOfItem<Item>);
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

// Things by the round in which they are worked on.
struct ThingsByRound {
  std::vector<std::uint32_t> items;
  std::vector<std::uint64_t> first;  // rounds + 1
  [[nodiscard]] std::span<const std::uint32_t> of(std::uint64_t round) const noexcept {
    return std::span(items).subspan(first[round], first[round + 1] - first[round]);
  }
};

// round_of(i): the round of the i-th of count things, below rounds.
template <typename RoundOf>
ThingsByRound split_in_rounds(std::size_t count, std::uint64_t rounds, const RoundOf& round_of) {
  SortPlan plan = plan_sort(count, rounds, round_of);
  ThingsByRound result;
  result.items.resize(count);
  for_blocks(count, plan.grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* const cursors = plan.cursors_of(begin);
    for (std::size_t i = begin; i < end; ++i) result.items[cursors[round_of(i)]++] = static_cast<std::uint32_t>(i);
  });
  result.first = std::move(plan.first);
  return result;
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

// The runs of items with one key, of at least fewest items, in order.
template <typename Item>
RawVector<Range> groups_of(std::span<const Item> items, std::uint64_t fewest) {
  constexpr std::size_t kItemsPerTask = std::size_t{1} << 16;
  return gather_blocks<Range>(items.size(), kItemsPerTask, [&](std::size_t begin, std::size_t end, auto& groups) {
    // A group is its first item's block's.
    while (begin > 0 && begin < end && items[begin].key == items[begin - 1].key) ++begin;
    for (std::size_t next = begin; begin < end; begin = next) {
      for (next = begin + 1; next < items.size() && items[next].key == items[begin].key;) ++next;
      if (next - begin >= fewest) groups.push_back({begin, next});
    }
  });
}

// Keys have so many leading bits by which items are dealt to buckets that fit in a core's cache.
constexpr unsigned bucket_bits_of(std::uint64_t items) noexcept {
  constexpr std::uint64_t kItemsPerBucket = 1U << 13;
  constexpr unsigned kMostBits = 12;  // of more open buckets the ends no longer lie in cache
  return std::min(static_cast<unsigned>(std::bit_width(items / kItemsPerBucket)), kMostBits);
}

// Collective.  This rank's items by key, those of one key by less, or without one in the order of their sources.
// Sources: count of them on this rank, which make about total items over all ranks.  for_each_item_in(begin, end,
// visit): calls visit(key, build) for each item of sources [begin, end), in order, where build() gives it; a pure
// function, called twice a source, from several threads.  all_made(): is called when nobody needs the sources any more.
//
// Items are counted, made where they are sent from, by bucket, and sorted bucket by bucket from where they arrived:
// each is written three times, and read as often.
template <typename Item, typename ForEachItem, typename AllMade, typename Less>
RawVector<Item> bring_by_key(const Communicator& comm, std::size_t count, std::uint64_t total,
                             const ForEachItem& for_each_item_in, const AllMade& all_made, const Less& less) {
  const ShardMap shard_map(comm.size());
  const auto ranks = static_cast<std::size_t>(comm.size());
  const unsigned bits = bucket_bits_of(total);
  // A bucket may lie across ranks: then each has its own part of it.  Both numbers rise with the key, so their sum
  // tells the parts apart.
  const std::size_t buckets = (std::size_t{1} << bits) + ranks - 1;
  std::vector<std::uint16_t> owner_of(kShards);
  for (ShardId shard = 0; shard < kShards; ++shard)
    owner_of[shard] = static_cast<std::uint16_t>(shard_map.owner(shard));
  const auto bucket_of = [&](std::uint64_t key) {
    return static_cast<std::size_t>(key >> 32 >> (32 - bits)) + owner_of[shard_of(key)];
  };
  const auto first_bucket = [&](std::size_t rank) {
    const std::uint64_t shard = rank == ranks ? kShards : shard_map.shards_of(static_cast<int>(rank)).begin;
    return shard == kShards ? buckets : bucket_of(shard << (64 - kShardBits));
  };
  const std::size_t grain = std::max(std::size_t{1} << 14, 16 * buckets);  // cursors take half a byte a source
  std::vector<std::uint64_t> places((count / grain + 1) * buckets, 0), first(buckets + 1, 0);
  const auto places_of = [&](std::size_t begin) { return places.data() + begin / grain * buckets; };
  for_blocks(count, grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* const counts = places_of(begin);
    for_each_item_in(begin, end, [&](std::uint64_t key, const auto&) { ++counts[bucket_of(key)]; });
  });
  for (std::size_t to = 0; to < buckets; ++to) {
    first[to + 1] = first[to];
    for (std::size_t at = to; at < places.size(); at += buckets) {
      first[to + 1] += std::exchange(places[at], first[to + 1]);
    }
  }
  // How many of each of this rank's buckets come from each rank.
  std::vector<std::uint64_t> counts(buckets), first_sent(ranks + 1), first_count(ranks + 1);
  for (std::size_t to = 0; to < buckets; ++to) counts[to] = first[to + 1] - first[to];
  for (std::size_t rank = 0; rank <= ranks; ++rank) {
    first_count[rank] = first_bucket(rank);
    first_sent[rank] = first[first_count[rank]];
  }
  if (ranks > 1) counts = exchange(comm, std::span<const std::uint64_t>(counts), first_count).items;
  const std::size_t own = counts.size() / ranks;
  std::vector<radix_sort_detail::Run> runs(counts.size());  // by bucket, then source
  std::uint64_t received = 0;
  for (std::size_t source = 0; source < ranks; ++source) {
    for (std::size_t bucket = 0; bucket < own; ++bucket) {
      const std::uint64_t from_source = counts[source * own + bucket];
      runs[bucket * ranks + source] = {received, received + from_source};
      received += from_source;
    }
  }
  // What is sorted fits where they were made: memory that nothing else has used is dear.
  RawVector<Item> made;
  made.reserve(std::max(first.back(), received));
  made.resize(first.back());
  for_blocks(count, grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* const next = places_of(begin);
    for_each_item_in(begin, end, [&](std::uint64_t key, const auto& build) {
      Item& place = made[next[bucket_of(key)]++];
      fetch_line_after(&place);
      place = build();
    });
  });
  release(places);
  all_made();
  if (ranks > 1) made = exchange_raw(comm, std::move(made), first_sent).items;
  return sort_buckets(
      std::move(made), std::span<const radix_sort_detail::Run>(runs), ranks, bits,
      [](const Item& item) { return item.key; }, less);
}

// Collective.  One round of identities' items, as bring_by_key.  sieve: the same for all rounds, of no pass else.
// make(i, add): calls add(key, build) for each item of owned identity i, where build() gives it; a pure function,
// called twice or more, from several threads.
template <typename Item, typename Make, typename Less = std::nullptr_t>
RawVector<Item> bring_together(const Communicator& comm, const Identities& identities, std::uint64_t round,
                               std::uint64_t rounds, RoundSieve& sieve, const Make& make, const Less& less = {}) {
  sieve.mark(identities.owned.size(), rounds, make);
  return bring_by_key<Item>(
      comm, identities.owned.size(), identities.total / rounds,
      [&](std::size_t begin, std::size_t end, const auto& visit) {
        sieve.for_each(begin, end, round, [&](std::size_t i) {
          make(i, [&](std::uint64_t key, const auto& build) {
            if (is_of_round(key, round, rounds)) visit(key, build);
          });
        });
      },
      [] {}, less);
}

}  // namespace ligature
