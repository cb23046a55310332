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
#include <bit>
#include <limits>
#include <tuple>
#include <utility>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/union_find.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kGrain = std::size_t{1} << 14;

// Lambdas, not functions: the sort has them inline.
constexpr auto by_nodes = [](const NodePair& x, const NodePair& y) { return std::tie(x.a, x.b) < std::tie(y.a, y.b); };
constexpr auto same_nodes = [](const NodePair& x, const NodePair& y) { return x.a == y.a && x.b == y.b; };

void sort_unique(std::vector<NodePair>& edges) {
  sort_items(edges.begin(), edges.end(), by_nodes);
  edges.erase(std::unique(edges.begin(), edges.end(), same_nodes), edges.end());
}

void sort_unique(std::vector<std::uint64_t>& nodes) {
  sort_items(nodes.begin(), nodes.end(), std::less<>());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
}

int width(std::uint64_t value) noexcept {
  return static_cast<int>(std::bit_width(value));
}

// Finds nodes among sorted ones.  A table over the nodes' leading bits leaves a handful to look at when ids are dense,
// as numbers of identities are; it is a binary search when they are not.
template <typename NodeAt>
class SortedIndex {
 public:
  // node_at(i): node i of [0, count), ascending; must outlive the index.
  SortedIndex(std::size_t count, const NodeAt& node_at) : count_(count), node_at_(node_at) {
    if (count == 0) return;
    first_ = node_at(0);
    const std::uint64_t span = node_at(count - 1) - first_;
    const int table_bits = std::max(0, width(count) - 3);  // so that the table takes 1 or 2 bytes a node
    shift_ = std::clamp(width(span) - table_bits, 0, 63);
    begin_.assign(static_cast<std::size_t>(span >> shift_) + 2, count);
    for (std::size_t i = count; i-- > 0;) begin_[bucket(node_at(i))] = i;
    for (std::size_t b = begin_.size() - 1; b-- > 0;) begin_[b] = std::min(begin_[b], begin_[b + 1]);
  }

  // The lowest index of the node, or the count if it is not there.
  [[nodiscard]] std::size_t find(std::uint64_t node) const {
    if (count_ == 0 || node < first_ || bucket(node) + 1 >= begin_.size()) return count_;
    std::size_t low = begin_[bucket(node)], high = begin_[bucket(node) + 1];
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (node_at_(middle) < node) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < count_ && node_at_(low) == node ? low : count_;
  }

 private:
  [[nodiscard]] std::size_t bucket(std::uint64_t node) const noexcept {
    return static_cast<std::size_t>((node - first_) >> shift_);
  }

  std::size_t count_;
  const NodeAt& node_at_;
  std::uint64_t first_ = 0;
  int shift_ = 0;
  std::vector<std::size_t> begin_;  // first index of each bucket, and the end
};

// Replaces edges by a star around the smallest node of each of their components, written to stars; returns the star's
// number of edges, which is never larger.  stars may be where edges begin, or before.
std::size_t contract(std::span<const NodePair> edges, NodePair* stars) {
  std::vector<std::uint64_t> nodes(2 * edges.size());
  for_blocks(edges.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      nodes[2 * i] = edges[i].a;
      nodes[2 * i + 1] = edges[i].b;
    }
  });
  sort_unique(nodes);
  const auto node_at = [&](std::size_t i) { return nodes[i]; };
  const SortedIndex index(nodes.size(), node_at);

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
  std::vector<std::uint64_t> neighbours(edges.size());
  for (std::size_t i = 0; i < edges.size(); ++i) {
    neighbours[i] = edges[i].b;
    if (i > 0 && edges[i].a == edges[i - 1].a) result.settled = false;
  }
  sort_unique(neighbours);

  ReturnRoute route;
  Received<std::uint64_t> asked = shuffle(comm, std::vector<std::uint64_t>(neighbours), owner, route);
  {
    const auto node_at = [&](std::size_t i) { return edges[i].a; };
    const SortedIndex index(edges.size(), node_at);
    std::vector<std::uint64_t> answers(asked.items.size());
    for_blocks(answers.size(), kGrain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t place = index.find(asked.items[i]);
        answers[i] = place == edges.size() ? asked.items[i] : edges[place].b;  // the first edge has the smallest b
      }
    });
    result.roots = std::move(asked.items);
    answers = route.reply<std::uint64_t>(comm, answers);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i] != neighbours[i]) result.settled = false;
    }
    const auto neighbour_at = [&](std::size_t i) { return neighbours[i]; };
    const SortedIndex neighbour_index(neighbours.size(), neighbour_at);
    for_blocks(edges.size(), kGrain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) edges[i].b = answers[neighbour_index.find(edges[i].b)];
    });
  }
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
  sort_unique(star.roots);

  result.labels.reserve(edges.size() + star.roots.size() + loops.size());
  for (const NodePair& edge : edges) result.labels.push_back({edge.a, edge.b});
  for (const std::uint64_t root : star.roots) result.labels.push_back({root, root});
  for (const NodePair& loop : loops) result.labels.push_back({loop.a, loop.a});
  std::vector<NodePair>().swap(edges);
  // A node with a smaller neighbour and an edge to itself comes twice; its component is the smaller label.
  sort_items(result.labels.begin(), result.labels.end(), [](const NodeLabel& x, const NodeLabel& y) {
    return std::tie(x.node, x.component) < std::tie(y.node, y.component);
  });
  const auto same_node = [](const NodeLabel& x, const NodeLabel& y) { return x.node == y.node; };
  result.labels.erase(std::unique(result.labels.begin(), result.labels.end(), same_node), result.labels.end());
  return result;
}

}  // namespace ligature
