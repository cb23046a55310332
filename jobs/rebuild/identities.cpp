#include "jobs/rebuild/identities.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "engine/cache_line.hpp"
#include "engine/counting_sort.hpp"
#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/raw_vector.hpp"
#include "engine/recycled_memory.hpp"
#include "engine/release.hpp"
#include "engine/sort_items.hpp"
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

// Collapses this rank's rows, barred ones apart; fills local_of_row and suppressed_keys.
RawVector<CountedIdentity> collapse_local(RowStore& rows, Identities& result) {
  const std::vector<CountedIdentity> suppressed =
      suppressed_identities(std::move(rows.barred()), result.suppressed_keys);
  std::vector<std::uint32_t> of_suppressed(suppressed.size());
  RawVector<CountedIdentity> local = rows.collapse(suppressed, of_suppressed, result.local_of_row);
  for (SuppressedKey& key : result.suppressed_keys) key.local = of_suppressed[key.local];
  return local;
}

// What was received of one shard, and what becomes of it: working memory that is used again, but for the items.
struct ShardWork {
  std::span<const CountedIdentity> items;
  std::vector<CountedIdentity> different;
  std::vector<std::uint64_t> order, other;  // the leading bits of an identity, then its place among the items
  std::vector<std::uint32_t> index;         // of each item among the different ones

  // Equal identities become one, in order of content; suppressed ones come after others that are equal.
  // Returns false if rows are more than can be counted.
  [[nodiscard]] bool collapse() {
    order.clear();
    for (std::size_t i = 0; i < items.size(); ++i) order.push_back(items[i].identity.first >> 32 << 32 | i);
    radix_sort_detail::sort_places(order, other);
    const auto is_before = [&](std::uint64_t x, std::uint64_t y) {
      const CountedIdentity &a = items[static_cast<std::uint32_t>(x)], &b = items[static_cast<std::uint32_t>(y)];
      if (a.identity != b.identity) return a.identity < b.identity;
      if (is_suppressed(a) != is_suppressed(b)) return is_suppressed(b);
      return x < y;
    };
    radix_sort_detail::for_each_run(
        std::span(order), [](std::uint64_t place) { return place >> 32; },
        [&](std::uint64_t* begin, std::uint64_t* end) {
          if (end - begin > 1) std::sort(begin, end, is_before);
        });
    different.clear();
    index.resize(items.size());
    bool are_counted = true;
    for (const std::uint64_t place : order) {
      const CountedIdentity& item = items[static_cast<std::uint32_t>(place)];
      if (different.empty() || item.identity != different.back().identity) {
        different.push_back(item);
      } else if (CountedIdentity& entry = different.back(); is_suppressed(entry) == is_suppressed(item)) {
        are_counted = are_counted && entry.rows <= std::numeric_limits<std::uint32_t>::max() - item.rows;
        entry.rows += item.rows;
        entry.datasets |= item.datasets;
        entry.providers |= item.providers;
      }
      index[static_cast<std::uint32_t>(place)] = static_cast<std::uint32_t>(different.size() - 1);
    }
    return are_counted;
  }
};

// Collapses what a rank received, numbered by shard and content: equal identities of different ranks become one.  Items
// are dealt to their shards, and their numbers read back in the order in which they were dealt: nothing is gathered
// from memory at large.
void number_received(RawVector<CountedIdentity>&& received, Range shards, Identities& result) {
  constexpr std::size_t kShardsAtOnce = 64, kItemsPerTask = std::size_t{1} << 16;
  static_assert(kShards <= std::size_t{1} << 16);
  const std::size_t count = received.size(), shard_count = shards.size();
  RawVector<std::uint16_t> shard_at(count);
  for_blocks(count, kItemsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      shard_at[i] = static_cast<std::uint16_t>(shard_of(received[i].identity) - shards.begin);
    }
  });
  const auto shard = [&](std::size_t i) { return shard_at[i]; };
  SortPlan plan = plan_sort(count, shard_count, shard);
  const std::vector<std::uint64_t> first_of_shard = plan.first;
  RawVector<CountedIdentity> dealt(count);
  for_blocks(count, plan.grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* const cursors = plan.cursors_of(begin);
    for (std::size_t i = begin; i < end; ++i) {
      CountedIdentity& place = dealt[cursors[shard_at[i]]++];
      fetch_line_after(&place);
      place = received[i];
    }
  });
  release(received);

  RawVector<std::uint32_t> owned_of_dealt(count);
  result.owned.reserve(count);  // more than are different, but of these pages only as many are touched
  std::atomic<bool> too_many{false};
  std::vector<ShardWork> work(kShardsAtOnce);
  for (std::size_t begin = 0; begin < shard_count; begin += kShardsAtOnce) {
    const std::size_t at_once = std::min(kShardsAtOnce, shard_count - begin);
    for_each_item(at_once, [&](std::size_t s) {
      const std::uint64_t first = first_of_shard[begin + s];
      work[s].items = std::span(dealt).subspan(first, first_of_shard[begin + s + 1] - first);
      if (!work[s].collapse()) too_many = true;
    });
    std::vector<std::uint64_t> first(at_once + 1, result.owned.size());
    for (std::size_t s = 0; s < at_once; ++s) first[s + 1] = first[s] + work[s].different.size();
    result.owned.resize(first[at_once]);
    for_each_item(at_once, [&](std::size_t s) {
      std::copy(work[s].different.begin(), work[s].different.end(),
                result.owned.begin() + static_cast<std::ptrdiff_t>(first[s]));
      std::uint32_t* const owned = owned_of_dealt.data() + first_of_shard[begin + s];
      for (std::size_t i = 0; i < work[s].items.size(); ++i) {
        owned[i] = static_cast<std::uint32_t>(first[s]) + work[s].index[i];
      }
    });
  }
  if (too_many) throw Error("more than 4,294,967,295 rows have one and the same identifiers");
  release(dealt);
  plan = plan_sort(count, shard_count, shard);
  result.owned_of_received.resize(count);
  for_blocks(count, plan.grain, [&](std::size_t begin, std::size_t end) {
    std::uint64_t* const cursors = plan.cursors_of(begin);
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint32_t* const place = owned_of_dealt.data() + cursors[shard_at[i]]++;
      fetch_line_after(place);
      result.owned_of_received[i] = *place;
    }
  });
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
  RawVector<CountedIdentity> local = collapse_local(rows, result);
  const ShardMap shard_map(comm.size());
  {
    auto received = shuffle(
        comm, std::move(local), [&](const CountedIdentity& item) { return shard_map.owner(shard_of(item.identity)); },
        result.route);
    if (received.items.size() >= kMost) throw Error("one rank owns 2^32 identities or more: run the job on more ranks");
    number_received(std::move(received.items), shard_map.shards_of(comm.rank()), result);
  }
  const std::vector<std::uint64_t> counts = comm.all_gather(std::uint64_t{result.owned.size()});
  result.first_id_of_rank.assign(1, 0);
  for (const std::uint64_t count : counts) result.first_id_of_rank.push_back(result.first_id_of_rank.back() + count);
  result.first_id = result.first_id_of_rank[static_cast<std::size_t>(comm.rank())];
  result.total = result.first_id_of_rank.back();
  return result;
}

}  // namespace ligature
