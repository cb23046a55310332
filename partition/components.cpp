// The state is a set of edges (a, b) with a > b.  One round:
//
//   small star    among the edges of a node, its other neighbours are tied to the smallest, in place
//   contraction   each rank replaces its edges by stars around the smallest node of each local component
//   exchange      edges (a, b) go to the owner of a; now an owner sees all smaller neighbours of its nodes
//   large star    b is replaced by the smallest neighbour of b, asked of b's owner, once a rank however many edges want
//   it
//
// It ends when each node has one smaller neighbour and that neighbour has none: then these are the labels.
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

// What this rank knows after the large star.
struct LargeStar {
  bool settled = true;               // each node here has one smaller neighbour, and that has none
  std::vector<std::uint64_t> roots;  // if all ranks are settled: nodes owned here that are the smallest of a component
};

// Collective.  edges: all edges (a, b), a > b, of the nodes a that this rank owns; sorted, without repeats.
LargeStar large_star(const Communicator& comm, std::vector<NodePair>& edges,
                     const std::function<int(std::uint64_t)>& owner) {
  LargeStar result;
  // The nodes here, each with its smallest neighbour: its first edge's.
  const NodeIndex here(edges.size(), [&](std::size_t i) { return edges[i].a; });
  std::vector<std::uint64_t> smallest;
  smallest.reserve(here.nodes().size());
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (i == 0 || edges[i].a != edges[i - 1].a) smallest.push_back(edges[i].b);
  }
  result.settled = smallest.size() == edges.size();

  const NodeIndex neighbours(edges.size(), [&](std::size_t i) { return edges[i].b; });
  ReturnRoute route;
  Received<std::uint64_t> asked = shuffle(comm, std::vector<std::uint64_t>(neighbours.nodes()), owner, route);
  std::vector<std::uint64_t> answers(asked.items.size());
  for_blocks(answers.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t place = here.find(asked.items[i]);
      answers[i] = place == smallest.size() ? asked.items[i] : smallest[place];
    }
  });
  result.roots = std::move(asked.items);
  answers = route.reply<std::uint64_t>(comm, answers);
  result.settled = result.settled && answers == neighbours.nodes();
  for_blocks(edges.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) edges[i].b = answers[neighbours.find(edges[i].b)];
  });
  return result;
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
  LargeStar star;
  for (;;) {
    contract_in_pieces(edges, contraction_edges);
    edges = send_to_owners(comm, std::move(edges), owner);
    star = large_star(comm, edges, owner);
    ++result.rounds;
    if (!comm.any(!star.settled)) break;
    small_star(edges);
  }
  sort_by_key(star.roots, std::identity());
  star.roots.erase(std::unique(star.roots.begin(), star.roots.end()), star.roots.end());

  result.labels.reserve(edges.size() + star.roots.size() + loops.size());
  for (const NodePair& edge : edges) result.labels.push_back({edge.a, edge.b});
  for (const std::uint64_t root : star.roots) result.labels.push_back({root, root});
  for (const NodePair& loop : loops) result.labels.push_back({loop.a, loop.a});
  std::vector<NodePair>().swap(edges);
  // A node with a smaller neighbour and an edge to itself comes twice; its component is the smaller label.
  sort_by_key(
      result.labels, [](const NodeLabel& label) { return label.node; },
      [](const NodeLabel& x, const NodeLabel& y) { return x.component < y.component; });
  const auto same_node = [](const NodeLabel& x, const NodeLabel& y) { return x.node == y.node; };
  result.labels.erase(std::unique(result.labels.begin(), result.labels.end(), same_node), result.labels.end());
  return result;
}

}  // namespace ligature
