// How good the linkage is, as the model sees it, without any truth: rows by match rank, and how many of them are
// expected to be with the wrong person or away from their own, in all and by group.
//
// A row is expected to be falsely matched with the probability that its link is wrong (its posterior, or the odds of
// the next person that it could have gone to, whichever is worse).  A row that stays alone without a number of its own
// is expected to be missed with the probability that its person has other rows and none of them could be found, by
// Bayes' rule from the m of date of birth and postcode and the share of persons who never show a number.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/evidence.hpp"
#include "engine/model.hpp"
#include "io/manifest.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/persons.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// The probability that an identity is with the wrong person, and that it is away from its own.
struct ExpectedErrors {
  double wrong = 0;
  double missed = 0;
};
ExpectedErrors expected_errors(const Provenance& provenance, bool owns_number, const ModelParameters& model) noexcept;

// Collective.  One line for all rows, for each match rank, and for each group that has rows: birth decade, gender,
// postcode area, dataset.  Rows of an identity seen in several datasets are shared among them.
std::vector<EstimatedGroup> estimate_quality(const Communicator& comm, const Identities& identities,
                                             std::span<const Evidence> evidence, const Persons& persons,
                                             const ModelParameters& model, std::span<const std::string> datasets);

}  // namespace ligature
