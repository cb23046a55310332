// What a rebuild leaves under secure/: the row index, the identities, and the list of quarantined rows.
#pragma once

#include "io/row_store.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/persons.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Collective.  secure/index: one entry a kept row, in input order.
void write_row_index(const Communicator& comm, const JobFile& job, const IntakeReport& intake, RowStore& rows,
                     const Identities& identities, const Persons& persons);

// Collective.  secure/identities: every different identity, for the search for leaks in verify.
void write_identity_list(const Communicator& comm, const JobFile& job, const Identities& identities);

// Collective.  secure/quarantine.csv: file,line,reason of every quarantined row, in input order.
void write_quarantine(const Communicator& comm, const JobFile& job, const Inputs& inputs, const IntakeReport& intake,
                      RowStore& rows);

}  // namespace ligature
