// Edges to persons: connected components of the link graph, each resolved whole on one rank, with vetoes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/evidence.hpp"
#include "engine/model.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/person_draft.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct ClusterReport {
  std::uint64_t components = 0;         // of two identities and more
  std::uint64_t largest_component = 0;  // identities
  std::uint64_t rounds = 0;
  ClusterCounts counts;
};

class ObjectorSearch;

// Collective.  edges: this rank's, consumed.  Every identity of kept rows ends in exactly one person on some rank.
// evidence: by owned identity.  patients: where patient numbers are, if a provider has a patient under one
// (one_patient.hpp); else nullptr.  search: finds and drops rows of objectors and what they leave of the identities, if
// the run has any; else nullptr.  scratch: where identities wait while components are resolved, if memory is short.
PersonDrafts resolve_clusters(const Communicator& comm, Identities& identities, std::span<const Evidence> evidence,
                              std::vector<Edge>&& edges, const LinkageModel& model, RowStore* patients,
                              ObjectorSearch* search, const std::optional<std::filesystem::path>& scratch,
                              ClusterReport& report);

}  // namespace ligature
