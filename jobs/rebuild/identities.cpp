#include "jobs/rebuild/identities.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/recycled_memory.hpp"
#include "engine/release.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

namespace {

// The different identities of barred rows, without datasets.  keys: of local ids; their local is its place among these.
std::vector<CountedIdentity> suppressed_identities(std::vector<BarredRow>&& barred, std::vector<SuppressedKey>& keys) {
  sort_items(barred.begin(), barred.end(), [](const BarredRow& a, const BarredRow& b) {
    return a.identity != b.identity ? a.identity < b.identity : a.local_key < b.local_key;
  });
  std::vector<CountedIdentity> suppressed;
  for (std::size_t i = 0; i < barred.size(); ++i) {
    const bool is_new = i == 0 || barred[i].identity != barred[i - 1].identity;
    if (is_new) suppressed.push_back({barred[i].identity, 0, 0, 0});
    if (suppressed.back().rows < std::numeric_limits<std::uint32_t>::max()) ++suppressed.back().rows;
    const bool is_new_key = is_new || barred[i].local_key != barred[i - 1].local_key;
    if (barred[i].local_key != 0 && is_new_key) {
      keys.push_back({barred[i].local_key, static_cast<std::uint32_t>(suppressed.size() - 1), 0});
    }
  }
  release(barred);
  return suppressed;
}

// Collapses this rank's rows, barred ones apart, in order of shards; fills local_of_row and suppressed_keys.
std::vector<CountedIdentity> collapse_local(RowStore& rows, Identities& result) {
  const std::vector<CountedIdentity> suppressed =
      suppressed_identities(std::move(rows.barred()), result.suppressed_keys);
  std::vector<std::uint32_t> of_suppressed(suppressed.size());
  std::vector<CountedIdentity> local = rows.collapse(suppressed, of_suppressed, result.local_of_row);
  for (SuppressedKey& key : result.suppressed_keys) key.local = of_suppressed[key.local];
  return local;
}

// Sorts the places of a shard's items among what was received, equal identities in the order of their places but
// suppressed ones last.  A place lies in the low half of a number, the leading bits of its identity in the high half.
void sort_shard(std::span<const CountedIdentity> received, std::vector<std::uint64_t>& places,
                std::vector<std::uint64_t>& other) {
  radix_sort_detail::sort_places(places, other);
  const auto is_before = [&](std::uint64_t x, std::uint64_t y) {
    const CountedIdentity &a = received[static_cast<std::uint32_t>(x)], &b = received[static_cast<std::uint32_t>(y)];
    if (a.identity != b.identity) return a.identity < b.identity;
    if (is_suppressed(a) != is_suppressed(b)) return is_suppressed(b);
    return x < y;
  };
  radix_sort_detail::for_each_run(
      std::span(places), [](std::uint64_t place) { return place >> 32; },
      [&](std::uint64_t* begin, std::uint64_t* end) {
        if (end - begin > 1) std::sort(begin, end, is_before);
      });
}

// Collapses what a rank received, numbered by shard and content: equal identities of different ranks become one.
// Each source's are in order of shards, so a shard is one run of each.
void number_received(const Received<CountedIdentity>& received, Range shards, Identities& result) {
  constexpr std::size_t kShardsAtOnce = 64;
  const std::size_t sources = received.first.size() - 1, shard_count = shards.size();
  // run_end[source][shard]: where the source's run of that shard ends.
  std::vector<std::vector<std::uint64_t>> run_end(sources, std::vector<std::uint64_t>(shard_count));
  for_each_item(sources, [&](std::size_t source) {
    std::uint64_t i = received.first[source];
    const std::uint64_t end = received.first[source + 1];
    for (std::size_t s = 0; s < shard_count; ++s) {
      while (i < end && shard_of(linkage_key(received.items[i].identity)) == shards.begin + s) ++i;
      run_end[source][s] = i;
    }
    if (i != end) throw Error("identities did not come in the order of their shards");
  });

  result.owned_of_received.resize(received.items.size());
  result.owned.reserve(received.items.size());  // more than are different, but of these pages only as many are touched
  std::atomic<bool> too_many{false};
  std::vector<std::vector<std::uint64_t>> sorted(kShardsAtOnce);
  PerThread<std::vector<std::uint64_t>> scratch;
  std::vector<std::uint64_t> first(kShardsAtOnce + 1);
  const auto item_of = [&](std::uint64_t place) -> const CountedIdentity& {
    return received.items[static_cast<std::uint32_t>(place)];
  };
  for (std::size_t begin = 0; begin < shard_count; begin += kShardsAtOnce) {
    const std::size_t count = std::min(kShardsAtOnce, shard_count - begin);
    for_each_item(count, [&](std::size_t s) {
      std::vector<std::uint64_t>& here = sorted[s];
      here.clear();
      for (std::size_t source = 0; source < sources; ++source) {
        const std::size_t shard = begin + s;
        std::uint64_t i = shard == 0 ? received.first[source] : run_end[source][shard - 1];
        for (; i < run_end[source][shard]; ++i) here.push_back(received.items[i].identity.first >> 32 << 32 | i);
      }
      sort_shard(received.items, here, scratch.local());
      first[s + 1] = 0;
      for (std::size_t i = 0; i < here.size(); ++i) {
        first[s + 1] += i == 0 || item_of(here[i]).identity != item_of(here[i - 1]).identity;
      }
    });
    first[0] = result.owned.size();
    for (std::size_t s = 0; s < count; ++s) first[s + 1] += first[s];
    result.owned.resize(first[count]);
    for_each_item(count, [&](std::size_t s) {
      std::uint64_t index = first[s];
      for (const std::uint64_t place : sorted[s]) {
        const CountedIdentity& item = item_of(place);
        if (index == first[s] || item.identity != result.owned[index - 1].identity) {
          result.owned[index++] = item;
        } else if (CountedIdentity& entry = result.owned[index - 1]; is_suppressed(entry) == is_suppressed(item)) {
          if (entry.rows > std::numeric_limits<std::uint32_t>::max() - item.rows) too_many = true;
          entry.rows += item.rows;
          entry.datasets |= item.datasets;
          entry.providers |= item.providers;
        }
        result.owned_of_received[static_cast<std::uint32_t>(place)] = static_cast<std::uint32_t>(index - 1);
      }
    });
  }
  if (too_many) throw Error("more than 4,294,967,295 rows have one and the same identifiers");
}

}  // namespace

