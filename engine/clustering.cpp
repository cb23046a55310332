// Clustering of one component: first the claims that numbers have on identities without one, then the links.
//
// Claims are bottlenecks of paths (the weakest link of the best path), so they follow from one sweep over the edges
// from the heaviest down, merging as Kruskal does; a maximum spanning forest keeps every bottleneck (Hu, Operations
// Research 9(6), 1961: the maximum capacity route problem), which is why dropping all other edges beforehand changes
// nothing.
#include "engine/clustering.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/edge_reducer.hpp"
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
  EdgeKind kind;
};

// What the numbers say of one identity without a number: the strongest claim, and the strongest of any other number.
struct Claim {
  std::uint64_t nhs = 0;
  Weight strongest = kNoClaim;
  Weight rival = kNoClaim;
};

// A record that was parted from the owner of its number goes neither back to it by the way of other links, nor to a
// twin of the one whose number it rightly carries.
bool may_claim(const ClusterNode& node, std::uint64_t nhs, bool neighbours_are_twins) noexcept {
  if (node.disowned_nhs == 0) return true;
  return node.disowned_nhs != nhs && !(neighbours_are_twins && are_neighbours(node.disowned_nhs, nhs));
}

// The claims on every identity without a number.
//
// Groups of identities without a number grow as the links get weaker.  The first number to reach a group at weight w
// has a claim of w on its members; the first other number to reach it is the rival.  A third can change nothing.
class Claims {
 public:
  Claims(std::span<const ClusterNode> nodes, bool neighbours_are_twins)
      : nodes_(nodes), neighbours_are_twins_(neighbours_are_twins), claims_(nodes.size()), groups_(nodes.size()) {
    for (std::uint32_t node = 0; node < groups_.size(); ++node) members_.push_back({node, node, node});
  }

  // Takes the next lighter link.
  void take(const Link& link) {
    const std::uint64_t nhs_a = nodes_[link.a].valid_nhs, nhs_b = nodes_[link.b].valid_nhs;
    if (nhs_a == 0 && nhs_b == 0) {
      join(groups_.find(link.a), groups_.find(link.b), link.weight);
    } else if (nhs_a == 0) {
      claim(link.a, nhs_b, link.weight);
    } else if (nhs_b == 0) {
      claim(link.b, nhs_a, link.weight);
    }
  }

  // A number that is near a node, too light to claim it: a rival where another does.
  void rival(std::uint32_t node, std::uint64_t nhs, Weight weight) {
    if (claims_[node].strongest != kNoClaim) claim(node, nhs, weight);
  }

