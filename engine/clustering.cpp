// Clustering of one component: first the claims that numbers have on identities without one, then the links.
//
// Claims are bottlenecks of paths (the weakest link of the best path), so they follow from one sweep over the edges
// from the heaviest down, merging as Kruskal does; a maximum spanning forest keeps every bottleneck (Hu, Operations
// Research 9(6), 1961: the maximum capacity route problem), which is why dropping all other edges beforehand changes
// nothing.
#include "engine/clustering.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/error.hpp"
#include "engine/union_find.hpp"

namespace ligature {

namespace {

constexpr Weight kNoClaim = std::numeric_limits<Weight>::min();
constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();

// An edge between two nodes of the component by their indexes.
struct Link {
  std::uint32_t a, b;
  Weight weight;
};

// What the numbers say of one identity without a number: the strongest claim, and the strongest of any other number.
struct Claim {
  std::uint64_t nhs = 0;
  Weight strongest = kNoClaim;
  Weight rival = kNoClaim;
};

// The claims on every identity without a number.
//
// Groups of identities without a number grow as the links get weaker.  The first number to reach a group at weight w
// has a claim of w on its members; the first other number to reach it is the rival.  A third can change nothing.
class Claims {
 public:
  explicit Claims(std::span<const ClusterNode> nodes) : nodes_(nodes), claims_(nodes.size()), groups_(nodes.size()) {
    for (std::uint32_t node = 0; node < groups_.size(); ++node) members_.push_back({node, node, node});
  }

  // Takes the next lighter link.
  void take(const Link& link) {
    const std::uint64_t nhs_a = nodes_[link.a].valid_nhs, nhs_b = nodes_[link.b].valid_nhs;
    if (nhs_a == 0 && nhs_b == 0) {
      join(groups_.find(link.a), groups_.find(link.b), link.weight);
    } else if (nhs_a == 0) {
      reach(groups_.find(link.a), nhs_b, link.weight);
    } else if (nhs_b == 0) {
      reach(groups_.find(link.b), nhs_a, link.weight);
    }
  }

  [[nodiscard]] const Claim& operator[](std::uint32_t node) const noexcept { return claims_[node]; }

 private:
  struct Members {
    std::uint32_t head, tail;             // list of the group's members that lack a rival claim
    std::uint32_t next;                   // of this node in its group's list; itself at the end
    std::uint64_t first = 0, second = 0;  // the numbers that reached the group
  };

  void reach(std::uint32_t group, std::uint64_t nhs, Weight weight) {
    Members& members = members_[group];
    if (nhs == 0 || nhs == members.first || members.second != 0) return;
    const bool is_rival = members.first != 0;
    (is_rival ? members.second : members.first) = nhs;
    for (std::uint32_t node = members.head; node != kNobody;) {
      if (is_rival) {
        claims_[node].rival = weight;
      } else {
        claims_[node].nhs = nhs;
        claims_[node].strongest = weight;
      }
      node = members_[node].next == node ? kNobody : members_[node].next;
    }
    if (is_rival) members.head = kNobody;
  }

  void join(std::uint32_t a, std::uint32_t b, Weight weight) {
    if (a == b) return;
    const Members before_a = members_[a], before_b = members_[b];
    reach(a, before_b.first, weight);
    reach(a, before_b.second, weight);
    reach(b, before_a.first, weight);
    reach(b, before_a.second, weight);
    groups_.unite(a, b);
    // Both groups have now been reached by the same numbers, or each by two.
    Members& kept = members_[std::min(a, b)];
    const Members& gone = members_[std::max(a, b)];
    if (gone.head == kNobody) return;
    members_[kept.tail].next = gone.head;
    kept.tail = gone.tail;
  }

