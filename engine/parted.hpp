// Records that were parted from the owner of their number, and what brings them back to it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/claims.hpp"
#include "engine/clustering.hpp"
#include "engine/union_find.hpp"

namespace ligature::clustering_detail {

// To whom a node belongs as far as numbers go.
struct Standing {
  std::uint64_t nhs = 0;        // its own number, or the one whose claim leads
  bool ambiguous = false;       // claimed, but no claim leads
  Weight strongest = kNoClaim;  // the strongest claim on it
};

enum class Verdict { join, apart, vetoed };

// Of a link between two such nodes.
inline Verdict judge(const Standing& a, const Standing& b, Weight weight) noexcept {
  if (a.nhs != 0 && b.nhs != 0) return a.nhs == b.nhs ? Verdict::join : Verdict::vetoed;
  if (a.nhs != 0 || b.nhs != 0) return Verdict::apart;  // the other end is ambiguous
  // Identities without a number keep together, but not on evidence that is no better than what was found ambiguous.
  return weight > std::max(a.strongest, b.strongest) ? Verdict::join : Verdict::apart;
}

// What is known of a node that was parted from the owner of its number: how heavy its pair with the owner is, without
// any number; and the nearest other number, which need not reach it by a link.
struct Parted {
  Weight own = kNoClaim;
  Weight other = kNoClaim;
};

// What the nodes that were parted from the owner of their number are worth to it, and to the nearest other number.
// returns: the edges back.  One entry a node.
std::vector<Parted> find_parted(std::span<const ClusterNode> nodes, std::span<const Link> links,
                                std::span<const Edge> rivals, std::span<const Edge> returns, const Claims& claims,
                                const Claimants& claimants, const ClusterRules& rules);

// A cluster of nothing but records that a number does not own goes back to it, heaviest first: if no other number is
// nearer.  returns: sorted, heaviest first.  join: unites the ends of a link in clusters.  returned: by node.
void take_returns(std::span<const ClusterNode> nodes, std::span<const Edge> returns,
                  std::span<const Standing> standings, std::span<const Parted> parted, const Claimants& claimants,
                  const ClusterRules& rules, UnionFind& clusters, const std::function<void(const Link&)>& join,
                  std::vector<bool>& returned, ClusterCounts& counts);

}  // namespace ligature::clustering_detail
