// What a rebuild leaves under secure/: the row index, the identity records, and the list of quarantined rows.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/evidence.hpp"
#include "io/identity_records.hpp"
#include "io/later_syncs.hpp"
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

// The lists: which rows and entries had no effect and why, the ledger as it stood, persons for a screen.
inline constexpr std::array<std::string_view, 5> kLists{"quarantine.csv", "objections.csv", "objections-unused.csv",
                                                        "objections-by-practice.csv", "screens.csv"};

// Calls visit(text) with whole lines, one or many, until it had all of this rank, the same lines each time.
using ForEachLine = std::function<void(const std::function<void(const std::string&)>& visit)>;

// The lists of a run stand under secure/ beside their names until name_lists: an earlier run's have them until then,
// for whoever reads it while this one works, or if this one fails.
std::filesystem::path unnamed_list(const std::filesystem::path& path);
// Collective.  Gives this run's lists their names.
void name_lists(const Communicator& comm, const std::filesystem::path& secure);

// Collective.  Writes a list (unnamed_list(path)) with mode 0600: part by part all ranks' lines, in rank order.  parts:
// as many on every rank.  Each is called twice, so that no line is held.  The list is on the disk once syncs are.
void write_lines(const Communicator& comm, const std::filesystem::path& path, std::string_view header,
                 const std::vector<ForEachLine>& parts, LaterSyncs& syncs);

// Collective.  The list quarantine.csv: file,line,reason of every quarantined row, by dataset, then file and line.
void write_quarantine(const Communicator& comm, const JobFile& job, const Inputs& inputs, const IntakeReport& intake,
                      RowStore& rows, LaterSyncs& syncs);

}  // namespace ligature
