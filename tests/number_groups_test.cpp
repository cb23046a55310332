// The groups of NHS numbers against a plain sort of everything: who shares a number, and who may mean it.
#include "jobs/rebuild/number_groups.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "engine/linkage_key.hpp"
#include "engine/nhs_number.hpp"
#include "partition/shard_map.hpp"

namespace ligature {
namespace {

// Identities of one group by number of the identity.
struct Group {
  std::vector<IdentityId> members, visitors, suppressed;
  friend bool operator==(const Group&, const Group&) = default;
};

// Numbers that several identities have, some of them misspelt, some barred, and identities without one; in the order in
// which they are numbered.  One number is in a hundredth of all.
std::vector<CountedIdentity> population(std::size_t count) {
  std::mt19937_64 random(7);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  std::set<Identity> identities;
  while (identities.size() < count) {
    IdentityFields person;
    std::uint64_t number = 4'000'000'000 + 11 * below(count / 3);
    if (below(100) == 0) number = 4'000'000'000;
    while (!nhs_check_digit_ok(number)) ++number;
    person.nhs = {number, NhsStatus::valid};
    if (below(8) == 0) {
      person.nhs.value += (1 + below(8)) * 100'000;
      person.nhs.status = nhs_check_digit_ok(person.nhs.value) ? NhsStatus::valid : NhsStatus::invalid;
    }
    if (below(10) == 0) person.nhs = {};
    person.date_of_birth = static_cast<DayNumber>(20'000 + below(20'000));
    person.postcode = standardise_postcode("M1 1AA");
    identities.insert(pack(person));
  }
  std::vector<CountedIdentity> counted;
  for (const Identity& identity : identities) counted.push_back({identity, 1, below(9) == 0 ? 0U : 1U, 0});
  std::stable_sort(counted.begin(), counted.end(), [](const CountedIdentity& a, const CountedIdentity& b) {
    return shard_of(a.identity) < shard_of(b.identity);
  });
  return counted;
}

Identities share_of_rank(const Communicator& comm, const std::vector<CountedIdentity>& all) {
  const ShardMap shard_map(comm.size());
  Identities identities;
  identities.first_id_of_rank.assign(1, 0);
  for (int rank = 0; rank < comm.size(); ++rank) {
    const auto end = std::partition_point(all.begin(), all.end(), [&](const CountedIdentity& counted) {
      return shard_map.owner(shard_of(counted.identity)) <= rank;
    });
    identities.first_id_of_rank.push_back(static_cast<std::uint64_t>(end - all.begin()));
  }
  identities.first_id = identities.first_id_of_rank[static_cast<std::size_t>(comm.rank())];
  identities.total = all.size();
  identities.owned.assign(all.begin() + static_cast<std::ptrdiff_t>(identities.first_id),
                          all.begin() + static_cast<std::ptrdiff_t>(
                                            identities.first_id_of_rank[static_cast<std::size_t>(comm.rank()) + 1]));
  return identities;
}

std::map<std::uint64_t, Group> groups_plainly(const std::vector<CountedIdentity>& all) {
  std::map<std::uint64_t, Group> groups;
  for (IdentityId id = 0; id < all.size(); ++id) {
    const Identity& identity = all[id].identity;
    if (identity.nhs() == 0) continue;
    Group& own = groups[identity.nhs()];
    (is_suppressed(all[id]) ? own.suppressed : own.members).push_back(id);
    if (identity.has_valid_nhs()) continue;
    for_each_valid_neighbour(identity.nhs(), [&](std::uint64_t meant) { groups[meant].visitors.push_back(id); });
  }
  return groups;
}

// Of this rank.
std::map<std::uint64_t, Group> groups_read(NumberGroups& groups, const std::vector<CountedIdentity>& all) {
  std::map<std::uint64_t, Group> read;
  std::mutex mutex;
  groups.visit([&](NumberGroupReader& reader) {
    for (NumberGroup group; reader.next(group);) {
      const std::lock_guard lock(mutex);
      const auto ids_of = [&](std::span<const NumberItem> items) {
        std::vector<IdentityId> ids;
        for (const NumberItem& item : items) {
          EXPECT_EQ(item.counted, all[item.id]);
          ids.push_back(item.id);
        }
        return ids;
      };
      const auto own = !group.members.empty() ? group.members : group.suppressed;
      if (own.empty()) continue;  // nobody has the number that visitors may mean
      const auto [place, is_new] = read.try_emplace(own.front().counted.identity.nhs());
      EXPECT_TRUE(is_new) << "a number comes once";
      place->second = {ids_of(group.members), ids_of(group.visitors), ids_of(group.suppressed)};
    }
  });
  return read;
}

// large_blocks, per_round: as of Identities; they decide over the rounds.
void expect_groups_are_those_of_a_plain_sort(std::uint64_t large_blocks, std::uint64_t per_round) {
  const Communicator comm = Communicator::world();
  const std::vector<CountedIdentity> all = population(30'000);
  Identities identities = share_of_rank(comm, all);
  identities.large_blocks = large_blocks;
  identities.per_round = per_round;
  std::map<std::uint64_t, Group> expected = groups_plainly(all);
  std::erase_if(expected,
                [](const auto& group) { return group.second.members.empty() && group.second.suppressed.empty(); });
  EXPECT_TRUE(std::any_of(expected.begin(), expected.end(), [](const auto& group) {
    return group.second.members.size() > 1 && !group.second.visitors.empty() && !group.second.suppressed.empty();
  }));
  NumberGroups groups(comm, identities);
  std::uint64_t found = 0;
  for (const char* const visit : {"first", "second"}) {
    found = 0;
    for (const auto& [number, group] : groups_read(groups, all)) {
      ++found;
      const auto same = expected.find(number);
      ASSERT_NE(same, expected.end()) << visit;
      EXPECT_EQ(group, same->second) << visit;
    }
    EXPECT_EQ(comm.sum(found), expected.size()) << "each on one rank, in the " << visit << " visit";
  }
}

TEST(NumberGroups, are_those_of_a_plain_sort) {
  expect_groups_are_those_of_a_plain_sort(std::uint64_t{1} << 30, Identities::kMostPerRound);
}

TEST(NumberGroups, are_the_same_in_many_rounds) {
  expect_groups_are_those_of_a_plain_sort(0, 512);
}

}  // namespace
}  // namespace ligature
