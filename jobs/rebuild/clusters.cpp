#include "jobs/rebuild/clusters.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "engine/linkage_key.hpp"
#include "engine/match_rank.hpp"
#include "engine/parallel.hpp"
#include "partition/components.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// An identity, and an edge, on the way to the rank that resolves their component.
struct ComponentNode {
  std::uint64_t component = 0;
  IdentityId id = 0;
  CountedIdentity counted;
  Evidence evidence;
  std::uint32_t unused = 0;
};
struct ComponentEdge {
  std::uint64_t component = 0;
  Edge edge;
};

// The most frequent of a few (value, rows); ties go to the smaller value; 0 means no value.
class Majority {
 public:
  void clear() { votes_.clear(); }
  void add(std::uint32_t value, std::uint64_t rows) {
    if (value == 0) return;
    for (auto& [known, votes] : votes_) {
      if (known == value) {
        votes += rows;
        return;
      }
    }
    votes_.emplace_back(value, rows);
  }
  [[nodiscard]] std::uint32_t winner() const {
    std::uint32_t best = 0;
    std::uint64_t most = 0;
    for (const auto& [value, votes] : votes_) {
      if (votes > most || (votes == most && value < best)) {
        best = value;
        most = votes;
      }
    }
    return best;
  }

 private:
  std::vector<std::pair<std::uint32_t, std::uint64_t>> votes_;
};

// One-time identities have no fields to weigh.
Identity counted_as(const Identity& identity, const Evidence& evidence) noexcept {
  return identity.nhs_status() == NhsStatus::one_time ? identity : weighed(identity, evidence);
}

// Adds up the identities of one cluster, which come in the order of their numbers.
class DraftBuilder {
 public:
  void start(IdentityId cluster) {
    draft_ = {};
    draft_.cluster = cluster;
    first_ = true;
    indeterminate_ = false;
    several_numbers_ = false;
    thin_ = false;
    year_.clear();
    sex_.clear();
    outward_.clear();
  }
  void add(const CountedIdentity& counted, const Evidence& evidence) {
    // A row's one-time identity names the person only where there is no other.
    const bool better =
        draft_.smallest.nhs_status() == NhsStatus::one_time && counted.identity.nhs_status() != NhsStatus::one_time;
    if (first_ || better) draft_.smallest = counted.identity;
    first_ = false;
    const Identity identity = counted_as(counted.identity, evidence);
    if (identity.has_valid_nhs()) {
      several_numbers_ = several_numbers_ || (draft_.valid_nhs != 0 && draft_.valid_nhs != identity.valid_nhs());
      // A number in use names the person before one that is seldom seen; among these the smallest does.
      const bool thin = evidence.has(Evidence::number_thin);
      if (draft_.valid_nhs == 0 || (thin_ && (!thin || identity.valid_nhs() < draft_.valid_nhs))) {
        draft_.valid_nhs = identity.valid_nhs();
        thin_ = thin;
      }
    }
    if (evidence.has(Evidence::number_disowned) && draft_.disowned_nhs == 0) {
      draft_.disowned_nhs = counted.identity.valid_nhs();
    }
    draft_.rows += counted.rows;
    draft_.datasets |= counted.datasets;
    if (const DayNumber birth = identity.date_of_birth(); birth != kMissingDay) {
      year_.add(static_cast<std::uint32_t>(civil_date(birth).year), counted.rows);
    }
    if (identity.gender() == Gender::indeterminate) {
      indeterminate_ = true;
    } else {
      sex_.add(gender_code(identity.gender()), counted.rows);
    }
    outward_.add(static_cast<std::uint32_t>((identity.postcode() & kPostcodeDistrictMask) >> 14), counted.rows);
  }
  [[nodiscard]] bool has_several_numbers() const noexcept { return several_numbers_; }
  PersonDraft finish() {
    draft_.birth_year = static_cast<std::uint16_t>(year_.winner());
    // "Not specified" speaks only where no row says more.
    draft_.sex = static_cast<std::uint8_t>(sex_.winner());
    if (draft_.sex == 0 && indeterminate_) draft_.sex = gender_code(Gender::indeterminate);
    draft_.outward = outward_.winner();
    return draft_;
  }

