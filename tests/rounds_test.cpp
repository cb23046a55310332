// Which identities a round looks at: all that have items in it, each once, in order, and few others.  And items that
// are sorted on every rank, brought to the owners of their keys.
#include "jobs/rebuild/rounds.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/linkage_key.hpp"

namespace ligature {
namespace {

constexpr std::size_t kIdentities = 5'000;

// Identity i has i % 4 items.
const auto make_items = [](std::size_t i, const auto& emit) {
  for (std::size_t item = 0; item < i % 4; ++item) emit(linkage_key(10 * i + item), item);
};

bool has_items(std::size_t identity, std::uint64_t round, std::uint64_t rounds) {
  bool found = false;
  make_items(identity, [&](std::uint64_t key, std::size_t) { found = found || is_of_round(key, round, rounds); });
  return found;
}

TEST(RoundSieve, visits_each_identity_that_has_items_in_the_round_and_no_other) {
  for (const std::uint64_t rounds : {2U, 5U, 8U}) {
    RoundSieve sieve;
    sieve.mark(kIdentities, rounds, make_items);
    for (std::uint64_t round = 0; round < rounds; ++round) {
      std::vector<std::size_t> wanted, visited;
      for (std::size_t i = 100; i < 4'321; ++i) {
        if (has_items(i, round, rounds)) wanted.push_back(i);
      }
      sieve.for_each(100, 4'321, round, [&](std::size_t i) { visited.push_back(i); });
      EXPECT_EQ(visited, wanted) << round << " of " << rounds;
    }
  }
}

TEST(RoundSieve, leaves_nobody_out_where_rounds_share_a_bit) {
  constexpr std::uint64_t kRounds = 20;
  RoundSieve sieve;
  sieve.mark(kIdentities, kRounds, make_items);
  std::size_t others = 0;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    std::set<std::size_t> visited;
    sieve.for_each(0, kIdentities, round, [&](std::size_t i) { EXPECT_TRUE(visited.insert(i).second); });
    for (std::size_t i = 0; i < kIdentities; ++i) {
      const bool wanted = has_items(i, round, kRounds);
      EXPECT_TRUE(!wanted || visited.contains(i));
      others += !wanted && visited.contains(i);
    }
    EXPECT_FALSE(visited.contains(4));  // it has no items at all
  }
  EXPECT_GT(others, 0U);
}

TEST(RoundSieve, visits_everybody_where_there_is_one_round) {
  RoundSieve sieve;
  sieve.mark(kIdentities, 1, make_items);
  std::size_t visits = 0;
  sieve.for_each(0, kIdentities, 0, [&](std::size_t i) { EXPECT_EQ(i, visits++); });
  EXPECT_EQ(visits, kIdentities);
}

struct Sorted {
  std::uint64_t key = 0, value = 0;
  friend bool operator==(const Sorted&, const Sorted&) = default;
};

// Of a rank: some keys are on several ranks and some several times on one; the first of several ranks has none at all.
RawVector<Sorted> items_of(int rank, int ranks, std::size_t most) {
  RawVector<Sorted> items;
  const std::size_t count = ranks == 1 ? most : most * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks);
  for (std::size_t i = 0; i < count; ++i) {
    items.push_back({linkage_key(i % (count / 2 + 1)), 1'000'000 * static_cast<std::uint64_t>(rank) + count - i});
  }
  std::sort(items.begin(), items.end(), [](const Sorted& a, const Sorted& b) { return a.key < b.key; });
  return items;
}

TEST(BringSorted, gives_every_owner_its_items_in_order) {
  const Communicator comm = Communicator::world();
  const ShardMap shard_map(comm.size());
  const auto by_value = [](const Sorted& a, const Sorted& b) { return a.value < b.value; };
  for (const std::size_t most : {0U, 1U, 50U, 5'000U, 200'000U}) {
    std::vector<Sorted> wanted;
    for (int rank = 0; rank < comm.size(); ++rank) {
      for (const Sorted& item : items_of(rank, comm.size(), most)) {
        if (shard_map.owner(shard_of(item.key)) == comm.rank()) wanted.push_back(item);
      }
    }
    std::sort(wanted.begin(), wanted.end(),
              [](const Sorted& a, const Sorted& b) { return std::pair(a.key, a.value) < std::pair(b.key, b.value); });
    const RawVector<Sorted> brought = bring_sorted(comm, items_of(comm.rank(), comm.size(), most), by_value);
    ASSERT_EQ(std::vector<Sorted>(brought.begin(), brought.end()), wanted) << most;
  }
}

}  // namespace
}  // namespace ligature
