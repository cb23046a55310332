// How many people share each postcode, and how often people of one postcode share a date of birth.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/evidence.hpp"
#include "engine/model.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/twins.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// The rarity of a value that this many of all persons have, the person at hand included.  Few other persons are weighed
// against the average.
Rarity rarity_among(std::uint64_t persons_with_value, std::uint64_t persons, double average) noexcept;

// Collective.  Fills the postcode parts of file, and the postcode rarity of each owned identity.  is_default: by day.
// The other parts of file must be known.  Returns the pairs of known twins that this rank has seen.
std::vector<TwinPair> survey_residents(const Communicator& comm, const Identities& identities,
                                       const std::vector<std::uint8_t>& is_default, FileFrequencies& file,
                                       std::vector<Evidence>& evidence);

}  // namespace ligature
