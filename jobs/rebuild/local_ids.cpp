#include "jobs/rebuild/local_ids.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <utility>
#include <vector>

#include "engine/edge_reducer.hpp"
#include "engine/local_id.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/raw_vector.hpp"
#include "engine/release.hpp"
#include "io/local_key_reader.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kGroupsPerTask = 1U << 10;
constexpr std::size_t kQuestionsAhead = 16;     // whose identity is fetched before it is asked for
constexpr std::size_t kRowsAhead = 32;          // whose identity's last key is fetched before it is asked for
constexpr std::uint64_t kRowsOfAnIdentity = 2;  // are as large as an item of other passes
constexpr std::uint64_t kBytesOfRow = 32;       // with a local id, while it is brought together

// A row's local key and its different identity on this rank.
struct KeyedRow {
  std::uint64_t key = 0;
  std::uint32_t local = 0;
  std::uint32_t is_barred = 0;
  friend bool operator==(const KeyedRow&, const KeyedRow&) = default;
};

// An identity that carries a local id, as it travels: 16 bytes.
struct KeyedIdentity {
  std::uint64_t key = 0;
  std::uint64_t id_and_barred = 0;  // the second in the lowest bit
  [[nodiscard]] IdentityId id() const noexcept { return id_and_barred >> 1; }
  [[nodiscard]] bool is_barred() const noexcept { return (id_and_barred & 1) != 0; }
};

// Of a one-time identity, the fields that it has.
Identity weighed_fields(const Identity& identity, const Evidence& evidence) noexcept {
  if (identity.nhs_status() != NhsStatus::one_time) return weighed(identity, evidence);
  IdentityFields fields = unpack(identity);
  fields.nhs = {};
  return weighed(pack(fields), evidence);
}

// Of one key on one rank.  Nothing is judged of an id with more kept identities than kMostOfLocalId, nor of its barred
// ones with more of both.  So more than these need not travel: of kept ones one more says it, and of barred ones, of
// which so many may be kept ones' on other ranks, as many again.  What is judged then depends on no rank.
constexpr std::size_t kMostKeptOfKey = kMostOfLocalId + 1;
constexpr std::size_t kMostBarredOfKey = 2 * kMostOfLocalId + 1;

// Of each different identity of a rank, the local key of its last row that was looked at: so that the next row with it
// is passed over.  Where threads look at rows of one identity at a time, some are not.
using LastKeys = std::vector<std::uint64_t>;

// The pairs of local key and identity of this rank's rows in one round, some of them more than once.
RawVector<KeyedRow> keyed_rows(RowStore& rows, const Identities& identities, LastKeys& last, std::uint64_t round,
                               std::uint64_t rounds) {
  struct Worker {
    std::vector<KeyedRow> keyed;
  };
  RawVector<KeyedRow> keyed;
  keyed.reserve(rows.local_keys() / rounds + rows.local_keys() / rounds / 64);
  work_on_local_keys<Worker>(
      rows,
      [&](Worker& worker, const StoredBlock& block, std::span<const std::uint64_t> keys) {
        const auto local = std::span(identities.local_of_row).subspan(block.first_row, keys.size());
        for (std::size_t row = 0; row < keys.size(); ++row) {
          __builtin_prefetch(&last[local[std::min(row + kRowsAhead, keys.size() - 1)]], 1);
          if (keys[row] == 0 || !is_of_round(keys[row], round, rounds)) continue;
          const std::atomic_ref<std::uint64_t> before(last[local[row]]);
          if (before.load(std::memory_order_relaxed) == keys[row]) continue;
          before.store(keys[row], std::memory_order_relaxed);
          worker.keyed.push_back({keys[row], local[row], 0});
        }
      },
      [&](Worker& worker) {
        keyed.insert(keyed.end(), worker.keyed.begin(), worker.keyed.end());
        worker.keyed.clear();
      });
  for (const SuppressedKey& barred : identities.suppressed_keys) {
    if (is_of_round(barred.key, round, rounds)) keyed.push_back({barred.key, barred.local, 1});
  }
  return keyed;
}

