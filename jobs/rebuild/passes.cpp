#include "jobs/rebuild/passes.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/linkage_key.hpp"
#include "engine/pair_kernel.hpp"
#include "engine/parallel.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"
#include "partition/tiles.hpp"

namespace ligature {

namespace {

// A pass goes over its shards in rounds of about this many identities a rank, so that its copies stay bounded.
constexpr std::uint64_t kIdentitiesPerRound = std::uint64_t{1} << 24;

// The value that a pass groups by; 0 where the identity takes no part in the pass.
std::uint64_t pass_value(Pass pass, const Identity& identity) noexcept {
  if (identity.nhs_status() == NhsStatus::one_time) return 0;
  switch (pass) {
    case Pass::nhs_number:
      return identity.nhs();
    case Pass::date_of_birth:
      return identity.date_of_birth();
    case Pass::postcode:
      return identity.postcode();
  }
  return 0;
}

// Groups are adjacent, and in a group the identities with a valid number come first, ordered by it.
struct PassOrder {
  Pass pass;
  bool operator()(const PassItem& a, const PassItem& b) const noexcept {
    if (a.key != b.key) return a.key < b.key;
    const std::uint64_t value_a = pass_value(pass, a.identity), value_b = pass_value(pass, b.identity);
    if (value_a != value_b) return value_a < value_b;
    const bool valid_a = a.identity.has_valid_nhs(), valid_b = b.identity.has_valid_nhs();
    if (valid_a != valid_b) return valid_a;
    return a.identity < b.identity;
  }
};

// Sorts items by PassOrder: first into runs of neighbouring shards that fit in cache, then each run.
std::vector<PassItem> sort_by_shard(std::vector<PassItem>&& items, Pass pass) {
  constexpr std::uint32_t kRunShift = 64 - 14;
  std::vector<std::uint64_t> start((std::size_t{1} << 14) + 1, 0);
  for (const PassItem& item : items) ++start[(item.key >> kRunShift) + 1];
  for (std::size_t run = 1; run < start.size(); ++run) start[run] += start[run - 1];
  std::vector<PassItem> sorted(items.size());
  {
    std::vector<std::uint64_t> next(start.begin(), start.end() - 1);
    for (const PassItem& item : items) sorted[next[item.key >> kRunShift]++] = item;
  }
  items = {};
  for_each_item(start.size() - 1, [&](std::size_t run) {
    std::sort(sorted.begin() + static_cast<std::ptrdiff_t>(start[run]),
              sorted.begin() + static_cast<std::ptrdiff_t>(start[run + 1]), PassOrder{pass});
  });
  return sorted;
}

// The runs of two and more items with one value.
std::vector<Range> groups_of(std::span<const PassItem> items, Pass pass) {
  std::vector<Range> groups;
  for (std::uint64_t begin = 0; begin < items.size();) {
    const std::uint64_t value = pass_value(pass, items[begin].identity);
    std::uint64_t end = begin + 1;
    while (end < items.size() && items[end].key == items[begin].key && pass_value(pass, items[end].identity) == value) {
      ++end;
    }
    if (end - begin > 1) groups.push_back({begin, end});
    begin = end;
  }
  return groups;
}

// Collective.  Calls visit(items, groups) with this rank's sorted items of each round of a pass.
void for_each_round(const Communicator& comm, Pass pass, const Identities& identities,
                    const std::function<void(std::vector<PassItem>&&, std::span<const Range>)>& visit) {
  // The number of rounds follows from a global count, so all ranks agree and nothing else depends on it.
  const std::uint64_t rounds = std::min<std::uint64_t>(
      kShards, 1 + identities.total / (kIdentitiesPerRound * static_cast<std::uint64_t>(comm.size())));
  // Rounds cut the linkage keys crosswise to ranks: each round has an equal share of every rank's shards.
  const auto round_of = [&](std::uint64_t key) { return key % rounds; };
  const ShardMap shard_map(comm.size());
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::vector<PassItem> items;
    for (std::uint64_t i = 0; i < identities.owned.size(); ++i) {
      const Identity& identity = identities.owned[i].identity;
      const std::uint64_t value = pass_value(pass, identity);
      if (value == 0) continue;
      const std::uint64_t key = linkage_key(value);
      if (round_of(key) == round) items.push_back({identity, identities.first_id + i, key});
    }
    Received<PassItem> received =
        shuffle(comm, std::move(items), [&](const PassItem& item) { return shard_map.owner(shard_of(item.key)); });
    std::vector<PassItem> sorted = sort_by_shard(std::move(received.items), pass);
    const std::vector<Range> groups = groups_of(sorted, pass);
    visit(std::move(sorted), groups);
  }
}

std::uint64_t pairs_of(std::uint64_t items) noexcept {
  return items == 0 ? 0 : items * (items - 1) / 2;
}

// What becomes of a compared pair, by its pattern.
enum class Fate : std::uint8_t { count, link, other_pass };

std::array<Fate, kPatterns> fates(Pass pass, const LinkageModel& model) {
  std::array<Fate, kPatterns> table{};
  for (std::size_t p = 0; p < kPatterns; ++p) {
    const auto pattern = static_cast<Pattern>(p);
    const Levels levels = levels_of(pattern);
    const bool of_nhs_pass = levels.nhs == NhsLevel::exact, of_birth_pass = levels.birth == BirthLevel::exact;
    const bool earlier = (pass != Pass::nhs_number && of_nhs_pass) || (pass == Pass::postcode && of_birth_pass);
    table[p] = earlier ? Fate::other_pass : model.links(pattern) ? Fate::link : Fate::count;
  }
  return table;
}

// What one thread has found.
struct Findings {
  PatternCounts counts{};
  EdgeReducer edges;
  std::uint64_t vetoed = 0;
  // Reused from tile to tile.
  IdentityColumns left, right;
  std::vector<Identity> identities;
  std::vector<Pattern> patterns;
};

// Compares the pairs of tiles and keeps what each thread finds.
class TileComparer {
 public:
  TileComparer(Pass pass, const Work& work, const LinkageModel& model)
      : pass_(pass), work_(work), model_(model), fate_(fates(pass, model)) {}

