// One patient number a provider: what the file must show, and whom a record is then not put to.
#include "engine/one_patient.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "engine/clustering.hpp"
#include "engine/local_id.hpp"

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
