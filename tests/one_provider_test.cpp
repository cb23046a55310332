// One practice a person: what the file must show, and whom a record of a practice then is not put to.
#include "engine/one_provider.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "engine/edge_reducer.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kX = 9434765919, kY = 9434765870;
constexpr std::uint32_t kPractices = 1, kHospitals = 2;  // datasets
constexpr ProviderSet kHere = 4, kThere = 32;

TEST(OneProvider, is_learnt_where_hardly_any_number_has_rows_of_two) {
  OneProviderCounts counts;
  counts.numbers = {1'000, 1'000, 99};
  counts.several = {12, 20, 0};
  const auto several = several_providers(counts);
  EXPECT_DOUBLE_EQ(several[0], 12.5 / 1'001);
  EXPECT_EQ(several[2], 1);  // too few to tell
  EXPECT_EQ(several[31], 1);
  // A half of strangers over a margin of 5 bits: 1 in 64 is the most.
  EXPECT_EQ(one_provider_datasets(several, 5), 1U);
  EXPECT_EQ(one_provider_datasets(several, 0), 1U);  // a smaller margin makes nobody's provider the only one
  EXPECT_EQ(one_provider_datasets(several, 6), 0U);
}

TEST(OneProvider, no_provider_is_taken_for_two_people) {
  EXPECT_EQ(provider_place(""), 0);
  EXPECT_EQ(provider_set(provider_place("")), 0U);
  EXPECT_NE(provider_set(provider_place("A81001")), 0U);
  EXPECT_EQ(provider_place("A81001"), provider_place("A81001"));
}

ClusterNode record(IdentityId id, std::uint64_t number, std::uint32_t datasets, ProviderSet providers) {
  ClusterNode node;
  node.id = id;
  node.valid_nhs = number;
  node.datasets = datasets;
  node.providers = providers;
  return node;
}

class OneProviderRule : public testing::Test {
 protected:
  // Node 0 has no number, X is node 1 and 2, Y is node 3.
  std::vector<ClusterNode> nodes_{record(0, 0, kPractices, kHere), record(1, kX, kPractices, kThere),
                                  record(2, kX, kHospitals, kHere), record(3, kY, kPractices, kHere)};
  ClusterRules rules_{.margin = 5, .one_provider = kPractices};
  ClusterCounts counts_;
  std::vector<ClusterResult> resolve(const std::vector<Edge>& edges) {
    return resolve_component(nodes_, edges, rules_, counts_);
  }
  bool may_be(std::uint64_t number) { return OneProvider(nodes_, rules_.one_provider).may_be(nodes_[0], number); }
};

TEST_F(OneProviderRule, holds_within_one_dataset) {
  EXPECT_FALSE(may_be(kX));  // the hospital's row is of another dataset
  EXPECT_TRUE(may_be(kY));
  nodes_[1].providers |= kHere;
  EXPECT_TRUE(may_be(kX));
}

TEST_F(OneProviderRule, says_nothing_where_a_provider_is_not_known) {
  nodes_[1].providers = 0;
  EXPECT_TRUE(may_be(kX));
  nodes_[1].providers = kThere;
  nodes_[0].providers = 0;
  EXPECT_TRUE(may_be(kX));
  nodes_[0] = record(0, 0, kPractices | kHospitals, kHere);  // of which dataset the provider is cannot be told
  EXPECT_TRUE(may_be(kX));
  nodes_[0] = record(0, 0, kPractices, kHere);
  rules_.one_provider = 0;
  EXPECT_TRUE(may_be(kX));
}

TEST_F(OneProviderRule, refuses_a_claim_and_lets_the_rival_lead) {
  const std::vector<Edge> same{{1, 2, 30}};
  std::vector<Edge> edges = same;
  edges.push_back({0, 1, 20});
  std::vector<ClusterResult> results = resolve(edges);
  EXPECT_EQ(results[0].cluster, 0U);
  EXPECT_TRUE(results[0].other_provider);
  EXPECT_FALSE(results[0].ambiguous);
  edges.push_back({0, 3, 18});
  results = resolve(edges);
  EXPECT_EQ(results[0].cluster, results[3].cluster);
  // Otherwise neither leads.
  rules_.one_provider = 0;
  EXPECT_TRUE(resolve(edges)[0].ambiguous);
}

TEST_F(OneProviderRule, leads_past_nearer_numbers_that_are_refused_as_far_as_numbers_are_kept) {
  // As many people of another practice, all nearer than the one who is not known to be.
  const auto goes_to_last = [&](std::size_t refused) {
    std::vector<ClusterNode> nodes{record(0, 0, kPractices, kHere)};
    std::vector<Edge> edges;
    for (IdentityId id = 1; id <= refused + 1; ++id) {
      nodes.push_back(record(id, kX + id, kPractices, id <= refused ? kThere : 0));
      edges.push_back({0, id, id <= refused ? 20 : 15});
    }
    const std::vector<ClusterResult> results = resolve_component(nodes, edges, rules_, counts_);
    return results[0].cluster == results.back().cluster;
  };
  for (std::size_t refused = 1; refused < kNumbersKept; ++refused) EXPECT_TRUE(goes_to_last(refused)) << refused;
  EXPECT_TRUE(goes_to_last(5));
  EXPECT_FALSE(goes_to_last(kNumbersKept)) << "a limit: docs/model.md";
}

TEST_F(OneProviderRule, record_parted_from_a_number_does_not_return_to_it) {
  nodes_[0].disowned_nhs = kX;
  rules_.threshold = 1;
  rules_.return_weight = 4;
  const std::vector<Edge> edges{{1, 2, 30}, {0, 1, 6, EdgeKind::ret}};
  EXPECT_FALSE(resolve(edges)[0].returned);
  rules_.one_provider = 0;
  EXPECT_TRUE(resolve(edges)[0].returned);
}

}  // namespace
}  // namespace ligature
