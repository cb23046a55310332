// Which model a run scores with: estimated from the file where that can be done, documented rates where it cannot.
#pragma once

#include "engine/model.hpp"
#include "io/job_file.hpp"
#include "io/manifest.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/survey.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Collective.  The model: m from pairs that share a number where there are enough of them, else from all pairs of the
// file, else as documented; then what the job file says.
ModelParameters choose_model(const Communicator& comm, const JobFile& job, const Identities& identities,
                             const Survey& survey, ModelReport& report);

}  // namespace ligature
