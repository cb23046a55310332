// Clustering: each rule by an example, then against a plain reference on random graphs full of ties.
#include "engine/clustering.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "engine/edge_reducer.hpp"
#include "engine/error.hpp"
#include "tests/sanitized.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kX = 9434765919, kY = 9434765870, kZ = 4010232137;
constexpr Weight kMargin = 5;
constexpr std::size_t kRounds = unless_sanitized(20'000, 2'500);

struct Component {
  std::vector<ClusterNode> nodes;
  std::vector<Edge> edges;
};

struct Resolved {
  std::vector<ClusterResult> results;
  ClusterCounts counts;
};

Resolved resolve(const Component& component, Weight margin = kMargin) {
  Resolved resolved;
  resolved.results = resolve_component(component.nodes, component.edges, {margin, false}, resolved.counts);
  return resolved;
}

// The cluster of each node, in order.
std::vector<IdentityId> clusters(const Resolved& resolved) {
  std::vector<IdentityId> clusters;
  for (const ClusterResult& result : resolved.results) clusters.push_back(result.cluster);
  return clusters;
}

using Ids = std::vector<IdentityId>;

bool same(const std::vector<ClusterResult>& x, const std::vector<ClusterResult>& y) {
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const ClusterResult& a, const ClusterResult& b) {
    return a.cluster == b.cluster && a.weakest == b.weakest && a.linked == b.linked && a.ambiguous == b.ambiguous;
  });
}

TEST(Clustering, of_nothing_is_nothing) {
  const Resolved resolved = resolve({});
  EXPECT_TRUE(resolved.results.empty());
  EXPECT_EQ(resolved.counts.links_used, 0U);
}

TEST(Clustering, a_node_without_edges_is_a_cluster_of_its_own) {
  const Resolved resolved = resolve({{{7, kX}}, {}});
  ASSERT_EQ(resolved.results.size(), 1U);
  EXPECT_EQ(resolved.results[0].cluster, 7U);
  EXPECT_FALSE(resolved.results[0].linked);
  EXPECT_FALSE(resolved.results[0].ambiguous);
}

TEST(Clustering, a_cluster_is_named_by_its_smallest_identity_and_remembers_its_weakest_needed_link) {
  const Resolved resolved = resolve({{{3, 0}, {5, 0}, {9, 0}}, {{5, 9, 12}, {3, 9, 8}, {3, 5, 4}}});
  EXPECT_EQ(clusters(resolved), (Ids{3, 3, 3}));
  for (const ClusterResult& result : resolved.results) {
    EXPECT_TRUE(result.linked);
    EXPECT_EQ(result.weakest, 8) << "the link of weight 4 was not needed";
  }
  EXPECT_EQ(resolved.counts.links_used, 2U);
}

TEST(Clustering, two_different_numbers_never_merge) {
  const Resolved resolved = resolve({{{1, kX}, {2, kY}}, {{1, 2, 1000}}});
  EXPECT_EQ(clusters(resolved), (Ids{1, 2}));
  EXPECT_EQ(resolved.counts.vetoed_different_nhs, 1U);
  EXPECT_EQ(resolved.counts.links_used, 0U);
  EXPECT_FALSE(resolved.results[0].ambiguous) << "a numbered identity is sure of itself";
}