// The different ones, and of a key no more than need travel.
void keep_what_need_travel(std::vector<KeyedRow>& keyed) {
  sort_by_key(
      keyed, [](const KeyedRow& row) { return row.key; },
      [](const KeyedRow& a, const KeyedRow& b) {
        return a.is_barred != b.is_barred ? a.is_barred < b.is_barred : a.local < b.local;
      });
  std::size_t kept = 0, of_key = 0;  // of_key: kept or barred ones
  for (std::size_t i = 0; i < keyed.size(); ++i) {
    const KeyedRow row = keyed[i];
    if (kept > 0 && keyed[kept - 1] == row) continue;
    const bool is_first = kept == 0 || keyed[kept - 1].key != row.key || keyed[kept - 1].is_barred != row.is_barred;
    of_key = is_first ? 1 : of_key + 1;
    if (of_key <= (row.is_barred != 0 ? kMostBarredOfKey : kMostKeptOfKey)) keyed[kept++] = row;
  }
  keyed.resize(kept);
}

// Takes out what need not travel of the local ids that a rank has very many rows of, and so of any that could be the
// work of one rank.  Keys are counted by so many of their bits; whoever shares them with a flood is looked at as well.
void dam_floods(RawVector<KeyedRow>& keyed) {
  constexpr std::size_t kSlots = std::size_t{1} << 16;
  constexpr std::size_t kRowsPerTask = std::size_t{1} << 18;
  constexpr std::uint64_t kFlood = std::uint64_t{1} << 12;  // rows more than twice the average
  if (keyed.size() <= kFlood) return;
  const auto slot_of = [](const KeyedRow& row) { return row.key >> 32 & (kSlots - 1); };
  PerThread<std::vector<std::uint32_t>> counts;
  for_blocks(keyed.size(), kRowsPerTask, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint32_t>& here = counts.local();
    here.resize(kSlots);
    for (std::size_t i = begin; i < end; ++i) ++here[slot_of(keyed[i])];
  });
  std::vector<std::uint64_t> rows_of(kSlots);
  counts.for_each([&](const std::vector<std::uint32_t>& here) {
    for (std::size_t slot = 0; slot < here.size(); ++slot) rows_of[slot] += here[slot];
  });
  const std::uint64_t most = 2 * keyed.size() / kSlots + kFlood;
  if (*std::max_element(rows_of.begin(), rows_of.end()) <= most) return;
  std::vector<KeyedRow> flood;
  std::erase_if(keyed, [&](const KeyedRow& row) {
    if (rows_of[slot_of(row)] <= most) return false;
    flood.push_back(row);
    return true;
  });
  keep_what_need_travel(flood);
  keyed.insert(keyed.end(), flood.begin(), flood.end());
}

// Collective.  The identities of one round by local key, each once, in the order of their numbers.
RawVector<KeyedIdentity> bring_keys_together(const Communicator& comm, RawVector<KeyedRow>&& keyed,
                                             std::span<const IdentityId> of_local) {
  RawVector<KeyedIdentity> items = bring_by_key<KeyedIdentity>(
      comm, keyed.size(), comm.sum(std::uint64_t{keyed.size()}),
      [&](std::size_t begin, std::size_t end, const auto& visit) {
        for (std::size_t i = begin; i < end; ++i) {
          const KeyedRow& row = keyed[i];
          visit(row.key, [&] { return KeyedIdentity{row.key, of_local[row.local] << 1 | row.is_barred}; });
        }
      },
      [&] { release(keyed); },
      [](const KeyedIdentity& a, const KeyedIdentity& b) { return a.id_and_barred < b.id_and_barred; });
  const auto is_same = [](const KeyedIdentity& a, const KeyedIdentity& b) {
    return a.key == b.key && a.id() == b.id();
  };
  items.erase(std::unique(items.begin(), items.end(), is_same), items.end());
  return items;
}

