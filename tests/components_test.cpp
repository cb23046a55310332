// Connected components over ranks against one union-find over the whole graph: every rank can make all the edges.
#include "partition/components.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

std::uint64_t scatter(std::uint64_t value, std::uint64_t salt) {
  std::uint64_t mixed = (value + 0x9E3779B97F4A7C15ULL * (salt + 1)) * 0xBF58476D1CE4E5B9ULL;
  mixed = (mixed ^ (mixed >> 31)) * 0x94D049BB133111EBULL;
  return mixed ^ (mixed >> 29);
}

// The label of every node of the edges: the smallest node it is connected with.
std::map<std::uint64_t, std::uint64_t> expected_labels(const std::vector<NodePair>& edges) {
  std::map<std::uint64_t, std::uint64_t> parent;
  const auto root = [&](std::uint64_t node) {
    while (parent[node] != node) node = parent[node] = parent[parent[node]];
    return node;
  };
  for (const NodePair& edge : edges) {
    parent.try_emplace(edge.a, edge.a);
    parent.try_emplace(edge.b, edge.b);
    const std::uint64_t a = root(edge.a), b = root(edge.b);
    parent[std::max(a, b)] = std::min(a, b);
  }
  std::map<std::uint64_t, std::uint64_t> labels;
  for (const auto& entry : parent) labels[entry.first] = root(entry.first);
  return labels;
}

Components sorted(Components&& components) {
  std::sort(components.labels.begin(), components.labels.end(),
            [](const NodeLabel& x, const NodeLabel& y) { return x.node < y.node; });
  return std::move(components);
}

class ComponentsTest : public testing::Test {
 protected:
  const Communicator world_ = Communicator::world();
  const std::uint64_t ranks_ = static_cast<std::uint64_t>(world_.size());

  [[nodiscard]] int owner(std::uint64_t node) const { return static_cast<int>(scatter(node, 77) % ranks_); }

  // Edges of the graph are dealt to ranks by a hash of their number.
  [[nodiscard]] std::vector<NodePair> share_of_edges(const std::vector<NodePair>& edges, std::uint64_t salt) const {
    std::vector<NodePair> mine;
    for (std::size_t i = 0; i < edges.size(); ++i) {
      if (scatter(i, salt) % ranks_ == static_cast<std::uint64_t>(world_.rank())) mine.push_back(edges[i]);
    }
    return mine;
  }

  std::uint64_t expect_components(const std::vector<NodePair>& edges, std::uint64_t salt = 0,
                                  std::size_t contraction_edges = kContractionEdges) {
    const Components found = sorted(connected_components(
        world_, share_of_edges(edges, salt), [this](std::uint64_t node) { return owner(node); }, contraction_edges));
    std::vector<NodePair> expected;
    for (const auto& [node, label] : expected_labels(edges)) {
      if (owner(node) == world_.rank()) expected.push_back({node, label});
    }
    EXPECT_EQ(found.labels.size(), expected.size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < std::min(expected.size(), found.labels.size()); ++i) {
      wrong += found.labels[i].node != expected[i].a || found.labels[i].component != expected[i].b;
    }
    EXPECT_EQ(wrong, 0U);
    EXPECT_EQ(world_.max(found.rounds), found.rounds);
    EXPECT_EQ(world_.min(found.rounds), found.rounds);
    return found.rounds;
  }
};

std::vector<NodePair> path(const std::vector<std::uint64_t>& nodes) {
  std::vector<NodePair> edges;
  for (std::size_t i = 1; i < nodes.size(); ++i) edges.push_back({nodes[i - 1], nodes[i]});
  return edges;
}

TEST_F(ComponentsTest, AGraphWithoutEdgesHasNoLabels) {
  const Components found = connected_components(world_, {}, [](std::uint64_t) { return 0; });
  EXPECT_TRUE(found.labels.empty());
}

TEST_F(ComponentsTest, OneEdgeLabelsBothEndsWithTheSmaller) {
  expect_components({{9, 4}});
}

TEST_F(ComponentsTest, ExtremeNodeNumbersAreNodesLikeOthers) {
  constexpr std::uint64_t kLast = ~std::uint64_t{0};
  expect_components({{kLast, 0}, {kLast, kLast - 1}, {5, 1ULL << 63}, {1ULL << 32, 1ULL << 63}, {kLast - 7, 3}});
}

TEST_F(ComponentsTest, RepeatsAndBothDirectionsChangeNothing) {
  std::vector<NodePair> edges;
  for (std::uint64_t repeat = 0; repeat < 50; ++repeat) {
    for (std::uint64_t i = 0; i < 10; ++i) edges.push_back(repeat % 2 == 0 ? NodePair{i, i + 2} : NodePair{i + 2, i});
  }
  expect_components(edges);
}

TEST_F(ComponentsTest, ANodeTiedOnlyToItselfIsItsOwnComponent) {
  expect_components({{7, 7}, {7, 7}, {3, 3}, {3, 8}, {2, 8}, {8, 8}});
}

TEST_F(ComponentsTest, RandomGraphsOfEveryDensityMatchTheReference) {
  for (std::uint64_t seed = 0; seed < 25; ++seed) {
    std::mt19937_64 random(seed);
    const std::uint64_t nodes = 2 + random() % 3000, count = random() % (2 * nodes);
    std::vector<NodePair> edges;
    for (std::uint64_t i = 0; i < count; ++i) edges.push_back({random() % nodes, random() % nodes});
    expect_components(edges, seed);
  }
}

