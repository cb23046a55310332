// m estimated from pairs of records that share a valid NHS number, without any truth.
//
// Such pairs are a mixture: nearly all are one person, the rest are two persons of whom one carries the other's number
// by mistake.  Two strangers agree on date of birth and postcode by chance, and on gender half the time; two members of
// a household share the postcode as well.  So a wholly different date of birth means errors if the genders still agree,
// and two persons if they do no more than chance.  Members of a household may mostly differ in gender, so that is not
// always enough; where providers are known, one person's records that differ in the date are seldom of one provider,
// and two persons' often are (same_provider.hpp).  That tells the three apart without labels, and gives m for date of
// birth, postcode and gender as they are in this file.
//
// Method: expectation-maximisation of a mixture of three independent-multinomial classes (Dempster, Laird and Rubin,
// JRSS B 39(1), 1977; Winkler 1988 for linkage), on exact integer pattern counts, with Dirichlet priors at the
// documented values so that little data moves little.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/comparison.hpp"
#include "engine/model.hpp"
#include "engine/same_provider.hpp"

namespace ligature {

struct AnchoredEstimate {
  ModelParameters parameters;  // the start, with m and wrong_number replaced
  std::uint64_t pairs = 0;     // that it rests on
  int iterations = 0;
  bool converged = false;
  bool usable = false;                 // enough pairs, converged, and the classes are the right way round
  std::vector<double> log_likelihood;  // penalised, natural logarithm, one for each iteration
  // Of pairs with a wholly different date of birth and both genders known: those with different genders.
  std::uint64_t different_births = 0, different_births_and_genders = 0;
};

// counts: pairs of records (an identity in each of its sources) that share a valid NHS number, by pattern; patterns
// without NhsLevel::exact are ignored.  start: documented_model.  providers: of the same pairs, or none. Deterministic:
// one order of summation.
AnchoredEstimate estimate_anchored(const ModelParameters& start, const PatternCounts& counts,
                                   const SameProviderCounts& providers = {});

}  // namespace ligature
