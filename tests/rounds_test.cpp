// Which identities a round looks at: all that have items in it, each once, in order, and few others.  And items brought
// to the owners of their keys.
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

struct Keyed {
  std::uint64_t key = 0, value = 0;
  friend bool operator==(const Keyed&, const Keyed&) = default;
};

// Of a rank: some keys are on several ranks and some several times on one; the first of several ranks has none at all.
// Source i has i % 3 items.
template <typename Visit>
void for_each_keyed(int rank, std::size_t begin, std::size_t end, const Visit& visit) {
  for (std::size_t i = begin; i < end; ++i) {
    for (std::size_t item = 0; item < i % 3; ++item) {
      const Keyed keyed{linkage_key(i / 2 + item),
                        1'000'000 * static_cast<std::uint64_t>(rank) + (i * 7919 + item) % 1'000'000};
      visit(keyed.key, [&] { return keyed; });
    }
  }
}
std::size_t sources_of(int rank, int ranks, std::size_t most) {
  return ranks == 1 ? most : most * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks);
}

TEST(BringByKey, gives_every_owner_its_items_in_order) {
  const Communicator comm = Communicator::world();
  const ShardMap shard_map(comm.size());
  for (const std::size_t most : {0U, 1U, 50U, 5'000U, 200'000U}) {
    std::vector<Keyed> wanted;
    for (int rank = 0; rank < comm.size(); ++rank) {
      for_each_keyed(rank, 0, sources_of(rank, comm.size(), most), [&](std::uint64_t key, const auto& build) {
        if (shard_map.owner(shard_of(key)) == comm.rank()) wanted.push_back(build());
      });
    }
    // Without an order of their own those of one key are in that of ranks and sources.
    std::stable_sort(wanted.begin(), wanted.end(), [](const Keyed& a, const Keyed& b) { return a.key < b.key; });
    const std::size_t count = sources_of(comm.rank(), comm.size(), most);
    int times_made = 0;
    const auto brought = [&](const auto& less) {
      const RawVector<Keyed> items = bring_by_key<Keyed>(
          comm, count, comm.sum(std::uint64_t{count}),
          [&](std::size_t begin, std::size_t end, const auto& visit) {
            for_each_keyed(comm.rank(), begin, end, visit);
          },
          [&] { ++times_made; }, less);
      return std::vector<Keyed>(items.begin(), items.end());
    };
    ASSERT_EQ(brought(nullptr), wanted) << most;
    std::sort(wanted.begin(), wanted.end(),
              [](const Keyed& a, const Keyed& b) { return std::pair(a.key, a.value) < std::pair(b.key, b.value); });
    ASSERT_EQ(brought([](const Keyed& a, const Keyed& b) { return a.value < b.value; }), wanted) << most;
    EXPECT_EQ(times_made, 2);
  }
}

}  // namespace
}  // namespace ligature
