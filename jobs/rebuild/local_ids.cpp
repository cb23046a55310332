#include "jobs/rebuild/local_ids.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/edge_reducer.hpp"
#include "engine/local_id.hpp"
#include "engine/parallel.hpp"
#include "engine/release.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"
#include "partition/tiles.hpp"

namespace ligature {

namespace {

constexpr std::size_t kGroupsPerTask = 1U << 10;

// A row's local key and its different identity on this rank.
struct KeyedRow {
  std::uint64_t key = 0;
  std::uint32_t local = 0;
  std::uint32_t is_barred = 0;
  friend bool operator==(const KeyedRow&, const KeyedRow&) = default;
};

// An identity as its owner knows it, on the way back to the ranks that read its rows.
struct WeighedIdentity {
  Identity identity;
  IdentityId id = 0;
};

// Of a one-time identity, the fields that it has.
Identity weighed_fields(const Identity& identity, const Evidence& evidence) noexcept {
  if (identity.nhs_status() != NhsStatus::one_time) return weighed(identity, evidence);
  IdentityFields fields = unpack(identity);
  fields.nhs = {};
  return weighed(pack(fields), evidence);
}

// Collective.  By different identity of this rank.
std::vector<WeighedIdentity> weighed_locals(const Communicator& comm, const Identities& identities,
                                            std::span<const Evidence> evidence) {
  std::vector<WeighedIdentity> of_received;
  of_received.reserve(identities.owned_of_received.size());
  for (const std::uint32_t index : identities.owned_of_received) {
    of_received.push_back(
        {weighed_fields(identities.owned[index].identity, evidence[index]), identities.first_id + index});
  }
  return identities.route.reply<WeighedIdentity>(comm, of_received);
}

// The different pairs of local key and identity of this rank's rows in one round, in order of key.  Of a key with more
// identities than any judged id has, some are left out: it is recognised by those that remain.
std::vector<KeyedRow> keyed_rows(RowStore& rows, const Identities& identities, std::uint64_t round,
                                 std::uint64_t rounds) {
  std::vector<KeyedRow> keyed;
  rows.for_each_local_keys([&](const StoredBlock& block, std::span<const std::uint64_t> keys) {
    for (std::uint64_t row = 0; row < keys.size(); ++row) {
      if (keys[row] == 0 || keys[row] % rounds != round) continue;
      keyed.push_back({keys[row], identities.local_of_row[block.first_row + row], 0});
    }
  });
  for (const SuppressedKey& barred : identities.suppressed_keys) {
    if (barred.key % rounds == round) keyed.push_back({barred.key, barred.local, 1});
  }
  sort_items(keyed.begin(), keyed.end(), [](const KeyedRow& a, const KeyedRow& b) {
    return std::tie(a.key, a.is_barred, a.local) < std::tie(b.key, b.is_barred, b.local);
  });
  keyed.erase(std::unique(keyed.begin(), keyed.end()), keyed.end());
  std::size_t kept = 0, of_key = 0;
  std::uint64_t key = 0;
  for (const KeyedRow& row : keyed) {
    of_key = row.key == key ? of_key + 1 : 1;
    key = row.key;
    if (of_key <= kMostOfLocalId + 1) keyed[kept++] = row;
  }
  keyed.resize(kept);
  return keyed;
}

// Collective.  The identities of one round by local key, each once, in the order of their numbers.
std::vector<PassItem> bring_keys_together(const Communicator& comm, std::vector<KeyedRow>&& keyed,
                                          std::span<const WeighedIdentity> of_local) {
  std::vector<PassItem> items;
  items.reserve(keyed.size());
  for (const KeyedRow& row : keyed) {
    items.push_back({of_local[row.local].identity, of_local[row.local].id, row.key});
    // An identity that kept rows have as well counts as suppressed where only a barred row has the id.
    if (row.is_barred != 0) items.back().identity = suppressed(items.back().identity);
  }
  release(keyed);
  const ShardMap shard_map(comm.size());
  Received<PassItem> received =
      shuffle(comm, std::move(items), [&](const PassItem& item) { return shard_map.owner(shard_of(item.key)); });
  std::vector<PassItem> sorted = sort_by_key(std::move(received.items), [](const PassItem& a, const PassItem& b) {
    if (a.key != b.key) return a.key < b.key;
    return a.id != b.id ? a.id < b.id : is_suppressed(a.identity) < is_suppressed(b.identity);
  });
  sorted.erase(std::unique(sorted.begin(), sorted.end(),
                           [](const PassItem& a, const PassItem& b) { return a.key == b.key && a.id == b.id; }),
               sorted.end());
  return sorted;
}

// What one thread has found.
struct Findings {
  EdgeReducer edges, suppressed;
  std::vector<PassItem> items_kept;  // reused from id to id
  std::vector<Identity> identities;  // reused from id to id
  std::uint64_t ids = 0, default_ids = 0, reused_ids = 0;
  std::uint64_t items = 0, groups = 0, compared = 0, vetoed = 0, links = 0, largest = 0;
};

// What barred rows add to a local id: the links that have one of their identities at an end.
void judge_suppressed(std::span<const PassItem> items, const LinkageModel& model, Findings& found) {
  if (items.size() > kMostOfLocalId) return;
  found.identities.clear();
  for (const PassItem& item : items) found.identities.push_back(item.identity);
  for (const LocalIdLink& link : judge_local_id(found.identities, model).links) {
    const PassItem &a = items[link.a], &b = items[link.b];
    if (!is_suppressed(a.identity) && !is_suppressed(b.identity)) continue;
    found.suppressed.add({a.id, b.id, link.weight, EdgeKind::local_id}, a.identity.valid_nhs(), b.identity.valid_nhs());
  }
}

void judge(std::span<const PassItem> items, const LinkageModel& model, Findings& found) {
  const auto is_barred = [](const PassItem& item) { return is_suppressed(item.identity); };
  if (std::any_of(items.begin(), items.end(), is_barred)) {
    judge_suppressed(items, model, found);
    found.items_kept.clear();
    std::remove_copy_if(items.begin(), items.end(), std::back_inserter(found.items_kept), is_barred);
    items = found.items_kept;
    if (items.empty()) return;
  }
  ++found.ids;
  if (items.size() > kMostOfLocalId) {
    ++found.default_ids;
    return;
  }
  found.items += items.size();
  if (items.size() < 2) return;
  ++found.groups;
  found.largest = std::max<std::uint64_t>(found.largest, items.size());
  found.identities.clear();
  for (const PassItem& item : items) found.identities.push_back(item.identity);
  const LocalIdVerdict verdict = judge_local_id(found.identities, model);
  found.compared += verdict.compared;
  found.vetoed += verdict.vetoed;
  found.reused_ids += verdict.reused;
  for (const LocalIdLink& link : verdict.links) {
    const PassItem &a = items[link.a], &b = items[link.b];
    found.links += link.weight >= model.threshold();
    found.edges.add({a.id, b.id, link.weight, EdgeKind::local_id}, a.identity.valid_nhs(), b.identity.valid_nhs());
  }
}

}  // namespace

bool uses_local_ids(const JobFile& job) noexcept {
  return job.use_local_id && std::any_of(job.extracts.begin(), job.extracts.end(),
                                         [](const Extract& extract) { return extract.columns.local_id.has_value(); });
}

PassResult link_local_ids(const Communicator& comm, RowStore& rows, const Identities& identities,
                          std::span<const Evidence> evidence, const LinkageModel& model, LocalIdReport& report,
                          const std::function<void(std::uint64_t)>& progress) {
  PassResult result;
  result.report.name = "local_id";
  // Follows from a global count alone, so all ranks agree.
  const std::uint64_t rounds = std::min<std::uint64_t>(
      kShards, 1 + comm.sum(rows.local_keys()) / (kIdentitiesPerRound * static_cast<std::uint64_t>(comm.size())));
  const std::vector<WeighedIdentity> of_local = weighed_locals(comm, identities, evidence);
  Findings all;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::vector<PassItem> items =
        bring_keys_together(comm, keyed_rows(rows, identities, round, rounds), of_local);
    const std::vector<Range> groups = groups_of(std::span<const PassItem>(items), 1);
    PerThread<Findings> findings;
    for_blocks(groups.size(), kGroupsPerTask, [&](std::size_t begin, std::size_t end) {
      Findings& found = findings.local();
      const std::uint64_t before = found.compared;
      for (std::size_t g = begin; g < end; ++g) {
        judge(std::span(items).subspan(groups[g].begin, groups[g].size()), model, found);
      }
      progress(found.compared - before);
    });
    findings.for_each([&](Findings& found) {
      all.ids += found.ids;
      all.default_ids += found.default_ids;
      all.reused_ids += found.reused_ids;
      all.items += found.items;
      all.groups += found.groups;
      all.compared += found.compared;
      all.vetoed += found.vetoed;
      all.links += found.links;
      all.largest = std::max(all.largest, found.largest);
      const std::vector<Edge> edges = found.edges.take(model.threshold());
      result.edges.insert(result.edges.end(), edges.begin(), edges.end());
      const std::vector<Edge> apart = found.suppressed.take(model.threshold());
      result.suppressed.insert(result.suppressed.end(), apart.begin(), apart.end());
    });
  }
  std::array<std::uint64_t, 8> sums{all.ids,    all.default_ids, all.reused_ids, all.items,
                                    all.groups, all.compared,    all.vetoed,     all.links};
  comm.sum(sums);
  report = {sums[0], sums[1], sums[2]};
  result.report.identities = sums[3];
  result.report.groups = sums[4];
  result.report.largest_group = comm.max(all.largest);
  result.report.pairs_compared = sums[5];
  result.report.pairs_vetoed = sums[6];
  result.report.edges = sums[7];
  return result;
}

}  // namespace ligature
