// The passes against a plain loop over all pairs: the same edges that clustering can need, and the same counts.
#include "jobs/rebuild/passes.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

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

// Edges that decide anything, after the reduction that clustering begins with.
struct Plain {
  EdgeReducer reducer;
  std::vector<Edge> conflicts;
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
      plain.links += weight >= model.threshold();
      if (weight < (one_numbered ? model.rival_threshold() : model.threshold())) continue;
      if (a.has_valid_nhs() && b.has_valid_nhs()) {
        plain.conflicts.push_back({i, j, weight, EdgeKind::conflict});
      } else {
        plain.reducer.add({i, j, weight, EdgeKind::link}, a.valid_nhs(), b.valid_nhs());
      }
    }
  }
}

// Reduced, and in one order.
std::vector<Edge> settle(const Communicator& comm, const Numbered& all, std::vector<Edge> mine) {
  std::vector<Edge> edges = comm.all_gather(std::span<const Edge>(mine)), kept;
  EdgeReducer reducer;
  for (const Edge& edge : edges) {
    if (edge.kind != EdgeKind::link) {
      kept.push_back(edge);
      continue;
    }
    const auto number = [&](IdentityId id) { return weighed(all[id].first.identity, all[id].second).valid_nhs(); };
    reducer.add(edge, number(edge.a), number(edge.b));
  }
  const std::vector<Edge> reduced = reducer.take();
  kept.insert(kept.end(), reduced.begin(), reduced.end());
  std::sort(kept.begin(), kept.end(), heavier);
  return kept;
}

void expect_as_plainly(std::initializer_list<Pass> passes, const Numbered& all) {
  const Communicator comm = Communicator::world();
  const LinkageModel model = small_model();
  std::vector<Evidence> evidence;
  const Identities identities = share_of_rank(comm, all, evidence);
  for (const Pass pass : passes) {
    PassResult result = run_pass(comm, pass, {}, identities, evidence, model, [](std::uint64_t) {});
    Plain plain;
    compare_plainly(pass, all, model, plain);
    EXPECT_GT(plain.links, 100U) << pass_name(pass);
    EXPECT_EQ(result.report.pairs_compared, plain.compared) << pass_name(pass);
    EXPECT_EQ(result.report.pairs_vetoed, plain.vetoed) << pass_name(pass);
    EXPECT_EQ(result.report.edges, plain.links) << pass_name(pass);

    std::vector<Edge> expected = plain.reducer.take(model.threshold());
    expected.insert(expected.end(), plain.conflicts.begin(), plain.conflicts.end());
    const auto tied = [](const Edge& edge) { return std::tie(edge.a, edge.b, edge.weight, edge.kind); };
    const std::vector<Edge> found = settle(comm, all, result.edges);
    expected = settle(comm, all, comm.is_root() ? expected : std::vector<Edge>{});
    ASSERT_EQ(found.size(), expected.size()) << pass_name(pass);
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(tied(found[i]), tied(expected[i])) << pass_name(pass) << ", edge " << i;
    }
  }
}

TEST(Passes, find_what_a_plain_loop_over_all_pairs_finds) {
  expect_as_plainly({Pass::date_of_birth, Pass::postcode}, population(1500, 20, 3));
}

TEST(Passes, find_it_in_a_group_of_more_than_one_tile_too) {
  expect_as_plainly({Pass::date_of_birth}, population(kTileItems + 300, 1, 5));
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