  // A number's claim on a node, no heavier than anything before.
  void claim(std::uint32_t node, std::uint64_t nhs, Weight weight) {
    if (may_claim(nodes_[node], nhs, neighbours_are_twins_)) reach(groups_.find(node), nhs, weight);
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
  bool neighbours_are_twins_;
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

// In 64 bits: weights of opposite sign may be more than 2^31 apart.
Weight lead_of(const Claim& claim) noexcept {
  const std::int64_t lead = std::int64_t{claim.strongest} - claim.rival;
  return static_cast<Weight>(std::min<std::int64_t>(lead, kNoRival - 1));
}

Standing standing_of(const ClusterNode& node, const Claim& claim, const ClusterRules& rules) noexcept {
  if (node.valid_nhs != 0) return {node.valid_nhs, false, kNoClaim};
  if (claim.strongest == kNoClaim) return {};
  // Claimed over another identity by the number that it was parted from: it neither follows nor is in doubt.
  if (!may_claim(node, claim.nhs, rules.neighbours_are_twins)) return {0, false, claim.strongest};
  // Two equal claims are never a lead.
  const std::int64_t lead = std::int64_t{claim.strongest} - claim.rival;  // may be wider than a weight
  const bool leads = claim.rival == kNoClaim || lead >= std::max<Weight>(rules.margin, 1);
  return {leads ? claim.nhs : 0, !leads, claim.strongest};
}

constexpr unsigned kBothGenders = 3;

// 1 for male, 2 for female, else 0.
unsigned gender_bit(const ClusterNode& node) noexcept {
  return node.gender == Gender::male ? 1 : node.gender == Gender::female ? 2 : 0;
}

enum class Verdict { join, apart, vetoed };

Verdict judge(const Standing& a, const Standing& b, Weight weight) noexcept {
  if (a.nhs != 0 && b.nhs != 0) return a.nhs == b.nhs ? Verdict::join : Verdict::vetoed;
  if (a.nhs != 0 || b.nhs != 0) return Verdict::apart;  // the other end is ambiguous
  // Identities without a number keep together, but not on evidence that is no better than what was found ambiguous.
  return weight > std::max(a.strongest, b.strongest) ? Verdict::join : Verdict::apart;
}

std::uint32_t index_of(std::span<const ClusterNode> nodes, IdentityId id) {
  const auto found = std::lower_bound(nodes.begin(), nodes.end(), id,
                                      [](const ClusterNode& node, IdentityId wanted) { return node.id < wanted; });
  if (found == nodes.end() || found->id != id) throw Error("a link names an identity outside its component");
  return static_cast<std::uint32_t>(found - nodes.begin());
}

std::vector<Edge> reduced(std::span<const ClusterNode> nodes, std::span<const Edge> edges, ClusterCounts& counts) {
  EdgeReducer reducer;
  for (const Edge& edge : edges) {
    reducer.add(edge, nodes[index_of(nodes, edge.a)].valid_nhs, nodes[index_of(nodes, edge.b)].valid_nhs);
  }
  counts.vetoed_different_nhs += reducer.vetoed();
  return reducer.take();
}

// Drops the rivals that would have been dropped had all edges met in one reducer.  links: reduced; rivals: sorted.
void reduce_rivals(std::span<const ClusterNode> nodes, std::span<const Edge> links, std::vector<Edge>& rivals) {
  std::vector<NumbersOfNode> nearest(nodes.size());
  for (const Edge& link : links) {
    const std::uint32_t a = index_of(nodes, link.a), b = index_of(nodes, link.b);
    const std::uint64_t nhs_a = nodes[a].valid_nhs, nhs_b = nodes[b].valid_nhs;
    if ((nhs_a == 0) != (nhs_b == 0)) nearest[nhs_a == 0 ? a : b].add(nhs_a + nhs_b);
  }
  std::erase_if(rivals, [&](const Edge& rival) { return !nearest[index_of(nodes, rival.a)].add(rival.b); });
}

// Of two with equal claims to one number the one that fits another person may go, but not both: then it is not known
// who is the intruder, and both stay.
void keep_ties(std::span<const ClusterNode> nodes, std::span<const Edge> ties, std::vector<Standing>& standings) {
  std::vector<std::uint32_t> staying;
  for (const Edge& tie : ties) {
    const std::uint32_t a = index_of(nodes, tie.a), b = index_of(nodes, tie.b);
    if (standings[a].nhs != 0 && standings[b].nhs != 0) staying.insert(staying.end(), {a, b});
  }
  for (const std::uint32_t node : staying) {
    standings[node].nhs = 0;
    standings[node].ambiguous = true;
  }
}

// To a conflict a thin number is none.
std::vector<ClusterNode> thin_unnumbered(std::span<const ClusterNode> nodes) {
  std::vector<ClusterNode> result(nodes.begin(), nodes.end());
  for (ClusterNode& node : result) {
    if (node.thin) node.valid_nhs = 0;
  }
  return result;
}

// Whose number each thin number is: those of the nodes with numbers, once the thin ones that a conflict ties to another
// number, or to each other, are given that number.  A thin number goes to a number in use as an identity without a
// number would: to the one whose claim leads.
std::vector<ClusterNode> settle_conflicts(std::span<const ClusterNode> nodes, std::span<const Edge> conflicts,
                                          const ClusterRules& rules) {
  std::vector<ClusterNode> numbered;
  std::vector<std::uint32_t> place;  // of each of them in nodes
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (nodes[node].valid_nhs == 0) continue;
    place.push_back(node);
    ClusterNode& copy = numbered.emplace_back(nodes[node]);
    if (!copy.thin) continue;
    copy.disowned_nhs = copy.valid_nhs;  // a neighbour in number is a twin
    copy.valid_nhs = 0;
  }
  std::vector<Edge> links(conflicts.begin(), conflicts.end());
  for (Edge& link : links) link.kind = EdgeKind::link;
  ClusterCounts unused;
  const std::vector<ClusterResult> clusters = resolve_component(numbered, std::move(links), rules, unused);
  // The number of each cluster, at its smallest node: the one in use, else the smallest.
  std::vector<ClusterNode> settled(nodes.begin(), nodes.end());
  std::vector<std::uint64_t> number_of(nodes.size(), 0);
  for (const bool in_use : {true, false}) {
    for (std::size_t n = 0; n < numbered.size(); ++n) {
      std::uint64_t& number = number_of[index_of(nodes, clusters[n].cluster)];
      const std::uint64_t own = nodes[place[n]].valid_nhs;
      if (nodes[place[n]].thin == in_use) continue;
      if (in_use || number == 0) number = own;
    }
  }
  for (std::size_t n = 0; n < numbered.size(); ++n) {
    ClusterNode& node = settled[place[n]];
    if (node.thin) node.valid_nhs = number_of[index_of(nodes, clusters[n].cluster)];
  }
  return settled;
}

// Names the rivals by the numbers that theirs were settled to.
void settle_rivals(std::span<const ClusterNode> nodes, std::span<const ClusterNode> settled,
                   std::vector<Edge>& rivals) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> numbers;  // before and after
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if (nodes[node].thin) numbers.emplace_back(nodes[node].valid_nhs, settled[node].valid_nhs);
  }
  std::sort(numbers.begin(), numbers.end());
  for (Edge& rival : rivals) {
    const auto found = std::lower_bound(numbers.begin(), numbers.end(), std::pair(rival.b, std::uint64_t{0}));
    if (found != numbers.end() && found->first == rival.b) rival.b = found->second;
  }
}

