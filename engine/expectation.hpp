// m and the prior estimated over all pairs of the file, compared or not, without any truth.
//
// A pair is of one person or of two; given which, the levels of its identifiers are independent, and a missing one says
// nothing.  The likelihood is that of all pairs by pattern, and of the pairs that no pass brought together by which
// identifiers both sides have: for those, the product of the probabilities of no exact agreement.
//
// Agreement on a pass's own key is certain within that pass, so taken alone it would say nothing there.  It is evidence
// here because the pairs that do not agree on it are in the likelihood as well, whether another pass compared them or,
// as an explicit never-compared cell, none did: what was selected then has the probability of being selected.
//
// u is taken as counted in the file unless the options say otherwise.  Two persons are not quite independent: those
// under one NHS number are often of a household (ModelParameters::wrong_number), and those who share date of birth and
// postcode are often twins (siblings_at_postcode); both are told apart here as in model.hpp.
//
// Sources: Dempster, Laird and Rubin, JRSS B 39(1), 1977; Winkler, Using the EM algorithm for weight computation in the
// Fellegi-Sunter model, ASA Survey Research Methods, 1988; Dirichlet priors at the documented values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/comparison.hpp"
#include "engine/model.hpp"

namespace ligature {

// Which identifiers both sides of a pair have, as bits.
inline constexpr std::size_t kBothNhs = 1, kBothBirths = 2, kBothPostcodes = 4, kBothGenders = 8, kPresentSets = 16;

constexpr std::size_t present_of(const Levels& levels) noexcept {
  return (levels.nhs == NhsLevel::missing ? 0 : kBothNhs) | (levels.birth == BirthLevel::missing ? 0 : kBothBirths) |
         (levels.postcode == PostcodeLevel::missing ? 0 : kBothPostcodes) |
         (levels.gender == GenderLevel::missing ? 0 : kBothGenders);
}

// All pairs of records, each counted once.  An identity seen in several sources is as many records.
struct ComparedPairs {
  // By pattern: the pairs that any pass compares, but for those with two different valid NHS numbers.
  PatternCounts counts{};
  // The pairs that no pass compares, by which identifiers both sides have: no exact agreement on NHS number, date of
  // birth or postcode, and not two different valid NHS numbers.
  std::array<std::uint64_t, kPresentSets> not_compared{};
  // Pairs with two different valid NHS numbers, which are two persons whatever else they agree on.
  std::uint64_t known_different = 0;
  // True if a near NHS number brings a pair together too, so that none is among not_compared.
  bool near_numbers_compared = false;
};

struct ExpectationOptions {
  // Which m are updated; the others stay as they are.
  bool nhs = true, birth = true, postcode = true, gender = true;
  // Also learn the u of exact agreement on date of birth and on postcode: where few pairs have numbers, an error of one
  // in a hundred in them would be taken for pairs of one person.
  bool exact_u = false;
  // Also learn how what exact agreement leaves is shared by the other levels of NHS number, date of birth and postcode:
  // where there are too few numbers to sample pairs of two persons.
  bool partial_u = false;
  // P(same date of birth, and different or same gender | two persons of one postcode) beyond chance; index:
  // GenderLevel, entry 0 is their sum.
  std::array<double, kGenderLevels> siblings_at_postcode{};
};

struct ExpectationResult {
  // The start, with m, the prior, and the u that were to be learnt, replaced.  nhs[] there is conditional: given that
  // the numbers differ and at most one is valid; nhs[near].m is all_nhs[near].m / (1 - all_nhs[exact].m).
  ModelParameters parameters;
  // The NHS levels of all pairs with both numbers.  The m sum to 1 over the pairs that are not known to be two persons;
  // the u, with the share of those that are, to 1.
  std::array<LevelProbabilities, kNhsLevels> all_nhs{};
  double lambda = 0;   // P(one person), over all pairs, those known to be two persons included
  double matched = 0;  // pairs expected to be of one person
  double matched_not_compared = 0;
  double matched_without_numbers = 0, pairs_without_numbers = 0;  // their ratio differs from lambda if the model is off
  int iterations = 0;
  bool converged = false;
  bool usable = false;                 // else parameters is the start
  std::string problem;                 // why it is not usable, in words; empty if it is
  std::vector<double> log_likelihood;  // penalised, natural logarithm, one for each iteration
};

// start: documented_model, or anchored_estimate's, which has the rate of wrong numbers of this file.  Any counts, zero
// or near 2^63, give a finite result.  Deterministic: one order of summation.
ExpectationResult estimate_by_expectation(const ModelParameters& start, const ComparedPairs& pairs,
                                          const ExpectationOptions& options = {});

// The model's siblings_at_postcode over all pairs of two persons at one postcode that the file shows; all zero if it
// shows none.
std::array<double, kGenderLevels> average_siblings_at_postcode(const ModelParameters& model,
                                                               const FileFrequencies& file);

}  // namespace ligature
