#include "jobs/rebuild/passes.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/linkage_key.hpp"
#include "engine/pair_kernel.hpp"
#include "engine/parallel.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "partition/tiles.hpp"

namespace ligature {

namespace {

// The value that a pass groups by; 0 where the identity takes no part in the pass.
std::uint64_t pass_value(Pass pass, const Identity& identity) noexcept {
  return pass == Pass::date_of_birth ? std::uint64_t{identity.date_of_birth()} : identity.postcode();
}

// Two different numbers of such identities can never be one person.
bool is_vetoed_kind(const Identity& identity) noexcept {
  return identity.has_valid_nhs() && !is_thin(identity);
}

// Groups are adjacent, and in a group the identities with a valid number in use come first, ordered by it.
struct PassOrder {
  bool operator()(const PassItem& a, const PassItem& b) const noexcept {
    if (a.key != b.key) return a.key < b.key;
    const bool first_a = is_vetoed_kind(a.identity), first_b = is_vetoed_kind(b.identity);
    if (first_a != first_b) return first_a;
    if (a.identity != b.identity) return a.identity < b.identity;
    return a.id < b.id;  // identities may be alike once what is not evidence is gone
  }
};

std::uint64_t pairs_of(std::uint64_t items) noexcept {
  return items == 0 ? 0 : items * (items - 1) / 2;
}

// What becomes of a compared pair, by its pattern.
enum class Fate : std::uint8_t { count, weigh, near_number, other_pass };

std::array<Fate, kPatterns> fates(Pass pass, const ChosenPasses& chosen, const LinkageModel& model) {
  std::array<Fate, kPatterns> table{};
  for (std::size_t p = 0; p < kPatterns; ++p) {
    const auto pattern = static_cast<Pattern>(p);
    const Levels levels = levels_of(pattern);
    const bool of_birth_pass = chosen.date_of_birth && levels.birth == BirthLevel::exact;
    const bool earlier = levels.nhs == NhsLevel::exact || (pass == Pass::postcode && of_birth_pass);
    table[p] = earlier                        ? Fate::other_pass
               : levels.nhs == NhsLevel::near ? Fate::near_number
               : model.may_matter(pattern)    ? Fate::weigh
                                              : Fate::count;
  }
  return table;
}

// What one thread has found.
struct Findings {
  PatternCounts counts{};
  EdgeReducer edges;
  std::vector<Edge> conflicts;
  std::uint64_t vetoed = 0, links = 0;
  // Reused from tile to tile.
  IdentityColumns left, right;
  std::vector<Identity> identities;
  std::vector<Pattern> patterns;
};

// Compares the pairs of tiles and keeps what each thread finds.
class TileComparer {
 public:
  TileComparer(Pass pass, const ChosenPasses& chosen, const Work& work, const LinkageModel& model)
      : work_(work), model_(model), fate_(fates(pass, chosen, model)) {}

  // Returns the number of pairs that the tile holds.
  std::uint64_t compare_tile(const Tile& tile, Findings& found) const {
    const Range left = work_.segments[tile.left], right = work_.segments[tile.right];
    const bool inside = tile.left == tile.right;
    const std::uint64_t pairs = inside ? pairs_of(left.size()) : left.size() * right.size();
    load(left, found.left, found.identities);
    if (!inside) load(right, found.right, found.identities);
    const IdentityColumns& others = inside ? found.left : found.right;
    found.patterns.resize((right.size() + 31) / 16 * 16);

    // Identities with a valid number in use come first in a segment.  Two of them either share it, and were settled
    // with it, or differ in it, and can never link.
    const std::uint64_t valid_left = valid_prefix(left);
    const std::uint64_t valid_right = inside ? valid_left : valid_prefix(right);
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
    while (i < segment.end && is_vetoed_kind(work_.items[i].identity)) ++i;
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
      const PassItem &a = work_.items[item], &b = work_.items[right.begin + begin + i];
      // A misspelt number and the one that is meant have met with the number.
      if (fate == Fate::near_number && a.identity.has_valid_nhs() != b.identity.has_valid_nhs()) continue;
      ++found.counts[pattern];
      if (fate != Fate::count) weigh(a, b, pattern, found);
    }
  }

  void weigh(const PassItem& x, const PassItem& y, Pattern pattern, Findings& found) const {
    const Weight weight = model_.weight(pattern, x.identity, y.identity);
    // Short of a link, a person with a number is still a rival for one without.
    const bool links = weight >= model_.threshold();
    const bool is_rival =
        x.identity.has_valid_nhs() != y.identity.has_valid_nhs() && weight >= model_.rival_threshold();
    if (!links && !is_rival) return;
    found.links += links;
    const PassItem &a = x.id < y.id ? x : y, &b = x.id < y.id ? y : x;
    if (x.identity.has_valid_nhs() && y.identity.has_valid_nhs()) {
      if (links) found.conflicts.push_back({a.id, b.id, weight, EdgeKind::conflict});
      return;
    }
    found.edges.add({a.id, b.id, weight, EdgeKind::link}, a.identity.valid_nhs(), b.identity.valid_nhs());
  }

  const Work& work_;
  const LinkageModel& model_;
  std::array<Fate, kPatterns> fate_;
};

// Counts the pairs of records of tiles.
class RecordCounter {
 public:
  RecordCounter(Pass pass, const Work& work) : pass_(pass), work_(work) {}

