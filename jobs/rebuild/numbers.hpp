// The first pass: identities that share an NHS number, or whose number is a misspelling of another's.
//
// Each number is settled where its identities are: who of them are one person, and who owns the number
// (engine/ownership.hpp).  What a number does not own counts as having none in the passes that follow.
#pragma once

#include "engine/model.hpp"
#include "engine/model_settings.hpp"
#include "io/manifest.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/number_groups.hpp"
#include "jobs/rebuild/passes.hpp"
#include "jobs/rebuild/survey.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Collective.  Sets the flags number_disowned and number_default in the survey's evidence.
PassResult settle_numbers(const Communicator& comm, const Identities& identities, NumberGroups& groups,
                          const LinkageModel& model, const ModelSettings& settings, Survey& survey,
                          NumberReport& report);

}  // namespace ligature
