#include "jobs/rebuild/objector_search.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "engine/close_gaps.hpp"
#include "engine/comparison.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/release.hpp"
#include "engine/sort_items.hpp"
#include "io/local_key_reader.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kRowsPerTask = 1U << 14, kIdentitiesPerTask = 1U << 14, kComponentsPerTask = 256;

// Identities of one value that are compared again in full; of more, links stay as they were found.
constexpr std::size_t kComparedAgain = 1'024;

// The links among identities without a number whose way led over an identity that is gone: of links on one way only the
// heaviest were kept.
std::vector<Edge> compare_again(std::span<const ComponentNode> nodes, const LinkageModel& model) {
  struct Item {
    std::uint64_t value = 0;
    IdentityId id = 0;
    Identity identity;
  };
  std::vector<Edge> edges;
  std::vector<Item> items;
  const auto compare_by = [&](const auto& value_of) {
    items.clear();
    for (const ComponentNode& node : nodes) {
      if (node.counted.identity.nhs_status() == NhsStatus::one_time) continue;
      const Identity identity = weighed(node.counted.identity, node.evidence);
      const std::uint64_t value = value_of(identity);
      if (!identity.has_valid_nhs() && value != 0) items.push_back({value, node.id, identity});
    }
    std::sort(items.begin(), items.end(),
              [](const Item& a, const Item& b) { return a.value != b.value ? a.value < b.value : a.id < b.id; });
    for (std::size_t begin = 0, end = 0; begin < items.size(); begin = end) {
      while (end < items.size() && items[end].value == items[begin].value) ++end;
      if (end - begin > kComparedAgain) continue;
      for (std::size_t a = begin; a < end; ++a) {
        for (std::size_t b = a + 1; b < end; ++b) {
          const Identity &x = items[a].identity, &y = items[b].identity;
          const Weight weight = model.weight(compare(x, y), x, y);
          if (weight >= model.threshold()) edges.push_back({items[a].id, items[b].id, weight, EdgeKind::link});
        }
      }
    }
  };
  compare_by([](const Identity& identity) { return std::uint64_t{identity.date_of_birth()}; });
  compare_by([](const Identity& identity) { return identity.postcode(); });
  compare_by([](const Identity& identity) { return identity.nhs(); });
  return edges;
}

bool is_node(std::span<const ComponentNode> nodes, IdentityId id) {
  const auto found =
      std::lower_bound(nodes.begin(), nodes.end(), id, [](const ComponentNode& n, IdentityId i) { return n.id < i; });
  return found != nodes.end() && found->id == id;
}

// Collective.  Rows of each file that were dropped, taken from its kept rows to its opted-out ones.  states_of_row(i):
// of the identifiers of the i-th row dropped.
template <typename StatesOf>
void count_dropped(const Communicator& comm, const RowStore& rows, std::span<const std::uint32_t> dropped,
                   bool by_linkage, const StatesOf& states_of_row, IntakeReport& intake) {
  // The change of every counter; where it falls, the sum of all ranks wraps round to it.
  std::vector<RowCounts> of_file(intake.files.size());
  std::size_t next = 0;
  for (const StoredBlock& block : rows.blocks()) {
    RowCounts& counts = of_file[block.file];
    for (; next < dropped.size() && dropped[next] < block.first_row + block.rows; ++next) {
      --counts.kept;
      ++counts.opted_out;
      if (by_linkage) ++counts.opted_out_by_linkage;
      uncount_identifiers(states_of_row(next), counts);
    }
  }
  comm.sum(std::span(reinterpret_cast<std::uint64_t*>(of_file.data()), of_file.size() * kRowCounters));
  for (std::size_t f = 0; f < of_file.size(); ++f) intake.files[f].counts += of_file[f];
}

}  // namespace

ObjectorSearch::ObjectorSearch(const ObjectionLedger& ledger, AfterOptOut policy, RowStore& rows, IntakeReport& intake)
    : ledger_(ledger), policy_(policy), rows_(rows), intake_(intake) {}

void ObjectorSearch::add_pairs(std::vector<NodePair>& pairs) const {
  for (const Edge& edge : suppressed_) {
    if (edge.kind != EdgeKind::rival) pairs.push_back({edge.a, edge.b});
  }
}