// True if the identities of a local id are compared.
bool are_compared(std::span<const KeyedIdentity> items) noexcept {
  if (items.size() < 2) return false;
  const auto kept = std::count_if(items.begin(), items.end(), [](const KeyedIdentity& i) { return !i.is_barred(); });
  return static_cast<std::size_t>(kept) <= kMostOfLocalId;
}

// Collective.  The weighed identities of the groups that are compared, one group after the other.
RawVector<Identity> ask_identities(const Communicator& comm, const Identities& identities,
                                   std::span<const Evidence> evidence, std::span<const KeyedIdentity> items,
                                   std::span<const Range> groups) {
  RawVector<IdentityId> asked;
  for (const Range& group : groups) {
    const auto of_group = items.subspan(group.begin, group.size());
    if (!are_compared(of_group)) continue;
    for (const KeyedIdentity& item : of_group) asked.push_back(item.id());
  }
  ReturnRoute route;
  const auto questions = shuffle(
      comm, std::move(asked), [&](IdentityId id) { return identities.owner(id); }, route);
  RawVector<Identity> answers(questions.items.size());
  for_blocks(answers.size(), std::size_t{1} << 14, [&](std::size_t begin, std::size_t end) {
    for (std::size_t q = begin; q < end; ++q) {
      const std::uint64_t coming = questions.items[std::min(q + kQuestionsAhead, end - 1)] - identities.first_id;
      __builtin_prefetch(&identities.owned[coming]);
      __builtin_prefetch(&evidence[coming]);
      const std::uint64_t index = questions.items[q] - identities.first_id;
      answers[q] = weighed_fields(identities.owned[index].identity, evidence[index]);
    }
  });
  RawVector<Identity> weighed_items = route.reply(comm, std::move(answers));
  auto next = weighed_items.begin();
  for (const Range& group : groups) {
    const auto of_group = items.subspan(group.begin, group.size());
    if (!are_compared(of_group)) continue;
    for (const KeyedIdentity& item : of_group) {
      // An identity that kept rows have as well counts as suppressed where only a barred row has the id.
      if (item.is_barred()) *next = suppressed(*next);
      ++next;
    }
  }
  return weighed_items;
}

// What one thread has found.
struct Findings {
  EdgeReducer edges, suppressed;
  std::vector<KeyedIdentity> items_kept;  // reused from id to id
  std::vector<Identity> identities_kept;  // reused from id to id
  std::uint64_t ids = 0, default_ids = 0, reused_ids = 0;
  std::uint64_t items = 0, groups = 0, compared = 0, vetoed = 0, links = 0, largest = 0;
};

// What barred rows add to a local id: the links that have one of their identities at an end.
void judge_suppressed(std::span<const KeyedIdentity> items, std::span<const Identity> identities,
                      const LinkageModel& model, EdgeReducer& suppressed) {
  if (items.size() < 2 || items.size() > kMostOfLocalId) return;
  for (const LocalIdLink& link : judge_local_id(identities, model).links) {
    const Identity &a = identities[link.a], &b = identities[link.b];
    if (!is_suppressed(a) && !is_suppressed(b)) continue;
    suppressed.add({items[link.a].id(), items[link.b].id(), link.weight, EdgeKind::local_id}, a.valid_nhs(),
                   b.valid_nhs());
  }
}

