#include "jobs/rebuild/clusters.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <utility>

#include "engine/linkage_key.hpp"
#include "engine/match_rank.hpp"
#include "engine/parallel.hpp"
#include "engine/partition_sort.hpp"
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

// Resolves components one after the other; its working memory is used again for each.
class ComponentResolver {
 public:
  explicit ComponentResolver(const LinkageModel& model) : rules_(cluster_rules(model)) {
    drafts.first_member.push_back(0);
  }

  // One component's clusters, appended to drafts.  nodes: sorted by id.  edges: of the component.
  void resolve(std::span<const ComponentNode> nodes, std::span<const ComponentEdge> component_edges);

  PersonDrafts drafts;
  ClusterCounts counts;

 private:
  // The person of members [begin, end) of order_, which are one cluster.
  void add_person(std::span<const ComponentNode> nodes, std::span<const ClusterResult> clusters, std::size_t begin,
                  std::size_t end);

  ClusterRules rules_;
  std::vector<ClusterNode> cluster_nodes_;
  std::vector<Identity> identities_;
  std::vector<std::uint32_t> order_;  // nodes by cluster, each cluster's in the order of their numbers
  DraftBuilder builder_;
  std::vector<Identity> members_;
  std::vector<MatchRank> ranks_;
};

void ComponentResolver::resolve(std::span<const ComponentNode> nodes, std::span<const ComponentEdge> component_edges) {
  cluster_nodes_.clear();
  identities_.clear();
  for (const ComponentNode& node : nodes) {
    const Identity& identity = identities_.emplace_back(counted_as(node.counted.identity, node.evidence));
    const bool disowned = node.evidence.has(Evidence::number_disowned);
    cluster_nodes_.push_back({node.id, identity.valid_nhs(), disowned ? node.counted.identity.valid_nhs() : 0,
                              identity.gender(), node.evidence.has(Evidence::number_thin)});
  }
  std::vector<Edge> edges;
  edges.reserve(component_edges.size());
  for (const ComponentEdge& edge : component_edges) edges.push_back(edge.edge);
  const std::vector<ClusterResult> clusters = resolve_component(cluster_nodes_, std::move(edges), rules_, counts);

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
      members_.push_back(identities_[order_[m]]);
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

// Appends b to a.
void append(PersonDrafts& a, PersonDrafts&& b) {
  const std::uint64_t members = a.members.size();
  a.drafts.insert(a.drafts.end(), b.drafts.begin(), b.drafts.end());
  a.members.insert(a.members.end(), b.members.begin(), b.members.end());
  a.provenance.insert(a.provenance.end(), b.provenance.begin(), b.provenance.end());
  for (std::size_t i = 1; i < b.first_member.size(); ++i) a.first_member.push_back(members + b.first_member[i]);
  b = {};
}

Provenance provenance_alone(IdentityId id, const CountedIdentity& counted, const Evidence& evidence) {
  Provenance provenance;
  provenance.linked_to = id;
  provenance.lead = kNoRival;
  provenance.kind = is_one_time(counted) ? LinkKind::one_time : LinkKind::alone;
  if (counted.rows > 1) {
    const Identity identity = counted_as(counted.identity, evidence);
    provenance.rank = match_rank(identity, identity);
  }
  provenance.evidence_flags = evidence.flags;
  return provenance;
}

// Appends the persons who are one identity that no edge reaches.  is_alone(i): whether owned identity i is one.
template <typename IsAlone>
void append_alone(const Identities& identities, std::span<const Evidence> evidence, const IsAlone& is_alone,
                  PersonDrafts& result) {
  constexpr std::size_t kGrain = std::size_t{1} << 14;
  const std::size_t count = identities.owned.size();
  std::vector<std::uint64_t> first(count / kGrain + 2, 0);  // of each block, among those alone
  for_blocks(count, kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) first[begin / kGrain + 1] += is_alone(i);
  });
  for (std::size_t block = 1; block < first.size(); ++block) first[block] += first[block - 1];
  const std::size_t drafts = result.drafts.size(), members = result.members.size();
  result.drafts.resize(drafts + first.back());
  result.members.resize(members + first.back());
  result.provenance.resize(members + first.back());
  result.first_member.resize(drafts + first.back() + 1);
  for_blocks(count, kGrain, [&](std::size_t begin, std::size_t end) {
    DraftBuilder builder;
    std::uint64_t next = first[begin / kGrain];
    for (std::size_t i = begin; i < end; ++i) {
      if (!is_alone(i)) continue;
      const IdentityId id = identities.first_id + i;
      builder.start(id);
      builder.add(identities.owned[i], evidence[i]);
      result.drafts[drafts + next] = builder.finish();
      result.members[members + next] = id;
      result.provenance[members + next] = provenance_alone(id, identities.owned[i], evidence[i]);
      result.first_member[drafts + next + 1] = members + next + 1;
      ++next;
    }
  });
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
  const std::size_t labelled = components.labels.size();

  // Nodes go to the rank of their component; edges by way of the owner of their first end, which knows the component.
  const ShardMap shard_map(comm.size());
  const auto component_rank = [&](std::uint64_t component) {
    return shard_map.owner(shard_of(linkage_key(component)));
  };
  std::vector<ComponentNode> nodes;
  nodes.reserve(components.labels.size());
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

  partition_sort(
      nodes, [](const ComponentNode& node) { return node.component; },
      [](const ComponentNode& a, const ComponentNode& b) {
        return a.component != b.component ? a.component < b.component : a.id < b.id;
      });
  partition_sort(
      component_edges, [](const ComponentEdge& edge) { return edge.component; },
      [](const ComponentEdge& a, const ComponentEdge& b) {
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
    ComponentResolver resolver(model);
    auto edge =
        std::lower_bound(component_edges.begin(), component_edges.end(), nodes[task_first[task]].component,
                         [](const ComponentEdge& e, std::uint64_t component) { return e.component < component; });
    for (std::size_t begin = task_first[task]; begin < task_first[task + 1];) {
      const std::uint64_t component = nodes[begin].component;
      std::size_t end = begin;
      while (end < task_first[task + 1] && nodes[end].component == component) ++end;
      const auto first_edge = edge;
      while (edge != component_edges.end() && edge->component == component) ++edge;
      resolver.resolve(std::span(nodes).subspan(begin, end - begin),
                       std::span(component_edges)
                           .subspan(static_cast<std::size_t>(first_edge - component_edges.begin()),
                                    static_cast<std::size_t>(edge - first_edge)));
      begin = end;
    }
    task_drafts[task] = std::move(resolver.drafts);
    task_counts[task] = resolver.counts;
  });
  nodes = {};
  component_edges = {};

  PersonDrafts result;
  std::size_t persons = 0, members = 0;
  for (const PersonDrafts& drafts : task_drafts) {
    persons += drafts.drafts.size();
    members += drafts.members.size();
  }
  const auto alone = [&](std::size_t i) { return component_of[i] == kAlone; };
  const std::size_t others = identities.owned.size() - labelled;
  result.drafts.reserve(persons + others);
  result.members.reserve(members + others);
  result.provenance.reserve(members + others);
  result.first_member.reserve(persons + others + 1);
  result.first_member.push_back(0);
  for (PersonDrafts& drafts : task_drafts) append(result, std::move(drafts));
  append_alone(identities, evidence, alone, result);

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
