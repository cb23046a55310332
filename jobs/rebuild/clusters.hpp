// Edges to persons: connected components of the link graph, each resolved whole on one rank, with vetoes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/evidence.hpp"
#include "engine/identity.hpp"
#include "engine/model.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// A person before naming: what is published of them, and what names them.
struct PersonDraft {
  Identity smallest;                // smallest identity of the cluster by number; a one-time identity if all are
  IdentityId cluster = 0;           // its number
  std::uint64_t valid_nhs = 0;      // the valid NHS number that the cluster has the best claim to, 0 if none
  std::uint64_t disowned_nhs = 0;   // else one that it carries and others claim as well; 0 if none
  std::uint64_t rows = 0;           // kept rows
  std::uint32_t datasets = 0;       // bit d: seen in dataset d
  std::uint32_t outward = 0;        // packed outward code of most rows; 0 if none
  std::uint16_t birth_year = 0;     // of most rows; 0 if none
  std::uint8_t sex = 0;             // NHS code of most rows; 0 if none
  std::uint8_t link_percent = 100;  // posterior of the weakest link used; 100 for one identity
  bool ambiguous = false;
  bool linked = false;  // several identities
};

// The drafts of one rank and the identities of each.
struct PersonDrafts {
  std::vector<PersonDraft> drafts;
  std::vector<std::uint64_t> first_member;  // drafts + 1 offsets into members
  std::vector<IdentityId> members;
  std::vector<Provenance> provenance;  // by member
};

// The draft of a person who is one identity.
PersonDraft draft_alone(IdentityId id, const CountedIdentity& counted, const Evidence& evidence);

struct ClusterReport {
  std::uint64_t components = 0;         // of two identities and more
  std::uint64_t largest_component = 0;  // identities
  std::uint64_t rounds = 0;
  ClusterCounts counts;
};

class ObjectorSearch;

// Collective.  edges: this rank's, consumed.  Every identity of kept rows ends in exactly one draft on some rank.
// evidence: by owned identity.  search: finds and drops rows of objectors and what they leave of the identities, if the
// run has any; else nullptr.
PersonDrafts resolve_clusters(const Communicator& comm, Identities& identities, std::span<const Evidence> evidence,
                              std::vector<Edge>&& edges, const LinkageModel& model, ObjectorSearch* search,
                              ClusterReport& report);

}  // namespace ligature
