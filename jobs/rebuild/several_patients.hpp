// Equal rows without an NHS number that are of several people: their provider has them under two patient numbers.
//
// Twins, or two of one birthday in a hall of residence, can be equal in all four identifiers.  A provider gives its
// patient one number as a rule; how strict the rule is, is counted on identities that have an NHS number.  Where most
// of the identities without one that have several patient numbers must then be several people, they are taken for that:
// each stands apart from everybody (Evidence::several_patients), and its rows from each other (ambiguous_rows.hpp).
#pragma once

#include <vector>

#include "engine/evidence.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Collective.  evidence: by owned identity, numbers settled; the flag is added.  Returns how often a provider has a
// second number for one patient (several_patient_numbers), on identities that have an NHS number.
double flag_several_patients(const Communicator& comm, RowStore& rows, const Identities& identities,
                             std::vector<Evidence>& evidence);

}  // namespace ligature
