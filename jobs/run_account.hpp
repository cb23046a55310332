// What must stand beside a finished run in its secure folder, and what it says: the entry of its making in the audit
// log, and the ledger of objections that it was made with.  Whoever takes one of them away, or another's in its place,
// would hide what was done, or let objectors' records out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "io/audit_log.hpp"
#include "io/ledger.hpp"
#include "io/manifest.hpp"
#include "partition/communicator.hpp"

namespace ligature {

inline constexpr std::string_view kSecureReleases = "releases";  // in the secure folder: those with identifiers

// True if an entry of the audit log is that of the run's making.
bool is_making_of(const AuditEntry& entry, const Manifest& run);

// Releases that are still where they were put, held against the log: those of a run that the log has must be in it too,
// or somebody has cut them off.
class ReleasesHeld {
 public:
  void take(const AuditEntry& entry);
  // Reads the account of each release in the folders, those that are there.  Throws Error that names one that is not in
  // the log, which has been taken by then.  Returns how many there are.
  std::uint64_t check(std::span<const std::filesystem::path> folders) const;

 private:
  std::set<std::string> runs_, releases_;  // ids, and hashes of entries
};

// Not collective.  The entries of the run's own ledger, also those that were coded in its rows; nothing if it was made
// without one.  Throws Error if the file is not what the manifest says (ledger_version).
std::optional<LedgerEntries> read_ledger_of_run(const std::filesystem::path& secure, const Manifest& run,
                                                std::uint64_t max_record_bytes);

}  // namespace ligature