void ObjectorSearch::bring_edges(const Communicator& comm, const Identities& identities,
                                 std::span<const std::uint64_t> component_of,
                                 const std::function<int(std::uint64_t)>& component_rank) {
  constexpr std::uint64_t kAlone = std::numeric_limits<std::uint64_t>::max();
  const std::vector<Edge> owned =
      shuffle(comm, std::move(suppressed_), [&](const Edge& edge) { return identities.owner(edge.a); }).items;
  for (const Edge& edge : owned) {
    const std::uint64_t component = component_of[edge.a - identities.first_id];
    if (component != kAlone) component_edges_.push_back({component, edge});
  }
  component_edges_ = shuffle(comm, std::move(component_edges_), [&](const ComponentEdge& edge) {
                       return component_rank(edge.component);
                     }).items;
  sort_items(component_edges_.begin(), component_edges_.end(), [](const ComponentEdge& a, const ComponentEdge& b) {
    return a.component != b.component ? a.component < b.component : heavier(a.edge, b.edge);
  });
}

bool ObjectorSearch::set_aside(std::span<const ComponentNode> nodes, std::vector<Edge>& edges) {
  const bool concerned = std::any_of(nodes.begin(), nodes.end(), [&](const ComponentNode& node) {
    return is_suppressed(node.counted) || ledger_.speaks_of(node.counted.identity.valid_nhs(), ObjectionKind::type1);
  });
  if (!concerned) return false;
  Component component{{nodes.begin(), nodes.end()}, std::move(edges), {}, {}};
  const std::uint64_t number = nodes.front().component;
  auto edge = std::lower_bound(component_edges_.begin(), component_edges_.end(), number,
                               [](const ComponentEdge& e, std::uint64_t wanted) { return e.component < wanted; });
  for (; edge != component_edges_.end() && edge->component == number; ++edge) {
    component.suppressed.push_back(edge->edge);
  }
  const std::lock_guard lock(mutex_);
  components_.push_back(std::move(component));
  return true;
}

std::vector<ObjectorSearch::Claimed> ObjectorSearch::claims_of(const Component& component) const {
  std::vector<ClusterNode> nodes;
  cluster_nodes(component.nodes, {}, nodes);
  std::vector<std::uint32_t> order(nodes.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto cluster_of = [&](std::uint32_t i) { return component.clusters[i].cluster; };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return cluster_of(a) != cluster_of(b) ? cluster_of(a) < cluster_of(b) : a < b;
  });
  std::vector<Claimed> claims;
  std::vector<std::uint64_t> numbers;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    numbers.clear();
    const auto add_number = [&](std::uint64_t nhs) {
      if (nhs != 0 && ledger_.speaks_of(nhs, ObjectionKind::type1)) numbers.push_back(nhs);
    };
    bool has_own = false;
    for (; end < order.size() && cluster_of(order[end]) == cluster_of(order[begin]); ++end) {
      has_own = has_own || nodes[order[end]].valid_nhs != 0;
      add_number(nodes[order[end]].valid_nhs);
    }
    // A number that others have the better claim to is still the only one that it is known by.
    for (std::size_t i = begin; i < end && !has_own; ++i) add_number(nodes[order[i]].disowned_nhs);
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    for (std::size_t i = begin; i < end; ++i) {
      const ComponentNode& node = component.nodes[order[i]];
      if (is_suppressed(node.counted)) continue;
      for (const std::uint64_t number : numbers) {
        // Rows under the number itself were held to the ledger as they were read.
        if (node.counted.identity.valid_nhs() != number) claims.push_back({node.id, number, {}});
      }
    }
  }
  return claims;
}

