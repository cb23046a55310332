#include "jobs/rebuild/identities.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

namespace {

// Collapses this rank's rows; fills local_of_row.
std::vector<CountedIdentity> collapse_local(RowStore& store, std::vector<std::uint32_t>& local_of_row) {
  std::vector<IdentityRun> runs;
  for (const StoredBlock& block : store.blocks()) runs.push_back({block.identities, block.dataset});
  local_of_row.resize(store.rows());
  std::vector<CountedIdentity> different = collapse(runs, local_of_row);
  for (StoredBlock& block : store.blocks()) block.identities = {};
  return different;
}

// Adds the identities of barred rows to the different ones of this rank, without datasets.
void add_suppressed(std::vector<BarredRow>&& barred, std::vector<CountedIdentity>& local,
                    std::vector<SuppressedKey>& keys) {
  sort_items(barred.begin(), barred.end(), [](const BarredRow& a, const BarredRow& b) {
    return a.identity != b.identity ? a.identity < b.identity : a.local_key < b.local_key;
  });
  for (std::size_t i = 0; i < barred.size(); ++i) {
    const bool is_new = i == 0 || barred[i].identity != barred[i - 1].identity;
    if (is_new) local.push_back({barred[i].identity, 0, 0});
    if (local.back().rows < std::numeric_limits<std::uint32_t>::max()) ++local.back().rows;
    const bool is_new_key = is_new || barred[i].local_key != barred[i - 1].local_key;
    if (barred[i].local_key != 0 && is_new_key) {
      keys.push_back({barred[i].local_key, static_cast<std::uint32_t>(local.size() - 1), 0});
    }
  }
  barred = {};
}

// A received identity in its shard, with where its number has to be put.
struct ReceivedIdentity {
  CountedIdentity counted;
  std::uint64_t received = 0;
};
static_assert(sizeof(ReceivedIdentity) == 32);

// Sorts what a rank received by shard and content and collapses equal identities of different ranks.
void number_received(const std::vector<CountedIdentity>& received, Range shards, Identities& result) {
  const std::uint64_t shard_count = shards.size();
  std::vector<std::uint64_t> start(shard_count + 1, 0);
  for (const CountedIdentity& item : received) {
    ++start[shard_of(linkage_key(item.identity)) - shards.begin + 1];
  }
  for (std::uint64_t s = 0; s < shard_count; ++s) start[s + 1] += start[s];
  std::vector<ReceivedIdentity> sorted(received.size());
  {
    std::vector<std::uint64_t> next(start.begin(), start.end() - 1);
    for (std::uint64_t i = 0; i < received.size(); ++i) {
      sorted[next[shard_of(linkage_key(received[i].identity)) - shards.begin]++] = {received[i], i};
    }
  }
  std::vector<std::uint64_t> different(shard_count + 1, 0);
  for_each_item(shard_count, [&](std::size_t s) {
    const auto begin = sorted.begin() + static_cast<std::ptrdiff_t>(start[s]);
    const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(start[s + 1]);
    std::sort(begin, end, [](const ReceivedIdentity& a, const ReceivedIdentity& b) {
      if (a.counted.identity != b.counted.identity) return a.counted.identity < b.counted.identity;
      if (is_suppressed(a.counted) != is_suppressed(b.counted)) return is_suppressed(b.counted);
      return a.received < b.received;
    });
    for (auto item = begin; item != end; ++item) {
      different[s + 1] += item == begin || item->counted.identity != (item - 1)->counted.identity;
    }
  });
  for (std::uint64_t s = 0; s < shard_count; ++s) different[s + 1] += different[s];

  result.owned.resize(different.back());
  result.owned_of_received.resize(received.size());
  std::atomic<bool> too_many{false};
  for_each_item(shard_count, [&](std::size_t s) {
    std::uint64_t index = different[s];
    for (std::uint64_t i = start[s]; i < start[s + 1]; ++i) {
      const CountedIdentity& item = sorted[i].counted;
      if (i == start[s] || item.identity != sorted[i - 1].counted.identity) {
        result.owned[index++] = item;
      } else if (CountedIdentity& entry = result.owned[index - 1]; is_suppressed(entry) == is_suppressed(item)) {
        if (entry.rows > std::numeric_limits<std::uint32_t>::max() - item.rows) too_many = true;
        entry.rows += item.rows;
        entry.datasets |= item.datasets;
      }
      result.owned_of_received[sorted[i].received] = static_cast<std::uint32_t>(index - 1);
    }
  });
  if (too_many) throw Error("more than 4,294,967,295 rows have one and the same identifiers");
}

}  // namespace

int Identities::owner(IdentityId id) const noexcept {
  const auto next = std::upper_bound(first_id_of_rank.begin(), first_id_of_rank.end() - 1, id);
  return static_cast<int>(next - first_id_of_rank.begin()) - 1;
}

void Identities::release_identities() {
  owned = {};
  route = {};
  owned_of_received = {};
}

Identities collapse_identities(const Communicator& comm, RowStore& rows) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (rows.rows() >= kMost) throw Error("one rank has read 2^32 rows or more: run the job on more ranks");

  Identities result;
  std::vector<CountedIdentity> local = collapse_local(rows, result.local_of_row);
  add_suppressed(std::move(rows.barred()), local, result.suppressed_keys);
  const ShardMap shard_map(comm.size());
  {
    const Received<CountedIdentity> received = shuffle(
        comm, std::move(local),
        [&](const CountedIdentity& item) { return shard_map.owner(shard_of(linkage_key(item.identity))); },
        result.route);
    if (received.items.size() >= kMost) throw Error("one rank owns 2^32 identities or more: run the job on more ranks");
    number_received(received.items, shard_map.shards_of(comm.rank()), result);
  }
  const std::vector<std::uint64_t> counts = comm.all_gather(std::uint64_t{result.owned.size()});
  result.first_id_of_rank.assign(1, 0);
  for (const std::uint64_t count : counts) result.first_id_of_rank.push_back(result.first_id_of_rank.back() + count);
  result.first_id = result.first_id_of_rank[static_cast<std::size_t>(comm.rank())];
  result.total = result.first_id_of_rank.back();
  return result;
}

}  // namespace ligature
