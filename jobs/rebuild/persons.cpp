#include "jobs/rebuild/persons.hpp"

#include <algorithm>
#include <utility>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/partition_sort.hpp"
#include "jobs/rebuild/ambiguous_rows.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// Several clusters can carry one NHS number (a stranger's row has it by mistake).  The owner of the number is named by
// it; where none was found, the one with the most rows is.
struct Claim {
  std::uint64_t nhs = 0;
  std::uint64_t is_owner = 0;
  std::uint64_t rows = 0;
  IdentityId cluster = 0;
};

// A claim that moves as it is sorted, with where its answer has to be put.
struct ReceivedClaim {
  Claim claim;
  std::uint64_t received = 0;
};

// A person that moves as it is sorted, likewise.
struct ReceivedPerson {
  Person person;
  std::uint64_t received = 0;
};

// The NHS number that may name the person, 0 if none.
std::uint64_t number_of(const PersonDraft& draft) noexcept {
  return draft.valid_nhs != 0 ? draft.valid_nhs : draft.disowned_nhs;
}

struct MemberPlace {
  IdentityId id = 0;
  PersonPlace place;
  Provenance provenance;
};

// Identities that are led to their persons at a time: 60 MB of them.
constexpr std::size_t kMembersAtOnce = std::size_t{1} << 20;

ShardId person_shard(const Pseudonym& pseudonym) noexcept {
  return shard_of(pseudonym.high);
}

// Collective.  For each draft: whether it owns its NHS number.
std::vector<std::uint8_t> settle_ownership(const Communicator& comm, std::span<const PersonDraft> drafts) {
  std::vector<Claim> claims;
  for (const PersonDraft& draft : drafts) {
    if (number_of(draft) != 0) claims.push_back({number_of(draft), draft.valid_nhs != 0, draft.rows, draft.cluster});
  }
  const ShardMap shard_map(comm.size());
  ReturnRoute route;
  const Received<Claim> received = shuffle(
      comm, std::move(claims), [&](const Claim& claim) { return shard_map.owner(shard_of(linkage_key(claim.nhs))); },
      route);
  std::vector<ReceivedClaim> sorted;
  sorted.reserve(received.items.size());
  for (const Claim& claim : received.items) sorted.push_back({claim, sorted.size()});
  partition_sort(
      sorted, [](const ReceivedClaim& item) { return item.claim.nhs; },
      [](const ReceivedClaim& x, const ReceivedClaim& y) {
        const Claim &a = x.claim, &b = y.claim;
        if (a.nhs != b.nhs) return a.nhs < b.nhs;
        if (a.is_owner != b.is_owner) return a.is_owner > b.is_owner;
        if (a.rows != b.rows) return a.rows > b.rows;
        return a.cluster < b.cluster;
      });
  std::vector<std::uint8_t> wins(sorted.size(), 0);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    wins[sorted[i].received] = i == 0 || sorted[i].claim.nhs != sorted[i - 1].claim.nhs;
  }
  const std::vector<std::uint8_t> replies = route.reply<std::uint8_t>(comm, wins);
  std::vector<std::uint8_t> owns(drafts.size(), 0);
  std::size_t next = 0;
  for (std::size_t d = 0; d < drafts.size(); ++d) {
    if (number_of(drafts[d]) != 0) owns[d] = replies[next++];
  }
  return owns;
}

IdType id_type_of(const PersonDraft& draft, bool owns_number) noexcept {
  if (draft.smallest.nhs_status() == NhsStatus::one_time && !draft.linked && !draft.ambiguous) return IdType::one_time;
  if (number_of(draft) != 0) return owns_number ? IdType::nhs_number : IdType::contested;
  return draft.ambiguous ? IdType::ambiguous : IdType::other;
}

std::vector<Person> name_drafts(std::span<const PersonDraft> drafts, std::span<const std::uint8_t> owns,
                                std::span<const std::byte> key) {
  constexpr std::size_t kDraftsPerTask = 1U << 14;
  std::vector<Person> persons(drafts.size());
  for_blocks(drafts.size(), kDraftsPerTask, [&](std::size_t begin, std::size_t end) {
    Pseudonymiser pseudonymiser(key);
    std::vector<std::uint64_t> numbers;
    std::vector<Identity> identities;
    for (std::size_t i = begin; i < end; ++i) {
      if (owns[i] != 0) {
        numbers.push_back(number_of(drafts[i]));
      } else {
        identities.push_back(drafts[i].smallest);
      }
    }
    std::vector<Pseudonym> of_numbers(numbers.size()), of_identities(identities.size());
    pseudonymiser.name(numbers, of_numbers);
    pseudonymiser.name(identities, of_identities);
    auto next_number = of_numbers.cbegin(), next_identity = of_identities.cbegin();
    for (std::size_t i = begin; i < end; ++i) {
      const PersonDraft& draft = drafts[i];
      Person& person = persons[i];
      person.pseudonym = owns[i] != 0 ? *next_number++ : *next_identity++;
      person.rows = draft.rows;
      person.datasets = draft.datasets;
      person.outward = draft.outward;
      person.birth_year = draft.birth_year;
      person.sex = draft.sex;
      person.link_percent = draft.link_percent;
      person.id_type = id_type_of(draft, owns[i] != 0);
    }
  });
  return persons;
}

}  // namespace

