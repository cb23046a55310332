// Whether a run fits where it is started: said before anything is read, and not when hours are spent.
#pragma once

#include "io/intake.hpp"
#include "io/job_file.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Collective.  Throws LimitError that says what to change if the run, by the reckoning of plan, needs more than three
// halves of what the machine can give in memory, or more room than the disks have under secure and publish.  A run that
// plainly fits, by the size of its input, is not reckoned.  Warns where it needs more than job.memory.
void check_room(const Communicator& comm, const JobFile& job, const Inputs& inputs);

}  // namespace ligature
