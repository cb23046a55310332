#include "jobs/rebuild/nameless.hpp"

#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/raw_vector.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPersonsPerTask = std::size_t{1} << 14;

// A claim that moves as it is sorted, with where its answer has to be put.
struct ReceivedClaim {
  Claim claim;
  std::uint64_t received = 0;
};

}  // namespace

std::vector<std::uint8_t> settle_ownership(const Communicator& comm, const Nameless& nameless,
                                           std::span<const std::uint64_t> numbers, std::uint64_t rounds) {
  std::vector<std::uint8_t> owns(nameless.size(), 0);
  for_blocks(nameless.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t p = begin; p < end; ++p) owns[p] = numbers[p] != 0 && nameless.is_sole_claimant(p) ? 1 : 0;
  });
  const ShardMap shard_map(comm.size());
  const ThingsByRound by_round = split_in_rounds(nameless.size(), rounds + 1, [&](std::size_t p) {
    const bool is_settled = numbers[p] == 0 || owns[p] != 0;
    return is_settled ? rounds : linkage_key(numbers[p]) % rounds;  // the last round is of these and is not run
  });
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::span<const std::uint32_t> here = by_round.of(round);
    RawVector<Claim> claims(here.size());
    for_blocks(here.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) claims[i] = nameless.claim(here[i]);
    });
    ReturnRoute route;
    RawVector<ReceivedClaim> sorted;
    {
      const auto received = shuffle(
          comm, std::move(claims),
          [&](const Claim& claim) { return shard_map.owner(shard_of(linkage_key(claim.nhs()))); }, route);
      sorted.resize(received.items.size());
      for_blocks(sorted.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) sorted[i] = {received.items[i], i};
      });
    }
    sort_by_key(
        sorted, [](const ReceivedClaim& item) { return item.claim.nhs(); },
        [](const ReceivedClaim& x, const ReceivedClaim& y) {
          const Claim &a = x.claim, &b = y.claim;
          if (a.number_and_kind != b.number_and_kind) return a.number_and_kind < b.number_and_kind;
          if (a.rows != b.rows) return a.rows > b.rows;
          return a.cluster < b.cluster;
        });
    RawVector<std::uint8_t> wins(sorted.size());
    for_blocks(sorted.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        wins[sorted[i].received] = i == 0 || sorted[i].claim.nhs() != sorted[i - 1].claim.nhs();
      }
    });
    const auto replies = route.reply(comm, std::move(wins));
    for_blocks(here.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) owns[here[i]] = replies[i];
    });
  }
  return owns;
}

}  // namespace ligature
