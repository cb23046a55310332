#include "jobs/rebuild/clusters.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "engine/linkage_key.hpp"
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

// Adds up the identities of one cluster, which come in the order of their numbers.
class DraftBuilder {
 public:
  void start(IdentityId cluster) {
    draft_ = {};
    draft_.cluster = cluster;
    first_ = true;
    indeterminate_ = false;
    year_.clear();
    sex_.clear();
    outward_.clear();
  }
  void add(const CountedIdentity& counted) {
    const Identity& identity = counted.identity;
    if (first_) draft_.smallest = identity;
    first_ = false;
    if (identity.has_valid_nhs()) draft_.valid_nhs = identity.valid_nhs();
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
  Majority year_, sex_, outward_;
};

// One component's clusters, appended to drafts.  nodes: sorted by id.  edges: of the component.
void resolve_one(std::span<const ComponentNode> nodes, std::span<const ComponentEdge> component_edges,
                 const LinkageModel& model, ClusterCounts& counts, PersonDrafts& result) {
  std::vector<ClusterNode> cluster_nodes;
  cluster_nodes.reserve(nodes.size());
  for (const ComponentNode& node : nodes) cluster_nodes.push_back({node.id, node.counted.identity.valid_nhs()});
  std::vector<Edge> edges;
  edges.reserve(component_edges.size());
  for (const ComponentEdge& edge : component_edges) edges.push_back(edge.edge);
  const std::vector<ClusterResult> clusters =
      resolve_component(cluster_nodes, std::move(edges), model.margin(), counts);

  // Nodes by cluster, each cluster's in the order of their numbers.
  std::vector<std::uint32_t> order(nodes.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return clusters[a].cluster != clusters[b].cluster ? clusters[a].cluster < clusters[b].cluster : a < b;
  });
  DraftBuilder builder;
  for (std::size_t i = 0; i < order.size();) {
    const ClusterResult& cluster = clusters[order[i]];
    builder.start(cluster.cluster);
    for (; i < order.size() && clusters[order[i]].cluster == cluster.cluster; ++i) {
      builder.add(nodes[order[i]].counted);
      result.members.push_back(nodes[order[i]].id);
    }
    PersonDraft draft = builder.finish();
    draft.ambiguous = cluster.ambiguous;
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
  for (std::size_t i = 1; i < b.first_member.size(); ++i) a.first_member.push_back(members + b.first_member[i]);
  b = {};
}

}  // namespace

PersonDrafts resolve_clusters(const Communicator& comm, const Identities& identities, std::vector<Edge>&& edges,
                              const LinkageModel& model, ClusterReport& report) {
  const auto owner = [&](IdentityId id) { return identities.owner(id); };
  Components components;
  {
    std::vector<NodePair> pairs;
    pairs.reserve(edges.size());
    for (const Edge& edge : edges) pairs.push_back({edge.a, edge.b});
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
    nodes.push_back({label.component, label.node, identities.owned[label.node - identities.first_id]});
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
      component_edges.push_back({component_of[edge.a - identities.first_id], edge});
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
  DraftBuilder builder;
  for (std::uint64_t i = 0; i < identities.owned.size(); ++i) {
    if (component_of[i] != kAlone) continue;
    builder.start(identities.first_id + i);
    builder.add(identities.owned[i]);
    result.drafts.push_back(builder.finish());
    result.members.push_back(identities.first_id + i);
    result.first_member.push_back(result.members.size());
  }

  std::array<std::uint64_t, 4> sums{count, 0, 0, 0};
  for (const ClusterCounts& counts : task_counts) {
    sums[1] += counts.links_used;
    sums[2] += counts.vetoed_different_nhs;
    sums[3] += counts.ambiguous_clusters;
  }
  comm.sum(sums);
  report.components = sums[0];
  report.counts = {sums[1], sums[2], sums[3]};
  report.largest_component = comm.max(largest);
  return result;
}

}  // namespace ligature