 private:
  PersonDraft draft_;
  bool first_ = true;
  bool indeterminate_ = false;
  bool several_numbers_ = false, thin_ = false;
  Majority year_, sex_, outward_;
};

// Members of a cluster that a row's match rank is looked for among, the first ones by number: more would cost the
// square of a large cluster.
constexpr std::size_t kMembersRanked = 64;

// The best rank that ties an identity to another row of its person.
MatchRank best_rank(std::size_t member, std::span<const Identity> members, std::uint32_t rows) {
  MatchRank best = MatchRank::unmatched;
  if (rows > 1) best = match_rank(members[member], members[member]);
  for (std::size_t other = 0; other < std::min(members.size(), kMembersRanked); ++other) {
    if (other != member) best = std::min(best, match_rank(members[member], members[other]));
  }
  return best;
}

bool is_one_time(const CountedIdentity& counted) noexcept {
  return counted.identity.nhs_status() == NhsStatus::one_time;
}

LinkKind link_kind(const ClusterResult& result, const ComponentNode& node, const ComponentNode& linked_to) {
  if (result.ambiguous) return LinkKind::apart;
  if (!result.linked) return is_one_time(node.counted) ? LinkKind::one_time : LinkKind::alone;
  if (result.returned) return LinkKind::returned;
  const bool is_numbered_root = node.id == linked_to.id && node.counted.identity.nhs() != 0;
  if (result.kind == EdgeKind::local_id && !is_numbered_root) return LinkKind::local_id;
  const std::uint64_t number = node.counted.identity.nhs();
  const bool same_number = number != 0 && number == linked_to.counted.identity.nhs();
  return same_number ? LinkKind::same_number : LinkKind::other_identifiers;
}

// One component's clusters, appended to drafts.  nodes: sorted by id.  edges: of the component.
void resolve_one(std::span<const ComponentNode> nodes, std::span<const ComponentEdge> component_edges,
                 const LinkageModel& model, ClusterCounts& counts, PersonDrafts& result) {
  std::vector<ClusterNode> cluster_nodes;
  std::vector<Identity> identities;
  cluster_nodes.reserve(nodes.size());
  identities.reserve(nodes.size());
  for (const ComponentNode& node : nodes) {
    const Identity& identity = identities.emplace_back(counted_as(node.counted.identity, node.evidence));
    const bool disowned = node.evidence.has(Evidence::number_disowned);
    const bool invalid = identity.nhs_status() == NhsStatus::invalid;
    cluster_nodes.push_back({node.id, identity.valid_nhs(), disowned ? node.counted.identity.valid_nhs() : 0,
                             identity.gender(), node.evidence.has(Evidence::number_thin), twins_of(node.evidence),
                             invalid ? identity.nhs() : 0});
  }
  std::vector<Edge> edges;
  edges.reserve(component_edges.size());
  for (const ComponentEdge& edge : component_edges) edges.push_back(edge.edge);
  const std::vector<ClusterResult> clusters =
      resolve_component(cluster_nodes, std::move(edges), cluster_rules(model), counts);

  // Nodes by cluster, each cluster's in the order of their numbers.
  std::vector<std::uint32_t> order(nodes.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return clusters[a].cluster != clusters[b].cluster ? clusters[a].cluster < clusters[b].cluster : a < b;
  });
  DraftBuilder builder;
  std::vector<Identity> members;
  for (std::size_t i = 0; i < order.size();) {
    const ClusterResult& cluster = clusters[order[i]];
    const std::size_t begin = i;
    members.clear();
    builder.start(cluster.cluster);
    bool apart = true;
    for (; i < order.size() && clusters[order[i]].cluster == cluster.cluster; ++i) {
      const ComponentNode& node = nodes[order[i]];
      builder.add(node.counted, node.evidence);
      if (clusters[order[i]].returned) {
        Evidence returned = node.evidence;
        returned.flags &= static_cast<std::uint8_t>(~unsigned{Evidence::number_disowned});
        members.push_back(weighed(node.counted.identity, returned));
      } else {
        members.push_back(identities[order[i]]);
      }
      result.members.push_back(node.id);
      apart = apart && clusters[order[i]].ambiguous;
    }
    for (std::size_t m = begin; m < i; ++m) {
      const ClusterResult& member = clusters[order[m]];
      const ComponentNode& node = nodes[order[m]];
      Provenance provenance;
      provenance.linked_to = nodes[member.linked_to].id;
      provenance.weight = member.weight;
      provenance.lead = member.lead;
      provenance.kind = link_kind(member, node, nodes[member.linked_to]);
      // The rows of one ambiguous identity are not tied to each other (ambiguous_rows.hpp).
      const bool rows_apart = apart && i - begin == 1;
      provenance.rank = best_rank(m - begin, members, rows_apart ? 1 : node.counted.rows);
      provenance.evidence_flags = node.evidence.flags;
      result.provenance.push_back(provenance);
    }
    counts.several_numbers += builder.has_several_numbers();
    PersonDraft draft = builder.finish();
    draft.ambiguous = apart;
    draft.linked = cluster.linked;
    if (cluster.linked) draft.link_percent = static_cast<std::uint8_t>(posterior_percent(cluster.weakest));
    result.drafts.push_back(draft);
    result.first_member.push_back(result.members.size());
  }
}

