// Whether errors cluster in a row: are two identifiers of one person wrong together more often than by chance?
//
// Fellegi-Sunter weights take the identifiers as independent given one person.  Records that share a valid NHS number
// are nearly all of one person, so the association of their disagreements on the others measures how far that holds.
// Those few that are of two persons disagree on everything at once, and look like clustered errors; they mostly have
// wholly different dates of birth, so each association is also measured without such pairs.
//
// Method: log odds ratio with its standard error, a half added to each cell (Woolf, Annals of Human Genetics 19, 1955;
// Haldane, ibid. 20, 1956).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/comparison.hpp"

namespace ligature {

// Pairs by whether they agree exactly on two identifiers that both sides have.
struct Association {
  std::uint64_t agree = 0;            // on both
  std::uint64_t first_disagrees = 0;  // and the second agrees
  std::uint64_t second_disagrees = 0;
  std::uint64_t disagree = 0;  // on both
  // Natural logarithm of the odds ratio: 0 if independent, positive if disagreements come together.
  double log_odds_ratio = 0;
  double standard_error = 0;
};

struct Dependence {
  std::string_view first, second;  // "birth", "postcode", "gender"
  Association all;
  Association alike;  // without the pairs with wholly different dates of birth
};

// same_number: pairs of records that share a valid NHS number, by pattern; patterns without NhsLevel::exact are
// ignored. One for each two of date of birth, postcode and gender, in this order.
std::vector<Dependence> measure_dependence(const PatternCounts& same_number);

}  // namespace ligature
