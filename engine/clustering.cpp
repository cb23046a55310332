// Clustering of one component: first the claims that numbers have on identities without one (claims.hpp), then the
// links, then the records that go back to the owner of their number (parted.hpp).
#include "engine/clustering.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/claims.hpp"
#include "engine/edge_reducer.hpp"
#include "engine/error.hpp"
#include "engine/parted.hpp"
#include "engine/patient_groups.hpp"
#include "engine/union_find.hpp"

namespace ligature {

namespace {

using namespace clustering_detail;

// A record that was parted from the owner of its number goes to another only if that one leads the owner by this much.
constexpr Weight kLeavesAt = 3 * kWeightPerBit;

// In 64 bits: weights of opposite sign may be more than 2^31 apart.
Weight lead_of(const Claim& claim) noexcept {
  const std::int64_t lead = std::int64_t{claim.strongest} - claim.rival;
  return static_cast<Weight>(std::min<std::int64_t>(lead, kNoRival - 1));
}

Standing standing_of(const ClusterNode& node, const Claim& claim, const Parted& parted, const Claimants& claimants,
                     const ClusterRules& rules) noexcept {
  if (node.valid_nhs != 0) return {node.valid_nhs, false, kNoClaim};
  if (claim.strongest == kNoClaim) return {};
  // Claimed over another identity by the number that it was parted from: it neither follows nor is in doubt.
  if (!claimants.may_claim(node, claim.nhs)) return {0, false, claim.strongest};
  // Two equal claims are never a lead.
  const std::int64_t lead = std::int64_t{claim.strongest} - claim.rival;  // may be wider than a weight
  const std::int64_t lead_of_own = std::int64_t{claim.strongest} - parted.own;
  // Its own number may be the best after all.
  if (parted.own != kNoClaim && lead_of_own <= 0) return {0, false, claim.strongest};
  const std::int64_t least = std::max<Weight>(rules.margin, 1);
  const bool leads = (claim.rival == kNoClaim || lead >= least) && (parted.own == kNoClaim || lead_of_own >= kLeavesAt);
  return {leads ? claim.nhs : 0, !leads, claim.strongest};
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
  if (rivals.empty()) return;
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

// Hangs every cluster's tree of links on one root: its first node with a valid number, else its first.
void root_links(std::span<const ClusterNode> nodes, std::span<const Link> taken, std::vector<ClusterResult>& results) {
  if (taken.empty()) return;
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
  const ModelParameters& parameters = model.parameters();
  return {model.margin(),
          parameters.neighbours_twins > 0.5,
          model.threshold(),
          model.return_weight(),
          one_provider_datasets(parameters.several_providers, parameters.margin_bits),
          is_one_patient(parameters.several_patients, parameters.margin_bits)};
}

bool are_neighbours(std::uint64_t nhs_a, std::uint64_t nhs_b) noexcept {
  constexpr std::uint64_t kBatch = 10;
  const std::uint64_t stem_a = nhs_a / 10, stem_b = nhs_b / 10;  // without the check digit
  return (stem_a > stem_b ? stem_a - stem_b : stem_b - stem_a) < kBatch;
}

bool resolve_one_number(std::span<const ClusterNode> nodes, std::span<const Edge> edges,
                        std::vector<ClusterResult>& results, ClusterCounts& counts) {
  constexpr std::size_t kFewNodes = 16, kFewLinks = 64;
  if (nodes.size() < 2 || nodes.size() > kFewNodes || edges.size() > kFewLinks) return false;
  const std::uint64_t number = nodes[0].valid_nhs;
  const auto has_number = [&](const ClusterNode& node) { return node.valid_nhs == number; };
  const auto is_link = [](const Edge& edge) { return edge.kind == EdgeKind::link || edge.kind == EdgeKind::local_id; };
  if (number == 0 || !std::all_of(nodes.begin(), nodes.end(), has_number)) return false;
  if (!std::all_of(edges.begin(), edges.end(), is_link)) return false;

  std::array<Edge, kFewLinks> ordered;  // NOLINT(*-member-init): written before it is read
  const std::span<Edge> sorted = std::span(ordered).first(edges.size());
  std::copy(edges.begin(), edges.end(), sorted.begin());
  std::sort(sorted.begin(), sorted.end(), heavier);
  std::array<std::uint8_t, kFewNodes> tree{};  // that each node is in
  std::iota(tree.begin(), tree.end(), std::uint8_t{0});
  std::array<Link, kFewNodes> taken;  // NOLINT(*-member-init): likewise
  std::size_t count = 0;
  for (const Edge& edge : sorted) {
    const std::uint32_t a = index_of(nodes, edge.a), b = index_of(nodes, edge.b);
    if (tree[a] == tree[b]) continue;
    std::replace(tree.begin(), tree.end(), std::uint8_t{tree[b]}, std::uint8_t{tree[a]});
    taken[count++] = {a, b, edge.weight, edge.kind};
  }
  if (count + 1 != nodes.size()) return false;

  const std::span<const Link> links = std::span(taken).first(count);
  ClusterResult of_all;
  of_all.cluster = nodes[0].id;
  of_all.linked = true;
  of_all.weakest = links.back().weight;
  results.assign(nodes.size(), of_all);
  // The root's own is its heaviest.
  const auto at_root =
      std::find_if(links.begin(), links.end(), [](const Link& link) { return std::min(link.a, link.b) == 0; });
  results[0].weight = at_root->weight;
  results[0].kind = at_root->kind;
  std::array<bool, kFewNodes> is_reached{true};  // the root is
  for (std::size_t reached = 1; reached < nodes.size();) {
    for (const Link& link : links) {
      if (is_reached[link.a] == is_reached[link.b]) continue;
      ClusterResult& next = results[is_reached[link.a] ? link.b : link.a];
      next.linked_to = is_reached[link.a] ? link.a : link.b;
      next.weight = link.weight;
      next.kind = link.kind;
      is_reached[link.a] = is_reached[link.b] = true;
      ++reached;
    }
  }
  counts.links_used += count;
  return true;
}

std::vector<ClusterResult> resolve_component(std::span<const ClusterNode> nodes, std::vector<Edge> edges,
                                             const ClusterRules& rules, ClusterCounts& counts) {
  if (std::vector<ClusterResult> results; resolve_one_number(nodes, edges, results, counts)) return results;
  if (std::any_of(nodes.begin(), nodes.end(), [](const ClusterNode& node) { return node.several; })) {
    std::erase_if(edges, [&](const Edge& edge) {
      if (nodes[index_of(nodes, edge.a)].several) return true;
      return edge.kind != EdgeKind::rival && nodes[index_of(nodes, edge.b)].several;
    });
  }
  const auto split_off = [&edges](EdgeKind kind) {
    const auto is_other = [kind](const Edge& edge) { return edge.kind != kind; };
    std::vector<Edge> split;  // mostly empty: then nothing is allocated
    if (std::all_of(edges.begin(), edges.end(), is_other)) return split;
    const auto first = std::stable_partition(edges.begin(), edges.end(), is_other);
    split.assign(first, edges.end());
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
  const Claimants claimants(nodes, rules);
  Claims claims(nodes, claimants);
  claims.note_twins();
  for (const Link& link : links) claims.take(link);
  for (const Edge& rival : rivals) claims.rival(index_of(nodes, rival.a), rival.b, rival.weight);
  const std::vector<Parted> parted = find_parted(nodes, links, rivals, returns, claims, claimants, rules);

  std::vector<Standing> standings(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    standings[node] = standing_of(nodes[node], claims[node], parted[node], claimants, rules);
    standings[node].ambiguous = standings[node].ambiguous || nodes[node].several;
  }
  keep_ties(nodes, ties, standings);

  UnionFind clusters(nodes.size());
  std::vector<std::uint8_t> genders;  // of the cluster, at its root
  genders.reserve(nodes.size());
  for (const ClusterNode& node : nodes) genders.push_back(static_cast<std::uint8_t>(gender_bit(node)));
  PatientGroups patients(nodes, links, standings, rules);
  std::vector<ClusterResult> at_root(nodes.size());
  std::vector<Link> taken;
  const auto join = [&](const Link& link) {
    const std::uint32_t root_a = clusters.find(link.a), root_b = clusters.find(link.b);
    const ClusterResult before_a = at_root[root_a], before_b = at_root[root_b];
    if (!clusters.unite(link.a, link.b)) return;
    patients.joined(root_a, root_b, clusters.find(link.a));
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
    if (standings[link.a].nhs == 0 && (bridges || !patients.may_join(link, clusters, genders))) continue;
    join(link);
    genders[clusters.find(link.a)] = static_cast<std::uint8_t>(both);
  }
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    standings[node].ambiguous = standings[node].ambiguous || patients.apart(clusters.find(node)) != kNoClaim;
  }
  std::vector<bool> returned(nodes.size(), false);
  if (!returns.empty())
    take_returns(nodes, returns, standings, parted, claimants, rules, clusters, join, returned, counts);

  std::vector<ClusterResult> results(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    const std::uint32_t root = clusters.find(node);
    ClusterResult& result = results[node];
    result = at_root[root];
    result.cluster = nodes[root].id;
    result.ambiguous = standings[node].ambiguous;
    result.returned = returned[node];
    result.other_provider = claims.other_provider(node);
    result.other_patient = claims.other_patient(node);
    result.linked_to = node;
    const Claim& claim = claims[node];
    result.weight = claim.strongest == kNoClaim ? 0 : claim.strongest;
    result.lead = claim.rival == kNoClaim ? kNoRival : lead_of(claim);
    if (claim.strongest != kNoClaim && parted[node].own != kNoClaim) {
      result.lead = std::min(result.lead, lead_of({0, claim.strongest, parted[node].own}));
    }
    if (const Weight apart = patients.apart(root); apart != kNoClaim) {
      result.weight = std::max(claim.strongest, apart);
      result.lead = 0;
    }
    if (root == node && standings[node].ambiguous) ++counts.ambiguous_clusters;
  }
  root_links(nodes, taken, results);
  return results;
}

}  // namespace ligature
