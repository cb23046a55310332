// The state is a set of edges (a, b) with a > b.  One round:
//
//   small star    among the edges of a node, its other neighbours are tied to the smallest, in place
//   contraction   each rank replaces its edges by stars around the smallest node of each local component
//   exchange      edges (a, b) go to the owner of a; now an owner sees all smaller neighbours of its nodes
//   large star    b is replaced by the smallest neighbour of b, asked of b's owner, once a rank however many edges want
//                 it
//
// A component is settled when each of its nodes has one smaller neighbour, and all the same: its edges are its labels
// and leave, so that later rounds have only what is not yet done.  It ends when nothing is left.
// The contraction leaves at most one edge a node on a rank, so the hub of a giant star gets at most one edge, and one
// question, from each rank.  No step makes the number of edges grow.
#include "partition/components.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/release.hpp"
#include "engine/union_find.hpp"
#include "partition/node_index.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kGrain = std::size_t{1} << 14;

// Lambdas, not functions: the sort has them inline.
constexpr auto by_other_node = [](const NodePair& x, const NodePair& y) { return x.b < y.b; };
constexpr auto same_nodes = [](const NodePair& x, const NodePair& y) { return x.a == y.a && x.b == y.b; };

void sort_unique(std::vector<NodePair>& edges) {
  sort_by_key(
      edges, [](const NodePair& edge) { return edge.a; }, by_other_node);
  edges.erase(std::unique(edges.begin(), edges.end(), same_nodes), edges.end());
}

// Replaces edges by a star around the smallest node of each of their components, written to stars; returns the star's
// number of edges, which is never larger.  stars may be where edges begin, or before.
std::size_t contract(std::span<const NodePair> edges, NodePair* stars) {
  const NodeIndex index(2 * edges.size(), [&](std::size_t i) { return i % 2 == 0 ? edges[i / 2].a : edges[i / 2].b; });
  const std::vector<std::uint64_t>& nodes = index.nodes();

  // Looking up is the slow part and runs on all threads; uniting is quick and serial.
  std::vector<UnionFind::Pair> pairs(edges.size());
  for_blocks(edges.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      pairs[i] = {static_cast<std::uint32_t>(index.find(edges[i].a)),
                  static_cast<std::uint32_t>(index.find(edges[i].b))};
    }
  });
  UnionFind components(nodes.size());
  components.unite_all(pairs);
  const std::vector<std::uint32_t>& roots = components.representatives();  // smallest indexes, hence smallest nodes
  std::size_t count = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (roots[i] != i) stars[count++] = {nodes[i], nodes[roots[i]]};
  }
  return count;
}

// The same in place, in pieces of contraction_edges; each piece keeps what it connects, so all do together.
void contract_in_pieces(std::vector<NodePair>& edges, std::size_t contraction_edges) {
  std::size_t kept = 0;
  for (std::size_t begin = 0; begin < edges.size(); begin += contraction_edges) {
    const std::size_t count = std::min(contraction_edges, edges.size() - begin);
    kept += contract(std::span(edges).subspan(begin, count), edges.data() + kept);
  }
  edges.resize(kept);
}

// edges: those of one node adjacent, a > b.  Ties the neighbours of each node to its smallest.  Done apart from the
// contraction because a piece of that may see only some of a node's edges.
void small_star(std::vector<NodePair>& edges) {
  for (std::size_t begin = 0, end = 0; begin < edges.size(); begin = end) {
    const std::uint64_t node = edges[begin].a;
    std::uint64_t smallest = edges[begin].b;
    for (end = begin; end < edges.size() && edges[end].a == node; ++end) smallest = std::min(smallest, edges[end].b);
    // The edge to the smallest stays; (node, b) becomes (b, smallest); repeats of the first become (smallest,
    // smallest).
    bool kept = false;
    for (std::size_t i = begin; i < end; ++i) {
      if (edges[i].b == smallest && !kept) {
        kept = true;
      } else {
        edges[i] = {edges[i].b, smallest};
      }
    }
  }
  std::erase_if(edges, [](const NodePair& edge) { return edge.a == edge.b; });
}

