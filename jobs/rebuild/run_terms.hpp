// What decides a run's answer, as texts by name: the job file key by key, the key, the version, and every file that is
// read.  A checkpoint goes with its terms, and serves only a run of the same.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/intake.hpp"
#include "io/job_file.hpp"
#include "partition/communicator.hpp"

namespace ligature {

using RunTerms = std::vector<std::pair<std::string, std::string>>;  // sorted by name

// Collective.  Files by size and time of writing, as they are now: the root's look at them, on the root alone.
// Not among them: what changes no answer (memory, threads, durability) and limits that only stop a run.
RunTerms run_terms(const Communicator& comm, const JobFile& job, const Inputs& inputs, const std::string& key_id);

// The first few differences, for a person; empty if there is none.
std::string difference(const RunTerms& then, const RunTerms& now);

}  // namespace ligature