  // Returns the number of pairs that the tile holds.
  std::uint64_t compare_tile(const Tile& tile, Findings& found) const {
    const Range left = work_.segments[tile.left], right = work_.segments[tile.right];
    const bool inside = tile.left == tile.right;
    const std::uint64_t pairs = inside ? pairs_of(left.size()) : left.size() * right.size();
    load(left, found.left, found.identities);
    if (!inside) load(right, found.right, found.identities);
    const IdentityColumns& others = inside ? found.left : found.right;
    found.patterns.resize((right.size() + 31) / 16 * 16);

    // Identities with a valid number come first in a segment.  In the NHS pass they share it; elsewhere two of them
    // either share it, and met in the NHS pass, or differ in it, and can never link.
    const std::uint64_t valid_left = pass_ == Pass::nhs_number ? 0 : valid_prefix(left);
    const std::uint64_t valid_right = pass_ == Pass::nhs_number ? 0 : inside ? valid_left : valid_prefix(right);
    found.vetoed += inside ? pairs_of(valid_left) : valid_left * valid_right;
    for (std::uint64_t query = 0; query < left.size(); ++query) {
      std::uint64_t begin = inside ? query + 1 : 0;
      if (query < valid_left) begin = std::max(begin, valid_right);
      compare_row(left.begin + query, query, others, right, begin, found);
    }
    return pairs;
  }

 private:
  void load(const Range& segment, IdentityColumns& columns, std::vector<Identity>& identities) const {
    identities.clear();
    for (std::uint64_t i = segment.begin; i < segment.end; ++i) identities.push_back(work_.items[i].identity);
    columns.assign(identities);
  }

  std::uint64_t valid_prefix(const Range& segment) const {
    std::uint64_t i = segment.begin;
    while (i < segment.end && work_.items[i].identity.has_valid_nhs()) ++i;
    return i - segment.begin;
  }

