// Whether a run fits where it is started, and how it is to go about its memory: said before anything is read, and not
// when hours are spent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "io/intake.hpp"
#include "io/job_file.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// How one rank keeps to its part of the memory; the same on all ranks.
struct MemoryPlan {
  std::uint64_t rows_bytes = 0;            // of rows that wait to be published, before they go to scratch
  std::uint64_t identities_per_round = 0;  // that are brought together at a time
  std::uint64_t least_batch_rows = 0;      // whose identities are collapsed together
  std::uint64_t most_batch_rows = 0;
  std::size_t piece_bytes = 0;  // of input that a thread parses at a time
  std::optional<std::filesystem::path> scratch;  // where else what is not needed for now waits; none if memory suffices
};

// Collective.  The memory that counts is job.memory, or what control groups or Slurm allot, or half of a host that is
// shared.  Throws LimitError that says what to change if the run, by the reckoning of plan, cannot do with it however
// it goes about it, or, unless it is resumed, needs more room than the disks have under secure and publish.  A run that
// plainly fits, by the size of its input, is not reckoned.
MemoryPlan plan_memory(const Communicator& comm, const JobFile& job, const Inputs& inputs, bool resumed);

}  // namespace ligature