int Identities::owner(IdentityId id) const noexcept {
  const auto next = std::upper_bound(first_id_of_rank.begin(), first_id_of_rank.end() - 1, id);
  return static_cast<int>(next - first_id_of_rank.begin()) - 1;
}

std::uint64_t Identities::room() const noexcept {
  const std::uint64_t in_use = recycled_memory().in_use;
  return large_blocks > in_use ? large_blocks - in_use : 0;
}

void Identities::release_identities() {
  release(owned);
  route = {};
  release(owned_of_received);
}

Identities collapse_identities(const Communicator& comm, RowStore& rows) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (rows.rows() >= kMost) throw Error("one rank has read 2^32 rows or more: run the job on more ranks");

  Identities result;
  std::vector<CountedIdentity> local = collapse_local(rows, result);
  const ShardMap shard_map(comm.size());
  {
    const Received<CountedIdentity> received = shuffle(
        comm, std::move(local),
        [&](const CountedIdentity& item) { return shard_map.owner(shard_of(linkage_key(item.identity))); },
        result.route);
    if (received.items.size() >= kMost) throw Error("one rank owns 2^32 identities or more: run the job on more ranks");
    number_received(received, shard_map.shards_of(comm.rank()), result);
  }
  const std::vector<std::uint64_t> counts = comm.all_gather(std::uint64_t{result.owned.size()});
  result.first_id_of_rank.assign(1, 0);
  for (const std::uint64_t count : counts) result.first_id_of_rank.push_back(result.first_id_of_rank.back() + count);
  result.first_id = result.first_id_of_rank[static_cast<std::size_t>(comm.rank())];
  result.total = result.first_id_of_rank.back();
  return result;
}

}  // namespace ligature