void ObjectorSearch::settle(const Communicator& comm, Identities& identities, const LinkageModel& model,
                            std::span<const PatientSet> patients, ClusterCounts& counts, PersonDrafts& drafts) {
  std::sort(components_.begin(), components_.end(), [](const Component& a, const Component& b) {
    return a.nodes.front().component < b.nodes.front().component;
  });
  std::vector<std::vector<Claimed>> claims_by_component(components_.size());
  for_each_item(components_.size(), [&](std::size_t c) {
    Component& component = components_[c];
    std::vector<Edge> edges = component.edges;
    edges.insert(edges.end(), component.suppressed.begin(), component.suppressed.end());
    ClusterCounts ignored;
    std::vector<ClusterNode> nodes;
    cluster_nodes(component.nodes, patients, nodes);
    component.clusters = resolve_component(nodes, std::move(edges), cluster_rules(model), ignored);
    claims_by_component[c] = claims_of(component);
  });
  std::vector<Claimed> claimed;
  for (const std::vector<Claimed>& claims : claims_by_component) {
    claimed.insert(claimed.end(), claims.begin(), claims.end());
  }
  const std::vector<Left> left = drop_rows(comm, identities, std::move(claimed));

  auto next = left.begin();
  for (std::size_t c = 0; c < components_.size(); ++c) {
    for (const Claimed& claim : claims_by_component[c]) {
      std::vector<ComponentNode>& nodes = components_[c].nodes;
      const auto node = std::lower_bound(nodes.begin(), nodes.end(), claim.id,
                                         [](const ComponentNode& n, IdentityId id) { return n.id < id; });
      node->counted.rows = next->rows;
      node->counted.datasets = next->datasets;
      ++next;
    }
  }
  const std::size_t tasks = (components_.size() + kComponentsPerTask - 1) / kComponentsPerTask;
  std::vector<PersonDrafts> task_drafts(tasks);
  std::vector<ClusterCounts> task_counts(tasks);
  std::vector<std::uint64_t> task_apart(tasks, 0);
  for_each_item(tasks, [&](std::size_t task) {
    ComponentResolver resolver(model, patients);
    const std::size_t end = std::min(components_.size(), (task + 1) * kComponentsPerTask);
    for (std::size_t c = task * kComponentsPerTask; c < end; ++c) {
      task_apart[task] += resolve_rest(components_[c], resolver);
    }
    task_drafts[task] = std::move(resolver.drafts);
    task_counts[task] = resolver.counts;
  });
  append_drafts(drafts, task_drafts);
  for (std::size_t task = 0; task < tasks; ++task) {
    counts.links_used += task_counts[task].links_used;
    counts.vetoed_different_nhs += task_counts[task].vetoed_different_nhs;
    counts.ambiguous_clusters += task_counts[task].ambiguous_clusters;
    counts.returned += task_counts[task].returned;
    counts.several_numbers += task_counts[task].several_numbers;
    report_.ambiguous += task_apart[task];
  }
  components_.clear();
  rows_.release_extracted();
  const std::uint64_t suppressed =
      sum_blocks(identities.owned.size(), kIdentitiesPerTask, [&](std::size_t begin, std::size_t end) {
        const auto here = std::span(identities.owned).subspan(begin, end - begin);
        const auto left_out = [](const CountedIdentity& counted) { return is_suppressed(counted); };
        return static_cast<std::uint64_t>(std::count_if(here.begin(), here.end(), left_out));
      });
  std::array<std::uint64_t, 2> sums{report_.ambiguous, suppressed};
  comm.sum(sums);
  report_.ambiguous = sums[0];
  report_.suppressed = sums[1] - report_.identities;
}

std::uint64_t ObjectorSearch::resolve_rest(const Component& component, ComponentResolver& resolver) {
  // Clusters that fit several persons equally well stay as they are: an objector among those persons is no less one.
  std::vector<IdentityId> apart;  // clusters
  for (const ClusterResult& cluster : component.clusters) {
    if (cluster.ambiguous) apart.push_back(cluster.cluster);
  }
  std::sort(apart.begin(), apart.end());
  std::vector<ComponentNode> rest, undecided;
  std::vector<ClusterResult> undecided_clusters;
  std::vector<std::uint32_t> place(component.nodes.size(), std::numeric_limits<std::uint32_t>::max());
  bool emptied = false;
  for (std::size_t i = 0; i < component.nodes.size(); ++i) {
    const ComponentNode& node = component.nodes[i];
    if (is_suppressed(node.counted)) {
      emptied = emptied || !node.evidence.has(Evidence::suppressed);
    } else if (std::binary_search(apart.begin(), apart.end(), component.clusters[i].cluster)) {
      place[i] = static_cast<std::uint32_t>(undecided.size());
      undecided.push_back(node);
      undecided_clusters.push_back(component.clusters[i]);
    } else {
      rest.push_back(node);
    }
  }
  for (std::uint32_t i = 0; i < undecided.size(); ++i) {
    ClusterResult& cluster = undecided_clusters[i];
    const std::uint32_t linked_to = place[cluster.linked_to];
    cluster.linked_to = linked_to < undecided.size() ? linked_to : i;
  }
  std::vector<Edge> edges;
  for (const Edge& edge : component.edges) {
    if (is_node(rest, edge.a) && (edge.kind == EdgeKind::rival || is_node(rest, edge.b))) edges.push_back(edge);
  }
  if (emptied) {
    const std::vector<Edge> again = compare_again(rest, resolver.model());
    edges.insert(edges.end(), again.begin(), again.end());
  }
  resolver.resolve(rest, edges);
  resolver.add(undecided, undecided_clusters);
  resolver.counts.ambiguous_clusters +=
      static_cast<std::uint64_t>(std::unique(apart.begin(), apart.end()) - apart.begin());
  return component.suppressed.empty() ? 0 : undecided.size();
}

