#include "jobs/rebuild/passes.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "engine/decisive.hpp"
#include "engine/edge_reducer.hpp"
#include "engine/linkage_key.hpp"
#include "engine/pair_kernel.hpp"
#include "engine/parallel.hpp"
#include "engine/pattern_tally.hpp"
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

// The identities of a tile as columns, and its rows: one identity that is not of the vetoed kind, with all those that
// it is to be compared with.  Pairs of two of the vetoed kind are in no row.
class TileRows {
 public:
  struct Side {
    IdentityColumns columns;
    std::span<const PassItem> items;
    std::size_t vetoed_kind = 0;  // the first so many
  };

  void load(const Work& work, const Tile& tile) {
    inside_ = tile.left == tile.right;
    load(work, work.segments[tile.left], left_);
    if (!inside_) load(work, work.segments[tile.right], right_);
  }

  [[nodiscard]] std::uint64_t pairs() const noexcept {
    return inside_ ? pairs_of(left_.items.size()) : left_.items.size() * right_.items.size();
  }
  [[nodiscard]] std::uint64_t vetoed() const noexcept {
    return inside_ ? pairs_of(left_.vetoed_kind) : left_.vetoed_kind * right_.vetoed_kind;
  }

  // Calls row(a, query, b, begin, end): a's item query with b's items [begin, end).
  template <typename Row>
  void for_each_row(const Row& row) {
    if (vetoed() == pairs()) return;
    unpack(left_);
    if (!inside_) unpack(right_);
    for (std::size_t query = left_.vetoed_kind; query < left_.items.size(); ++query) {
      if (inside_) {
        row(left_, query, left_, std::size_t{0}, left_.vetoed_kind);
        row(left_, query, left_, query + 1, left_.items.size());
      } else {
        row(left_, query, right_, std::size_t{0}, right_.items.size());
      }
    }
    if (inside_) return;
    for (std::size_t query = right_.vetoed_kind; query < right_.items.size(); ++query) {
      row(right_, query, left_, std::size_t{0}, left_.vetoed_kind);
    }
  }

 private:
  static void load(const Work& work, const Range& segment, Side& side) {
    side.items = std::span(work.items).subspan(segment.begin, segment.size());
    side.vetoed_kind = 0;
    while (side.vetoed_kind < side.items.size() && is_vetoed_kind(side.items[side.vetoed_kind].identity)) {
      ++side.vetoed_kind;
    }
  }

  static void unpack(Side& side) {
    side.columns.resize(side.items.size());
    for (std::size_t i = 0; i < side.items.size(); ++i) side.columns.set(i, side.items[i].identity);
  }

  bool inside_ = true;
  Side left_, right_;
};

// The pairs of a pass that decide something, by what the query's values are worth.
class WantedPairs {
 public:
  WantedPairs(Pass pass, const ChosenPasses& chosen, const LinkageModel& model)
      : model_(model),
        shared_(pass == Pass::postcode ? Shared::postcode : Shared::birth),
        births_settled_(pass == Pass::postcode && chosen.date_of_birth) {}

  const WantedPatterns& of(const Identity& query) {
    const bool numbered = query.has_valid_nhs();
    const Rarity birth = birth_rarity(query), postcode = postcode_rarity(query);
    std::unique_ptr<const WantedPatterns>& known = known_[(numbered * kRarities + birth) * kRarities + postcode];
    if (known == nullptr) {
      auto wanted = decisive_patterns(model_, numbered, birth, postcode);
      // All pairs of near numbers: some of them have met with the number.
      for (std::size_t p = 0; p < kPatterns; ++p) {
        wanted[p] = wanted[p] || levels_of(static_cast<Pattern>(p)).nhs == NhsLevel::near;
      }
      known = std::make_unique<const WantedPatterns>(wanted, births_settled_, shared_);
    }
    return *known;
  }

 private:
  const LinkageModel& model_;
  Shared shared_;
  bool births_settled_;
  std::vector<std::unique_ptr<const WantedPatterns>> known_{2 * kRarities * kRarities};
};

// Compares the pairs of tiles and keeps what it finds: one for each thread.
class TileComparer {
 public:
  TileComparer(Pass pass, const ChosenPasses& chosen, const LinkageModel& model)
      : model_(model), wanted_(pass, chosen, model) {}

  // Returns the number of pairs that the tile holds.
  std::uint64_t compare_tile(const Work& work, const Tile& tile) {
    rows_.load(work, tile);
    vetoed += rows_.vetoed();
    rows_.for_each_row(
        [&](const TileRows::Side& a, std::size_t query, const TileRows::Side& b, std::size_t begin, std::size_t end) {
          if (begin == end) return;
          found_.resize(std::max(found_.size(), end - begin));
          const PassItem& item = a.items[query];
          const FoundPairs pairs =
              find_wanted(a.columns, query, b.columns, begin, end, wanted_.of(item.identity), found_.data());
          compared += end - begin - pairs.settled;
          for (std::size_t i = 0; i < pairs.wanted; ++i) weigh(item, b.items[found_[i].index], found_[i].pattern);
          nearest_.give(edges);
          nearest_suppressed_.give(suppressed);
        });
    return rows_.pairs();
  }

  EdgeReducer edges;
  EdgeReducer suppressed;  // those with a suppressed end, reduced by themselves: they displace no other
  std::vector<Edge> conflicts, suppressed_conflicts;
  std::uint64_t compared = 0, vetoed = 0, links = 0;

