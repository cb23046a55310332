// Clustering of one connected component of linked identities into persons: best link first, with vetoes.
//
//   - Two clusters with different valid NHS numbers never merge, however long the chain between them.
//   - A number claims an identity without one as strongly as the weakest link of the best path between them that runs
//     over identities without a number.  The identity joins the number whose claim leads all others by the margin.
//     Otherwise it is ambiguous: it stays apart from every number, flagged and counted, and keeps to its like only by
//     links heavier than the claims.
//   - Two identities without a number whose genders differ are not brought together by a third that has none.
//   - An identity whose rows are of several people is joined with nobody.
//   - A record of a practice is nobody's whom another practice has, where the file shows that nobody has two; nor
//     anybody's whom its provider has under another patient number (one_patient.hpp), even by the way of a third
//     record (patient_groups.hpp).
//   - A number that somebody's record carries by mistake is not a twin's next number: "consecutive numbers on one
//     birthday are siblings, not typing errors".
//   - What was parted from the owner of its number (ownership.hpp) goes back if it has found no other person: a record
//     that fits nobody else is more likely its own person's with errors than a stranger's.
//   - Links are taken from the heaviest down (ties by the two identity ids), so the result depends on content alone.
//
// Sources: best-first clustering with cluster-level cannot-links; the Master Person Service's rule that several equally
// good candidates give no match (its error 97).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/identity.hpp"
#include "engine/model.hpp"
#include "engine/one_patient.hpp"
#include "engine/provenance.hpp"
#include "engine/provider_set.hpp"

namespace ligature {

enum class EdgeKind : std::int32_t {
  link,  // the two may be one person
  // One of the two is parted from the owner of an NHS number that both carry; it may return if it fits nobody else.
  ret,
  // The two share a provider's own patient number (local_id.hpp); a link in all other respects.
  local_id,
  // a has no number, b is an NHS number, not an identity: too light to link, but a rival to the claims of others.
  rival,
  // Both have numbers, and different ones, but one of the numbers is seldom seen and the rest agrees so well that it
  // may be the other's.
  conflict,
  // Both carry one NHS number and have equal claims to it: at most one of the two may go to another person.
  tie,
  // One has no number; others have moved between the postcodes of the two (moves.hpp).  A link in all other respects.
  moved,
  moved_known,  // likewise, and a provider of the one has recorded one of them at its postcode
};
inline constexpr EdgeKind kLastEdgeKind = EdgeKind::moved_known;

struct Edge {
  IdentityId a = 0;  // a < b
  IdentityId b = 0;
  Weight weight = 0;
  EdgeKind kind = EdgeKind::link;
};
static_assert(sizeof(Edge) == 24);

// The strict order in which edges are taken.
constexpr bool heavier(const Edge& x, const Edge& y) noexcept {
  if (x.weight != y.weight) return x.weight > y.weight;
  if (x.a != y.a) return x.a < y.a;
  if (x.b != y.b) return x.b < y.b;
  return x.kind < y.kind;
}

struct ClusterNode {
  IdentityId id = 0;
  std::uint64_t valid_nhs = 0;     // 0 if none
  std::uint64_t disowned_nhs = 0;  // a valid number that it carries and does not own; 0 if none
  Gender gender = Gender::unknown;
  bool thin = false;  // valid_nhs is seldom seen (Evidence::number_thin)
  // Genders (1 male, 2 female) of people with numbers of the same batch who share the date of birth and an address.
  std::uint8_t twins = 0;
  std::uint64_t invalid_nhs = 0;  // 0 if none
  std::uint32_t datasets = 0;     // a bit each
  ProviderSet providers = 0;      // of its rows
  bool several = false;           // its rows are of several people (Evidence::several_patients): it is nobody's
  PatientSet patients = {};       // of its rows, where the component has identities without a number
};

struct ClusterResult {
  IdentityId cluster = 0;       // smallest identity id of the cluster
  Weight weakest = 0;           // lightest edge that was needed to build the cluster; meaningful if linked
  bool linked = false;          // the cluster has two identities or more
  bool ambiguous = false;       // the cluster was refused a numbered cluster because no claim led by the margin
  bool returned = false;        // its number took it back
  bool other_provider = false;  // a number's claim was refused: another provider has that person
  bool other_patient = false;   // a claim or link was refused: its provider has the other under another patient number
  // The link of this node in the tree of links that holds the cluster together; the root's is to itself, with the
  // weight of its heaviest.  Of an ambiguous node: to itself, with the strongest claim on it.
  std::uint32_t linked_to = 0;  // index into nodes
  EdgeKind kind = EdgeKind::link;
  Weight weight = 0;
  Weight lead = kNoRival;  // of the strongest claim over the next number's
};

struct ClusterCounts {
  std::uint64_t links_used = 0;            // identities less clusters
  std::uint64_t vetoed_different_nhs = 0;  // links refused because they would have put two numbers together
  std::uint64_t ambiguous_clusters = 0;
  std::uint64_t returned = 0;         // clusters that went back to the owner of their number
  std::uint64_t several_numbers = 0;  // clusters with two valid NHS numbers or more, found to be one person's
};

struct ClusterRules {
  Weight margin = 0;  // by which the best claim must lead
  // People who live together with numbers of one batch are twins (where the file says so).
  bool neighbours_are_twins = false;
  Weight threshold = 0;
  // What a returning edge weighs more than its pair, for it has found no other person; all of it only where no other
  // number comes near.
  Weight return_weight = 0;
  std::uint32_t one_provider = 0;  // datasets of which a person has one provider (one_provider.hpp)
  bool one_patient = false;        // a provider has a patient under one number (one_patient.hpp)
};
ClusterRules cluster_rules(const LinkageModel& model) noexcept;

// Numbers of one batch, issued one after the other, as to twins: their first nine digits are less than ten apart.
bool are_neighbours(std::uint64_t nhs_a, std::uint64_t nhs_b) noexcept;

// What most components are: a few identities of one number, and links that connect them.  There is no claim to weigh
// and nothing to veto, so that their tree of heaviest links is the answer (Kruskal, Proc. AMS 7, 1956), found without
// asking for memory.  False if the component is another, or not few: nothing was done.
bool resolve_one_number(std::span<const ClusterNode> nodes, std::span<const Edge> edges,
                        std::vector<ClusterResult>& results, ClusterCounts& counts);

// Resolves one component.
// nodes: sorted by id, without repeats.  edges: any order, each between two nodes, at or above the threshold; repeats
// are allowed.  Result: one entry a node, in the order of nodes.  counts are added to. Cost: O(E log E).  Throws Error
// if an edge names an id that is not among the nodes.
std::vector<ClusterResult> resolve_component(std::span<const ClusterNode> nodes, std::vector<Edge> edges,
                                             const ClusterRules& rules, ClusterCounts& counts);

}  // namespace ligature
