// What a rebuild leaves under secure/: the row index, the identity records, and the list of quarantined rows.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/evidence.hpp"
#include "io/identity_records.hpp"
#include "io/row_store.hpp"
#include "io/secure_index.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/persons.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Both are still to be finished: they reach the disk beside what follows.

// Collective.  secure/index: one entry a kept row, in input order.  It is closed.
std::unique_ptr<SecureIndexWriter> write_row_index(const Communicator& comm, const JobFile& job,
                                                   const IntakeReport& intake, RowStore& rows,
                                                   const Identities& identities, const Persons& persons);

// Collective.  secure/identities: every different identity, what it counted for, and why it is where it is.  It is not
// closed, for the last of them are still on their way.  evidence: by owned identity.
std::unique_ptr<IdentityRecordWriter> write_identity_records(const Communicator& comm, const JobFile& job,
                                                             const Identities& identities,
                                                             std::span<const Evidence> evidence,
                                                             const Persons& persons);

// Calls visit(line) for each line of this rank, the same lines each time.
using ForEachLine = std::function<void(const std::function<void(const std::string&)>& visit)>;

// Collective.  Writes a text file with mode 0600: part by part all ranks' lines, in rank order.  parts: as many on
// every rank.  Each is called twice, so that no line is held.
void write_lines(const Communicator& comm, const std::filesystem::path& path, std::string_view header,
                 const std::vector<ForEachLine>& parts);

// A field as RFC 4180 has it: quoted where the text has a quote, a comma or a line end.
std::string csv_field(std::string_view text);

// Collective.  secure/quarantine.csv: file,line,reason of every quarantined row, by dataset, then file and line.
void write_quarantine(const Communicator& comm, const JobFile& job, const Inputs& inputs, const IntakeReport& intake,
                      RowStore& rows);

}  // namespace ligature
