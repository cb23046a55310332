// Distributed connected components of the link graph, by alternating large-star and small-star steps.
//
// Each rank first contracts its own edges with union-find, so only star edges travel.  Rounds grow with the logarithm
// of the longest chain.  Sources: Kiveris et al., "Connected Components in MapReduce and Beyond", SoCC 2014 (the
// steps); Agarwal et al., "Union-Find Shuffle", arXiv 2012.05430 (the local contraction).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "partition/communicator.hpp"

namespace ligature {

struct NodePair {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
};

struct NodeLabel {
  std::uint64_t node = 0;
  std::uint64_t component = 0;  // smallest node of the component
};

struct Components {
  std::vector<NodeLabel> labels;  // nodes owned by this rank that have an edge, each once, in any order
  std::uint64_t rounds = 0;       // the same on every rank
};

// The most edges that one union-find holds: its indexes have 32 bits, and its memory stays near 1 GiB.
inline constexpr std::size_t kContractionEdges = std::size_t{1} << 25;

// Collective.  edges: this rank's edges, in any order, repeats and both directions allowed; any rank may hold any edge.
// An edge from a node to itself joins nothing, but the node gets its label.
// owner(node): the rank that is to hold node's label; a pure function, the same on every rank, called from several
// threads.
// The labels depend on the edges alone, not on where they were nor on the number of ranks.
// Memory: about four times that of the edges.  contraction_edges: kContractionEdges but in tests; at most 2^31 - 1.
Components connected_components(const Communicator& comm, std::vector<NodePair> edges,
                                const std::function<int(std::uint64_t)>& owner,
                                std::size_t contraction_edges = kContractionEdges);

}  // namespace ligature
