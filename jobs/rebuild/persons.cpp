#include "jobs/rebuild/persons.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <utility>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/raw_vector.hpp"
#include "engine/release.hpp"
#include "io/parked.hpp"
#include "jobs/rebuild/ambiguous_rows.hpp"
#include "jobs/rebuild/nameless.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// Persons that are named, and whose claims are settled, at a time: one for so many identities of a round, or more if
// there is room for what each takes, beside what is kept of all: the person, its name, whether it owns its number, its
// round and its place.
constexpr std::uint64_t kIdentitiesOfAPerson = 4, kBytesOfPerson = 104;
constexpr std::uint64_t kBytesKept = sizeof(Person) + sizeof(Pseudonym) + 1 + 2 * sizeof(std::uint32_t);
// Identities that are led to their persons at a time, at most: 60 MB of them.
constexpr std::uint64_t kMembersAtOnce = std::uint64_t{1} << 20;
constexpr std::size_t kPersonsPerTask = std::size_t{1} << 14;
constexpr std::size_t kPersonsAhead = 16;  // that are fetched before they are moved

// A person that moves as it is sorted, with where its answer has to be put.
struct ReceivedPerson {
  Person person;
  std::uint64_t received = 0;
};

struct MemberPlace {
  IdentityId id = 0;
  std::uint64_t person = 0;
  Provenance provenance;
};

ShardId person_shard(const Pseudonym& pseudonym) noexcept {
  return shard_of(pseudonym.high);
}

IdType id_type_of(const PersonDraft& draft, bool owns_number) noexcept {
  if (draft.smallest.nhs_status() == NhsStatus::one_time && !draft.linked && !draft.ambiguous) return IdType::one_time;
  if (number_of(draft) != 0) return owns_number ? IdType::nhs_number : IdType::contested;
  return draft.ambiguous ? IdType::ambiguous : IdType::other;
}

Person named(const PersonDraft& draft, const Pseudonym& pseudonym, bool owns_number) noexcept {
  Person person;
  person.pseudonym = pseudonym;
  person.rows = draft.rows;
  person.datasets = draft.datasets;
  person.outward = draft.outward;
  person.birth_year = draft.birth_year;
  person.sex = draft.sex;
  person.link_percent = draft.link_percent;
  person.id_type = id_type_of(draft, owns_number);
  return person;
}

std::vector<Pseudonym> pseudonyms_of(const Nameless& nameless, std::span<const std::uint64_t> numbers,
                                     std::span<const std::uint8_t> owns, std::span<const std::byte> key) {
  std::vector<Pseudonym> result(nameless.size());
  for_blocks(nameless.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    Pseudonymiser pseudonymiser(key);
    std::vector<std::uint64_t> owned;
    std::vector<Identity> identities;
    for (std::size_t i = begin; i < end; ++i) {
      if (owns[i] != 0) {
        owned.push_back(numbers[i]);
      } else {
        identities.push_back(nameless[i].smallest);
      }
    }
    std::vector<Pseudonym> of_numbers(owned.size()), of_identities(identities.size());
    pseudonymiser.name(owned, of_numbers);
    pseudonymiser.name(identities, of_identities);
    auto next_number = of_numbers.cbegin(), next_identity = of_identities.cbegin();
    for (std::size_t i = begin; i < end; ++i) result[i] = owns[i] != 0 ? *next_number++ : *next_identity++;
  });
  return result;
}