// Collective.  edges: all edges (a, b), a > b, of the nodes a that this rank owns; sorted, without repeats.  Those of
// settled components go to labels; in what is left b is replaced by its smallest neighbour.
void large_star(const Communicator& comm, std::vector<NodePair>& edges, const std::function<int(std::uint64_t)>& owner,
                std::vector<NodeLabel>& labels) {
  constexpr std::uint64_t kSettled = std::numeric_limits<std::uint64_t>::max();  // no b is so large
  const NodeIndex neighbours(edges.size(), [&](std::size_t i) { return edges[i].b; });
  ReturnRoute route;
  const Received<std::uint64_t> asked = shuffle(comm, std::vector<std::uint64_t>(neighbours.nodes()), owner, route);
  const NodeIndex wanted(asked.items.size(), [&](std::size_t i) { return asked.items[i]; });
  std::vector<std::uint64_t> answers(wanted.nodes());
  std::vector<std::uint64_t> unsettled;
  {
    // The nodes here, each with its smallest neighbour: its first edge's.
    const NodeIndex here(edges.size(), [&](std::size_t i) { return edges[i].a; });
    std::vector<std::uint64_t> smallest;
    smallest.reserve(here.nodes().size());
    for (std::size_t begin = 0, end = 0; begin < edges.size(); begin = end) {
      smallest.push_back(edges[begin].b);
      for (end = begin + 1; end < edges.size() && edges[end].a == edges[begin].a;) ++end;
      // The component of several neighbours is that of none of them yet.
      for (std::size_t i = begin; end - begin > 1 && i < end; ++i) unsettled.push_back(edges[i].b);
    }
    if (labels.empty()) labels.reserve(here.nodes().size() + answers.size());  // as many as there will be, or few more
    for_blocks(answers.size(), kGrain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t place = here.find(answers[i]);
        if (place != smallest.size()) answers[i] = smallest[place];
      }
    });
  }
  // Nor is it settled where a node has neighbours both smaller and larger than itself.
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i] != wanted.nodes()[i]) unsettled.push_back(answers[i]);
  }
  unsettled = shuffle(comm, std::move(unsettled), owner).items;
  {
    std::vector<bool> is_unsettled(answers.size());
    for (const std::uint64_t node : unsettled) is_unsettled[wanted.find(node)] = true;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (is_unsettled[i] || answers[i] != wanted.nodes()[i]) continue;
      labels.push_back({answers[i], answers[i]});
      answers[i] = kSettled;
    }
  }
  std::vector<std::uint64_t> replies(asked.items.size());
  for_blocks(replies.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) replies[i] = answers[wanted.find(asked.items[i])];
  });
  replies = route.reply<std::uint64_t>(comm, replies);
  std::vector<std::uint8_t> settled(edges.size());
  for_blocks(edges.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t reply = replies[neighbours.find(edges[i].b)];
      settled[i] = reply == kSettled;
      if (reply != kSettled) edges[i].b = reply;
    }
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (settled[i] != 0) {
      labels.push_back({edges[i].a, edges[i].b});
    } else {
      edges[kept++] = edges[i];
    }
  }
  edges.resize(kept);
}

std::vector<NodePair> send_to_owners(const Communicator& comm, std::vector<NodePair>&& edges,
                                     const std::function<int(std::uint64_t)>& owner) {
  std::vector<NodePair> received =
      shuffle(comm, std::move(edges), [&](const NodePair& edge) { return owner(edge.a); }).items;
  sort_unique(received);
  return received;
}

}  // namespace

Components connected_components(const Communicator& comm, std::vector<NodePair> edges,
                                const std::function<int(std::uint64_t)>& owner, std::size_t contraction_edges) {
  if (contraction_edges == 0 || contraction_edges > std::numeric_limits<std::int32_t>::max()) {
    throw Error("connected components: a contraction must take 1 to 2^31 - 1 edges");
  }
  // Nodes that may have no other edge keep aside the edge to themselves.
  std::vector<NodePair> loops;
  std::erase_if(edges, [&](const NodePair& edge) {
    if (edge.a == edge.b) loops.push_back(edge);
    return edge.a == edge.b;
  });
  sort_unique(loops);
  loops = send_to_owners(comm, std::move(loops), owner);
  for_blocks(edges.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (edges[i].a < edges[i].b) std::swap(edges[i].a, edges[i].b);
    }
  });

  Components result;
  do {
    contract_in_pieces(edges, contraction_edges);
    edges = send_to_owners(comm, std::move(edges), owner);
    large_star(comm, edges, owner, result.labels);
    small_star(edges);
    ++result.rounds;
  } while (comm.any(!edges.empty()));
  release(edges);

  if (!loops.empty()) {
    std::vector<bool> has_edges(loops.size());
    for (const NodeLabel& label : result.labels) {
      const auto loop = std::lower_bound(loops.begin(), loops.end(), label.node,
                                         [](const NodePair& pair, std::uint64_t node) { return pair.a < node; });
      if (loop != loops.end() && loop->a == label.node)
        has_edges[static_cast<std::size_t>(loop - loops.begin())] = true;
    }
    for (std::size_t i = 0; i < loops.size(); ++i) {
      if (!has_edges[i]) result.labels.push_back({loops[i].a, loops[i].a});
    }
  }
  return result;
}

}  // namespace ligature