 private:
  void weigh(const PassItem& x, const PassItem& y, Pattern pattern) {
    const bool x_numbered = x.identity.has_valid_nhs(), y_numbered = y.identity.has_valid_nhs();
    // A misspelt number and the one that is meant have met with the number.
    if (levels_of(pattern).nhs == NhsLevel::near && x_numbered != y_numbered) {
      --compared;
      return;
    }
    const Weight weight = model_.weight(pattern, x.identity, y.identity);
    if (!is_decisive(model_, weight, x.identity, y.identity)) return;
    const bool is_link = weight >= model_.threshold();
    const bool with_suppressed = is_suppressed(x.identity) || is_suppressed(y.identity);
    links += is_link && !with_suppressed;
    const PassItem &a = x.id < y.id ? x : y, &b = x.id < y.id ? y : x;
    if (x_numbered && y_numbered) {
      (with_suppressed ? suppressed_conflicts : conflicts).push_back({a.id, b.id, weight, EdgeKind::conflict});
      return;
    }
    const Edge edge{a.id, b.id, weight, EdgeKind::link};
    // Of a flood of numbers that are all as near, a row needs a few.
    if (!x_numbered && y_numbered) {
      (with_suppressed ? nearest_suppressed_ : nearest_).add(edge, a.identity.valid_nhs(), b.identity.valid_nhs());
    } else {
      (with_suppressed ? suppressed : edges).add(edge, a.identity.valid_nhs(), b.identity.valid_nhs());
    }
  }

  const LinkageModel& model_;
  WantedPairs wanted_;
  TileRows rows_;
  std::vector<FoundPair> found_;
  NearestNumbers nearest_, nearest_suppressed_;  // of the query of the row at hand
};

// Counts the pairs of records of tiles: one for each thread.
class RecordCounter {
 public:
  void count_tile(const Work& work, const Tile& tile) {
    rows_.load(work, tile);
    side_ = nullptr;
    rows_.for_each_row(
        [&](const TileRows::Side& a, std::size_t query, const TileRows::Side& b, std::size_t begin, std::size_t end) {
          const PassItem& item = a.items[query];
          weigh_others(b, item.identity.has_valid_nhs());
          for (std::size_t i = begin, count = 0; i < end; i += count) {
            count = std::min(kTallyBlock, end - i);
            compare_one_to_many(a.columns, query, b.columns, i, i + count, patterns_.data());
            tally.add(patterns_.data(), records_.data() + i, count, item.id);
          }
        });
  }

  PatternTally tally;

 private:
  // The records of each of a side's items, as they count with a query that has a valid number or has none.  Rows come
  // sorted by that, so this is done a few times a tile.
  void weigh_others(const TileRows::Side& side, bool numbered) {
    if (&side == side_ && numbered == numbered_) return;
    side_ = &side;
    numbered_ = numbered;
    records_.resize(side.items.size());
    for (std::size_t i = 0; i < side.items.size(); ++i) {
      const bool two_numbers = numbered && side.items[i].identity.has_valid_nhs();
      records_[i] = static_cast<std::uint8_t>(two_numbers ? 0 : side.items[i].id);  // at most one for each dataset
    }
  }

  TileRows rows_;
  std::array<Pattern, kTallyBlock> patterns_{};
  std::vector<std::uint8_t> records_;
  const TileRows::Side* side_ = nullptr;
  bool numbered_ = false;
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
  std::uint64_t items_seen = 0, compared = 0, vetoed = 0, links = 0;
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
    PerThread<std::optional<TileComparer>> comparers;
    for_blocks(work.tiles.size(), kTilesPerTask, [&](std::size_t begin, std::size_t end) {
      std::optional<TileComparer>& comparer = comparers.local();
      if (!comparer) comparer.emplace(pass, chosen, model);
      std::uint64_t pairs = 0;
      for (std::size_t t = begin; t < end; ++t) pairs += comparer->compare_tile(work, work.tiles[t]);
      progress(pairs);
    });
    comparers.for_each([&](std::optional<TileComparer>& comparer) {
      if (!comparer) return;
      compared += comparer->compared;
      vetoed += comparer->vetoed;
      links += comparer->links;
      const std::vector<Edge> edges = comparer->edges.take(model.threshold());
      result.edges.insert(result.edges.end(), edges.begin(), edges.end());
      result.edges.insert(result.edges.end(), comparer->conflicts.begin(), comparer->conflicts.end());
      const std::vector<Edge> apart = comparer->suppressed.take(model.threshold());
      result.suppressed.insert(result.suppressed.end(), apart.begin(), apart.end());
      result.suppressed.insert(result.suppressed.end(), comparer->suppressed_conflicts.begin(),
                               comparer->suppressed_conflicts.end());
    });
  }
  result.report.identities = comm.sum(items_seen);
  result.report.pairs_compared = comm.sum(compared);
  result.report.pairs_vetoed = comm.sum(vetoed);
  result.report.edges = comm.sum(links);
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
    PerThread<RecordCounter> counters;
    for_blocks(work.tiles.size(), kTilesPerTask, [&](std::size_t begin, std::size_t end) {
      RecordCounter& counter = counters.local();
      for (std::size_t t = begin; t < end; ++t) counter.count_tile(work, work.tiles[t]);
    });
    counters.for_each([&](const RecordCounter& counter) {
      const PatternCounts mine = counter.tally.counts();
      for (std::size_t p = 0; p < kPatterns; ++p) counts[p] += mine[p];
    });
  }
  for (std::size_t p = 0; p < kPatterns; ++p) {
    const bool of_birth_pass = levels_of(static_cast<Pattern>(p)).birth == BirthLevel::exact;
    if (pass == Pass::postcode && of_birth_pass) counts[p] = 0;
  }
  comm.sum(counts);
  return counts;
}

}  // namespace ligature