// Appends b to a.
void append(PersonDrafts& a, PersonDrafts&& b) {
  const std::uint64_t members = a.members.size();
  a.drafts.insert(a.drafts.end(), b.drafts.begin(), b.drafts.end());
  a.members.insert(a.members.end(), b.members.begin(), b.members.end());
  a.provenance.insert(a.provenance.end(), b.provenance.begin(), b.provenance.end());
  for (std::size_t i = 1; i < b.first_member.size(); ++i) a.first_member.push_back(members + b.first_member[i]);
  b = {};
}

}  // namespace

PersonDraft draft_alone(IdentityId id, const CountedIdentity& counted, const Evidence& evidence) {
  DraftBuilder builder;
  builder.start(id);
  builder.add(counted, evidence);
  return builder.finish();
}

PersonDrafts resolve_clusters(const Communicator& comm, const Identities& identities,
                              std::span<const Evidence> evidence, std::vector<Edge>&& edges, const LinkageModel& model,
                              ClusterReport& report) {
  const auto owner = [&](IdentityId id) { return identities.owner(id); };
  Components components;
  {
    std::vector<NodePair> pairs;
    pairs.reserve(edges.size());
    for (const Edge& edge : edges) {
      if (edge.kind != EdgeKind::rival) pairs.push_back({edge.a, edge.b});
    }
    components = connected_components(comm, std::move(pairs), owner);
  }
  report.rounds = components.rounds;

  // The component of each owned identity that has an edge; the others are persons by themselves.
  constexpr std::uint64_t kAlone = ~std::uint64_t{0};
  std::vector<std::uint64_t> component_of(identities.owned.size(), kAlone);
  for (const NodeLabel& label : components.labels) component_of[label.node - identities.first_id] = label.component;

  // Nodes go to the rank of their component; edges by way of the owner of their first end, which knows the component.
  const ShardMap shard_map(comm.size());
  const auto component_rank = [&](std::uint64_t component) {
    return shard_map.owner(shard_of(linkage_key(component)));
  };
  std::vector<ComponentNode> nodes;
  for (const NodeLabel& label : components.labels) {
    const std::uint64_t i = label.node - identities.first_id;
    nodes.push_back({label.component, label.node, identities.owned[i], evidence[i], 0});
  }
  components = {};
  nodes =
      shuffle(comm, std::move(nodes), [&](const ComponentNode& node) { return component_rank(node.component); }).items;
  std::vector<ComponentEdge> component_edges;
  {
    const std::vector<Edge> owned_edges =
        shuffle(comm, std::move(edges), [&](const Edge& edge) { return owner(edge.a); }).items;
    component_edges.reserve(owned_edges.size());
    for (const Edge& edge : owned_edges) {
      const std::uint64_t component = component_of[edge.a - identities.first_id];
      // A rival of nobody.
      if (component != kAlone) component_edges.push_back({component, edge});
    }
  }
  component_edges = shuffle(comm, std::move(component_edges), [&](const ComponentEdge& edge) {
                      return component_rank(edge.component);
                    }).items;

  sort_items(nodes.begin(), nodes.end(), [](const ComponentNode& a, const ComponentNode& b) {
    return a.component != b.component ? a.component < b.component : a.id < b.id;
  });
  sort_items(component_edges.begin(), component_edges.end(), [](const ComponentEdge& a, const ComponentEdge& b) {
    return a.component != b.component ? a.component < b.component : heavier(a.edge, b.edge);
  });

  // Tasks of whole components, of about equal numbers of nodes.
  constexpr std::size_t kNodesPerTask = 1U << 14;
  std::vector<std::size_t> task_first{0};
  std::uint64_t count = 0, largest = 0;
  for (std::size_t begin = 0; begin < nodes.size();) {
    std::size_t end = begin + 1;
    while (end < nodes.size() && nodes[end].component == nodes[begin].component) ++end;
    ++count;
    largest = std::max<std::uint64_t>(largest, end - begin);
    if (end - task_first.back() >= kNodesPerTask) task_first.push_back(end);
    begin = end;
  }
  if (task_first.back() != nodes.size()) task_first.push_back(nodes.size());
  const std::size_t tasks = task_first.size() - 1;
  std::vector<PersonDrafts> task_drafts(tasks);
  std::vector<ClusterCounts> task_counts(tasks);
  for_each_item(tasks, [&](std::size_t task) {
    PersonDrafts& drafts = task_drafts[task];
    drafts.first_member.push_back(0);
    auto edge =
        std::lower_bound(component_edges.begin(), component_edges.end(), nodes[task_first[task]].component,
                         [](const ComponentEdge& e, std::uint64_t component) { return e.component < component; });
    for (std::size_t begin = task_first[task]; begin < task_first[task + 1];) {
      const std::uint64_t component = nodes[begin].component;
      std::size_t end = begin;
      while (end < task_first[task + 1] && nodes[end].component == component) ++end;
      const auto first_edge = edge;
      while (edge != component_edges.end() && edge->component == component) ++edge;
      resolve_one(std::span(nodes).subspan(begin, end - begin),
                  std::span(component_edges)
                      .subspan(static_cast<std::size_t>(first_edge - component_edges.begin()),
                               static_cast<std::size_t>(edge - first_edge)),
                  model, task_counts[task], drafts);
      begin = end;
    }
  });
  nodes = {};
  component_edges = {};

  PersonDrafts result;
  result.first_member.push_back(0);
  for (PersonDrafts& drafts : task_drafts) append(result, std::move(drafts));
  for (std::uint64_t i = 0; i < identities.owned.size(); ++i) {
    if (component_of[i] != kAlone) continue;
    result.drafts.push_back(draft_alone(identities.first_id + i, identities.owned[i], evidence[i]));
    result.members.push_back(identities.first_id + i);
    Provenance provenance;
    provenance.linked_to = identities.first_id + i;
    const Identity& identity = identities.owned[i].identity;
    provenance.lead = kNoRival;
    provenance.kind = is_one_time(identities.owned[i]) ? LinkKind::one_time : LinkKind::alone;
    if (identities.owned[i].rows > 1)
      provenance.rank = match_rank(counted_as(identity, evidence[i]), counted_as(identity, evidence[i]));
    provenance.evidence_flags = evidence[i].flags;
    result.provenance.push_back(provenance);
    result.first_member.push_back(result.members.size());
  }

  std::array<std::uint64_t, 6> sums{count, 0, 0, 0, 0, 0};
  for (const ClusterCounts& counts : task_counts) {
    sums[1] += counts.links_used;
    sums[2] += counts.vetoed_different_nhs;
    sums[3] += counts.ambiguous_clusters;
    sums[4] += counts.returned;
    sums[5] += counts.several_numbers;
  }
  comm.sum(sums);
  report.components = sums[0];
  report.counts = {sums[1], sums[2], sums[3], sums[4], sums[5]};
  report.largest_component = comm.max(largest);
  return result;
}

}  // namespace ligature