TEST(Clustering, two_different_numbers_never_merge_over_a_chain_however_long) {
  for (const std::uint64_t length : {1U, 2U, 3U, 10U, 1000U}) {
    // Numbers at both ends; the chain's links weaken to the middle and grow again.
    Component component;
    for (std::uint64_t id = 0; id < length + 2; ++id) {
      component.nodes.push_back({id, id == 0 ? kX : id == length + 1 ? kY : 0});
      if (id > 0) {
        const auto from_end = static_cast<Weight>(std::min(id - 1, length + 1 - id));
        component.edges.push_back({id - 1, id, 100'000 - 10 * from_end});
      }
    }
    const Resolved resolved = resolve(component);
    EXPECT_NE(resolved.results.front().cluster, resolved.results.back().cluster) << length;
    std::map<IdentityId, std::set<std::uint64_t>> numbers;
    for (std::size_t i = 0; i < component.nodes.size(); ++i) {
      if (component.nodes[i].valid_nhs != 0) numbers[resolved.results[i].cluster].insert(component.nodes[i].valid_nhs);
    }
    for (const auto& [cluster, of_cluster] : numbers) EXPECT_EQ(of_cluster.size(), 1U);
    if (length >= 3) {
      EXPECT_EQ(resolved.results[1].cluster, 0U) << "the ends of the chain know where they belong";
    }
    if (length % 2 == 1) {
      EXPECT_TRUE(resolved.results[(length + 1) / 2].ambiguous) << "the middle does not";
    }
  }
}

TEST(Clustering, an_identity_without_a_number_joins_the_number_that_leads_by_the_margin) {
  const Resolved resolved = resolve({{{1, kX}, {2, kY}, {3, 0}}, {{1, 3, 20}, {2, 3, 15}}});
  EXPECT_EQ(clusters(resolved), (Ids{1, 2, 1}));
  EXPECT_EQ(resolved.counts.ambiguous_clusters, 0U);
  EXPECT_EQ(resolved.counts.vetoed_different_nhs, 1U) << "its link to the other number";
}

TEST(Clustering, an_identity_without_a_number_between_two_good_candidates_stays_apart_flagged) {
  const Resolved resolved = resolve({{{1, kX}, {2, kY}, {3, 0}}, {{1, 3, 20}, {2, 3, 16}}});
  EXPECT_EQ(clusters(resolved), (Ids{1, 2, 3}));
  EXPECT_TRUE(resolved.results[2].ambiguous);
  EXPECT_FALSE(resolved.results[2].linked);
  EXPECT_FALSE(resolved.results[0].ambiguous);
  EXPECT_EQ(resolved.counts.ambiguous_clusters, 1U);
}

TEST(Clustering, two_equal_claims_are_no_lead_even_without_a_margin) {
  for (const Weight margin : {0, -3, 1}) {
    const Resolved tie = resolve({{{1, kX}, {2, kY}, {3, 0}}, {{1, 3, 20}, {2, 3, 20}}}, margin);
    EXPECT_TRUE(tie.results[2].ambiguous) << margin;
    const Resolved lead = resolve({{{1, kX}, {2, kY}, {3, 0}}, {{1, 3, 20}, {2, 3, 19}}}, margin);
    EXPECT_EQ(lead.results[2].cluster, 1U) << margin;
  }
}

TEST(Clustering, several_identities_of_one_number_do_not_compete) {
  const Resolved resolved = resolve({{{1, kX}, {2, kX}, {3, 0}}, {{1, 3, 20}, {2, 3, 20}, {1, 2, 9}}});
  EXPECT_EQ(clusters(resolved), (Ids{1, 1, 1}));
  EXPECT_EQ(resolved.counts.ambiguous_clusters, 0U);
}

TEST(Clustering, a_claim_through_another_identity_counts_like_a_link_of_its_own) {
  // 4 is linked with X alone, but as good as equal to 3, which is as good as Y.
  const Resolved resolved = resolve({{{1, kX}, {2, kY}, {3, 0}, {4, 0}}, {{1, 4, 20}, {2, 3, 30}, {3, 4, 19}}});
  EXPECT_EQ(resolved.results[2].cluster, 2U);
  EXPECT_TRUE(resolved.results[3].ambiguous);
  EXPECT_EQ(resolved.results[3].cluster, 4U);
}

TEST(Clustering, a_weak_link_to_another_numbers_cluster_is_refused_and_counted) {
  const Resolved resolved = resolve({{{1, kX}, {2, kY}, {3, 0}, {4, 0}}, {{1, 3, 30}, {2, 4, 30}, {3, 4, 8}}});
  EXPECT_EQ(clusters(resolved), (Ids{1, 2, 1, 2}));
  EXPECT_EQ(resolved.counts.vetoed_different_nhs, 1U);
  EXPECT_EQ(resolved.counts.links_used, 2U);
}

TEST(Clustering, ambiguous_identities_keep_together_only_on_better_evidence_than_was_ambiguous) {
  const auto twins = [](Weight between) {
    return resolve(
        {{{1, kX}, {2, kY}, {3, 0}, {4, 0}}, {{1, 3, 20}, {2, 3, 20}, {1, 4, 20}, {2, 4, 20}, {3, 4, between}}});
  };
  // The two records of twins that have no number: they may be of one twin each.
  EXPECT_EQ(clusters(twins(20)), (Ids{1, 2, 3, 4}));
  EXPECT_EQ(twins(20).counts.ambiguous_clusters, 2U);
  EXPECT_EQ(clusters(twins(21)), (Ids{1, 2, 3, 3}));
  EXPECT_EQ(twins(21).counts.ambiguous_clusters, 1U);
  EXPECT_TRUE(twins(21).results[3].ambiguous);
}

TEST(Clustering, a_third_number_changes_nothing_for_who_is_already_between_two) {
  const Resolved resolved = resolve({{{1, kX}, {2, kY}, {3, kZ}, {4, 0}}, {{1, 4, 20}, {2, 4, 19}, {3, 4, 18}}});
  EXPECT_TRUE(resolved.results[3].ambiguous);
  EXPECT_EQ(resolved.counts.ambiguous_clusters, 1U);
}

TEST(Clustering, one_number_that_the_evidence_keeps_apart_stays_apart) {
  const Resolved resolved = resolve({{{1, kX}, {2, kX}, {3, kX}}, {{1, 2, 10}}});
  EXPECT_EQ(clusters(resolved), (Ids{1, 1, 3}));
}

TEST(Clustering, weights_at_the_ends_of_their_range_do_not_overflow) {
  constexpr Weight kMost = std::numeric_limits<Weight>::max(), kLeast = -kMost;
  const Resolved resolved = resolve({{{1, kX}, {2, kY}, {3, 0}}, {{1, 3, kMost}, {2, 3, kLeast}}}, kMost);
  EXPECT_EQ(resolved.results[2].cluster, 1U);
}

TEST(Clustering, an_edge_to_a_stranger_is_an_error) {
  EXPECT_THROW(resolve({{{1, 0}, {2, 0}}, {{1, 3, 20}}}), Error);
  EXPECT_THROW(resolve({{}, {{1, 2, 20}}}), Error);
}

// A small graph with few weights, so that ties are everywhere.
Component random_component(std::mt19937_64& random) {
  constexpr std::uint64_t kNumbers[] = {0, 0, 0, kX, kY, kZ};
  Component component;
  const std::uint64_t size = 1 + random() % 10;
  for (std::uint64_t i = 0; i < size; ++i) {
    component.nodes.push_back({10 * i + random() % 10, kNumbers[random() % std::size(kNumbers)]});
  }
  const std::uint64_t density = 1 + random() % 100, weights = 1 + random() % 12;
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = i + 1; j < size; ++j) {
      if (random() % 100 >= density) continue;
      const auto weight = static_cast<Weight>(random() % weights);
      const Edge edge{component.nodes[i].id, component.nodes[j].id, weight};
      for (std::uint64_t repeats = 1 + random() % 2; repeats-- > 0;) component.edges.push_back(edge);
    }
  }
  std::shuffle(component.edges.begin(), component.edges.end(), random);
  return component;
}