// A cluster of nothing but records that a number does not own goes back to it, heaviest first.
template <typename Join>
void take_returns(std::span<const ClusterNode> nodes, std::span<const Edge> returns,
                  std::span<const Standing> standings, UnionFind& clusters, const Join& join,
                  std::vector<bool>& returned, ClusterCounts& counts) {
  // The number of which all members are disowned, by root; 0 if they are not, or of several.
  std::vector<std::uint64_t> waiting(nodes.size(), 0);
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    const std::uint32_t root = clusters.find(node);
    const std::uint64_t disowned = standings[node].ambiguous || standings[node].nhs != 0 ? 0 : nodes[node].disowned_nhs;
    waiting[root] = root == node || waiting[root] == disowned ? disowned : 0;
  }
  // The members of each cluster as a ring.
  std::vector<std::uint32_t> next(nodes.size());
  std::iota(next.begin(), next.end(), 0U);
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (const std::uint32_t root = clusters.find(node); root != node) std::swap(next[root], next[node]);
  }
  for (const Edge& edge : returns) {
    Link link{index_of(nodes, edge.a), index_of(nodes, edge.b), edge.weight, edge.kind};
    if (nodes[link.a].disowned_nhs == 0) std::swap(link.a, link.b);
    const std::uint64_t number = nodes[link.a].disowned_nhs;
    const std::uint32_t from = clusters.find(link.a), to = clusters.find(link.b);
    const bool is_owner = nodes[link.b].valid_nhs == number;
    if (from == to || waiting[from] != number || !(is_owner || waiting[to] == number)) continue;
    std::uint32_t member = from;
    do {
      returned[member] = true;
      member = next[member];
    } while (member != from);
    std::swap(next[from], next[to]);
    join(link);
    waiting[clusters.find(link.a)] = is_owner ? 0 : number;
    ++counts.returned;
  }
}

