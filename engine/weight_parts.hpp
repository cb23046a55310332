// A match weight taken apart, so that a person can follow it: what each identifier adds, and what they add together.
//
// The parts are differences of the model's own integer weights, so they add up to the weight exactly.
#pragma once

#include <string_view>
#include <vector>

#include "engine/model.hpp"

namespace ligature {

enum class WeightPart : std::uint8_t {
  prior,            // the odds before anything is compared
  one_numbered,     // what they gain where one of the two has a valid number and the other has none
  two_numbers,      // what two different valid numbers count for
  same_number,      // instead of it: the odds that a number is on the record of its own person
  nhs_number,       // a number that is not the same, one of the two being invalid
  date_of_birth,    // its level, for a date as common as the average
  birth_rarity,     // the same date: how much rarer than the average it is
  postcode,         // its level, for a postcode as common as the average
  postcode_rarity,  // the same postcode: how much rarer than the average it is
  company,          // who else moved between the two postcodes (moves.hpp); no part of a pair's own weight
  gender,
  together,  // what two identifiers say together beyond what each says: the same date of birth and postcode (twins, or
             // many at one address), or postcode and gender where the number is the same (a household)
};
std::string_view weight_part_name(WeightPart part) noexcept;

struct PartOfWeight {
  WeightPart part = WeightPart::prior;
  Weight weight = 0;
  friend bool operator==(const PartOfWeight&, const PartOfWeight&) = default;
};

// The parts of model.weight(pattern, a, b), in the order of WeightPart: prior or same_number always, others where the
// pair has them.  Their sum is that weight.  a, b: weighed identities.
std::vector<PartOfWeight> weight_parts(const LinkageModel& model, Pattern pattern, const Identity& a,
                                       const Identity& b);

}  // namespace ligature
