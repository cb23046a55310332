// Union-find: representatives are the smallest members, whatever the order of unions.
#include "engine/union_find.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace ligature {
namespace {

TEST(UnionFind, of_nothing_is_empty) {
  EXPECT_EQ(UnionFind(0).size(), 0U);
}

TEST(UnionFind, every_node_is_its_own_set_at_first) {
  UnionFind sets(5);
  for (std::uint32_t node = 0; node < 5; ++node) EXPECT_EQ(sets.find(node), node);
}

TEST(UnionFind, unite_tells_whether_two_sets_became_one) {
  UnionFind sets(4);
  EXPECT_TRUE(sets.unite(3, 1));
  EXPECT_TRUE(sets.unite(3, 2));
  EXPECT_FALSE(sets.unite(1, 2));
  EXPECT_FALSE(sets.unite(0, 0));
  EXPECT_EQ(sets.find(3), 1U);
  EXPECT_EQ(sets.find(0), 0U);
}

TEST(UnionFind, the_representative_is_the_smallest_member_in_any_order_of_unions) {
  constexpr std::uint32_t kNodes = 300;
  std::mt19937_64 random(11);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> unions;
  for (int i = 0; i < 200; ++i) {
    unions.emplace_back(static_cast<std::uint32_t>(random() % kNodes), static_cast<std::uint32_t>(random() % kNodes));
  }
  // Labels by repeated passes until nothing changes: slow and plain.
  std::vector<std::uint32_t> labels(kNodes);
  std::iota(labels.begin(), labels.end(), 0U);
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [a, b] : unions) {
      const std::uint32_t smallest = std::min(labels[a], labels[b]);
      changed |= labels[a] != smallest || labels[b] != smallest;
      labels[a] = labels[b] = smallest;
    }
  }
  for (int shuffle = 0; shuffle < 20; ++shuffle) {
    std::shuffle(unions.begin(), unions.end(), random);
    UnionFind sets(kNodes);
    for (const auto& [a, b] : unions) sets.unite(a, b);
    for (std::uint32_t node = 0; node < kNodes; ++node) ASSERT_EQ(sets.find(node), labels[node]);

    std::vector<UnionFind::Pair> pairs;
    for (const auto& [a, b] : unions) pairs.push_back({a, b});
    UnionFind at_once(kNodes);
    at_once.unite_all(pairs);
    ASSERT_EQ(at_once.representatives(), labels);
  }
}

TEST(UnionFind, a_chain_of_a_million_nodes_is_one_set) {
  constexpr std::uint32_t kNodes = 1'000'000;
  UnionFind sets(kNodes);
  for (std::uint32_t node = kNodes - 1; node > 0; --node) sets.unite(node, node - 1);
  EXPECT_EQ(sets.find(kNodes - 1), 0U);
  EXPECT_EQ(sets.find(kNodes / 2), 0U);
}

// A reference of its own: one by one, in the order given.
std::vector<std::uint32_t> one_by_one(std::uint32_t nodes, std::span<const UnionFind::Pair> pairs) {
  UnionFind sets(nodes);
  for (const auto& [a, b] : pairs) sets.unite(a, b);
  return sets.representatives();
}

TEST(UnionFind, many_pairs_at_once_join_what_they_join_one_by_one) {
  std::mt19937_64 random(17);
  // Beside sets of few members, one that holds most nodes; and so many nodes that pairs are dealt to slices of them.
  for (const std::uint32_t nodes : {1U, 2U, 1'000U, 70'000U, (1U << 22) - 1, 5'000'000U}) {
    for (const std::uint32_t pairs_of_four : {1U, 3U, 9U}) {
      std::vector<UnionFind::Pair> pairs;
      for (std::uint64_t i = 0; i < std::uint64_t{nodes} * pairs_of_four / 4; ++i) {
        pairs.push_back({static_cast<std::uint32_t>(random() % nodes), static_cast<std::uint32_t>(random() % nodes)});
      }
      UnionFind sets(nodes);
      sets.unite_all(pairs);
      ASSERT_TRUE(sets.representatives() == one_by_one(nodes, pairs)) << nodes << " nodes, " << pairs.size();
    }
  }
}

TEST(UnionFind, chains_and_combs_of_a_million_nodes_are_one_set) {
  constexpr std::uint32_t kNodes = 1'000'000;
  for (const std::uint32_t step : {1U, 2U, 3U}) {
    std::vector<UnionFind::Pair> pairs;
    for (std::uint32_t node = step; node < kNodes; ++node) pairs.push_back({node, node - step});
    for (std::uint32_t node = 1; node < kNodes; ++node) pairs.push_back({kNodes - node, kNodes - node - 1});
    UnionFind sets(kNodes);
    sets.unite_all(pairs);
    ASSERT_TRUE(sets.representatives() == std::vector<std::uint32_t>(kNodes, 0)) << step;
  }
}

}  // namespace
}  // namespace ligature
