// Where a job may write what is not for publication: row ids, links, identifiers; and that nobody else can look in
// there, or work there at the same time.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "io/run_lock.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// The absolute path of a file that an option names.  Throws UsageError if it names a folder or lies in no folder.
std::filesystem::path output_path(const std::filesystem::path& out, const std::string& option);

// Likewise, and throws UsageError if it lies anywhere under the publish folder.
std::filesystem::path secure_output_path(const std::filesystem::path& publish, const std::filesystem::path& out,
                                         const std::string& option);

// Collective.  The secure folder of a finished run has mode 0700 from here on, and it is said if it had another.
void keep_private(const Communicator& comm, const std::filesystem::path& secure);

// Collective.  Rank 0 has the secure folder while it has what is returned: no other rebuild or release works there.
std::optional<RunLock> lock_run(const Communicator& comm, const std::filesystem::path& secure);

// Says so if the folder's file system keeps no locks.  Not collective.
void warn_if_not_held(const Communicator& comm, const RunLock& lock, const std::filesystem::path& folder);

}  // namespace ligature
