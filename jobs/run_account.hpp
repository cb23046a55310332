// What must stand beside a finished run in its secure folder, and what it says: the entry of its making in the audit
// log, and the ledger of objections that it was made with.  Whoever takes one of them away, or another's in its place,
// would hide what was done, or let objectors' records out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/audit_log.hpp"
#include "io/ledger.hpp"
#include "io/manifest.hpp"
#include "partition/communicator.hpp"

namespace ligature {

inline constexpr std::string_view kSecureReleases = "releases";   // in the secure folder: those with identifiers
inline constexpr std::string_view kAccountFile = "release.json";  // of a release: what the recipient is told of it
inline constexpr std::string_view kDigestsFile = "digests.txt";   // and the digests of its files
inline constexpr std::string_view kUnfinished = ".partial";       // ends the name of a release that is being made

// The entry of the log that a run is made under, which the manifest is held against.
AuditEvent making_of(const Manifest& run);

// Looks for the making of a run in its log: the last of the run's entries is, if it tells of what the manifest does.
class MakingSought {
 public:
  explicit MakingSought(const Manifest& run) : run_(run) {}
  void take(const AuditEntry& entry);
  [[nodiscard]] bool found() const noexcept { return found_; }

 private:
  const Manifest& run_;
  bool found_ = false;
};

// Releases that are still where they were put, held against the log: those of a run that the log has must be in it too,
// or somebody has cut them off.
class ReleasesHeld {
 public:
  struct Release {
    std::filesystem::path folder;
    std::string output_sha256;  // as the log has it
  };
  void take(const AuditEntry& entry);
  // Reads the account of each release in the folders, those that are there.  Throws Error that names one that is not in
  // the log, which has been taken by then.  Returns those that are.
  std::vector<Release> check(std::span<const std::filesystem::path> folders) const;

 private:
  std::set<std::string> runs_;                   // ids
  std::map<std::string, std::string> releases_;  // digest of the output by hash of the entry
};

// The folders of releases that were cut short, of one agreement or (if there is no name) of any.
std::vector<std::filesystem::path> unfinished_releases(const std::filesystem::path& folder,
                                                       const std::optional<std::string>& agreement);

// Not collective.  The entries of the run's own ledger, also those that were coded in its rows; nothing if it was made
// without one.  Throws Error if the file is not what the manifest says (ledger_version).
std::optional<LedgerEntries> read_ledger_of_run(const std::filesystem::path& secure, const Manifest& run,
                                                std::uint64_t max_record_bytes);

}  // namespace ligature
