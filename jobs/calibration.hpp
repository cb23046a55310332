// The rates of this machine: a rebuild of an artificial population, and the account of it, which plan reckons with.
#pragma once

#include <cstdint>
#include <filesystem>

#include "io/job_file.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Collective.  Makes people (0: as many as keep each of this job's threads busy for seconds) under the job's secure
// folder, links them there with the job's threads and memory, keeps the performance.json of that as file, and removes
// the rest.  file: written whole or not at all.
void calibrate(const Communicator& comm, const JobFile& job, const std::filesystem::path& file, std::uint64_t people);

}  // namespace ligature
