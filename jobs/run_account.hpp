// What must stand beside a finished run in its secure folder, and what it says: the entry of its making in the audit
// log, and the ledger of objections that it was made with.  Whoever takes one of them away, or another's in its place,
// would hide what was done, or let objectors' records out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "io/audit_log.hpp"
#include "io/ledger.hpp"
#include "io/manifest.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// True if an entry of the audit log is that of the run's making.
bool is_making_of(const AuditEntry& entry, const Manifest& run);

// Collective.  The entries of the run's own ledger, also those that were coded in its rows, on rank 0; nothing if it
// was made without one.  Throws Error if the file is not what the manifest says (ledger_version).
std::optional<LedgerEntries> read_ledger_of_run(const Communicator& comm, const std::filesystem::path& secure,
                                                const Manifest& run, std::uint64_t max_record_bytes);

}  // namespace ligature
