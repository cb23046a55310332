// The account of a run: its rows added up, what identifies it, what its stages took.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "io/bounds.hpp"
#include "io/intake.hpp"
#include "io/job_file.hpp"
#include "io/manifest.hpp"
#include "io/performance.hpp"
#include "io/placement.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/objector_search.hpp"
#include "jobs/rebuild/stage_clock.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Adds up what files report.  Throws LimitError where a dataset has more quarantined rows than the job allows.
RowCounts total_rows(const JobFile& job, const Inputs& inputs, const IntakeReport& intake);

// Digests of what decided the run, and the run's id from them.
void identify_run(const JobFile& job, const Inputs& inputs, std::span<const std::byte> key, Manifest& manifest);

// Collective.  Whatever a key has named is accounted for before it has a name.
void log_key_use(const Communicator& comm, const JobFile& job, const Manifest& manifest);

// Collective.  The identities that kept rows have, once all rows are left out that objections bar.
void count_identities(const Communicator& comm, const Identities& identities, Manifest& manifest);

// What the search for objectors has found, for the report.
void note_objectors(const ObjectorReport& found, ConsentReport& report) noexcept;

void copy_stages(const StageClock& clock, Manifest& manifest);

// Collective.  What each stage took on each rank; whole on the root.
Performance measured_performance(const Communicator& comm, const StageClock& clock, const std::optional<Bounds>& bounds,
                                 const Placement& placement, std::uint64_t input_bytes, const Manifest& manifest);

// Collective.  The sum over ranks, in bytes.
std::uint64_t peak_memory(const Communicator& comm);

}  // namespace ligature