// Where the rules put each node, by their wording: its number or the one that leads, and whether it is ambiguous.
struct Standing {
  std::uint64_t nhs = 0;
  bool ambiguous = false;
};

std::vector<Standing> plain_standings(const Component& component, Weight margin) {
  constexpr Weight kNone = -1;  // the random weights are not negative
  const std::size_t size = component.nodes.size();
  const auto index = [&](IdentityId id) {
    return static_cast<std::size_t>(std::find_if(component.nodes.begin(), component.nodes.end(),
                                                 [id](const ClusterNode& node) { return node.id == id; }) -
                                    component.nodes.begin());
  };
  // The widest path between any two identities without a number (Floyd and Warshall), then on to a number.
  std::vector<std::vector<Weight>> widest(size, std::vector<Weight>(size, kNone));
  for (std::size_t i = 0; i < size; ++i) widest[i][i] = std::numeric_limits<Weight>::max();
  std::vector<std::map<std::uint64_t, Weight>> direct(size);
  for (const Edge& edge : component.edges) {
    const std::size_t a = index(edge.a), b = index(edge.b);
    const std::uint64_t nhs_a = component.nodes[a].valid_nhs, nhs_b = component.nodes[b].valid_nhs;
    if (nhs_a == 0 && nhs_b == 0) widest[a][b] = widest[b][a] = std::max(widest[a][b], edge.weight);
    if (nhs_a == 0 && nhs_b != 0) direct[a][nhs_b] = std::max(direct[a][nhs_b], edge.weight);
    if (nhs_a != 0 && nhs_b == 0) direct[b][nhs_a] = std::max(direct[b][nhs_a], edge.weight);
  }
  for (std::size_t k = 0; k < size; ++k) {
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) {
        widest[i][j] = std::max(widest[i][j], std::min(widest[i][k], widest[k][j]));
      }
    }
  }
  std::vector<Standing> standings(size);
  for (std::size_t v = 0; v < size; ++v) {
    standings[v].nhs = component.nodes[v].valid_nhs;
    if (standings[v].nhs != 0) continue;
    std::map<std::uint64_t, Weight> claims;
    for (std::size_t u = 0; u < size; ++u) {
      if (widest[v][u] == kNone) continue;
      for (const auto& [nhs, weight] : direct[u]) {
        const Weight claim = std::min(widest[v][u], weight);
        const auto [found, is_new] = claims.emplace(nhs, claim);
        if (!is_new) found->second = std::max(found->second, claim);
      }
    }
    for (const auto& [nhs, claim] : claims) {
      const bool leads = std::all_of(claims.begin(), claims.end(), [&, nhs = nhs, claim = claim](const auto& other) {
        return other.first == nhs || claim - other.second >= std::max(margin, 1);
      });
      if (leads) standings[v].nhs = nhs;
    }
    standings[v].ambiguous = standings[v].nhs == 0 && !claims.empty();
  }
  return standings;
}