  void compare_row(std::uint64_t item, std::uint64_t query, const IdentityColumns& others, const Range& right,
                   std::uint64_t begin, Findings& found) const {
    const std::uint64_t end = right.size();
    if (begin >= end) return;
    compare_one_to_many(found.left, query, others, begin, end, found.patterns.data());
    for (std::uint64_t i = 0; i < end - begin; ++i) {
      const Pattern pattern = found.patterns[i];
      const Fate fate = fate_[pattern];
      if (fate == Fate::other_pass) continue;
      ++found.counts[pattern];
      if (fate == Fate::link) add_edge(work_.items[item], work_.items[right.begin + begin + i], pattern, found);
    }
  }

  void add_edge(const PassItem& x, const PassItem& y, Pattern pattern, Findings& found) const {
    const PassItem &a = x.id < y.id ? x : y, &b = x.id < y.id ? y : x;
    found.edges.add({a.id, b.id, model_.weight(pattern), 0}, a.identity.valid_nhs(), b.identity.valid_nhs());
  }

  Pass pass_;
  const Work& work_;
  const LinkageModel& model_;
  std::array<Fate, kPatterns> fate_;
};

// How many identities share a postcode, over all ranks: pairs among identities with a valid number.
struct ValueCount {
  std::uint64_t value = 0;
  std::uint64_t count = 0;
};

// Collective.  The number of pairs of identities with valid NHS numbers that share a value of a pass.
std::uint64_t pairs_sharing(const Communicator& comm, Pass pass, const Identities& identities) {
  std::vector<ValueCount> counts;
  {
    std::vector<std::uint64_t> values;
    for (const CountedIdentity& counted : identities.owned) {
      const std::uint64_t value = pass_value(pass, counted.identity);
      if (counted.identity.has_valid_nhs() && value != 0) values.push_back(value);
    }
    sort_items(values.begin(), values.end(), std::less<>());
    for (const std::uint64_t value : values) {
      if (counts.empty() || counts.back().value != value) counts.push_back({value, 0});
      ++counts.back().count;
    }
  }
  const ShardMap shard_map(comm.size());
  Received<ValueCount> received = shuffle(comm, std::move(counts), [&](const ValueCount& item) {
    return shard_map.owner(shard_of(linkage_key(item.value)));
  });
  std::sort(received.items.begin(), received.items.end(),
            [](const ValueCount& a, const ValueCount& b) { return a.value < b.value; });
  std::uint64_t pairs = 0, of_value = 0;
  for (std::size_t i = 0; i < received.items.size(); ++i) {
    of_value += received.items[i].count;
    if (i + 1 == received.items.size() || received.items[i + 1].value != received.items[i].value) {
      pairs += pairs_of(of_value);
      of_value = 0;
    }
  }
  return comm.sum(pairs);
}

}  // namespace

std::string_view pass_name(Pass pass) noexcept {
  switch (pass) {
    case Pass::nhs_number:
      return "nhs_number";
    case Pass::date_of_birth:
      return "date_of_birth";
    case Pass::postcode:
      return "postcode";
  }
  return "";
}

