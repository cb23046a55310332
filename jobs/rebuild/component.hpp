// One connected component of linked identities, whole on one rank, and its resolution into persons.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/clustering.hpp"
#include "jobs/rebuild/clusters.hpp"

namespace ligature {

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

// The nodes as clustering sees them: values that are no evidence are missing.
std::vector<ClusterNode> cluster_nodes(std::span<const ComponentNode> nodes);

// Adds the persons that clusters (one entry a node) make of nodes, which are sorted by id, and their provenance.
void add_drafts(std::span<const ComponentNode> nodes, std::span<const ClusterResult> clusters, ClusterCounts& counts,
                PersonDrafts& drafts);

// Appends b to a.
void append(PersonDrafts& a, PersonDrafts&& b);

// Resolves a component's nodes, sorted by id, and adds its persons.  edges: between them, in any order.
void resolve_nodes(std::span<const ComponentNode> nodes, std::vector<Edge> edges, const LinkageModel& model,
                   ClusterCounts& counts, PersonDrafts& drafts);

}  // namespace ligature
