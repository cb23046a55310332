#include "jobs/rebuild/component.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ligature {

namespace {

// Members of a cluster that a row's match rank is looked for among, the first ones by number: more would cost the
// square of a large cluster.
constexpr std::size_t kMembersRanked = 64;

// The best rank that ties each member to another of its person's identities; ranks are alike both ways.
void best_ranks(std::span<const Identity> members, std::vector<MatchRank>& best) {
  best.assign(members.size(), MatchRank::unmatched);
  for (std::size_t member = 1; member < members.size(); ++member) {
    for (std::size_t other = 0; other < std::min(member, kMembersRanked); ++other) {
      const MatchRank rank = match_rank(members[member], members[other]);
      best[member] = std::min(best[member], rank);
      if (member < kMembersRanked) best[other] = std::min(best[other], rank);
    }
  }
}

LinkKind link_kind(const ClusterResult& result, const ComponentNode& node, const ComponentNode& linked_to) {
  if (result.ambiguous) return LinkKind::apart;
  if (!result.linked) return is_one_time(node.counted) ? LinkKind::one_time : LinkKind::alone;
  if (result.returned) return LinkKind::returned;
  const bool is_numbered_root = node.id == linked_to.id && node.counted.identity.nhs() != 0;
  if (result.kind == EdgeKind::local_id && !is_numbered_root) return LinkKind::local_id;
  const bool moved = result.kind == EdgeKind::moved || result.kind == EdgeKind::moved_known;
  if (moved && !is_numbered_root) return LinkKind::moved;
  const std::uint64_t number = node.counted.identity.nhs();
  const bool same_number = number != 0 && number == linked_to.counted.identity.nhs();
  return same_number ? LinkKind::same_number : LinkKind::other_identifiers;
}

}  // namespace

void cluster_nodes(std::span<const ComponentNode> nodes, std::span<const PatientSet> patients,
                   std::vector<ClusterNode>& result) {
  result.clear();
  for (const ComponentNode& node : nodes) {
    const Identity identity = counted_as(node.counted.identity, node.evidence);
    const bool disowned = node.evidence.has(Evidence::number_disowned);
    const bool invalid = identity.nhs_status() == NhsStatus::invalid;
    result.push_back({node.id, identity.valid_nhs(), disowned ? node.counted.identity.valid_nhs() : 0,
                      identity.gender(), node.evidence.has(Evidence::number_thin), twins_of(node.evidence),
                      invalid ? identity.nhs() : 0, node.counted.datasets, node.counted.providers,
                      node.evidence.has(Evidence::several_patients),
                      node.patients == 0 || patients.empty() ? PatientSet() : patients[node.patients - 1]});
  }
}

void ComponentResolver::resolve(std::span<const ComponentNode> nodes, std::span<const Edge> edges) {
  cluster_nodes(nodes, patients_, cluster_nodes_);
  if (resolve_one_number(cluster_nodes_, edges, few_, counts)) {
    add(nodes, few_);
  } else {
    add(nodes, resolve_component(cluster_nodes_, {edges.begin(), edges.end()}, rules_, counts));
  }
}

void ComponentResolver::add(std::span<const ComponentNode> nodes, std::span<const ClusterResult> clusters) {
  order_.resize(nodes.size());
  std::iota(order_.begin(), order_.end(), 0U);
  std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return clusters[a].cluster != clusters[b].cluster ? clusters[a].cluster < clusters[b].cluster : a < b;
  });
  for (std::size_t begin = 0, end = 0; begin < order_.size(); begin = end) {
    const IdentityId cluster = clusters[order_[begin]].cluster;
    for (end = begin; end < order_.size() && clusters[order_[end]].cluster == cluster;) ++end;
    add_person(nodes, clusters, begin, end);
  }
}

void ComponentResolver::add_person(std::span<const ComponentNode> nodes, std::span<const ClusterResult> clusters,
                                   std::size_t begin, std::size_t end) {
  const ClusterResult& cluster = clusters[order_[begin]];
  members_.clear();
  builder_.start(cluster.cluster);
  bool apart = true;
  for (std::size_t m = begin; m < end; ++m) {
    const ComponentNode& node = nodes[order_[m]];
    builder_.add(node.counted, node.evidence);
    if (clusters[order_[m]].returned) {
      Evidence returned = node.evidence;
      returned.flags &= static_cast<std::uint8_t>(~unsigned{Evidence::number_disowned});
      members_.push_back(weighed(node.counted.identity, returned));
    } else {
      members_.push_back(counted_as(node.counted.identity, node.evidence));
    }
    drafts.members.push_back(node.id);
    apart = apart && clusters[order_[m]].ambiguous;
  }
  // The rows of one ambiguous identity are not tied to each other (ambiguous_rows.hpp).
  const bool rows_apart = apart && end - begin == 1;
  best_ranks(members_, ranks_);
  for (std::size_t m = begin; m < end; ++m) {
    const ClusterResult& member = clusters[order_[m]];
    const ComponentNode& node = nodes[order_[m]];
    const Identity& identity = members_[m - begin];
    Provenance provenance;
    provenance.linked_to = nodes[member.linked_to].id;
    provenance.weight = member.weight;
    provenance.lead = member.lead;
    provenance.kind = link_kind(member, node, nodes[member.linked_to]);
    provenance.rank = ranks_[m - begin];
    if (node.counted.rows > 1 && !rows_apart) {
      provenance.rank = std::min(provenance.rank, match_rank(identity, identity));
    }
    provenance.evidence_flags = node.evidence.flags;
    if (provenance.kind == LinkKind::moved && member.kind == EdgeKind::moved_known) {
      provenance.notes |= Provenance::company_known;
    }
    if (member.other_provider) provenance.notes |= Provenance::other_provider;
    if (member.other_patient) provenance.notes |= Provenance::other_patient;
    drafts.provenance.push_back(provenance);
  }
  counts.several_numbers += builder_.has_several_numbers();
  PersonDraft draft = builder_.finish();
  draft.ambiguous = apart;
  draft.linked = cluster.linked;
  if (cluster.linked) draft.link_percent = static_cast<std::uint8_t>(posterior_percent(cluster.weakest));
  drafts.drafts.push_back(draft);
  drafts.first_member.push_back(drafts.members.size());
}

}  // namespace ligature
