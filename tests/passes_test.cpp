// The passes against a plain loop over all pairs: the same edges that clustering can need, and the same counts.
#include "jobs/rebuild/passes.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <string_view>
#include <tuple>
#include <utility>

#include <gtest/gtest.h>

#include "engine/edge_reducer.hpp"
#include "engine/linkage_key.hpp"
#include "partition/shard_map.hpp"
#include "partition/tiles.hpp"

namespace ligature {
namespace {

using Numbered = std::vector<std::pair<CountedIdentity, Evidence>>;  // by number of the identity

// People of few dates of birth and postcodes, so that groups are large and all kinds of agreement occur; many without a
// number, some with a misspelt one, some whose number is thin.
Numbered population(std::size_t count, std::uint64_t births, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  const auto change_digit = [&](NhsNumber& nhs) {
    std::uint64_t power = 1;
    for (std::uint64_t p = below(10); p > 0; --p) power *= 10;
    const std::uint64_t digit = nhs.value / power % 10;
    nhs.value = nhs.value - digit * power + (digit + 1) % 10 * power;
    nhs.status = nhs_check_digit_ok(nhs.value) ? NhsStatus::valid : NhsStatus::invalid;
  };
  const char* const kPostcodes[] = {"M1 1AA", "M1 1AB", "M1 1BA", "M1 2AA", "M2 1AA", "N1 1AA", "CB2 8PE"};
  std::vector<IdentityFields> people;
  std::map<Identity, std::uint32_t> datasets;
  while (datasets.size() < count) {
    IdentityFields person;
    if (!people.empty() && below(2) == 0) {
      person = people[below(people.size())];
    } else {
      person.nhs = {4'000'000'000 + below(1'000'000'000), NhsStatus::invalid};
      while (!nhs_check_digit_ok(person.nhs.value)) ++person.nhs.value;
      person.nhs.status = NhsStatus::valid;
      person.date_of_birth = static_cast<DayNumber>(30'000 + below(births));
      person.postcode = standardise_postcode(kPostcodes[below(std::size(kPostcodes))]);
      person.gender = below(2) == 0 ? Gender::male : Gender::female;
    }
    if (below(3) == 0) person.nhs = {};
    if (below(5) == 0 && person.nhs.status != NhsStatus::missing) change_digit(person.nhs);
    if (below(5) == 0) person.date_of_birth = static_cast<DayNumber>(30'000 + below(births));
    if (below(10) == 0) person.gender = Gender::unknown;
    if (!is_linkable(person)) continue;
    people.push_back(person);
    datasets[pack(person)] |= 1U << below(4);
  }
  Numbered identities;
  for (const auto& [identity, seen] : datasets) {
    Evidence evidence;
    evidence.birth = static_cast<Rarity>(50 + identity.date_of_birth() % 40);
    evidence.postcode = static_cast<Rarity>(50 + identity.postcode() % 40);
    if (identity.has_valid_nhs() && below(6) == 0) evidence.flags |= Evidence::number_thin;
    if (below(40) == 0) evidence.flags |= Evidence::number_disowned;
    if (below(8) == 0 && !evidence.has(Evidence::number_thin)) evidence.flags |= Evidence::suppressed;
    identities.push_back({{identity, 1, seen}, evidence});
  }
  return identities;
}

// This rank's share of them.
Identities share_of_rank(const Communicator& comm, const Numbered& all, std::vector<Evidence>& evidence) {
  Identities identities;
  for (int rank = 0; rank <= comm.size(); ++rank) {
    identities.first_id_of_rank.push_back(rank == comm.size() ? all.size()
                                                              : share_of(all.size(), rank, comm.size()).begin);
  }
  const Range mine = share_of(all.size(), comm.rank(), comm.size());
  identities.first_id = mine.begin;
  identities.total = all.size();
  for (std::uint64_t i = mine.begin; i < mine.end; ++i) {
    identities.owned.push_back(all[i].first);
    evidence.push_back(all[i].second);
  }
  return identities;
}

// A file of ten thousand: links and rivals at many levels.
LinkageModel small_model() {
  FileFrequencies file;
  file.identities = 10'000;
  file.distinct_nhs = 8'000;
  file.thin_numbers = 500;
  return LinkageModel(documented_model(file));
}

// To a conflict a thin number is none.
std::uint64_t number_in(EdgeKind kind, const Identity& identity) {
  return kind == EdgeKind::conflict && is_thin(identity) ? 0 : identity.valid_nhs();
}

// Edges that decide anything, after the reduction that clustering begins with: conflicts apart from other edges.
class Reduced {
 public:
  void add(const Edge& edge, const Identity& a, const Identity& b) {
    if (edge.kind == EdgeKind::rival) {
      edges_.push_back(edge);
    } else {
      (edge.kind == EdgeKind::conflict ? conflicts_ : links_)
          .add(edge, number_in(edge.kind, a), number_in(edge.kind, b));
    }
  }
  std::vector<Edge> take(Weight threshold = std::numeric_limits<Weight>::min()) {
    for (EdgeReducer* const reducer : {&links_, &conflicts_}) {
      const std::vector<Edge> left = reducer->take(threshold);
      edges_.insert(edges_.end(), left.begin(), left.end());
    }
    std::sort(edges_.begin(), edges_.end(), heavier);
    return std::move(edges_);
  }

 private:
  EdgeReducer links_, conflicts_;
  std::vector<Edge> edges_;  // rivals are known by their numbers alone
};

struct Plain {
  Reduced kept, suppressed;
  std::uint64_t compared = 0, vetoed = 0, links = 0;
};

// The plain loop: every pair of the group's identities by the reference comparison.
void compare_plainly(Pass pass, const Numbered& all, const LinkageModel& model, Plain& plain) {
  std::vector<Identity> identities;
  for (const auto& [counted, evidence] : all) identities.push_back(weighed(counted.identity, evidence));
  const auto vetoed_kind = [](const Identity& identity) { return identity.has_valid_nhs() && !is_thin(identity); };
  for (std::size_t i = 0; i < identities.size(); ++i) {
    for (std::size_t j = i + 1; j < identities.size(); ++j) {
      const Identity &a = identities[i], &b = identities[j];
      const Pattern pattern = compare(a, b);
      const Levels levels = levels_of(pattern);
      const bool meet =
          pass == Pass::postcode ? levels.postcode == PostcodeLevel::exact : levels.birth == BirthLevel::exact;
      if (!meet) continue;
      if (vetoed_kind(a) && vetoed_kind(b)) {
        ++plain.vetoed;
        continue;
      }
      const bool one_numbered = a.has_valid_nhs() != b.has_valid_nhs();
      if (levels.nhs == NhsLevel::exact || (levels.nhs == NhsLevel::near && one_numbered)) continue;
      if (pass == Pass::postcode && levels.birth == BirthLevel::exact) continue;
      ++plain.compared;
      const Weight weight = model.weight(pattern, a, b);
      if (weight < (one_numbered ? model.rival_threshold() : model.threshold())) continue;
      const bool apart = is_suppressed(a) || is_suppressed(b);
      if (weight >= model.threshold() && !apart) ++plain.links;
      const EdgeKind kind = a.has_valid_nhs() && b.has_valid_nhs() ? EdgeKind::conflict : EdgeKind::link;
      (apart ? plain.suppressed : plain.kept).add({i, j, weight, kind}, a, b);
    }
  }
}

// Collective.  The edges of all ranks, reduced, and in one order.
std::vector<Edge> settle(const Communicator& comm, const Numbered& all, std::vector<Edge> mine) {
  const auto weighed_one = [&](IdentityId id) { return weighed(all[id].first.identity, all[id].second); };
  Reduced reduced;
  for (const Edge& edge : comm.all_gather(std::span<const Edge>(mine))) {
    // Of a rival the second end is a number.
    reduced.add(edge, weighed_one(edge.a), weighed_one(edge.kind == EdgeKind::rival ? edge.a : edge.b));
  }
  return reduced.take();
}

void expect_same(const std::vector<Edge>& found, const std::vector<Edge>& expected, std::string_view what) {
  const auto tied = [](const Edge& edge) { return std::tie(edge.a, edge.b, edge.weight, edge.kind); };
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(tied(found[i]), tied(expected[i])) << what << ", edge " << i;
  }
}

// most_edges: that may come out of a pass before they are reduced together.
void expect_as_plainly(std::initializer_list<Pass> passes, const Numbered& all,
                       std::uint64_t most_edges = std::numeric_limits<std::uint64_t>::max()) {
  const Communicator comm = Communicator::world();
  const LinkageModel model = small_model();
  std::vector<Evidence> evidence;
  const Identities identities = share_of_rank(comm, all, evidence);
  for (const Pass pass : passes) {
    const PassResult result = run_pass(comm, pass, {}, identities, evidence, model, nullptr, [](std::uint64_t) {});
    EXPECT_LT(comm.sum(std::uint64_t{result.edges.size() + result.suppressed.size()}), most_edges) << pass_name(pass);
    Plain plain;
    if (comm.is_root()) {
      compare_plainly(pass, all, model, plain);
      EXPECT_GT(plain.links, 100U) << pass_name(pass);
      EXPECT_EQ(result.report.pairs_compared, plain.compared) << pass_name(pass);
      EXPECT_EQ(result.report.pairs_vetoed, plain.vetoed) << pass_name(pass);
      EXPECT_EQ(result.report.edges, plain.links) << pass_name(pass);
    }
    expect_same(settle(comm, all, result.edges), settle(comm, all, plain.kept.take(model.threshold())),
                pass_name(pass));
    expect_same(settle(comm, all, result.suppressed), settle(comm, all, plain.suppressed.take(model.threshold())),
                "suppressed");
  }
}

TEST(Passes, find_what_a_plain_loop_over_all_pairs_finds) {
  expect_as_plainly({Pass::date_of_birth, Pass::postcode}, population(1500, 20, 3));
}

TEST(Passes, find_it_in_a_group_of_more_than_one_tile_too) {
  expect_as_plainly({Pass::date_of_birth}, population(kTileItems + 300, 1, 5));
}

// Draws of people of few dates of birth and postcodes: numbers in use, thin, misspelt (some of them one digit from
// others, some twice) and none, a few of them suppressed, in an order that says nothing of all this.
Numbered flood(std::size_t draws, std::uint64_t births, std::uint64_t postcodes) {
  std::mt19937_64 random(9);
  const char* const kPostcodes[] = {"M1 1AA", "M1 1AB", "M2 1AA"};
  std::map<Identity, Evidence> drawn;
  for (std::size_t draw = 0; draw < draws; ++draw) {
    const std::uint64_t kind = random() % 4;
    const std::uint64_t number = 4'000'000'000 + 13 * draw + random() % 10;
    const bool valid = nhs_check_digit_ok(number);
    IdentityFields fields;
    if (random() % 50 != 0) fields.nhs = {number, valid ? NhsStatus::valid : NhsStatus::invalid};
    if (kind < 2 && !valid) {
      for (std::uint64_t digit = 0; digit < 10; ++digit) {
        const std::uint64_t other = number - number % 10 + digit;
        if (nhs_check_digit_ok(other)) fields.nhs = {other, NhsStatus::valid};
      }
    }
    fields.date_of_birth = static_cast<DayNumber>(30'000 + random() % births);
    fields.postcode = standardise_postcode(kPostcodes[random() % postcodes]);
    fields.gender = static_cast<Gender>(random() % 3);
    for (const std::uint64_t repeats : {random() % 20, std::uint64_t{1}}) {
      Evidence evidence;
      evidence.postcode = static_cast<Rarity>(60 + fields.postcode.packed % 20);
      if (kind == 1 && fields.nhs.status == NhsStatus::valid) evidence.flags = Evidence::number_thin;
      if (kind != 1 && random() % 4 == 0) evidence.flags = Evidence::suppressed;
      drawn[pack(fields)] = evidence;
      if (repeats != 0 || kind == 1) break;  // a thin number is of one identity
      fields.gender = static_cast<Gender>(random() % 3);
    }
  }
  Numbered identities;
  for (const auto& [identity, evidence] : drawn) {
    identities.push_back({{identity, 1, evidence.has(Evidence::suppressed) ? 0U : 1U}, evidence});
  }
  std::shuffle(identities.begin(), identities.end(), random);
  return identities;
}

TEST(Passes, find_in_a_flood_what_clustering_needs_of_it_and_little_more) {
  const std::uint64_t draws = 1500;
  expect_as_plainly({Pass::date_of_birth}, flood(draws, 1, 1), 30 * draws);
  expect_as_plainly({Pass::postcode}, flood(draws, 3, 1), 30 * draws);
}

TEST(Passes, find_it_in_a_flood_of_several_postcodes_and_tiles) {
  const std::uint64_t draws = kTileItems + 300;
  expect_as_plainly({Pass::date_of_birth}, flood(draws, 1, 3), 60 * draws);
}

TEST(Passes, count_pairs_of_records_as_a_plain_loop_does) {
  const Communicator comm = Communicator::world();
  const Numbered all = population(1500, 20, 4);
  Survey survey;
  const Identities identities = share_of_rank(comm, all, survey.evidence);
  for (const Pass pass : {Pass::date_of_birth, Pass::postcode}) {
    PatternCounts plain{};
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::size_t j = i + 1; j < all.size(); ++j) {
        const Identity a = weighed(all[i].first.identity, all[i].second);
        const Identity b = weighed(all[j].first.identity, all[j].second);
        const Pattern pattern = compare(a, b);
        const Levels levels = levels_of(pattern);
        const bool same_birth = levels.birth == BirthLevel::exact;
        const bool meet = pass == Pass::postcode ? levels.postcode == PostcodeLevel::exact && !same_birth : same_birth;
        if (!meet || (a.has_valid_nhs() && b.has_valid_nhs())) continue;
        plain[pattern] += survey.records_of(all[i].first) * survey.records_of(all[j].first);
      }
    }
    EXPECT_EQ(count_pass(comm, pass, identities, survey), plain) << pass_name(pass);
  }
}

}  // namespace
}  // namespace ligature
