// Which patterns decide anything: of all pairs of a group, the few whose weight makes them a link or a rival.
//
// Once the rarities of an identity's own values are known, so is the weight of every pattern that it can be in: pairs
// in all the other patterns need not be weighed.
#pragma once

#include <array>

#include "engine/comparison.hpp"
#include "engine/model.hpp"

namespace ligature {

// Patterns in which a weighed identity with a valid number, or without one, and a date of birth and postcode of these
// rarities makes a link or a rival with some other, whose number is not the same.
std::array<bool, kPatterns> decisive_patterns(const LinkageModel& model, bool numbered, Rarity birth, Rarity postcode);

// True if a pair of weighed identities of that weight is a link, or a rival: short of a link, a person with a number
// still stands against others for one without.
inline bool is_decisive(const LinkageModel& model, Weight weight, const Identity& a, const Identity& b) noexcept {
  return weight >= (a.has_valid_nhs() != b.has_valid_nhs() ? model.rival_threshold() : model.threshold());
}

}  // namespace ligature