TEST_F(ComponentsTest, NodesSpreadOverAll64BitsMatchTheReference) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<NodePair> edges;
    for (std::uint64_t i = 0; i < 2000; ++i) {
      edges.push_back({scatter(random() % 1500, seed), scatter(random() % 1500, seed)});
    }
    expect_components(edges, seed);
  }
}

TEST_F(ComponentsTest, ContractionsInSmallPiecesGiveTheSameLabels) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{100}}) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      std::mt19937_64 random(seed);
      std::vector<NodePair> edges;
      for (std::uint64_t i = 0; i < 400; ++i) edges.push_back({random() % 300, random() % 300});
      expect_components(edges, seed, piece);
    }
  }
}

TEST_F(ComponentsTest, AnImpossiblePieceIsRefused) {
  const auto first_rank = [](std::uint64_t) { return 0; };
  EXPECT_THROW(connected_components(world_, {}, first_rank, 0), Error);
  EXPECT_THROW(connected_components(world_, {}, first_rank, std::size_t{1} << 31), Error);
}

// The hub of a star may be its smallest node, its largest or any other.
TEST_F(ComponentsTest, AGiantStarIsOneComponentWhereverItsHubIs) {
  constexpr std::uint64_t kLeaves = 30'000;
  for (const std::uint64_t hub : {std::uint64_t{0}, kLeaves / 2, kLeaves}) {
    std::vector<NodePair> edges;
    for (std::uint64_t leaf = 0; leaf <= kLeaves; ++leaf) edges.push_back({leaf, hub});
    EXPECT_LE(expect_components(edges), 4U) << "hub " << hub;
  }
}

TEST_F(ComponentsTest, LongChainsTakeFewRounds) {
  constexpr std::size_t kNodes = 100'000;
  std::vector<std::uint64_t> ascending(kNodes), shuffled(kNodes), zigzag(kNodes), reversed_bits(1 << 16);
  std::iota(ascending.begin(), ascending.end(), std::uint64_t{0});
  for (std::uint64_t i = 0; i < kNodes; ++i) shuffled[i] = i * 61'803 % kNodes;  // coprime: a permutation
  for (std::uint64_t i = 0; i < kNodes; ++i) zigzag[i] = i % 2 == 0 ? i / 2 : kNodes - 1 - i / 2;
  for (std::uint64_t i = 0; i < reversed_bits.size(); ++i) {
    for (unsigned bit = 0; bit < 16; ++bit) reversed_bits[i] |= (i >> bit & 1) << (15 - bit);
  }
  EXPECT_LE(expect_components(path(ascending)), 30U);
  EXPECT_LE(expect_components(path(shuffled)), 30U);
  EXPECT_LE(expect_components(path(zigzag)), 30U);
  EXPECT_LE(expect_components(path(reversed_bits)), 30U);
}

// Without the help of contractions: what thousands of ranks with a few edges each would do.
TEST_F(ComponentsTest, ChainsTakeFewRoundsAlsoEdgeByEdge) {
  std::vector<std::uint64_t> ascending(3000), shuffled(3000);
  std::iota(ascending.begin(), ascending.end(), std::uint64_t{0});
  for (std::uint64_t i = 0; i < shuffled.size(); ++i) shuffled[i] = i * 1'009 % shuffled.size();
  EXPECT_LE(expect_components(path(ascending), 0, 1), 40U);
  EXPECT_LE(expect_components(path(shuffled), 0, 1), 40U);
}

TEST_F(ComponentsTest, ManySmallComponentsTakeAHandfulOfRounds) {
  std::vector<NodePair> edges;
  for (std::uint64_t person = 0; person < 40'000; ++person) {
    for (std::uint64_t i = 0; i < person % 4; ++i) {
      edges.push_back({scatter(4 * person + i, 5), scatter(4 * person + i + 1, 5)});
    }
  }
  EXPECT_LE(expect_components(edges), 6U);
}

TEST_F(ComponentsTest, SmallComponentsThatAreDoneEarlyKeepTheirLabelsBesideLongOnes) {
  for (std::uint64_t salt = 0; salt < 20; ++salt) {
    std::vector<NodePair> edges;
    for (std::uint64_t i = 0; i < 300; ++i) {
      edges.push_back({scatter(i, salt) % 1000, scatter(i, salt) % 1000 + 1000});       // pairs, and what they meet in
      edges.push_back({10'000 + scatter(i, 9) % 64, 10'000 + scatter(i + 1, 9) % 64});  // a long way round
      if (i % 3 == 0) edges.push_back({20'000 + i, 20'000 + i});                        // alone
      if (i % 6 == 0) edges.push_back({20'000 + i, 30'000 + i});                        // not quite
    }
    expect_components(edges, salt);
  }
}

TEST_F(ComponentsTest, EdgesHeldByOneRankAloneGiveTheSameLabels) {
  const std::vector<NodePair> edges = {{1, 2}, {2, 3}, {10, 11}, {3, 5}, {11, 20}};
  const auto own = [this](std::uint64_t node) { return owner(node); };
  const Components spread = sorted(connected_components(world_, share_of_edges(edges, 3), own));
  const Components single =
      sorted(connected_components(world_, world_.rank() + 1 == world_.size() ? edges : std::vector<NodePair>(), own));
  ASSERT_EQ(spread.labels.size(), single.labels.size());
  for (std::size_t i = 0; i < spread.labels.size(); ++i) {
    EXPECT_EQ(spread.labels[i].node, single.labels[i].node);
    EXPECT_EQ(spread.labels[i].component, single.labels[i].component);
  }
}

}  // namespace
}  // namespace ligature
