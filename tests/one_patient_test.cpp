// One patient number a provider: what the file must show, and whom a record is then not put to.
#include "engine/one_patient.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/clustering.hpp"
#include "engine/local_id.hpp"
#include "tests/sanitized.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kX = 9434765919, kY = 9434765870;

std::uint64_t key(const char* provider, const char* number) {
  return local_key(LocalIdScope::provider, provider, number);
}
PatientSet patients(std::vector<std::uint64_t> keys) {
  std::sort(keys.begin(), keys.end(), by_provider);
  return PatientSet(keys);
}

TEST(OnePatient, is_learnt_where_hardly_any_has_two_numbers) {
  EXPECT_EQ(several_patient_numbers({99, 0}), 1);  // too few to tell
  EXPECT_DOUBLE_EQ(several_patient_numbers({999, 31}), 31.5 / 1'000);
  EXPECT_FALSE(is_one_patient(31.5 / 1'000, 5));  // 1 in 32 is the most at 5 bits
  EXPECT_TRUE(is_one_patient(31.0 / 1'000, 5));
  EXPECT_TRUE(is_one_patient(31.0 / 1'000, 0));  // a smaller margin refuses no more
  EXPECT_FALSE(is_one_patient(31.0 / 1'000, 6));
}

TEST(OnePatient, keys_of_one_provider_have_it_in_common) {
  EXPECT_TRUE(same_provider(key("RR8", "P1"), key(" rr8", "P2")));
  EXPECT_FALSE(same_provider(key("RR8", "P1"), key("RA1", "P1")));
  EXPECT_NE(key("RR8", "P1"), key("RR8", "P2"));
  EXPECT_NE(key("RR8", "P1"), key("RA1", "P1"));
}

TEST(OnePatient, differs_only_within_a_provider_and_only_if_no_number_is_shared) {
  const PatientSet one = patients({key("RR8", "P1")});
  EXPECT_TRUE(one.differs(patients({key("RR8", "P2")})));
  EXPECT_FALSE(one.differs(one));
  EXPECT_FALSE(one.differs(patients({key("RA1", "P2")})));
  EXPECT_FALSE(one.differs({}));
  EXPECT_FALSE(PatientSet().differs(one));
  EXPECT_FALSE(one.differs(patients({key("RR8", "P1"), key("RR8", "P2")})));
  // One of two providers has both under one number: that is worth more than another's second number.
  EXPECT_FALSE(patients({key("RR8", "P1"), key("RA1", "P5")}).differs(patients({key("RR8", "P2"), key("RA1", "P5")})));
}

TEST(OnePatient, a_provider_of_which_not_all_numbers_fit_is_left_out) {
  std::vector<std::uint64_t> keys;
  for (const char* number : {"P1", "P2", "P3", "P4", "P5"}) keys.push_back(key("RR8", number));
  EXPECT_TRUE(patients(keys).empty());
  keys.pop_back();
  EXPECT_EQ(patients(keys).numbers().size(), 4U);
  EXPECT_TRUE(patients(keys).differs(patients({key("RR8", "P6")})));
}

ClusterNode record(IdentityId id, std::uint64_t number, std::vector<std::uint64_t> keys) {
  ClusterNode node;
  node.id = id;
  node.valid_nhs = number;
  node.patients = patients(std::move(keys));
  return node;
}

class OnePatientRule : public testing::Test {
 protected:
  // Node 0 has no number; X is node 1 and 2, whom the hospital RR8 knows as P1; Y is node 3, whom it does not know.
  std::vector<ClusterNode> nodes_{record(0, 0, {key("RR8", "P9")}), record(1, kX, {key("A81", "P7")}),
                                  record(2, kX, {key("RR8", "P1")}), record(3, kY, {key("A81", "P8")})};
  ClusterRules rules_{.margin = 5, .one_patient = true};
  ClusterCounts counts_;
  std::vector<ClusterResult> resolve(std::vector<Edge> edges) {
    edges.push_back({1, 2, 30});
    return resolve_component(nodes_, edges, rules_, counts_);
  }
};

TEST_F(OnePatientRule, refuses_a_claim_by_what_any_record_of_the_number_says) {
  std::vector<ClusterResult> results = resolve({{0, 1, 20}});
  EXPECT_NE(results[0].cluster, results[1].cluster);
  EXPECT_TRUE(results[0].other_patient);
  EXPECT_FALSE(results[0].ambiguous);
  nodes_[0] = record(0, 0, {key("RR8", "P1")});
  results = resolve({{0, 1, 20}});
  EXPECT_EQ(results[0].cluster, results[1].cluster);
  EXPECT_FALSE(results[0].other_patient);
}

TEST_F(OnePatientRule, lets_the_rival_lead) {
  const std::vector<Edge> edges{{0, 1, 20}, {0, 3, 18}};
  const std::vector<ClusterResult> results = resolve(edges);
  EXPECT_EQ(results[0].cluster, results[3].cluster);
  rules_.one_patient = false;
  EXPECT_TRUE(resolve(edges)[0].ambiguous);
}

TEST_F(OnePatientRule, keeps_two_without_a_number_apart) {
  nodes_[3] = record(3, 0, {key("RR8", "P8")});
  const std::vector<Edge> edges{{0, 3, 20}};
  std::vector<ClusterResult> results = resolve(edges);
  EXPECT_NE(results[0].cluster, results[3].cluster);
  EXPECT_TRUE(results[0].other_patient && results[3].other_patient);
  rules_.one_patient = false;
  results = resolve(edges);
  EXPECT_EQ(results[0].cluster, results[3].cluster);
}

// Who is with whom, and who is ambiguous, of components without numbers: by place, whatever the ids.
struct Outcome {
  std::vector<std::size_t> first_with;  // by place: the first place of its cluster
  std::vector<bool> ambiguous;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
struct PlacedLink {
  std::size_t a, b;
  Weight weight;
};

// order: the id of each place.
Outcome outcome_of(const std::vector<std::vector<std::uint64_t>>& keys, const std::vector<PlacedLink>& links,
                   const std::vector<IdentityId>& order, const ClusterRules& rules) {
  std::vector<ClusterNode> nodes(keys.size());
  for (std::size_t place = 0; place < keys.size(); ++place) {
    nodes[order[place]] = record(order[place], 0, keys[place]);
  }
  std::vector<Edge> edges;
  for (const auto& [a, b, weight] : links) {
    edges.push_back({std::min(order[a], order[b]), std::max(order[a], order[b]), weight});
  }
  ClusterCounts counts;
  const std::vector<ClusterResult> results = resolve_component(nodes, edges, rules, counts);
  Outcome outcome;
  for (std::size_t place = 0; place < keys.size(); ++place) {
    std::size_t first = 0;
    while (results[order[first]].cluster != results[order[place]].cluster) ++first;
    outcome.first_with.push_back(first);
    outcome.ambiguous.push_back(results[order[place]].ambiguous);
  }
  return outcome;
}

using Places = std::vector<std::size_t>;
using Flags = std::vector<bool>;

TEST_F(OnePatientRule, third_record_that_fits_two_patients_of_a_provider_is_put_to_neither_whatever_the_ids) {
  const std::vector<std::vector<std::uint64_t>> keys{{}, {key("RR8", "P1")}, {key("RR8", "P2")}};
  std::vector<IdentityId> order{0, 1, 2};
  do {
    const auto of = [&](Weight to_one, Weight to_two, Weight between) {
      return outcome_of(keys, {{0, 1, to_one}, {0, 2, to_two}, {1, 2, between}}, order, rules_);
    };
    for (const Weight between : {6, 20, 30}) {
      const Outcome equal = of(20, 20, between);
      EXPECT_EQ(equal.first_with, (Places{0, 1, 2}));
      EXPECT_EQ(equal.ambiguous, (Flags{true, false, false}));
      EXPECT_EQ(of(20, 16, between), equal) << "less than the margin";
    }
    const Outcome leads = of(20, 15, 6);
    EXPECT_EQ(leads.first_with, (Places{0, 0, 2}));
    EXPECT_EQ(leads.ambiguous, (Flags{false, false, false}));
    rules_.one_patient = false;
    EXPECT_EQ(of(20, 20, 20).first_with, (Places{0, 0, 0}));
    rules_.one_patient = true;
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(OnePatientRule, patient_number_of_its_own_tells_a_third_record_which_of_two_patients_it_is) {
  const std::vector<std::vector<std::uint64_t>> keys{
      {key("RR8", "P1"), key("RA1", "P7")}, {key("RR8", "P1")}, {key("RR8", "P2")}, {}};
  std::vector<IdentityId> order{0, 1, 2, 3};
  do {
    // As a shared patient number does, it weighs more.
    const Outcome outcome = outcome_of(keys, {{0, 1, 22}, {0, 2, 20}, {1, 2, 20}, {3, 2, 9}, {3, 1, 9}}, order, rules_);
    EXPECT_EQ(outcome.first_with, (Places{0, 0, 2, 3}));
    EXPECT_EQ(outcome.ambiguous, (Flags{false, false, false, true}));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(OnePatientRule, any_component_without_numbers_is_resolved_the_same_whatever_the_ids) {
  std::mt19937_64 random(14);
  std::size_t refused = 0, linked = 0;
  const std::size_t rounds = unless_sanitized(20'000, 2'500);
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::size_t count = 3 + random() % 4;
    std::vector<std::vector<std::uint64_t>> keys(count);
    for (auto& of_record : keys) {
      if (random() % 3 != 0) of_record.push_back(key("RR8", std::array{"P1", "P2", "P3"}[random() % 3]));
    }
    // Every pair has a link, or may have none.  Those of one patient number are the heaviest, as they are known to be.
    std::vector<PlacedLink> links;
    const std::size_t dense = random() % 2 == 0 ? 1 : 2;
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = a + 1; b < count; ++b) {
        const bool same = !keys[a].empty() && keys[a] == keys[b];
        if (same || random() % dense == 0)
          links.push_back({a, b, static_cast<Weight>(random() % 12 + (same ? 30 : 1))});
      }
    }
    std::vector<IdentityId> order(count);
    std::iota(order.begin(), order.end(), IdentityId{0});
    const Outcome outcome = outcome_of(keys, links, order, rules_);
    for (std::size_t a = 0; a < count; ++a) {
      refused += outcome.ambiguous[a];
      for (std::size_t b = 0; b < a; ++b) {
        if (outcome.first_with[a] != outcome.first_with[b]) continue;
        ++linked;
        ASSERT_TRUE(keys[a].empty() || keys[b].empty() || keys[a] == keys[b]) << round;
      }
    }
    for (int again = 0; again < 4; ++again) {
      std::shuffle(order.begin(), order.end(), random);
      ASSERT_EQ(outcome_of(keys, links, order, rules_), outcome) << round;
    }
  }
  EXPECT_GT(refused, rounds / 2);
  EXPECT_GT(linked, rounds / 2);
}

TEST_F(OnePatientRule, a_hundred_thousand_patients_around_one_record_take_no_quadratic_time) {
  constexpr IdentityId kNodes = 100'000;
  std::vector<ClusterNode> nodes{record(0, 0, {})};
  std::vector<Edge> edges;
  for (IdentityId id = 1; id < kNodes; ++id) {
    nodes.push_back(record(id, 0, {key("RR8", ("P" + std::to_string(id)).c_str())}));
    edges.push_back({0, id, 20});
  }
  const std::vector<ClusterResult> results = resolve_component(nodes, edges, rules_, counts_);
  EXPECT_TRUE(results[0].ambiguous);
  EXPECT_FALSE(results[1].ambiguous);
  EXPECT_TRUE(std::none_of(results.begin(), results.end(), [](const ClusterResult& result) { return result.linked; }));
}

TEST_F(OnePatientRule, record_parted_from_a_number_does_not_return_to_it) {
  nodes_[0].disowned_nhs = kX;
  rules_.threshold = 1;
  rules_.return_weight = 4;
  const std::vector<Edge> edges{{0, 1, 6, EdgeKind::ret}};
  EXPECT_FALSE(resolve(edges)[0].returned);
  rules_.one_patient = false;
  EXPECT_TRUE(resolve(edges)[0].returned);
}

}  // namespace
}  // namespace ligature
