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

}  // namespace
}  // namespace ligature