std::vector<ObjectorSearch::Left> ObjectorSearch::drop_rows(const Communicator& comm, Identities& identities,
                                                            std::vector<Claimed>&& claimed) {
  if (!comm.any(!claimed.empty())) return {};
  ReturnRoute route;
  const Received<Claimed> received = shuffle(
      comm, std::move(claimed), [&](const Claimed& claim) { return identities.owner(claim.id); }, route);
  const ToldLocals<Claimed> claims = bring_claims(comm, identities, received.items);
  const std::vector<ClaimedRow> rows = claimed_rows(identities, claims);
  for (const ClaimedRow& row : rows) {
    if (row.barred) dropped_.push_back(row.row);
  }

  // What is left of the identities that were claimed.
  struct Part {
    IdentityId id = 0;
    Left left;
  };
  std::vector<Part> parts(claims.all().size());  // an identity's is that of the first claim to it
  {
    auto next = rows.begin();
    for (const StoredBlock& block : rows_.blocks()) {
      for (; next != rows.end() && next->row < block.first_row + block.rows; ++next) {
        if (next->barred) continue;
        const auto claimed_here = claims.of(identities.local_of_row[next->row]);
        Left& left = parts[static_cast<std::size_t>(claimed_here.data() - claims.all().data())].left;
        ++left.rows;
        left.datasets |= 1U << block.dataset;
      }
    }
    for (std::size_t c = 0; c < parts.size(); ++c) parts[c].id = claims.all()[c].reply.id;
    std::erase_if(parts, [](const Part& part) { return part.left.rows == 0; });
  }
  forget(comm, identities,
         [&](std::size_t i) { return claims.of(identities.local_of_row[dropped_[i]]).front().reply.states; });

  const Received<Part> counted =
      shuffle(comm, std::move(parts), [&](const Part& part) { return identities.owner(part.id); });
  for (const Claimed& claim : received.items) {
    CountedIdentity& owned = identities.owned[claim.id - identities.first_id];
    owned.rows = owned.datasets = 0;
  }
  for (const Part& part : counted.items) {
    CountedIdentity& owned = identities.owned[part.id - identities.first_id];
    owned.rows += part.left.rows;
    owned.datasets |= part.left.datasets;
  }
  std::vector<Left> replies;
  std::vector<IdentityId> emptied;
  for (const Claimed& claim : received.items) {
    const CountedIdentity& owned = identities.owned[claim.id - identities.first_id];
    replies.push_back({owned.rows, owned.datasets});
    if (is_suppressed(owned)) emptied.push_back(claim.id);
  }
  std::sort(emptied.begin(), emptied.end());
  emptied.erase(std::unique(emptied.begin(), emptied.end()), emptied.end());
  report_.identities = comm.sum(std::uint64_t{emptied.size()});
  return route.reply<Left>(comm, replies);
}

// Collective.  The claims to the different identities of this rank.
ToldLocals<ObjectorSearch::Claimed> ObjectorSearch::bring_claims(const Communicator& comm, const Identities& identities,
                                                                 std::span<const Claimed> received) {
  std::vector<ReplyTo<Claimed>> of_owned;
  of_owned.reserve(received.size());
  for (const Claimed& claim : received) {
    const std::uint64_t index = claim.id - identities.first_id;
    of_owned.push_back({index, {claim.id, claim.nhs, states_of(identities.owned[index].identity)}});
  }
  sort_by_key(
      of_owned, [](const ReplyTo<Claimed>& claim) { return claim.item; },
      [](const ReplyTo<Claimed>& a, const ReplyTo<Claimed>& b) { return a.reply.nhs < b.reply.nhs; });
  return {identities, identities.tell_locals(comm, std::span<const ReplyTo<Claimed>>(of_owned))};
}

