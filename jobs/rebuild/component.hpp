// One connected component of linked identities, whole on one rank, and its resolution into drafts of persons.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/match_rank.hpp"
#include "jobs/rebuild/person_draft.hpp"

namespace ligature {

// An identity, and an edge, on the way to the rank that resolves their component.
struct ComponentNode {
  std::uint64_t component = 0;
  IdentityId id = 0;
  CountedIdentity counted;
  Evidence evidence;
  std::uint32_t patients = 0;  // one more than the place of its patient numbers (patient_numbers.hpp); 0 for none
};
struct ComponentEdge {
  std::uint64_t component = 0;
  Edge edge;
};

// The nodes as clustering sees them: values that are no evidence are missing.  patients: of bring_patient_sets, or
// empty.
void cluster_nodes(std::span<const ComponentNode> nodes, std::span<const PatientSet> patients,
                   std::vector<ClusterNode>& result);

// Resolves components one after the other; its working memory is used again for each.
class ComponentResolver {
 public:
  // patients: of bring_patient_sets; must outlive this.
  ComponentResolver(const LinkageModel& model, std::span<const PatientSet> patients)
      : model_(model), patients_(patients), rules_(cluster_rules(model)) {
    drafts.first_member.push_back(0);
  }
  [[nodiscard]] const LinkageModel& model() const noexcept { return model_; }

  // Adds the persons of one component.  nodes: sorted by id.  edges: between them, in any order.
  void resolve(std::span<const ComponentNode> nodes, std::span<const Edge> edges);
  // Adds the persons that clusters (one entry a node) make of nodes, which are sorted by id.
  void add(std::span<const ComponentNode> nodes, std::span<const ClusterResult> clusters);

  PersonDrafts drafts;
  ClusterCounts counts;

 private:
  // The person of members [begin, end) of order_, which are one cluster.
  void add_person(std::span<const ComponentNode> nodes, std::span<const ClusterResult> clusters, std::size_t begin,
                  std::size_t end);

  const LinkageModel& model_;
  std::span<const PatientSet> patients_;
  ClusterRules rules_;
  std::vector<ClusterNode> cluster_nodes_;
  std::vector<ClusterResult> few_;    // of resolve_one_number
  std::vector<std::uint32_t> order_;  // nodes by cluster, each cluster's in the order of their numbers
  DraftBuilder builder_;
  std::vector<Identity> members_;
  std::vector<MatchRank> ranks_;
};

}  // namespace ligature