// Hangs every cluster's tree of links on one root: its first node with a valid number, else its first.
void root_links(std::span<const ClusterNode> nodes, std::span<const Link> taken, std::vector<ClusterResult>& results) {
  // Links by node, as one array of both directions.
  std::vector<std::uint32_t> first(nodes.size() + 1, 0);
  for (const Link& link : taken) {
    ++first[link.a + 1];
    ++first[link.b + 1];
  }
  for (std::size_t node = 0; node < nodes.size(); ++node) first[node + 1] += first[node];
  struct Neighbour {
    std::uint32_t node;
    Weight weight;
    EdgeKind kind;
  };
  std::vector<Neighbour> neighbours(2 * taken.size());
  std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
  for (const Link& link : taken) {
    neighbours[next[link.a]++] = {link.b, link.weight, link.kind};
    neighbours[next[link.b]++] = {link.a, link.weight, link.kind};
  }
  std::vector<bool> reached(nodes.size(), false);
  std::vector<std::uint32_t> queue;
  const auto spread = [&](std::uint32_t root) {
    if (reached[root] || first[root] == first[root + 1]) return;
    reached[root] = true;
    results[root].weight = std::numeric_limits<Weight>::min();
    for (std::uint32_t n = first[root]; n < first[root + 1]; ++n) {
      if (neighbours[n].weight <= results[root].weight) continue;
      results[root].weight = neighbours[n].weight;
      results[root].kind = neighbours[n].kind;
    }
    queue.assign(1, root);
    for (std::size_t at = 0; at < queue.size(); ++at) {
      const std::uint32_t node = queue[at];
      for (std::uint32_t n = first[node]; n < first[node + 1]; ++n) {
        const auto& [neighbour, weight, kind] = neighbours[n];
        if (reached[neighbour]) continue;
        reached[neighbour] = true;
        results[neighbour].linked_to = node;
        results[neighbour].weight = weight;
        results[neighbour].kind = kind;
        queue.push_back(neighbour);
      }
    }
  };
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (nodes[node].valid_nhs != 0) spread(node);
  }
  for (std::uint32_t node = 0; node < nodes.size(); ++node) spread(node);
}

}  // namespace

ClusterRules cluster_rules(const LinkageModel& model) noexcept {
  return {model.margin(), model.parameters().neighbours_twins > 0.5};
}

bool are_neighbours(std::uint64_t nhs_a, std::uint64_t nhs_b) noexcept {
  constexpr std::uint64_t kBatch = 10;
  const std::uint64_t stem_a = nhs_a / 10, stem_b = nhs_b / 10;  // without the check digit
  return (stem_a > stem_b ? stem_a - stem_b : stem_b - stem_a) < kBatch;
}