  void count_tile(const Tile& tile, Findings& found) const {
    const Range left = work_.segments[tile.left], right = work_.segments[tile.right];
    const bool inside = tile.left == tile.right;
    load(left, found.left, found.identities);
    if (!inside) load(right, found.right, found.identities);
    const IdentityColumns& others = inside ? found.left : found.right;
    found.patterns.resize((right.size() + 31) / 16 * 16);
    for (std::uint64_t query = 0; query < left.size(); ++query) {
      const std::uint64_t begin = inside ? query + 1 : 0;
      if (begin >= right.size()) continue;
      compare_one_to_many(found.left, query, others, begin, right.size(), found.patterns.data());
      const PassItem& a = work_.items[left.begin + query];
      for (std::uint64_t i = begin; i < right.size(); ++i) {
        const PassItem& b = work_.items[right.begin + i];
        if (a.identity.has_valid_nhs() && b.identity.has_valid_nhs()) continue;
        const Pattern pattern = found.patterns[i - begin];
        const bool of_birth_pass = levels_of(pattern).birth == BirthLevel::exact;
        if (pass_ == Pass::postcode && of_birth_pass) continue;
        found.counts[pattern] += a.id * b.id;
      }
    }
  }

 private:
  void load(const Range& segment, IdentityColumns& columns, std::vector<Identity>& identities) const {
    identities.clear();
    for (std::uint64_t i = segment.begin; i < segment.end; ++i) identities.push_back(work_.items[i].identity);
    columns.assign(identities);
  }

  Pass pass_;
  const Work& work_;
};

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

PassResult run_pass(const Communicator& comm, Pass pass, const ChosenPasses& chosen, const Identities& identities,
                    std::span<const Evidence> evidence, const LinkageModel& model,
                    const std::function<void(std::uint64_t)>& progress) {
  // Tiles of tiny groups are handed to threads by the hundred.
  constexpr std::size_t kTilesPerTask = 256;
  PassResult result;
  result.report.name = pass_name(pass);
  std::uint64_t items_seen = 0, vetoed = 0, links = 0;
  const std::uint64_t rounds = rounds_for(comm, identities);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::vector<PassItem> items = bring_together<PassItem>(
        comm, identities, round, rounds,
        [&](std::uint64_t i, const auto& add) {
          if (identities.owned[i].identity.nhs_status() == NhsStatus::one_time) return;
          const Identity identity = weighed(identities.owned[i].identity, evidence[i]);
          const std::uint64_t value = pass_value(pass, identity);
          if (value != 0) add({identity, identities.first_id + i, linkage_key(value)});
        },
        PassOrder{});
    items_seen += items.size();
    const std::vector<Range> groups = groups_of(std::span<const PassItem>(items), 2);
    const Work work = balance_tiles(comm, std::move(items), groups);
    result.report.groups += work.groups;
    result.report.largest_group = std::max(result.report.largest_group, work.largest_group);
    PerThread<Findings> findings;
    const TileComparer comparer(pass, chosen, work, model);
    for_blocks(work.tiles.size(), kTilesPerTask, [&](std::size_t begin, std::size_t end) {
      Findings& found = findings.local();
      std::uint64_t pairs = 0;
      for (std::size_t t = begin; t < end; ++t) pairs += comparer.compare_tile(work.tiles[t], found);
      progress(pairs);
    });
    findings.for_each([&](Findings& found) {
      for (std::size_t p = 0; p < kPatterns; ++p) result.counts[p] += found.counts[p];
      vetoed += found.vetoed;
      links += found.links;
      const std::vector<Edge> edges = found.edges.take(model.threshold());
      result.edges.insert(result.edges.end(), edges.begin(), edges.end());
      result.edges.insert(result.edges.end(), found.conflicts.begin(), found.conflicts.end());
    });
  }
  comm.sum(result.counts);
  result.report.identities = comm.sum(items_seen);
  result.report.pairs_vetoed = comm.sum(vetoed);
  result.report.edges = comm.sum(links);
  for (const std::uint64_t count : result.counts) result.report.pairs_compared += count;
  return result;
}

PatternCounts count_pass(const Communicator& comm, Pass pass, const Identities& identities, const Survey& survey) {
  constexpr std::size_t kTilesPerTask = 256;
  PatternCounts counts{};
  const std::uint64_t rounds = rounds_for(comm, identities);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::vector<PassItem> items = bring_together<PassItem>(
        comm, identities, round, rounds,
        [&](std::uint64_t i, const auto& add) {
          if (identities.owned[i].identity.nhs_status() == NhsStatus::one_time) return;
          const Identity identity = weighed(identities.owned[i].identity, survey.evidence[i]);
          const std::uint64_t value = pass_value(pass, identity);
          // The number of records travels in place of the identity's, which is not needed here.
          if (value != 0) add({identity, survey.records_of(identities.owned[i]), linkage_key(value)});
        },
        PassOrder{});
    const std::vector<Range> groups = groups_of(std::span<const PassItem>(items), 2);
    const Work work = balance_tiles(comm, std::move(items), groups);
    PerThread<Findings> findings;
    const RecordCounter counter(pass, work);
    for_blocks(work.tiles.size(), kTilesPerTask, [&](std::size_t begin, std::size_t end) {
      Findings& found = findings.local();
      for (std::size_t t = begin; t < end; ++t) counter.count_tile(work.tiles[t], found);
    });
    findings.for_each([&](const Findings& found) {
      for (std::size_t p = 0; p < kPatterns; ++p) counts[p] += found.counts[p];
    });
  }
  comm.sum(counts);
  return counts;
}

}  // namespace ligature