// items: the identities of one local id; identities: the same weighed, if they are compared.
void judge(std::span<const KeyedIdentity> items, std::span<const Identity> identities, const LinkageModel& model,
           Findings& found) {
  if (std::any_of(items.begin(), items.end(), [](const KeyedIdentity& item) { return item.is_barred(); })) {
    judge_suppressed(items, identities, model, found.suppressed);
    found.items_kept.clear();
    found.identities_kept.clear();
    std::copy_if(items.begin(), items.end(), std::back_inserter(found.items_kept),
                 [](const KeyedIdentity& item) { return !item.is_barred(); });
    std::copy_if(identities.begin(), identities.end(), std::back_inserter(found.identities_kept),
                 [](const Identity& identity) { return !is_suppressed(identity); });
    items = found.items_kept;
    identities = found.identities_kept;
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
  const LocalIdVerdict verdict = judge_local_id(identities, model);
  found.compared += verdict.compared;
  found.vetoed += verdict.vetoed;
  found.reused_ids += verdict.reused;
  for (const LocalIdLink& link : verdict.links) {
    found.links += link.weight >= model.threshold();
    found.edges.add({items[link.a].id(), items[link.b].id(), link.weight, EdgeKind::local_id},
                    identities[link.a].valid_nhs(), identities[link.b].valid_nhs());
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
  LastKeys last(identities.route.items(), 0);
  const std::uint64_t rounds = rounds_within(comm, identities, comm.sum(rows.local_keys()),
                                             kRowsOfAnIdentity * identities.per_round, kBytesOfRow);
  const RawVector<IdentityId> of_local =
      identities.tell_all_locals<IdentityId>(comm, [&](std::uint32_t index) { return identities.first_id + index; });
  Findings all;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    RawVector<KeyedRow> keyed = keyed_rows(rows, identities, last, round, rounds);
    dam_floods(keyed);
    const RawVector<KeyedIdentity> items = bring_keys_together(comm, std::move(keyed), of_local);
    const RawVector<Range> groups = groups_of(std::span<const KeyedIdentity>(items), 1);
    const auto items_of = [&](const Range& group) { return std::span(items).subspan(group.begin, group.size()); };
    const RawVector<Identity> weighed_items = ask_identities(comm, identities, evidence, items, groups);
    // Where the identities of each task's first compared group are.
    std::vector<std::uint64_t> first_of_task;
    for (std::uint64_t g = 0, first = 0; g < groups.size(); ++g) {
      if (g % kGroupsPerTask == 0) first_of_task.push_back(first);
      if (are_compared(items_of(groups[g]))) first += groups[g].size();
    }
    PerThread<Findings> findings;
    for_blocks(groups.size(), kGroupsPerTask, [&](std::size_t begin, std::size_t end) {
      Findings& found = findings.local();
      const std::uint64_t before = found.compared;
      std::uint64_t first = first_of_task[begin / kGroupsPerTask];
      for (std::size_t g = begin; g < end; ++g) {
        const auto of_id = items_of(groups[g]);
        const std::uint64_t size = are_compared(of_id) ? of_id.size() : 0;
        judge(of_id, std::span(weighed_items).subspan(first, size), model, found);
        first += size;
      }
      progress(found.compared - before);
    });
    std::vector<Findings*> of_threads;
    findings.for_each([&](Findings& found) { of_threads.push_back(&found); });
    std::vector<std::array<std::vector<Edge>, 2>> taken(of_threads.size());
    for_each_item(of_threads.size(), [&](std::size_t t) {
      taken[t] = {of_threads[t]->edges.take(model.threshold()), of_threads[t]->suppressed.take(model.threshold())};
    });
    for (std::size_t t = 0; t < taken.size(); ++t) {
      const Findings& found = *of_threads[t];
      all.ids += found.ids;
      all.default_ids += found.default_ids;
      all.reused_ids += found.reused_ids;
      all.items += found.items;
      all.groups += found.groups;
      all.compared += found.compared;
      all.vetoed += found.vetoed;
      all.links += found.links;
      all.largest = std::max(all.largest, found.largest);
      result.edges.insert(result.edges.end(), taken[t][0].begin(), taken[t][0].end());
      result.suppressed.insert(result.suppressed.end(), taken[t][1].begin(), taken[t][1].end());
    }
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
