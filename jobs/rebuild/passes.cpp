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
#include "jobs/rebuild/tile_rows.hpp"
#include "partition/tiles.hpp"

namespace ligature {

namespace {

// The value that a pass groups by; 0 where the identity takes no part in the pass.
std::uint64_t pass_value(Pass pass, const Identity& identity, const Evidence& evidence) noexcept {
  if (identity.nhs_status() == NhsStatus::one_time) return 0;
  if (pass == Pass::postcode) return identity.postcode();
  return evidence.has(Evidence::birth_default) ? kMissingDay : std::uint64_t{identity.date_of_birth()};
}

// The pairs of a pass that decide something, by what the query's values are worth.
class WantedPairs {
 public:
  WantedPairs(Pass pass, const ChosenPasses& chosen, const LinkageModel& model)
      : model_(model),
        shared_(pass == Pass::postcode ? Shared::postcode : Shared::birth),
        births_settled_(pass == Pass::postcode && chosen.date_of_birth) {}

  [[nodiscard]] bool births_settled() const noexcept { return births_settled_; }

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

WantedPatterns near_numbers(Pass pass) {
  std::array<bool, kPatterns> near{};
  for (std::size_t p = 0; p < kPatterns; ++p) near[p] = levels_of(static_cast<Pattern>(p)).nhs == NhsLevel::near;
  return {near, false, pass == Pass::postcode ? Shared::postcode : Shared::birth};
}

// The edges that pairs make, without those that clustering cannot need.
class FoundEdges {
 public:
  // x: the query of the row at hand.
  void add(const PassItem& x, const PassItem& y, Weight weight) {
    const Kind kind_x = kind_of(x.identity), kind_y = kind_of(y.identity);
    const bool is_conflict = kind_x != Kind::unnumbered && kind_y != Kind::unnumbered;
    const auto number = [&](const PassItem& item, Kind kind) {
      return is_conflict && kind == Kind::thin ? 0 : item.identity.valid_nhs();
    };
    const EdgeKind edge_kind = is_conflict ? EdgeKind::conflict : EdgeKind::link;
    const Edge edge{std::min(x.id, y.id), std::max(x.id, y.id), weight, edge_kind};
    const std::uint64_t of_x = number(x, kind_x), of_y = number(y, kind_y);
    const std::uint64_t of_a = x.id < y.id ? of_x : of_y, of_b = x.id < y.id ? of_y : of_x;
    // Of a flood of numbers that are all as near, a row needs a few.
    if (is_to_number(kind_x, kind_y)) {
      (is_conflict ? nearest_conflicts_ : nearest_).add(edge, of_a, of_b);
    } else {
      (is_conflict ? conflicts_ : links_).add(edge, of_a, of_b);
    }
  }

  // False if no pair of the query, of that weight, with one like y of the same or a higher number would be kept.
  [[nodiscard]] bool would_keep(const Identity& x, const Identity& y, Weight weight) const noexcept {
    if (!is_to_number(kind_of(x), kind_of(y))) return true;
    return (kind_of(x) == Kind::thin ? nearest_conflicts_ : nearest_).would_keep(weight, y.nhs());
  }

  void end_row() {
    nearest_.give(links_);
    nearest_conflicts_.give(conflicts_);
  }

  // Moves them to the end of edges.
  void take(Weight threshold, std::vector<Edge>& edges) {
    for (EdgeReducer* const reducer : {&links_, &conflicts_}) {
      const std::vector<Edge> left = reducer->take(threshold);
      edges.insert(edges.end(), left.begin(), left.end());
    }
  }

 private:
  // True if the first looks for a number, and the second has one that it keeps.
  static bool is_to_number(Kind x, Kind y) noexcept {
    return x == Kind::unnumbered ? y != Kind::unnumbered : x == Kind::thin && y == Kind::in_use;
  }

  EdgeReducer links_;
  EdgeReducer conflicts_;                       // to these, an identity with a thin number has none
  NearestNumbers nearest_, nearest_conflicts_;  // of the query of the row at hand
};

// Compares the pairs of tiles and keeps what it finds: one for each thread.
class TileComparer {
 public:
  TileComparer(Pass pass, const ChosenPasses& chosen, const LinkageModel& model)
      : model_(model), wanted_(pass, chosen, model), near_(near_numbers(pass)) {}

  // Returns the number of pairs that the tile holds.
  std::uint64_t compare_tile(const Work& work, const Tile& tile) {
    rows_.load(work, tile);
    vetoed += rows_.vetoed();
    rows_.for_each_row(
        [&](const TileSide& a, std::size_t query, const TileSide& b, std::size_t begin, std::size_t end) {
          found_.resize(std::max(found_.size(), end - begin));
          for (const AlikeRun& run : b.runs) {
            if (run.end <= begin || run.begin >= end) continue;
            compare_each(a, query, b, begin, run.begin);
            begin = std::max(begin, run.begin);
            compare_alike(a, query, b, {begin, std::min(end, run.end), run.first});
            begin = std::min(end, run.end);
          }
          compare_each(a, query, b, begin, end);
          kept.end_row();
          suppressed.end_row();
        });
    return rows_.pairs();
  }

