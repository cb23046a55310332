// The model by expectation-maximisation over all pairs of the file, for files in which too few records share an NHS
// number to learn from those (engine/expectation.hpp has the method).
//
// Pairs of records are counted in a sweep of their own, before any is scored: weights are not known yet.
#pragma once

#include "engine/expectation.hpp"
#include "engine/model.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/survey.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Collective.  Exact counts of all pairs of records, compared or not.
ComparedPairs count_pairs(const Communicator& comm, const Identities& identities, const Survey& survey);

// Collective.  start: the documented model.
ExpectationResult estimate_from_pairs(const Communicator& comm, const Identities& identities, const Survey& survey,
                                      const ModelParameters& start);

}  // namespace ligature
