#include "jobs/rebuild/clusters.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "engine/gather_blocks.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/release.hpp"
#include "io/parked.hpp"
#include "jobs/rebuild/component.hpp"
#include "jobs/rebuild/objector_search.hpp"
#include "jobs/rebuild/patient_numbers.hpp"
#include "partition/components.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kItemsPerTask = std::size_t{1} << 16;  // of a list
// Edges whose component, and nodes whose objections, are fetched before they are asked for.
constexpr std::size_t kEdgesAhead = 16, kNodesAhead = 16;

// An identity by itself, whose rows are of several people.
void add_apart(IdentityId id, const CountedIdentity& counted, const Evidence& evidence, PersonDrafts& drafts) {
  drafts.drafts.push_back(draft_alone(id, counted, evidence));
  drafts.drafts.back().ambiguous = true;
  drafts.members.push_back(id);
  drafts.provenance.push_back(provenance_alone(id, counted, evidence));
  drafts.provenance.back().kind = LinkKind::apart;
  drafts.provenance.back().rank = MatchRank::unmatched;
  drafts.first_member.push_back(drafts.members.size());
}

}  // namespace

PersonDrafts resolve_clusters(const Communicator& comm, Identities& identities, std::span<const Evidence> evidence,
                              std::vector<Edge>&& edges, const LinkageModel& model, RowStore* patients,
                              ObjectorSearch* search, const std::optional<std::filesystem::path>& scratch,
                              ClusterReport& report) {
  const auto owner = [&](IdentityId id) { return identities.owner(id); };
  // Components are led by their smallest node: numbered across ranks in turn, it is on any rank as often.
  const auto ranks = static_cast<std::uint64_t>(comm.size());
  const auto node_of = [&](IdentityId id) {
    const auto rank = static_cast<std::size_t>(owner(id));
    return (id - identities.first_id_of_rank[rank]) * ranks + rank;
  };
  Components components;
  {
    std::vector<NodePair> pairs;
    pairs.reserve(edges.size());
    for (const Edge& edge : edges) {
      if (edge.kind != EdgeKind::rival) pairs.push_back({edge.a, edge.b});
    }
    if (search != nullptr) search->add_pairs(pairs);
    for_blocks(pairs.size(), kItemsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) pairs[i] = {node_of(pairs[i].a), node_of(pairs[i].b)};
    });
    components = connected_components(comm, std::move(pairs),
                                      [&](std::uint64_t node) { return static_cast<int>(node % ranks); });
  }
  report.rounds = components.rounds;

  // The component of each owned identity that has an edge; the others are persons by themselves.
  constexpr std::uint64_t kAlone = ~std::uint64_t{0};
  std::vector<std::uint64_t> component_of(identities.owned.size(), kAlone);
  for_blocks(components.labels.size(), kItemsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t l = begin; l < end; ++l) {
      const NodeLabel& label = components.labels[l];
      component_of[label.node / ranks] = label.component;
    }
  });

  // Nodes go to the rank of their component's first, where most of them are; edges by way of the owner of an end, which
  // knows the component: of a rival, only the first end's.  The first is the smaller, so that by it alone low ranks
  // would have more to do.
  const auto end_of = [](const Edge& edge) {
    return edge.kind == EdgeKind::rival || ((edge.a ^ edge.b) & 1) == 0 ? edge.a : edge.b;
  };
  const auto component_rank = [ranks](std::uint64_t component) { return static_cast<int>(component % ranks); };
  components = {};
  RawVector<ComponentNode> nodes = gather_wanted<ComponentNode>(
      component_of.size(), kItemsPerTask, [&](std::size_t i) { return component_of[i] != kAlone; },
      [&](std::size_t i) {
        return ComponentNode{component_of[i], identities.first_id + i, identities.owned[i], evidence[i]};
      });
  // Components have what they need with them.
  Parked<CountedIdentity> owned(scratch, identities.owned);
  Parked<std::uint32_t> way_from_rows(scratch, identities.local_of_row);
  nodes =
      shuffle(comm, std::move(nodes), [&](const ComponentNode& node) { return component_rank(node.component); }).items;
  RawVector<ComponentEdge> component_edges;
  {
    const std::vector<Edge> owned_edges =
        shuffle(comm, std::move(edges), [&](const Edge& edge) { return owner(end_of(edge)); }).items;
    const auto component_at = [&](const Edge& edge) { return &component_of[end_of(edge) - identities.first_id]; };
    component_edges.resize(owned_edges.size());
    for_blocks(owned_edges.size(), kItemsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t e = begin; e < end; ++e) {
        __builtin_prefetch(component_at(owned_edges[std::min(e + kEdgesAhead, end - 1)]));
        component_edges[e] = {*component_at(owned_edges[e]), owned_edges[e]};
      }
    });
    // Rivals of nobody.
    std::erase_if(component_edges, [&](const ComponentEdge& edge) { return edge.component == kAlone; });
  }
  component_edges = shuffle(comm, std::move(component_edges), [&](const ComponentEdge& edge) {
                      return component_rank(edge.component);
                    }).items;

  if (search != nullptr) search->bring_edges(comm, identities, component_of, component_rank);
  // A bit an identity is enough from here on.
  static_assert(kItemsPerTask % 64 == 0, "two threads would write one word of bits");
  std::vector<bool> is_alone(component_of.size());
  for_blocks(component_of.size(), kItemsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) is_alone[i] = component_of[i] == kAlone;
  });
  release(component_of);

  sort_by_key(
      nodes, [](const ComponentNode& node) { return node.component; },
      [](const ComponentNode& a, const ComponentNode& b) { return a.id < b.id; });
  sort_by_key(
      component_edges, [](const ComponentEdge& edge) { return edge.component; },
      [](const ComponentEdge& a, const ComponentEdge& b) { return heavier(a.edge, b.edge); });

  std::vector<PatientSet> patient_sets;
  if (patients != nullptr) {
    // Patient numbers are with the rows; what they take is not reckoned in what decides whether anything waits.
    way_from_rows.bring_back(identities.local_of_row);
    patient_sets = bring_patient_sets(comm, *patients, identities, nodes);
  }

  // Tasks of whole components, of about equal numbers of nodes: what they make is in large blocks, which are recycled.
  // The last are smaller, so that threads end at about the same time.
  constexpr std::size_t kMostNodesOfTask = std::size_t{1} << 14, kLastTasks = 8;
  std::vector<std::size_t> task_first{0};
  while (task_first.back() < nodes.size()) {
    const std::size_t left = nodes.size() - task_first.back();
    std::size_t next =
        task_first.back() + std::min(left, std::clamp(left / kLastTasks, kMostNodesOfTask / 8, kMostNodesOfTask));
    while (next < nodes.size() && nodes[next].component == nodes[next - 1].component) ++next;
    task_first.push_back(next);
  }
  const std::size_t tasks = task_first.size() - 1;
  struct TaskSize {
    std::uint64_t components = 0, largest = 0;
  };
  std::vector<TaskSize> task_sizes(tasks);
  std::vector<PersonDrafts> task_drafts(tasks);
  std::vector<ClusterCounts> task_counts(tasks);
  for_each_item(tasks, [&](std::size_t task) {
    ComponentResolver resolver(model, patient_sets);
    std::vector<Edge> edges_here;
    TaskSize size;
    auto edge =
        std::lower_bound(component_edges.begin(), component_edges.end(), nodes[task_first[task]].component,
                         [](const ComponentEdge& e, std::uint64_t component) { return e.component < component; });
    for (std::size_t begin = task_first[task]; begin < task_first[task + 1];) {
      const std::uint64_t component = nodes[begin].component;
      std::size_t end = begin;
      for (; end < task_first[task + 1] && nodes[end].component == component; ++end) {
        if (search != nullptr) search->prefetch(nodes[std::min(end + kNodesAhead, nodes.size() - 1)]);
      }
      const auto first_edge = edge;
      while (edge != component_edges.end() && edge->component == component) ++edge;
      const auto here = std::span(nodes).subspan(begin, end - begin);
      ++size.components;
      size.largest = std::max<std::uint64_t>(size.largest, here.size());
      edges_here.clear();
      for (auto e = first_edge; e != edge; ++e) edges_here.push_back(e->edge);
      if (search == nullptr || !search->set_aside(here, edges_here)) resolver.resolve(here, edges_here);
      begin = end;
    }
    task_drafts[task] = std::move(resolver.drafts);
    task_counts[task] = resolver.counts;
    task_sizes[task] = size;
  });
  release(nodes);
  release(component_edges);
  owned.bring_back(identities.owned);
  way_from_rows.bring_back(identities.local_of_row);

  if (search != nullptr) {
    PersonDrafts& drafts = task_drafts.emplace_back();
    drafts.first_member.push_back(0);
    search->settle(comm, identities, model, patient_sets, task_counts.emplace_back(), drafts);
  }
  const auto is_apart = [&](std::size_t i) { return evidence[i].has(Evidence::several_patients); };
  const auto is_one_person = [&](std::size_t i) { return is_alone[i] && !is_suppressed(identities.owned[i]); };
  const auto index = [](std::size_t i) { return static_cast<std::uint32_t>(i); };
  const RawVector<std::uint32_t> apart = gather_wanted<std::uint32_t>(
      is_alone.size(), kItemsPerTask, [&](std::size_t i) { return is_apart(i) && is_one_person(i); }, index);
  PersonDrafts& drafts_apart = task_drafts.emplace_back();
  drafts_apart.first_member.push_back(0);
  for (const std::uint32_t i : apart) {
    add_apart(identities.first_id + i, identities.owned[i], evidence[i], drafts_apart);
  }

  PersonDrafts result;
  append_drafts(result, task_drafts);
  result.alone = gather_wanted<std::uint32_t>(
      is_alone.size(), kItemsPerTask, [&](std::size_t i) { return is_one_person(i) && !is_apart(i); }, index);

  std::array<std::uint64_t, 6> sums{0, 0, 0, apart.size(), 0, 0};
  std::uint64_t largest = 0;
  for (const TaskSize& size : task_sizes) {
    sums[0] += size.components;
    largest = std::max(largest, size.largest);
  }
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