// The rows of claimed identities, ascending.
std::vector<ObjectorSearch::ClaimedRow> ObjectorSearch::claimed_rows(const Identities& identities,
                                                                     const ToldLocals<Claimed>& claims) const {
  PerThread<std::vector<ClaimedRow>> found;
  rows_.for_each_extracted([&](const StoredBlock& block, std::span<const DayNumber> days) {
    const auto local = std::span(identities.local_of_row).subspan(block.first_row, block.rows);
    for_blocks(block.rows, kRowsPerTask, [&](std::size_t begin, std::size_t end) {
      // Few rows are claimed: listed first, without a branch, so that many cache misses are under way at once.
      std::array<std::uint32_t, kRowsPerTask> claimed;  // NOLINT(*-member-init): written before it is read
      std::size_t count = 0;
      for (std::size_t i = begin; i < end; ++i) {
        claimed[count] = static_cast<std::uint32_t>(i);
        count += claims.has(local[i]) ? 1U : 0U;
      }
      for (const std::uint32_t i : std::span(claimed).first(count)) {
        const auto here = claims.of(local[i]);
        const bool barred = std::any_of(here.begin(), here.end(), [&](const ReplyTo<Claimed>& claim) {
          return ledger_.bars(claim.reply.nhs, days[i], policy_);
        });
        found.local().push_back({static_cast<std::uint32_t>(block.first_row + i), barred});
      }
    });
  });
  std::vector<ClaimedRow> rows;
  found.for_each([&](const std::vector<ClaimedRow>& some) { rows.insert(rows.end(), some.begin(), some.end()); });
  sort_by_key(rows, [](const ClaimedRow& row) { return std::uint64_t{row.row}; });
  return rows;
}

void ObjectorSearch::drop_again(const Communicator& comm, Identities& identities, std::vector<std::uint32_t>&& rows,
                                const ObjectorReport& report) {
  dropped_ = std::move(rows);
  if (report.rows > 0) {
    const auto of_local = identities.tell_all_locals<IdentifierStates>(
        comm, [&](std::uint32_t index) { return states_of(identities.owned[index].identity); });
    forget(comm, identities, [&](std::size_t i) { return of_local[identities.local_of_row[dropped_[i]]]; });
  }
  report_ = report;
  rows_.release_extracted();
}

template <typename StatesOf>
void ObjectorSearch::forget(const Communicator& comm, Identities& identities, const StatesOf& states_of_row) {
  report_.rows = comm.sum(std::uint64_t{dropped_.size()});
  count_dropped(comm, rows_, dropped_, true, states_of_row, intake_);
  close_gaps(identities.local_of_row, dropped_);
  rows_.drop(dropped_);
}

void bar_rows(const Communicator& comm, const ObjectionLedger& ledger, AfterOptOut policy, RowStore& rows,
              IntakeReport& intake) {
  std::vector<std::uint32_t> barred;
  rows.for_each_extracted([&](const StoredBlock& block, std::span<const DayNumber> days) {
    for (std::uint64_t i = 0; i < block.rows; ++i) {
      if (!ledger.bars(block.identities[i].valid_nhs(), days[i], policy)) continue;
      barred.push_back(static_cast<std::uint32_t>(block.first_row + i));
      rows.barred().push_back({block.identities[i], 0});
    }
  });
  const std::size_t first = rows.barred().size() - barred.size();
  auto next = barred.begin();
  LocalKeyReader reader(rows);
  while (std::optional<LocalKeyReader::Block> block = reader.next()) {
    const std::uint64_t first_row = block->stored->first_row;
    next = std::lower_bound(next, barred.end(), first_row);
    for (; next != barred.end() && *next < first_row + block->stored->rows; ++next) {
      BarredRow& row = rows.barred()[first + static_cast<std::size_t>(next - barred.begin())];
      row.local_key = block->keys[*next - first_row];
    }
    reader.give_back(std::move(*block));
  }
  count_dropped(
      comm, rows, barred, false, [&](std::size_t i) { return states_of(rows.barred()[first + i].identity); }, intake);
  rows.drop(barred);
}

}  // namespace ligature
