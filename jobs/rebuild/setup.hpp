// What a rebuild needs before its first stage: the key, folders that are its own, its part of the machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/date.hpp"
#include "engine/secret_bytes.hpp"
#include "io/bounds.hpp"
#include "io/intake.hpp"
#include "io/job_file.hpp"
#include "io/manifest.hpp"
#include "io/run_lock.hpp"
#include "jobs/jobs.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Collective.  Reads the key on every rank, so that it never travels; all ranks fail together.
SecretBytes load_key(const Communicator& comm, const JobFile& job);

// Collective.  The files that [reference] and [consent] name have headers with the columns that are wanted, and the
// previous run is one that this may be held against: found now, and not hours later.  Throws UsageError with the key.
void check_references(const Communicator& comm, const JobFile& job);

// Collective.  The output folders, made by rank 0, which locks them while it has what is returned.  Nobody else may
// write in either, whatever the umask is and was.
std::vector<RunLock> take_folders(const Communicator& comm, const JobFile& job);

// Collective.  Throws UsageError if the key that the run would have is an agreement's, as the audit log knows: releases
// under that agreement would be refused from then on.
void refuse_key_of_agreement(const Communicator& comm, const JobFile& job, const std::string& key_id);

// Collective.  Removes the folder, whose files the ranks share out.  scrub: they are overwritten first, and that is on
// the disk before they are gone.
void remove_scratch(const Communicator& comm, const std::filesystem::path& folder, bool scrub);

// Collective.  An environment that publication would refuse is refused now, on whichever rank it is.
void check_environment(const Communicator& comm);

// Collective.  What the machine can do at best, if a file says so; rank 0 alone needs it.  A trace that could not be
// written is found now, and not when the work is done.
std::optional<Bounds> load_bounds(const Communicator& comm, const RebuildOptions& options);

// What is known of a run before anything is read but its inputs' names.
Manifest new_manifest(const Communicator& comm, const JobFile& job, const Inputs& inputs, DayNumber as_at);

// Says how many rows of a reference file were read, and loudly how many were of no use.
void report_reference(const Communicator& comm, const std::string& name, const ReferenceCounts& counts);

}  // namespace ligature