  std::span<const ClusterNode> nodes_;
  std::vector<Claim> claims_;
  std::vector<Members> members_;
  UnionFind groups_;
};

// To whom a node belongs as far as numbers go.
struct Standing {
  std::uint64_t nhs = 0;        // its own number, or the one whose claim leads
  bool ambiguous = false;       // claimed, but no claim leads
  Weight strongest = kNoClaim;  // the strongest claim on it
};

Standing standing_of(const ClusterNode& node, const Claim& claim, Weight margin) noexcept {
  if (node.valid_nhs != 0) return {node.valid_nhs, false, kNoClaim};
  if (claim.strongest == kNoClaim) return {};
  // In 64 bits: weights of opposite sign may be more than 2^31 apart.  Two equal claims are never a lead.
  const std::int64_t lead = std::int64_t{claim.strongest} - claim.rival;
  const bool leads = claim.rival == kNoClaim || lead >= std::max<Weight>(margin, 1);
  return {leads ? claim.nhs : 0, !leads, claim.strongest};
}

enum class Verdict { join, apart, vetoed };

Verdict judge(const Standing& a, const Standing& b, Weight weight) noexcept {
  if (a.nhs != 0 && b.nhs != 0) return a.nhs == b.nhs ? Verdict::join : Verdict::vetoed;
  if (a.nhs != 0 || b.nhs != 0) return Verdict::apart;  // the other end is ambiguous
  // Identities without a number keep together, but not on evidence that is no better than what was found ambiguous.
  return weight > std::max(a.strongest, b.strongest) ? Verdict::join : Verdict::apart;
}

std::vector<Link> reduced_links(std::span<const ClusterNode> nodes, std::vector<Edge>&& edges, ClusterCounts& counts) {
  const auto index_of = [nodes](IdentityId id) {
    const auto found = std::lower_bound(nodes.begin(), nodes.end(), id,
                                        [](const ClusterNode& node, IdentityId wanted) { return node.id < wanted; });
    if (found == nodes.end() || found->id != id) throw Error("a link names an identity outside its component");
    return static_cast<std::uint32_t>(found - nodes.begin());
  };
  EdgeReducer reducer;
  for (const Edge& edge : edges) {
    reducer.add(edge, nodes[index_of(edge.a)].valid_nhs, nodes[index_of(edge.b)].valid_nhs);
  }
  counts.vetoed_different_nhs += reducer.vetoed();
  edges = reducer.take();
  std::vector<Link> links;
  links.reserve(edges.size());
  for (const Edge& edge : edges) links.push_back({index_of(edge.a), index_of(edge.b), edge.weight});
  return links;
}

}  // namespace

std::vector<ClusterResult> resolve_component(std::span<const ClusterNode> nodes, std::vector<Edge> edges, Weight margin,
                                             ClusterCounts& counts) {
  const std::vector<Link> links = reduced_links(nodes, std::move(edges), counts);
  Claims claims(nodes);
  for (const Link& link : links) claims.take(link);

  std::vector<Standing> standings(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    standings[node] = standing_of(nodes[node], claims[node], margin);
  }

  // Every link that is taken joins two clusters and is no heavier than those before it, so the last is the weakest.
  UnionFind clusters(nodes.size());
  std::vector<ClusterResult> at_root(nodes.size());
  for (const Link& link : links) {
    const Verdict verdict = judge(standings[link.a], standings[link.b], link.weight);
    if (verdict == Verdict::vetoed) ++counts.vetoed_different_nhs;
    if (verdict != Verdict::join || !clusters.unite(link.a, link.b)) continue;
    ++counts.links_used;
    ClusterResult& cluster = at_root[clusters.find(link.a)];
    cluster.weakest = link.weight;
    cluster.linked = true;
  }

  std::vector<ClusterResult> results(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    const std::uint32_t root = clusters.find(node);
    results[node] = at_root[root];
    results[node].cluster = nodes[root].id;
    results[node].ambiguous = standings[node].ambiguous;
    if (root == node && standings[node].ambiguous) ++counts.ambiguous_clusters;
  }
  return results;
}

void EdgeReducer::add(const Edge& edge, std::uint64_t nhs_a, std::uint64_t nhs_b) {
  if (nhs_a != 0 && nhs_b != 0 && nhs_a != nhs_b) {
    ++vetoed_;
    return;
  }
  items_.push_back({edge, nhs_a, nhs_b});
  if (items_.size() >= reduce_at_) {
    reduce();
    // At least as many again before the next time: each edge is sorted a bounded number of times on average.
    reduce_at_ = std::max(reduce_at_, 2 * items_.size());
  }
}

std::vector<Edge> EdgeReducer::take() {
  reduce();
  std::vector<Edge> edges;
  edges.reserve(items_.size());
  for (const Item& item : items_) edges.push_back(item.edge);
  items_ = {};
  return edges;
}

void EdgeReducer::reduce() {
  std::sort(items_.begin(), items_.end(), [](const Item& x, const Item& y) { return heavier(x.edge, y.edge); });
  std::vector<IdentityId> ids;
  ids.reserve(2 * items_.size());
  for (const Item& item : items_) {
    ids.push_back(item.edge.a);
    ids.push_back(item.edge.b);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const auto index_of = [&ids](IdentityId id) {
    return static_cast<std::uint32_t>(std::lower_bound(ids.begin(), ids.end(), id) - ids.begin());
  };

  UnionFind forest(ids.size());
  std::vector<std::pair<std::uint64_t, std::uint64_t>> nearest(ids.size());  // the two numbers nearest to a node
  const auto is_needed = [&](const Item& item) {
    const std::uint32_t a = index_of(item.edge.a), b = index_of(item.edge.b);
    if ((item.nhs_a == 0) == (item.nhs_b == 0)) return forest.unite(a, b);
    auto& [first, second] = nearest[item.nhs_a == 0 ? a : b];
    const std::uint64_t nhs = item.nhs_a == 0 ? item.nhs_b : item.nhs_a;
    if (nhs == first || second != 0) return false;
    (first == 0 ? first : second) = nhs;
    return true;
  };
  std::size_t kept = 0;
  for (const Item& item : items_) {
    if (is_needed(item)) items_[kept++] = item;
  }
  items_.resize(kept);
}

}  // namespace ligature