// Collective.  Brings the persons to the ranks of their pseudonyms, in order of these: result.owned.  Returns for each
// person where it is among its new rank's.
std::vector<std::uint32_t> bring_to_owners(const Communicator& comm, const Nameless& nameless,
                                           std::span<const Pseudonym> pseudonyms, std::span<const std::uint8_t> owns,
                                           std::uint64_t rounds, RawVector<Person>& owned) {
  const ShardMap shard_map(comm.size());
  // Each round takes the next of every rank's shards, so that what it brings comes after what is there.
  std::vector<std::uint64_t> round_of_shard(kShards);
  for (ShardId shard = 0; shard < kShards; ++shard) {
    const Range shards = shard_map.shards_of(shard_map.owner(shard));
    round_of_shard[shard] = (shard - shards.begin) * rounds / shards.size();
  }
  const ThingsByRound by_round = split_in_rounds(
      nameless.size(), rounds, [&](std::size_t person) { return round_of_shard[person_shard(pseudonyms[person])]; });
  std::vector<std::uint32_t> place(nameless.size());
  // Pseudonyms are spread evenly over the ranks.
  const std::uint64_t expected =
      comm.sum(std::uint64_t{nameless.size()}) / static_cast<std::uint64_t>(comm.size()) * 101 / 100 + 1000;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::span<const std::uint32_t> here = by_round.of(round);
    RawVector<Person> persons(here.size());
    for_blocks(here.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        persons[i] = named(nameless[here[i]], pseudonyms[here[i]], owns[here[i]] != 0);
      }
    });
    ReturnRoute route;
    RawVector<ReceivedPerson> sorted;
    {
      const auto received = shuffle(
          comm, std::move(persons),
          [&](const Person& person) { return shard_map.owner(person_shard(person.pseudonym)); }, route);
      sorted.resize(received.items.size());
      for_blocks(sorted.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) sorted[i] = {received.items[i], i};
      });
    }
    sort_by_key(
        sorted, [](const ReceivedPerson& item) { return item.person.pseudonym.high; },
        [](const ReceivedPerson& a, const ReceivedPerson& b) { return a.person.pseudonym < b.person.pseudonym; });
    // Not before the others have come and gone: then it takes no memory that they have not had.
    owned.reserve(expected);
    if (owned.size() + sorted.size() > std::numeric_limits<std::uint32_t>::max()) {
      throw Error("one rank has 2^32 persons or more: run the job on more ranks");
    }
    const std::size_t before = owned.size();
    owned.resize(before + sorted.size());
    RawVector<std::uint32_t> replies(sorted.size());
    for_blocks(sorted.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        __builtin_prefetch(&replies[sorted[std::min(i + kPersonsAhead, end - 1)].received], 1);
        replies[sorted[i].received] = static_cast<std::uint32_t>(before + i);
        owned[before + i] = sorted[i].person;
      }
    });
    const auto places = route.reply(comm, std::move(replies));
    for_blocks(here.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) place[here[i]] = places[i];
    });
  }
  return place;
}

// Collective.  Leads every identity to its person, and to why: of_owned and provenance.  of_person: by person.
void lead_identities(const Communicator& comm, Identities& identities, std::span<const Evidence> evidence,
                     const PersonDrafts& drafts, std::span<const std::uint64_t> place_of,
                     const std::optional<std::filesystem::path>& scratch, Persons& result) {
  result.of_owned.resize(identities.owned.size());
  result.provenance.resize(identities.owned.size());
  for_blocks(result.provenance.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    std::fill_n(result.provenance.begin() + static_cast<std::ptrdiff_t>(begin), end - begin, Provenance());
  });
  for_blocks(drafts.alone.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t a = begin; a < end; ++a) {
      const std::uint32_t i = drafts.alone[a];
      result.of_owned[i] = place_of[drafts.drafts.size() + a];
      result.provenance[i] = provenance_alone(identities.first_id + i, identities.owned[i], evidence[i]);
    }
  });
  Parked<CountedIdentity> owned(scratch, identities.owned);
  std::size_t draft = 0;
  const std::uint64_t at_once = std::min(kMembersAtOnce, identities.per_round);
  shuffle_stream<MemberPlace>(
      comm,
      [&] {
        const auto first = drafts.first_member.begin() + static_cast<std::ptrdiff_t>(draft);
        const std::uint64_t first_member = *first;
        const auto last = std::lower_bound(first, drafts.first_member.end() - 1, first_member + at_once);
        RawVector<MemberPlace> places(*last - first_member);
        for_blocks(static_cast<std::size_t>(last - first), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
          for (std::size_t d = draft + begin; d < draft + end; ++d) {
            for (std::uint64_t m = drafts.first_member[d]; m < drafts.first_member[d + 1]; ++m) {
              places[m - first_member] = {drafts.members[m], place_of[d], drafts.provenance[m]};
            }
          }
        });
        draft += static_cast<std::size_t>(last - first);
        return places;
      },
      [&](const MemberPlace& member) { return identities.owner(member.id); },
      [&](std::span<const MemberPlace> received, int) {
        for_blocks(received.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
          for (const MemberPlace& member : received.subspan(begin, end - begin)) {  // each identity is of one
            result.of_owned[member.id - identities.first_id] = member.person;
            result.provenance[member.id - identities.first_id] = member.provenance;
          }
        });
      });
  owned.bring_back(identities.owned);
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

RawVector<Pseudonym> Persons::pseudonyms(const Communicator& comm, std::vector<std::uint64_t>&& rows) const {
  ReturnRoute route;
  const Received<std::uint64_t> asked = shuffle(
      comm, std::move(rows), [&](std::uint64_t row) { return owner(row); }, route);
  RawVector<Pseudonym> answers(asked.items.size());
  for_blocks(answers.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      __builtin_prefetch(&owned[asked.items[std::min(i + kPersonsAhead, end - 1)] - first_row]);
      answers[i] = owned[asked.items[i] - first_row].pseudonym;
    }
  });
  return route.reply(comm, std::move(answers));
}

void Persons::come_back() {
  if (waiting) waiting->bring_back(owned);
  waiting.reset();
}