  FoundEdges kept;
  FoundEdges suppressed;  // those with a suppressed end, reduced by themselves: they displace no other
  std::uint64_t compared = 0, vetoed = 0, links = 0;

 private:
  void compare_each(const TileSide& a, std::size_t query, const TileSide& b, std::size_t begin, std::size_t end) {
    if (begin >= end) return;
    const PassItem& item = a.items[query];
    const FoundPairs pairs =
        find_wanted(a.columns, query, b.columns, begin, end, wanted_.of(item.identity), found_.data());
    compared += end - begin - pairs.settled;
    for (std::size_t i = 0; i < pairs.wanted; ++i) weigh(item, b.items[found_[i].index], found_[i].pattern);
  }

  // The same for identities that are alike: but for near and equal numbers, all pairs have one pattern and weight.
  void compare_alike(const TileSide& a, std::size_t query, const TileSide& b, const AlikeRun& run) {
    const PassItem& item = a.items[query];
    Levels levels = levels_of(compare(item.identity, b.items[run.begin].identity));
    if (wanted_.births_settled() && levels.birth == BirthLevel::exact) return;
    const FoundPairs near = find_wanted(a.columns, query, b.columns, run.begin, run.end, near_, found_.data());
    compared += run.end - run.begin - near.settled;
    for (std::size_t i = 0; i < near.wanted; ++i) weigh(item, b.items[found_[i].index], found_[i].pattern);
    const std::uint64_t others = run.end - run.begin - near.settled - near.wanted;
    if (others == 0) return;

    const std::uint64_t digits = nhs_digits_bcd(item.identity.nhs());
    const auto is_other = [&](std::size_t i) {
      return compare_nhs(digits, nhs_digits_bcd(b.items[i].identity.nhs())) < NhsLevel::near;
    };
    std::size_t i = run.begin;
    while (!is_other(i)) ++i;
    const Identity& other = b.items[i].identity;
    levels.nhs = item.identity.nhs() == 0 || other.nhs() == 0 ? NhsLevel::missing : NhsLevel::other;
    const Weight weight = model_.weight(pattern_of(levels), item.identity, other);
    if (!is_decisive(model_, weight, item.identity, other)) return;
    if (weight >= model_.threshold() && !is_apart(item.identity, other)) links += others;
    FoundEdges& edges = edges_of(item.identity, other);
    if (kind_of(item.identity) == kind_of(other)) {
      // Each of some that are alike with each of others, all of one weight (or more, where numbers are near): of equal
      // edges those of the smallest ids come first, so the edges at the two smallest are a path that makes every other
      // one needless, unless two on it share a number: they have met with it.
      const AlikeRun* const own = a.run_of(query);
      const std::uint64_t number = own == nullptr ? 0 : a.items[own->first].identity.nhs();
      const PassItem& first = b.items[run.first];
      const auto has_met = [&](std::uint64_t with) { return with != 0 && with == first.identity.nhs(); };
      const bool is_own_run = &a == &b && own != nullptr && own->first == run.first;  // the path is by one of them only
      if (own != nullptr && own->first != query && (is_own_run || !has_met(number)) && !has_met(item.identity.nhs())) {
        if (run.first >= run.begin && run.first < run.end && is_other(run.first)) edges.add(item, first, weight);
        if (number == 0) return;
        for (i = find_number(b, run, number); i < run.end && b.items[i].identity.nhs() == number; ++i) {
          if (i != run.first && is_other(i)) edges.add(item, b.items[i], weight);
        }
        return;
      }
    }
    for (; i < run.end && edges.would_keep(item.identity, b.items[i].identity, weight); ++i) {
      if (is_other(i)) edges.add(item, b.items[i], weight);
    }
  }

  // The first of a run with this number or a higher one.
  static std::size_t find_number(const TileSide& side, const AlikeRun& run, std::uint64_t number) {
    const auto items = std::span(side.items).subspan(run.begin, run.end - run.begin);
    const auto found = std::partition_point(items.begin(), items.end(),
                                            [&](const PassItem& item) { return item.identity.nhs() < number; });
    return run.begin + static_cast<std::size_t>(found - items.begin());
  }

  void weigh(const PassItem& x, const PassItem& y, Pattern pattern) {
    // A misspelt number and the one that is meant have met with the number.
    if (levels_of(pattern).nhs == NhsLevel::near && x.identity.has_valid_nhs() != y.identity.has_valid_nhs()) {
      --compared;
      return;
    }
    const Weight weight = model_.weight(pattern, x.identity, y.identity);
    if (!is_decisive(model_, weight, x.identity, y.identity)) return;
    if (weight >= model_.threshold() && !is_apart(x.identity, y.identity)) ++links;
    edges_of(x.identity, y.identity).add(x, y, weight);
  }

  static bool is_apart(const Identity& x, const Identity& y) noexcept { return is_suppressed(x) || is_suppressed(y); }

  FoundEdges& edges_of(const Identity& x, const Identity& y) noexcept { return is_apart(x, y) ? suppressed : kept; }