FileFrequencies measure_frequencies(const Communicator& comm, const Identities& identities) {
  // Counts over identities with a valid number; "same" pairs share the number and are taken off at the end.
  std::uint64_t linkable = 0, valid = 0, valid_birth = 0, valid_postcode = 0;
  for (const CountedIdentity& counted : identities.owned) {
    const Identity& identity = counted.identity;
    linkable += identity.nhs_status() != NhsStatus::one_time;
    if (!identity.has_valid_nhs()) continue;
    ++valid;
    valid_birth += identity.date_of_birth() != kMissingDay;
    valid_postcode += identity.postcode() != 0;
  }
  std::uint64_t distinct = 0, same = 0, same_both_births = 0, same_birth = 0, same_both_postcodes = 0,
                same_postcode = 0;
  for_each_round(comm, Pass::nhs_number, identities, [&](std::vector<PassItem>&& items, std::span<const Range>) {
    std::vector<std::uint64_t> births, postcodes;
    const auto close_group = [&](std::uint64_t size) {
      ++distinct;
      same += pairs_of(size);
      same_both_births += pairs_of(births.size());
      same_both_postcodes += pairs_of(postcodes.size());
      for (auto* values : {&births, &postcodes}) {
        std::sort(values->begin(), values->end());
        std::uint64_t& agreeing = values == &births ? same_birth : same_postcode;
        for (auto run = values->begin(); run != values->end();) {
          const auto end = std::upper_bound(run, values->end(), *run);
          agreeing += pairs_of(static_cast<std::uint64_t>(end - run));
          run = end;
        }
        values->clear();
      }
    };
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const Identity& identity = items[i].identity;
      if (!identity.has_valid_nhs()) continue;
      ++size;
      if (identity.date_of_birth() != kMissingDay) births.push_back(identity.date_of_birth());
      if (identity.postcode() != 0) postcodes.push_back(identity.postcode());
      if (i + 1 == items.size() || items[i + 1].identity.valid_nhs() != identity.valid_nhs()) {
        close_group(size);
        size = 0;
      }
    }
  });
  std::array<std::uint64_t, 10> sums{linkable,         valid,      valid_birth,         valid_postcode, distinct, same,
                                     same_both_births, same_birth, same_both_postcodes, same_postcode};
  comm.sum(sums);

  FileFrequencies file;
  file.identities = sums[0];
  file.distinct_nhs = sums[4];
  file.different_pairs = pairs_of(sums[1]) - sums[5];
  file.different_pairs_both_births = pairs_of(sums[2]) - sums[6];
  file.different_pairs_same_birth = pairs_sharing(comm, Pass::date_of_birth, identities) - sums[7];
  file.different_pairs_both_postcodes = pairs_of(sums[3]) - sums[8];
  file.different_pairs_same_postcode = pairs_sharing(comm, Pass::postcode, identities) - sums[9];
  return file;
}

PassResult run_pass(const Communicator& comm, Pass pass, const Identities& identities, const LinkageModel& model,
                    const std::function<void(std::uint64_t)>& progress) {
  // Tiles of tiny groups are handed to threads by the hundred.
  constexpr std::size_t kTilesPerTask = 256;
  PassResult result;
  result.report.name = pass_name(pass);
  std::uint64_t items_seen = 0, vetoed = 0;
  for_each_round(comm, pass, identities, [&](std::vector<PassItem>&& items, std::span<const Range> groups) {
    items_seen += items.size();
    const Work work = balance_tiles(comm, std::move(items), groups);
    result.report.groups += work.groups;
    result.report.largest_group = std::max(result.report.largest_group, work.largest_group);
    PerThread<Findings> findings;
    const TileComparer comparer(pass, work, model);
    for_blocks(work.tiles.size(), kTilesPerTask, [&](std::size_t begin, std::size_t end) {
      Findings& found = findings.local();
      std::uint64_t pairs = 0;
      for (std::size_t t = begin; t < end; ++t) pairs += comparer.compare_tile(work.tiles[t], found);
      progress(pairs);
    });
    findings.for_each([&](Findings& found) {
      for (std::size_t p = 0; p < kPatterns; ++p) result.counts[p] += found.counts[p];
      vetoed += found.vetoed;
      const std::vector<Edge> edges = found.edges.take();
      result.edges.insert(result.edges.end(), edges.begin(), edges.end());
    });
  });
  comm.sum(result.counts);
  result.report.identities = comm.sum(items_seen);
  result.report.pairs_vetoed = comm.sum(vetoed);
  for (std::size_t p = 0; p < kPatterns; ++p) {
    result.report.pairs_compared += result.counts[p];
    if (model.links(static_cast<Pattern>(p))) result.report.edges += result.counts[p];
  }
  return result;
}

}  // namespace ligature