void Persons::number_locals(const Communicator& comm, const Identities& identities) {
  RawVector<IdentityId> numbers =
      identities.tell_all_locals<IdentityId>(comm, [&](std::uint32_t index) { return identities.first_id + index; });
  numbers.reserve(numbers.size() + id_of_local.size());
  numbers.insert(numbers.end(), id_of_local.begin(), id_of_local.end());
  id_of_local = std::move(numbers);
}

void Persons::release_identities() {
  release(of_owned);
  release(provenance);
}

Persons name_persons(const Communicator& comm, Identities& identities, std::span<const Evidence> evidence,
                     PersonDrafts&& drafts, const AmbiguousRows& apart, std::span<const std::byte> key,
                     const std::optional<std::filesystem::path>& scratch) {
  const Nameless nameless(identities, evidence, drafts);
  // To name persons takes their drafts; to lead others to them, what else is known.
  Parked<std::uint32_t> way_from_rows(scratch, identities.local_of_row);
  Parked<IdentityId, WithoutInitialValue<IdentityId>> members(scratch, drafts.members);
  Parked<Provenance, WithoutInitialValue<Provenance>> provenance(scratch, drafts.provenance);
  if (nameless.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw Error("one rank has 2^32 persons or more: run the job on more ranks");
  }
  const std::uint64_t rounds = rounds_within(
      comm, identities, comm.max(std::uint64_t{nameless.size()}) * static_cast<std::uint64_t>(comm.size()),
      identities.per_round / kIdentitiesOfAPerson, kBytesOfPerson, kBytesKept * nameless.size());
  std::vector<Pseudonym> pseudonyms;
  std::vector<std::uint8_t> owns;
  {
    std::vector<std::uint64_t> numbers(nameless.size());
    for_blocks(nameless.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t p = begin; p < end; ++p) numbers[p] = nameless.claim(p).nhs();
    });
    owns = settle_ownership(comm, nameless, numbers, rounds);
    pseudonyms = pseudonyms_of(nameless, numbers, owns, key);
  }
  Persons result;
  std::vector<std::uint32_t> place = bring_to_owners(comm, nameless, pseudonyms, owns, rounds, result.owned);
  std::atomic<bool> repeated = false;
  using Sums = std::array<std::uint64_t, kIdTypes + 1>;  // persons by type of id, and rows that were linked
  PerThread<Sums> sums_of_threads;
  for_blocks(result.owned.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    Sums& here = sums_of_threads.local();
    for (std::size_t i = begin; i < end; ++i) {
      const Person& person = result.owned[i];
      if (i > 0 && person.pseudonym == result.owned[i - 1].pseudonym) repeated = true;
      ++here[static_cast<std::size_t>(person.id_type)];
      if (person.rows > 1) here[kIdTypes] += person.rows;
    }
  });
  if (comm.any(repeated)) throw Error("two persons were given one pseudonym; nothing was published");

  result.first_row_of_rank.assign(1, 0);
  for (const std::uint64_t count : comm.all_gather(std::uint64_t{result.owned.size()})) {
    result.first_row_of_rank.push_back(result.first_row_of_rank.back() + count);
  }
  result.first_row = result.first_row_of_rank[static_cast<std::size_t>(comm.rank())];

  Sums sums{};
  sums_of_threads.for_each([&](const Sums& here) {
    for (std::size_t s = 0; s < sums.size(); ++s) sums[s] += here[s];
  });
  comm.sum(sums);
  std::copy_n(sums.begin(), kIdTypes, result.by_id_type.begin());
  result.rows_linked = sums[kIdTypes];
  if (scratch) result.waiting = std::make_unique<Persons::Waiting>(scratch, result.owned);

  // The way back: to identities, and to the ranks that read their rows.
  std::vector<std::uint64_t> place_of(nameless.size());
  const ShardMap shard_map(comm.size());
  for_blocks(place_of.size(), kPersonsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t person = begin; person < end; ++person) {
      const auto rank = static_cast<std::size_t>(shard_map.owner(person_shard(pseudonyms[person])));
      place_of[person] = result.first_row_of_rank[rank] + place[person];
    }
  });
  release(pseudonyms);
  release(place);
  release(owns);
  members.bring_back(drafts.members);
  provenance.bring_back(drafts.provenance);
  lead_identities(comm, identities, evidence, drafts, place_of, scratch, result);
  place_of.resize(drafts.drafts.size());
  drafts = {};
  result.of_local =
      identities.tell_all_locals<std::uint64_t>(comm, [&](std::uint32_t index) { return result.of_owned[index]; });
  way_from_rows.bring_back(identities.local_of_row);
  apart.lead(comm, place_of, identities.local_of_row, result);
  return result;
}

}  // namespace ligature
