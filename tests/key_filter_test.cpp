// A key that some rank has is never missed, and few that nobody has get through.
#include "partition/key_filter.hpp"

#include <cstdint>

#include <gtest/gtest.h>

#include "engine/linkage_key.hpp"

namespace ligature {
namespace {

TEST(KeyFilter, EveryRankKnowsTheKeysOfAllAndFewOthers) {
  const Communicator comm = Communicator::world();
  constexpr std::uint64_t kKeys = 10'000;
  const auto ranks = static_cast<std::uint64_t>(comm.size()), rank = static_cast<std::uint64_t>(comm.rank());
  // Unequal shares: the last rank has most, and the first none where there are several.
  const auto key_of = [](std::uint64_t of_rank, std::uint64_t i) { return linkage_key(of_rank << 32 | i); };
  const auto keys_of = [&](std::uint64_t of_rank) { return ranks == 1 ? kKeys : kKeys * of_rank; };
  const KeyFilter filter(comm, keys_of(rank), [&](const auto& add) {
    for (std::uint64_t i = 0; i < keys_of(rank); ++i) add(key_of(rank, i));
  });
  for (std::uint64_t other = 0; other < ranks; ++other) {
    for (std::uint64_t i = 0; i < keys_of(other); ++i) ASSERT_TRUE(filter.may_have(key_of(other, i)));
  }
  std::uint64_t taken = 0;
  constexpr std::uint64_t kOthers = 100'000;
  for (std::uint64_t i = 0; i < kOthers; ++i) taken += filter.may_have(linkage_key(~i)) ? 1U : 0U;
  EXPECT_LT(taken, kOthers / 12);
  EXPECT_EQ(comm.max(taken), comm.min(taken));
}

TEST(KeyFilter, WithoutKeysNothingGetsThrough) {
  const Communicator comm = Communicator::world();
  const KeyFilter filter(comm, 0, [](const auto&) {});
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_FALSE(filter.may_have(linkage_key(i)));
}

}  // namespace
}  // namespace ligature
