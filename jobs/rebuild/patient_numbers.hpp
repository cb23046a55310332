// The patient numbers that providers have given to some identities, brought from where their rows are.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/one_patient.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/component.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// A patient number, as local_key(), that an identity has.
struct PatientNumber {
  IdentityId id = 0;
  std::uint64_t key = 0;
  std::uint64_t rows = 0;  // of kept rows
};

// Collective.  asked: by index into owned, ascending, each once, with the identity's number.  Returns those of this
// rank's owned identities that were asked for, by identity, then by_provider, each once.  Barred rows' are among them.
std::vector<PatientNumber> patient_numbers(const Communicator& comm, RowStore& rows, const Identities& identities,
                                           const std::vector<ReplyTo<IdentityId>>& asked);

// Collective.  The patient numbers of nodes whose component has one without an NHS number.  nodes: this rank's, whole
// components one after the other; patients is set to one more than the place in what is returned.
std::vector<PatientSet> bring_patient_sets(const Communicator& comm, RowStore& rows, const Identities& identities,
                                           std::span<ComponentNode> nodes);

}  // namespace ligature