int Persons::owner(std::uint64_t row) const noexcept {
  // Pseudonyms are spread evenly, so that a guess is hardly ever off by more than one.
  const std::size_t ranks = first_row_of_rank.size() - 1;
  std::size_t rank =
      static_cast<std::size_t>(static_cast<double>(row) / static_cast<double>(total()) * static_cast<double>(ranks));
  rank = std::min(rank, ranks - 1);
  while (row < first_row_of_rank[rank]) --rank;
  while (row >= first_row_of_rank[rank + 1]) ++rank;
  return static_cast<int>(rank);
}

Persons name_persons(const Communicator& comm, Identities& identities, PersonDrafts&& drafts,
                     const AmbiguousRows& apart, std::span<const std::byte> key) {
  std::vector<Person> named;
  {
    const std::vector<std::uint8_t> owns = settle_ownership(comm, drafts.drafts);
    named = name_drafts(drafts.drafts, owns, key);
  }
  drafts.drafts = {};

  // Persons to the rank of their pseudonym's shard, in order of pseudonym.
  Persons result;
  std::vector<Pseudonym> pseudonyms;  // by draft, for the way back
  pseudonyms.reserve(named.size());
  for (const Person& person : named) pseudonyms.push_back(person.pseudonym);
  const ShardMap shard_map(comm.size());
  ReturnRoute route;
  std::vector<std::uint32_t> order;
  {
    Received<Person> received = shuffle(
        comm, std::move(named), [&](const Person& person) { return shard_map.owner(person_shard(person.pseudonym)); },
        route);
    std::vector<ReceivedPerson> sorted;
    sorted.reserve(received.items.size());
    for (const Person& person : received.items) sorted.push_back({person, sorted.size()});
    received = {};
    partition_sort(
        sorted, [](const ReceivedPerson& item) { return item.person.pseudonym.high; },
        [](const ReceivedPerson& a, const ReceivedPerson& b) {
          return a.person.pseudonym != b.person.pseudonym ? a.person.pseudonym < b.person.pseudonym
                                                          : a.received < b.received;
        });
    result.owned.reserve(sorted.size());
    order.reserve(sorted.size());
    for (const ReceivedPerson& item : sorted) {
      result.owned.push_back(item.person);
      order.push_back(static_cast<std::uint32_t>(item.received));
    }
  }
  bool repeated = false;
  for (std::size_t i = 1; i < result.owned.size(); ++i) {
    repeated = repeated || result.owned[i].pseudonym == result.owned[i - 1].pseudonym;
  }
  if (comm.any(repeated)) throw Error("two persons were given one pseudonym; nothing was published");

  result.first_row_of_rank.assign(1, 0);
  for (const std::uint64_t count : comm.all_gather(std::uint64_t{result.owned.size()})) {
    result.first_row_of_rank.push_back(result.first_row_of_rank.back() + count);
  }
  result.first_row = result.first_row_of_rank[static_cast<std::size_t>(comm.rank())];

  std::array<std::uint64_t, kIdTypes + 1> sums{};
  for (const Person& person : result.owned) {
    ++sums[static_cast<std::size_t>(person.id_type)];
    if (person.rows > 1) sums[kIdTypes] += person.rows;
  }
  comm.sum(sums);
  std::copy_n(sums.begin(), kIdTypes, result.by_id_type.begin());
  result.rows_linked = sums[kIdTypes];

  // The way back: to drafts, to the identities of each, to the ranks that read the identities' rows.
  std::vector<std::uint64_t> rows_of_received(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) rows_of_received[order[i]] = result.first_row + i;
  order = {};
  const std::vector<std::uint64_t> row_of_draft = route.reply<std::uint64_t>(comm, rows_of_received);
  rows_of_received = {};
  std::vector<PersonPlace> place_of_draft;
  place_of_draft.reserve(pseudonyms.size());
  for (std::size_t d = 0; d < pseudonyms.size(); ++d) place_of_draft.push_back({row_of_draft[d], pseudonyms[d]});
  result.of_owned.resize(identities.owned.size());
  result.provenance.resize(identities.owned.size());
  std::size_t draft = 0;
  shuffle_stream<MemberPlace>(
      comm,
      [&] {
        std::vector<MemberPlace> places;
        places.reserve(std::min<std::size_t>(kMembersAtOnce, drafts.members.size()));
        for (; draft < pseudonyms.size() && places.size() < kMembersAtOnce; ++draft) {
          for (std::uint64_t m = drafts.first_member[draft]; m < drafts.first_member[draft + 1]; ++m) {
            places.push_back({drafts.members[m], place_of_draft[draft], drafts.provenance[m]});
          }
        }
        return places;
      },
      [&](const MemberPlace& member) { return identities.owner(member.id); },
      [&](std::span<const MemberPlace> received, int) {
        for (const MemberPlace& member : received) {
          result.of_owned[member.id - identities.first_id] = member.place;
          result.provenance[member.id - identities.first_id] = member.provenance;
        }
      });
  drafts = {};
  pseudonyms = {};
  std::vector<PersonPlace> of_received;
  std::vector<IdentityId> id_of_received;
  of_received.reserve(identities.owned_of_received.size());
  id_of_received.reserve(identities.owned_of_received.size());
  for (const std::uint32_t index : identities.owned_of_received) {
    of_received.push_back(result.of_owned[index]);
    id_of_received.push_back(identities.first_id + index);
  }
  result.of_local = identities.route.reply<PersonPlace>(comm, of_received);
  of_received = {};
  result.id_of_local = identities.route.reply<IdentityId>(comm, id_of_received);
  apart.lead(comm, place_of_draft, identities.local_of_row, result);
  return result;
}

}  // namespace ligature