TEST(Clustering, follows_the_wording_of_the_rules_on_random_graphs) {
  std::mt19937_64 random(3);
  for (std::size_t round = 0; round < kRounds; ++round) {
    const Component component = random_component(random);
    const auto margin = static_cast<Weight>(random() % 5);
    const Resolved resolved = resolve(component, margin);
    const std::vector<Standing> expected = plain_standings(component, margin);
    std::map<IdentityId, std::set<std::uint64_t>> numbers;
    for (std::size_t i = 0; i < component.nodes.size(); ++i) {
      if (component.nodes[i].valid_nhs != 0) numbers[resolved.results[i].cluster].insert(component.nodes[i].valid_nhs);
    }
    for (std::size_t i = 0; i < component.nodes.size(); ++i) {
      const std::set<std::uint64_t>& of_cluster = numbers[resolved.results[i].cluster];
      ASSERT_LE(of_cluster.size(), 1U) << "two numbers in a cluster, round " << round;
      ASSERT_EQ(of_cluster.empty() ? 0 : *of_cluster.begin(), expected[i].nhs) << "node " << i << ", round " << round;
      ASSERT_EQ(resolved.results[i].ambiguous, expected[i].ambiguous) << "node " << i << ", round " << round;
      ASSERT_LE(resolved.results[i].cluster, component.nodes[i].id);
    }
  }
}