  const LinkageModel& model_;
  WantedPairs wanted_;
  WantedPatterns near_;
  TileRows rows_;
  std::vector<FoundPair> found_;
};

// Counts the pairs of records of tiles: one for each thread.
class RecordCounter {
 public:
  void count_tile(const Work& work, const Tile& tile) {
    rows_.load(work, tile);
    side_ = nullptr;
    rows_.for_each_row(
        [&](const TileSide& a, std::size_t query, const TileSide& b, std::size_t begin, std::size_t end) {
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
  void weigh_others(const TileSide& side, bool numbered) {
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
  const TileSide* side_ = nullptr;
  bool numbered_ = false;
};

// Brings together the identities that share a pass's value, round by round.
class PassRounds {
 public:
  // Collective.
  PassRounds(const Communicator& comm, Pass pass, const Identities& identities, std::span<const Evidence> evidence,
             Homes* homes)
      : comm_(comm),
        pass_(pass),
        identities_(identities),
        evidence_(evidence),
        homes_(homes),
        count_(rounds_within(comm, identities, identities.total, identities.per_round, kBytesOfItem<PassItem>,
                             homes == nullptr ? 0 : identities.owned.size() * kBytesAtHome)) {}

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

  // Collective.  Those of one round, by key.
  RawVector<PassItem> bring(std::uint64_t round) {
    RawVector<PassItem> items =
        bring_together<PassItem>(comm_, identities_, round, count_, sieve_, [&](std::uint64_t i, const auto& add) {
          const Identity& identity = identities_.owned[i].identity;
          const std::uint64_t value = pass_value(pass_, identity, evidence_[i]);
          if (value == 0) return;
          const std::uint64_t key = linkage_key(value);
          add(key, [&] { return PassItem{weighed(identity, evidence_[i]), identities_.first_id + i, key}; });
        });
    if (homes_ != nullptr) homes_->add(items);
    return items;
  }

 private:
  const Communicator& comm_;
  Pass pass_;
  const Identities& identities_;
  std::span<const Evidence> evidence_;
  Homes* homes_;
  std::uint64_t count_;
  RoundSieve sieve_;
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
                    std::span<const Evidence> evidence, const LinkageModel& model, Homes* homes,
                    const std::function<void(std::uint64_t)>& progress) {
  // Tiles of tiny groups are handed to threads by the hundred.
  constexpr std::size_t kTilesPerTask = 256;
  PassResult result;
  result.report.name = pass_name(pass);
  std::uint64_t items_seen = 0, compared = 0, vetoed = 0, links = 0;
  PassRounds rounds(comm, pass, identities, evidence, homes);
  for (std::uint64_t round = 0; round < rounds.count(); ++round) {
    RawVector<PassItem> items = rounds.bring(round);
    items_seen += items.size();
    const RawVector<Range> groups = groups_of(std::span<const PassItem>(items), 2);
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
    std::vector<TileComparer*> of_threads;
    comparers.for_each([&](std::optional<TileComparer>& comparer) {
      if (comparer) of_threads.push_back(&*comparer);
    });
    std::vector<std::array<std::vector<Edge>, 2>> taken(of_threads.size());
    for_each_item(of_threads.size(), [&](std::size_t t) {
      of_threads[t]->kept.take(model.threshold(), taken[t][0]);
      of_threads[t]->suppressed.take(model.threshold(), taken[t][1]);
    });
    for (std::size_t t = 0; t < taken.size(); ++t) {
      compared += of_threads[t]->compared;
      vetoed += of_threads[t]->vetoed;
      links += of_threads[t]->links;
      result.edges.insert(result.edges.end(), taken[t][0].begin(), taken[t][0].end());
      result.suppressed.insert(result.suppressed.end(), taken[t][1].begin(), taken[t][1].end());
    }
  }
  result.report.identities = comm.sum(items_seen);
  result.report.pairs_compared = comm.sum(compared);
  result.report.pairs_vetoed = comm.sum(vetoed);
  result.report.edges = comm.sum(links);
  return result;
}

void note_homes(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                Homes& homes) {
  PassRounds rounds(comm, Pass::postcode, identities, evidence, &homes);
  for (std::uint64_t round = 0; round < rounds.count(); ++round) rounds.bring(round);
}

PatternCounts count_pass(const Communicator& comm, Pass pass, const Identities& identities, const Survey& survey) {
  constexpr std::size_t kTilesPerTask = 256;
  PatternCounts counts{};
  const std::uint64_t rounds = rounds_for<PassItem>(comm, identities);
  RoundSieve sieve;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    RawVector<PassItem> items =
        bring_together<PassItem>(comm, identities, round, rounds, sieve, [&](std::uint64_t i, const auto& add) {
          const CountedIdentity& counted = identities.owned[i];
          const std::uint64_t value = pass_value(pass, counted.identity, survey.evidence[i]);
          if (value == 0) return;
          const std::uint64_t key = linkage_key(value);
          // The number of records travels in place of the identity's, which is not needed here.
          add(key, [&] {
            return PassItem{weighed(counted.identity, survey.evidence[i]), survey.records_of(counted), key};
          });
        });
    const RawVector<Range> groups = groups_of(std::span<const PassItem>(items), 2);
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
