#include "engine/parted.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ligature::clustering_detail {

namespace {

// One that has joined records without a number goes back, with them, only by this much more than a link needs.
constexpr Weight kInCompany = 2 * kWeightPerBit;

}  // namespace

std::vector<Parted> find_parted(std::span<const ClusterNode> nodes, std::span<const Link> links,
                                std::span<const Edge> rivals, std::span<const Edge> returns, const Claims& claims,
                                const Claimants& claimants, const ClusterRules& rules) {
  std::vector<Parted> parted(nodes.size());
  if (returns.empty()) return parted;
  for (const Edge& edge : returns) {
    const std::uint32_t a = index_of(nodes, edge.a), b = index_of(nodes, edge.b);
    const std::int64_t own = std::int64_t{edge.weight} - rules.return_weight;
    for (const std::uint32_t node : {a, b}) {
      if (nodes[node].disowned_nhs == 0) continue;
      parted[node].own = std::max(parted[node].own, static_cast<Weight>(std::max<std::int64_t>(own, kNoClaim + 1)));
    }
  }
  const auto other = [&](std::uint32_t node, std::uint64_t nhs, Weight weight) {
    if (claimants.may_claim(nodes[node], nhs)) {
      parted[node].other = std::max(parted[node].other, weight);
    }
  };
  for (const Edge& rival : rivals) other(index_of(nodes, rival.a), rival.b, rival.weight);
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (claims[node].strongest != kNoClaim) other(node, claims[node].nhs, claims[node].strongest);
  }
  // A patient number that it shares with the owner speaks for the owner.
  for (const Link& link : links) {
    if (link.kind != EdgeKind::local_id) continue;
    for (const auto& [node, owner] : {std::pair(link.a, link.b), std::pair(link.b, link.a)}) {
      const std::uint64_t number = nodes[node].disowned_nhs;
      if (number == 0 || nodes[owner].valid_nhs != number) continue;
      parted[node].own = std::max(parted[node].own, link.weight);
    }
  }
  return parted;
}

void take_returns(std::span<const ClusterNode> nodes, std::span<const Edge> returns,
                  std::span<const Standing> standings, std::span<const Parted> parted, const Claimants& claimants,
                  const ClusterRules& rules, UnionFind& clusters, const std::function<void(const Link&)>& join,
                  std::vector<bool>& returned, ClusterCounts& counts) {
  // By root: the number of which all members are disowned, or have no number; 0 if there is none, or several.
  constexpr std::uint64_t kSeveral = ~std::uint64_t{0};
  struct Waiting {
    std::uint64_t number = 0;
    bool pure = true;  // all are disowned
    Weight other = kNoClaim;
  };
  std::vector<Waiting> waiting(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    Waiting& of = waiting[clusters.find(node)];
    const std::uint64_t number = nodes[node].disowned_nhs;
    if (standings[node].ambiguous || standings[node].nhs != 0) {
      of.number = kSeveral;
    } else if (number == 0) {
      of.pure = false;
    } else {
      of.number = of.number == 0 || of.number == number ? number : kSeveral;
    }
    of.other = std::max(of.other, parted[node].other);
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
    if (!claimants.may_return(nodes[link.a])) continue;
    const std::uint32_t from = clusters.find(link.a), to = clusters.find(link.b);
    const bool is_owner = nodes[link.b].valid_nhs == number;
    if (from == to || waiting[from].number != number || !(is_owner || waiting[to].number == number)) continue;
    // In company it has found a person, though one without a number: it goes back only where nothing else would be
    // believed.
    const std::int64_t own = std::int64_t{link.weight} - rules.return_weight;
    const Weight least = rules.threshold + (waiting[from].pure ? 0 : kInCompany);
    if ((waiting[from].pure ? link.weight : own) < least) continue;
    // What would not have linked by itself must lead the nearest other number by what a link needs.
    const Weight lead = own < rules.threshold + kInCompany ? rules.threshold : 0;
    if (own - waiting[from].other < lead) continue;
    std::uint32_t member = from;
    do {
      returned[member] = true;
      member = next[member];
    } while (member != from);
    std::swap(next[from], next[to]);
    join(link);
    waiting[clusters.find(link.a)] = {is_owner ? kSeveral : number, waiting[from].pure && waiting[to].pure,
                                      std::max(waiting[from].other, waiting[to].other)};
    ++counts.returned;
  }
}

}  // namespace ligature::clustering_detail
