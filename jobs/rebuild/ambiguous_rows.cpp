#include "jobs/rebuild/ambiguous_rows.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "engine/error.hpp"
#include "engine/gather_blocks.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/sort_items.hpp"
#include "io/local_key_reader.hpp"
#include "io/ordered_work.hpp"
#include "io/row_id_reader.hpp"

namespace ligature {

namespace {

constexpr std::size_t kDraftsPerTask = std::size_t{1} << 14;
constexpr std::size_t kRowsAhead = 32;  // whose identity is fetched before it is asked for
constexpr std::uint64_t kOwnPerson = std::numeric_limits<std::uint64_t>::max();  // no draft but the identity's

// What is left to the person of an ambiguous identity.
struct Kept {
  std::uint32_t rows = 0;
  std::uint32_t datasets = 0;
};
struct KeptOf {
  IdentityId id = 0;
  Kept kept;
};

// The identity as the person of one of its rows has it.
CountedIdentity counted_alone(const Identity& identity, const Evidence& evidence, std::uint64_t digest,
                              const Kept& rows) {
  return {one_time_identity(unpack(weighed(identity, evidence)), digest), rows.rows, rows.datasets};
}

}  // namespace

std::vector<AmbiguousRows::Row> AmbiguousRows::rows_of(const Inputs& inputs, RowStore& rows,
                                                       const LinesBefore& lines_before, const Identities& identities,
                                                       const ToldLocals<IdentityId>& ambiguous) {
  // By name: the order of extracts in the job file must not show.
  std::vector<std::uint64_t> dataset_key;
  for (const DatasetSchema& dataset : inputs.datasets) {
    dataset_key.push_back(linkage_key(std::as_bytes(std::span(dataset.name))));
  }
  const std::vector<StoredBlock>& blocks = rows.blocks();
  const RawVector<Row> gathered = gather_blocks<Row>(blocks.size(), 1, [&](std::size_t b, std::size_t, auto& of_block) {
    const StoredBlock& block = blocks[b];
    const auto local = std::span(identities.local_of_row).subspan(block.first_row, block.rows);
    for (std::size_t i = 0; i < local.size(); ++i) {
      ambiguous.prefetch(local[std::min(i + kRowsAhead, local.size() - 1)]);
      const auto told = ambiguous.of(local[i]);
      if (told.empty()) continue;
      of_block.push_back({told.front().reply, 0, static_cast<std::uint32_t>(block.first_row + i),
                          static_cast<std::uint16_t>(block.dataset), 0});
    }
  });
  std::vector<Row> found(gathered.begin(), gathered.end());
  // Rows in [begin, end); blocks have no row in common, so threads that each work on one do not meet.
  const auto found_in = [&](std::uint64_t begin, std::uint64_t end) {
    const auto before = [](const Row& row, std::uint64_t bound) { return row.row < bound; };
    const auto first = std::lower_bound(found.begin(), found.end(), begin, before);
    return std::span(first, std::lower_bound(first, found.end(), end, before));
  };
  struct Worker {
    RowIdUnpacker unpacker;
  };
  // By local id, or else by row id: most rows have the first, and the others need not be unpacked.
  work_on_local_keys<Worker>(
      rows,
      [&](Worker&, const StoredBlock& block, std::span<const std::uint64_t> keys) {
        for (Row& row : found_in(block.first_row, block.first_row + block.rows)) {
          const std::uint64_t key = keys[row.row - block.first_row];
          row.has_local_id = key != 0 ? 1 : 0;
          if (key != 0) row.digest = linkage_key(key);
        }
      },
      [](Worker&) {});
  const auto is_open = [](const Row& row) { return row.has_local_id == 0; };
  RowIdReader reader(rows, lines_before);
  ordered_work<Worker>(
      [&] {
        return reader.next([&](const StoredBlock& stored) {
          const auto of_block = found_in(stored.first_row, stored.first_row + stored.rows);
          return std::any_of(of_block.begin(), of_block.end(), is_open);
        });
      },
      [&](Worker& worker, const RowIdReader::Block& block) {
        reader.for_each(block, worker.unpacker, [&](std::uint64_t first, std::span<const std::string_view> row_ids) {
          for (Row& row : found_in(first, first + row_ids.size())) {
            if (!is_open(row)) continue;
            const std::uint64_t of_id = linkage_key(std::as_bytes(std::span(row_ids[row.row - first])));
            row.digest = linkage_key(dataset_key[block.stored->dataset] ^ of_id);
          }
        });
      },
      [](Worker&) {});
  return found;
}

AmbiguousRows::AmbiguousRows(const Communicator& comm, const Inputs& inputs, RowStore& rows,
                             const LinesBefore& lines_before, const Identities& identities,
                             std::span<const Evidence> evidence, PersonDrafts& drafts) {
  const RawVector<std::size_t> divided = gather_wanted<std::size_t>(
      drafts.drafts.size(), kDraftsPerTask,
      [&](std::size_t d) {
        return drafts.drafts[d].ambiguous && drafts.drafts[d].rows > 1 &&
               drafts.first_member[d + 1] - drafts.first_member[d] == 1;
      },
      [](std::size_t d) { return d; });
  std::vector<IdentityId> ids;  // of each, its one identity
  ids.reserve(divided.size());
  for (const std::size_t d : divided) ids.push_back(drafts.members[drafts.first_member[d]]);
  any_ = comm.any(!divided.empty());
  if (!any_) {
    rows.release_local_keys();
    return;
  }
  const auto owner = [&](IdentityId id) { return identities.owner(id); };
  ReturnRoute draft_route;
  const Received<IdentityId> ambiguous = shuffle(comm, std::move(ids), owner, draft_route);
  {
    std::vector<ReplyTo<IdentityId>> of_owned;
    of_owned.reserve(ambiguous.items.size());
    for (const IdentityId id : ambiguous.items) of_owned.push_back({id - identities.first_id, id});
    sort_by_key(of_owned, [](const ReplyTo<IdentityId>& of) { return of.item; });
    const ToldLocals<IdentityId> told(identities,
                                      identities.tell_locals(comm, std::span<const ReplyTo<IdentityId>>(of_owned)));
    rows_ = rows_of(inputs, rows, lines_before, identities, told);
  }
  rows.release_local_keys();

  // At the owner of the identity: equal digests are one person, and the first of each identity keeps its own.
  const Received<Row> received = shuffle(
      comm, std::vector<Row>(rows_), [&](const Row& row) { return owner(row.id); }, route_);
  std::vector<std::uint32_t> order(received.items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  const auto person_of = [&](std::uint32_t i) { return std::tie(received.items[i].id, received.items[i].digest); };
  sort_items(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return person_of(a) != person_of(b) ? person_of(a) < person_of(b) : a < b;
  });
  draft_of_received_.assign(order.size(), kOwnPerson);
  std::vector<KeptOf> kept;  // in order of identities
  // Few are added to many: they must not double what these take.
  drafts.drafts.reserve(drafts.drafts.size() + order.size());
  drafts.first_member.reserve(drafts.first_member.size() + order.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const Row& first = received.items[order[begin]];
    Kept person;
    for (end = begin; end < order.size() && person_of(order[end]) == person_of(order[begin]); ++end) {
      ++person.rows;
      person.datasets |= 1U << received.items[order[end]].dataset;
    }
    if (kept.empty() || kept.back().id != first.id) {
      kept.push_back({first.id, person});
      continue;
    }
    const std::uint64_t index = first.id - identities.first_id;
    for (std::size_t i = begin; i < end; ++i) draft_of_received_[order[i]] = drafts.drafts.size();
    const CountedIdentity alone =
        counted_alone(identities.owned[index].identity, evidence[index], first.digest, person);
    PersonDraft& draft = drafts.drafts.emplace_back(draft_alone(first.id, alone, evidence[index]));
    draft.ambiguous = true;
    drafts.first_member.push_back(drafts.members.size());
    ++persons_;
  }
  persons_ = comm.sum(persons_);

  std::vector<Kept> replies;
  replies.reserve(ambiguous.items.size());
  for (const IdentityId id : ambiguous.items) {
    const auto found = std::lower_bound(kept.begin(), kept.end(), id,
                                        [](const KeptOf& of, IdentityId wanted) { return of.id < wanted; });
    replies.push_back(found != kept.end() && found->id == id ? found->kept : Kept());
  }
  const std::vector<Kept> left = draft_route.reply<Kept>(comm, replies);
  for (std::size_t i = 0; i < divided.size(); ++i) {
    drafts.drafts[divided[i]].rows = left[i].rows;
    drafts.drafts[divided[i]].datasets = left[i].datasets;
  }
}

void AmbiguousRows::lead(const Communicator& comm, std::span<const std::uint64_t> of_draft,
                         std::vector<std::uint32_t>& local_of_row, Persons& persons) const {
  if (!any_) return;
  std::vector<std::uint64_t> places;
  places.reserve(draft_of_received_.size());
  for (const std::uint64_t draft : draft_of_received_) {
    places.push_back(draft == kOwnPerson ? kOwnPerson : of_draft[draft]);
  }
  const std::vector<std::uint64_t> of_row = route_.reply<std::uint64_t>(comm, places);
  const auto apart = static_cast<std::size_t>(
      std::count_if(of_row.begin(), of_row.end(), [](std::uint64_t person) { return person != kOwnPerson; }));
  persons.of_local.reserve(persons.of_local.size() + apart);
  persons.id_of_local.reserve(persons.id_of_local.size() + apart);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (of_row[i] == kOwnPerson) continue;
    if (persons.of_local.size() >= std::numeric_limits<std::uint32_t>::max()) {
      throw Error("one rank has 2^32 identities and ambiguous rows or more: run the job on more ranks");
    }
    local_of_row[rows_[i].row] = static_cast<std::uint32_t>(persons.of_local.size());
    persons.of_local.push_back(of_row[i]);
    persons.id_of_local.push_back(rows_[i].id);
  }
}

}  // namespace ligature