std::vector<ClusterResult> resolve_component(std::span<const ClusterNode> nodes, std::vector<Edge> edges,
                                             const ClusterRules& rules, ClusterCounts& counts) {
  const auto split_off = [&edges](EdgeKind kind) {
    const auto first =
        std::stable_partition(edges.begin(), edges.end(), [kind](const Edge& edge) { return edge.kind != kind; });
    std::vector<Edge> split(first, edges.end());
    edges.erase(first, edges.end());
    std::sort(split.begin(), split.end(), heavier);
    return split;
  };
  const std::vector<Edge> returns = split_off(EdgeKind::ret), ties = split_off(EdgeKind::tie);
  std::vector<Edge> rivals = split_off(EdgeKind::rival), conflicts = split_off(EdgeKind::conflict);
  edges = reduced(nodes, edges, counts);
  reduce_rivals(nodes, edges, rivals);
  if (!conflicts.empty()) {
    ClusterCounts unused;
    conflicts = reduced(thin_unnumbered(nodes), conflicts, unused);
    // From here on a number that was found to be another's is that number.
    const std::vector<ClusterNode> settled = settle_conflicts(nodes, conflicts, rules);
    // Within one number any link will do, and these are what holds it together.
    for (Edge& edge : conflicts) {
      if (settled[index_of(nodes, edge.a)].valid_nhs != settled[index_of(nodes, edge.b)].valid_nhs) continue;
      edge.kind = EdgeKind::link;
      edges.push_back(edge);
    }
    settle_rivals(nodes, settled, rivals);
    for (const auto* kept : {&returns, &std::as_const(rivals), &ties})
      edges.insert(edges.end(), kept->begin(), kept->end());
    return resolve_component(settled, std::move(edges), rules, counts);
  }
  std::vector<Link> links;
  links.reserve(edges.size());
  for (const Edge& edge : edges) {
    links.push_back({index_of(nodes, edge.a), index_of(nodes, edge.b), edge.weight, edge.kind});
  }
  Claims claims(nodes, rules.neighbours_are_twins);
  for (const Link& link : links) claims.take(link);
  for (const Edge& rival : rivals) claims.rival(index_of(nodes, rival.a), rival.b, rival.weight);

  std::vector<Standing> standings(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    standings[node] = standing_of(nodes[node], claims[node], rules);
  }
  keep_ties(nodes, ties, standings);

  UnionFind clusters(nodes.size());
  std::vector<std::uint8_t> genders;  // of the cluster, at its root
  genders.reserve(nodes.size());
  for (const ClusterNode& node : nodes) genders.push_back(static_cast<std::uint8_t>(gender_bit(node)));
  std::vector<ClusterResult> at_root(nodes.size());
  std::vector<Link> taken;
  const auto join = [&](const Link& link) {
    const ClusterResult before_a = at_root[clusters.find(link.a)], before_b = at_root[clusters.find(link.b)];
    if (!clusters.unite(link.a, link.b)) return;
    ++counts.links_used;
    taken.push_back(link);
    ClusterResult& cluster = at_root[clusters.find(link.a)];
    cluster.weakest = link.weight;
    if (before_a.linked) cluster.weakest = std::min(cluster.weakest, before_a.weakest);
    if (before_b.linked) cluster.weakest = std::min(cluster.weakest, before_b.weakest);
    cluster.linked = true;
  };
  for (const Link& link : links) {
    const Verdict verdict = judge(standings[link.a], standings[link.b], link.weight);
    if (verdict == Verdict::vetoed) ++counts.vetoed_different_nhs;
    if (verdict != Verdict::join) continue;
    const std::uint32_t root_a = clusters.find(link.a), root_b = clusters.find(link.b);
    const unsigned both = genders[root_a] | genders[root_b];
    const bool bridges = both == kBothGenders && genders[root_a] != kBothGenders && genders[root_b] != kBothGenders &&
                         (gender_bit(nodes[link.a]) == 0 || gender_bit(nodes[link.b]) == 0);
    if (standings[link.a].nhs == 0 && bridges) continue;
    join(link);
    genders[clusters.find(link.a)] = static_cast<std::uint8_t>(both);
  }
  std::vector<bool> returned(nodes.size(), false);
  if (!returns.empty()) take_returns(nodes, returns, standings, clusters, join, returned, counts);

  std::vector<ClusterResult> results(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    const std::uint32_t root = clusters.find(node);
    ClusterResult& result = results[node];
    result = at_root[root];
    result.cluster = nodes[root].id;
    result.ambiguous = standings[node].ambiguous;
    result.returned = returned[node];
    result.linked_to = node;
    const Claim& claim = claims[node];
    result.weight = claim.strongest == kNoClaim ? 0 : claim.strongest;
    result.lead = claim.rival == kNoClaim ? kNoRival : lead_of(claim);
    if (root == node && standings[node].ambiguous) ++counts.ambiguous_clusters;
  }
  root_links(nodes, taken, results);
  return results;
}

}  // namespace ligature