// What is resolved without the rules for claims, against those rules: somebody of another number, whom nothing links,
// leads to them.
TEST(Clustering, identities_of_one_number_are_resolved_as_by_all_rules) {
  std::mt19937_64 random(77);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  std::size_t short_ways = 0;
  for (std::size_t round = 0; round < kRounds; ++round) {
    Component component;
    const std::size_t nodes = 2 + below(6);
    for (std::size_t n = 0; n < nodes; ++n) component.nodes.push_back({10 * n + below(10), kX});
    const std::size_t edges = below(3 * nodes);
    for (std::size_t e = 0; e < edges; ++e) {
      const std::size_t a = below(nodes - 1), b = a + 1 + below(nodes - 1 - a);
      component.edges.push_back({component.nodes[a].id, component.nodes[b].id, static_cast<Weight>(below(4)),
                                 below(3) == 0 ? EdgeKind::local_id : EdgeKind::link});
    }
    Resolved few;
    if (!resolve_one_number(component.nodes, component.edges, few.results, few.counts)) continue;
    ++short_ways;
    component.nodes.push_back({1'000, kY});
    const Resolved all = resolve(component);
    EXPECT_EQ(few.counts.links_used, all.counts.links_used);
    for (std::size_t n = 0; n < nodes; ++n) {
      const ClusterResult &x = few.results[n], &y = all.results[n];
      ASSERT_TRUE(x.cluster == y.cluster && x.weakest == y.weakest && x.linked == y.linked &&
                  x.ambiguous == y.ambiguous && x.returned == y.returned && x.other_provider == y.other_provider &&
                  x.other_patient == y.other_patient && x.linked_to == y.linked_to && x.kind == y.kind &&
                  x.weight == y.weight && x.lead == y.lead)
          << round << ", node " << n;
    }
  }
  EXPECT_GT(short_ways, kRounds / 4);
}

TEST(Clustering, what_is_not_a_few_linked_identities_of_one_number_takes_the_long_way) {
  std::vector<ClusterResult> results;
  ClusterCounts counts;
  const Edge link{1, 2, 9, EdgeKind::link};
  const auto is_short = [&](const std::vector<ClusterNode>& nodes, const std::vector<Edge>& edges) {
    return resolve_one_number(nodes, edges, results, counts);
  };
  EXPECT_TRUE(is_short({{1, kX}, {2, kX}}, {link}));
  EXPECT_FALSE(is_short({{1, kX}, {2, kY}}, {link}));
  EXPECT_FALSE(is_short({{1, kX}, {2, 0}}, {link}));
  EXPECT_FALSE(is_short({{1, 0}, {2, 0}}, {link}));
  EXPECT_FALSE(is_short({{1, kX}, {2, kX}}, {{1, 2, 9, EdgeKind::tie}}));
  EXPECT_FALSE(is_short({{1, kX}, {2, kX}, {3, kX}}, {link}));
  EXPECT_FALSE(is_short({{1, kX}}, {}));
  std::vector<ClusterNode> many;
  std::vector<Edge> chain;
  for (IdentityId id = 0; id < 17; ++id) {
    many.push_back({id, kX});
    if (id > 0) chain.push_back({id - 1, id, 9, EdgeKind::link});
  }
  EXPECT_FALSE(is_short(many, chain));
  EXPECT_EQ(counts.links_used, 1U);
}

TEST(Clustering, does_not_depend_on_the_order_nor_the_repeats_of_edges) {
  std::mt19937_64 random(4);
  for (std::size_t round = 0; round < kRounds / 4; ++round) {
    Component component = random_component(random);
    const Resolved once = resolve(component);
    std::shuffle(component.edges.begin(), component.edges.end(), random);
    const Resolved again = resolve(component);
    ASSERT_TRUE(same(once.results, again.results)) << round;
    ASSERT_EQ(once.counts.links_used, again.counts.links_used);
    ASSERT_EQ(once.counts.ambiguous_clusters, again.counts.ambiguous_clusters);
    ASSERT_EQ(once.counts.vetoed_different_nhs, again.counts.vetoed_different_nhs);
    // The same cluster has the same result at each of its nodes.
    std::map<IdentityId, ClusterResult> of_cluster;
    std::set<IdentityId> distinct;
    for (const ClusterResult& result : once.results) {
      const auto [found, is_new] = of_cluster.emplace(result.cluster, result);
      ASSERT_TRUE(same({found->second}, {result}));
      distinct.insert(result.cluster);
    }
    ASSERT_EQ(once.counts.links_used, component.nodes.size() - distinct.size());
  }
}

std::vector<Edge> reduced(const Component& component, const std::vector<Edge>& edges, std::uint64_t& vetoed) {
  std::map<IdentityId, std::uint64_t> nhs;
  for (const ClusterNode& node : component.nodes) nhs[node.id] = node.valid_nhs;
  EdgeReducer reducer;
  for (const Edge& edge : edges) reducer.add(edge, nhs[edge.a], nhs[edge.b]);
  std::vector<Edge> kept = reducer.take();
  vetoed += reducer.vetoed();
  return kept;
}

TEST(EdgeReducer, leaves_every_result_as_it_was_however_the_edges_were_split_in_parts) {
  std::mt19937_64 random(5);
  std::size_t given = 0, kept = 0;
  for (std::size_t round = 0; round < kRounds; ++round) {
    const Component component = random_component(random);
    const auto margin = static_cast<Weight>(random() % 5);
    const Resolved whole = resolve(component, margin);

    std::vector<std::vector<Edge>> parts(1 + random() % 4);
    for (const Edge& edge : component.edges) parts[random() % parts.size()].push_back(edge);
    Component joined{component.nodes, {}};
    std::uint64_t vetoed = 0;
    for (const std::vector<Edge>& part : parts) {
      const std::vector<Edge> of_part = reduced(component, part, vetoed);
      ASSERT_TRUE(std::is_sorted(of_part.begin(), of_part.end(), heavier));
      joined.edges.insert(joined.edges.end(), of_part.begin(), of_part.end());
    }
    if (random() % 2 == 0) joined.edges = reduced(component, joined.edges, vetoed);  // and once more
    given += component.edges.size();
    kept += joined.edges.size();

    const Resolved from_parts = resolve(joined, margin);
    ASSERT_TRUE(same(whole.results, from_parts.results)) << round;
    ASSERT_EQ(whole.counts.links_used, from_parts.counts.links_used);
    ASSERT_EQ(whole.counts.ambiguous_clusters, from_parts.counts.ambiguous_clusters);
    ASSERT_EQ(whole.counts.vetoed_different_nhs, from_parts.counts.vetoed_different_nhs + vetoed);
  }
  EXPECT_LT(2 * kept, given) << "dense graphs must have been thinned";
}

TEST(NearestNumbers, leaves_to_a_reducer_what_it_would_have_kept_of_all) {
  std::mt19937_64 random(8);
  std::size_t given = 0, left = 0;
  NearestNumbers nearest;
  for (std::size_t round = 0; round < kRounds; ++round) {
    constexpr IdentityId kNode = 50;
    EdgeReducer of_all, of_nearest, count;
    const std::size_t edges = random() % 40;
    std::map<IdentityId, std::uint64_t> number;
    for (std::size_t e = 0; e < edges; ++e) {
      IdentityId other = random() % 100;
      if (other == kNode) ++other;
      const std::uint64_t nhs = number.emplace(other, kX + random() % 8).first->second;
      const Edge edge{std::min(kNode, other), std::max(kNode, other), static_cast<Weight>(random() % 4)};
      const std::uint64_t nhs_a = other < kNode ? nhs : 0, nhs_b = other < kNode ? 0 : nhs;
      of_all.add(edge, nhs_a, nhs_b);
      nearest.add(edge, nhs_a, nhs_b);
    }
    nearest.give(of_nearest);
    nearest.give(count);
    ASSERT_TRUE(count.take().empty()) << "given once";
    const std::vector<Edge> expected = of_all.take(2), kept = of_nearest.take(2);
    given += edges;
    left += kept.size();
    ASSERT_EQ(kept.size(), expected.size()) << round;
    for (std::size_t e = 0; e < kept.size(); ++e) {
      ASSERT_FALSE(heavier(kept[e], expected[e]) || heavier(expected[e], kept[e])) << round;
    }
  }
  EXPECT_LT(3 * left, given);
}

TEST(EdgeReducer, of_nothing_keeps_nothing_and_can_be_used_again) {
  EdgeReducer reducer;
  EXPECT_TRUE(reducer.take().empty());
  reducer.add({1, 2, 5}, 0, 0);
  EXPECT_EQ(reducer.take().size(), 1U);
  EXPECT_TRUE(reducer.take().empty());
  reducer.add({1, 2, 5}, kX, kY);
  EXPECT_TRUE(reducer.take().empty());
  EXPECT_EQ(reducer.vetoed(), 1U);
}

TEST(EdgeReducer, a_flood_of_five_thousand_equal_identities_costs_a_few_edges_each) {
  // All pairs link with one weight.  Every third identity has a number of its own, every third shares one of ten.
  constexpr std::uint64_t kNodes = unless_sanitized(5000, 1000);
  Component component;
  for (std::uint64_t id = 0; id < kNodes; ++id) {
    component.nodes.push_back({id, id % 3 == 0 ? 0 : id % 3 == 1 ? kX + id : kX + kNodes + id % 10});
  }
  EdgeReducer reducer;
  for (std::uint64_t a = 0; a < kNodes; ++a) {
    for (std::uint64_t b = a + 1; b < kNodes; ++b) {
      reducer.add({a, b, 9}, component.nodes[a].valid_nhs, component.nodes[b].valid_nhs);
    }
  }
  component.edges = reducer.take();
  EXPECT_LE(component.edges.size(), 3 * kNodes);
  EXPECT_GT(reducer.vetoed(), 0U);
  const Resolved resolved = resolve(component);
  EXPECT_TRUE(resolved.results[0].ambiguous);
  EXPECT_FALSE(resolved.results[1].linked) << "a number of its own";
  EXPECT_EQ(resolved.counts.ambiguous_clusters, (kNodes + 2) / 3);
}

TEST(Clustering, a_component_of_half_a_million_identities_takes_no_quadratic_time) {
  // With quadratic work anywhere this would run for hours and meet the limit of the test driver.
  constexpr std::uint64_t kNodes = unless_sanitized(500'000, 50'000);
  Component chain, star, numbered;
  for (std::uint64_t id = 0; id < kNodes; ++id) {
    chain.nodes.push_back({id, 0});
    numbered.nodes.push_back({id, id % 2 == 0 ? kX + id : 0});
    if (id == 0) continue;
    chain.edges.push_back({id - 1, id, static_cast<Weight>(id % 1000)});
    star.edges.push_back({0, id, static_cast<Weight>(id % 1000)});
    numbered.edges.push_back({id - 1, id, static_cast<Weight>(id % 1000)});
  }
  star.nodes = chain.nodes;
  EXPECT_EQ(resolve(chain).counts.links_used, kNodes - 1);
  EXPECT_EQ(resolve(star).counts.links_used, kNodes - 1);
  // Each identity without a number lies between two numbers whose links differ by one: within the margin, except
  // where the weights start again.
  EXPECT_EQ(resolve(numbered).counts.ambiguous_clusters, kNodes / 2 - kNodes / 1000);
}

}  // namespace
}  // namespace ligature
