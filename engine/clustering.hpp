// Clustering of one connected component of linked identities into persons: best link first, with vetoes.
//
//   - Two clusters with different valid NHS numbers never merge, however long the chain between them.
//   - A number claims an identity without one as strongly as the weakest link of the best path between them that runs
//     over identities without a number.  The identity joins the number whose claim leads all others by the margin.
//     Otherwise it is ambiguous: it stays apart from every number, flagged and counted, and keeps to its like only by
//     links heavier than the claims.
//   - Links are taken from the heaviest down (ties by the two identity ids), so the result depends on content alone.
//
// Sources: best-first clustering with cluster-level cannot-links; the Master Person Service's rule that several equally
// good candidates give no match (its error 97).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/identity.hpp"
#include "engine/model.hpp"

namespace ligature {

using IdentityId = std::uint64_t;  // number of an identity in the order of shard and content, over all ranks

struct Edge {
  IdentityId a = 0;  // a < b
  IdentityId b = 0;
  Weight weight = 0;
  std::int32_t padding = 0;
};
static_assert(sizeof(Edge) == 24);

// The strict order in which edges are taken.
constexpr bool heavier(const Edge& x, const Edge& y) noexcept {
  if (x.weight != y.weight) return x.weight > y.weight;
  if (x.a != y.a) return x.a < y.a;
  return x.b < y.b;
}

struct ClusterNode {
  IdentityId id = 0;
  std::uint64_t valid_nhs = 0;  // 0 if none
};

struct ClusterResult {
  IdentityId cluster = 0;  // smallest identity id of the cluster
  Weight weakest = 0;      // lightest edge that was needed to build the cluster; meaningful if linked
  bool linked = false;     // the cluster has two identities or more
  bool ambiguous = false;  // the cluster was refused a numbered cluster because no claim led by the margin
};

struct ClusterCounts {
  std::uint64_t links_used = 0;            // identities less clusters
  std::uint64_t vetoed_different_nhs = 0;  // links refused because they would have put two numbers together
  std::uint64_t ambiguous_clusters = 0;
};

// Resolves one component.  nodes: sorted by id, without repeats.  edges: any order, each between two nodes, at or above
// the threshold; repeats are allowed.  Result: one entry a node, in the order of nodes.  counts are added to.
// Cost: O(E log E).  Throws Error if an edge names an id that is not among the nodes.
std::vector<ClusterResult> resolve_component(std::span<const ClusterNode> nodes, std::vector<Edge> edges, Weight margin,
                                             ClusterCounts& counts);

// Drops edges that resolve_component cannot need, so that a flood of n equal identities costs O(n) edges and not n^2:
// among nodes of one number, or of none, it keeps a maximum spanning forest; of a node without a number the heaviest
// edge to each of the two numbers nearest to it.  resolve_component begins with the same reduction, and reducing any
// parts of a graph before they are joined changes nothing (the cycle property under the strict order of heavier()):
// every result is the same.  valid numbers must be given the same for a node each time.
class EdgeReducer {
 public:
  // Adds one edge; nhs_a and nhs_b: the valid NHS numbers of its ends, 0 for none.  Both non-zero and different:
  // ignored here and counted by vetoed().
  void add(const Edge& edge, std::uint64_t nhs_a, std::uint64_t nhs_b);
  // Moves the kept edges out, in the order of heavier().
  std::vector<Edge> take();
  [[nodiscard]] std::uint64_t vetoed() const noexcept { return vetoed_; }

 private:
  struct Item {
    Edge edge;
    std::uint64_t nhs_a, nhs_b;
  };
  void reduce();
  std::vector<Item> items_;
  std::size_t reduce_at_ = 1U << 16;
  std::uint64_t vetoed_ = 0;
};

}  // namespace ligature
