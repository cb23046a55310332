#include "engine/anchored_estimate.hpp"

#include <algorithm>
#include <cmath>

#include "engine/settled.hpp"
#include "engine/wrong_numbers.hpp"

namespace ligature {

namespace {

constexpr int kMostIterations = 20000;

// The documented values count as this many pairs of one person, and of two persons.
constexpr double kPriorPairs = 30;
constexpr double kPriorWrongPairs = 10;
constexpr double kPriorNumberPairs = 100;

// Fewer pairs than this say less than the documented values do.
constexpr std::uint64_t kFewestPairs = 100;

// Two members of a household whose numbers are mixed up are of different genders about as often as not: couples more, a
// mother and her daughter less.
constexpr double kFewestDifferent = 0.4;
constexpr double kMostDifferent = 0.7;
constexpr auto kDifferent = static_cast<std::size_t>(GenderLevel::different);
constexpr auto kSame = static_cast<std::size_t>(GenderLevel::same);

// An estimate with less agreement than this, or more wrong numbers, has the classes confused.
constexpr double kLeastAgreement = 0.3;
constexpr double kMostWrongNumbers = 0.4;

template <std::size_t Count>
using Shares = std::array<double, Count>;

// Level probabilities of one class; entry 0 (missing) is 1, for a missing identifier says nothing.
struct ClassProbabilities {
  Shares<kBirthLevels> birth{};
  Shares<kPostcodeLevels> postcode{};
  Shares<kGenderLevels> gender{};
  void add(const Levels& levels, double pairs) noexcept {
    birth[static_cast<std::size_t>(levels.birth)] += pairs;
    postcode[static_cast<std::size_t>(levels.postcode)] += pairs;
    gender[static_cast<std::size_t>(levels.gender)] += pairs;
  }
  [[nodiscard]] double of(const Levels& levels) const noexcept {
    return birth[static_cast<std::size_t>(levels.birth)] * postcode[static_cast<std::size_t>(levels.postcode)] *
           gender[static_cast<std::size_t>(levels.gender)];
  }
};

template <std::size_t Count>
Shares<Count> m_of(const std::array<LevelProbabilities, Count>& levels) {
  Shares<Count> shares{1};
  for (std::size_t level = 1; level < Count; ++level) shares[level] = levels[level].m;
  return shares;
}

template <std::size_t Count>
Shares<Count> u_of(const std::array<LevelProbabilities, Count>& levels) {
  Shares<Count> shares{1};
  for (std::size_t level = 1; level < Count; ++level) shares[level] = levels[level].u;
  return shares;
}

// Makes shares the expected counts plus the prior's, as shares of their sum; level 0 takes no part.  Returns the
// largest move (settled.hpp).
template <std::size_t Count>
double update(Shares<Count>& shares, const Shares<Count>& expected, const Shares<Count>& prior, double prior_pairs) {
  double sum = 0, largest = 0;
  for (std::size_t level = 1; level < Count; ++level) sum += expected[level] + prior_pairs * prior[level];
  for (std::size_t level = 1; level < Count; ++level) {
    const double share = (expected[level] + prior_pairs * prior[level]) / sum;
    if (share > 0) largest = std::max(largest, move_to_settle(shares[level], share, sum));
    shares[level] = share;
  }
  return largest;
}

template <std::size_t Count>
double log_prior(const Shares<Count>& shares, const Shares<Count>& prior, double prior_pairs) {
  double sum = 0;
  for (std::size_t level = 1; level < Count; ++level) {
    if (prior[level] > 0) sum += prior_pairs * prior[level] * std::log(shares[level]);
  }
  return sum;
}

struct Observed {
  Levels levels;
  double pairs;
  double by_one = 1, by_two = 1;  // P(the provider in common, or none, that these have | one person, and two)
};

}  // namespace

AnchoredEstimate estimate_anchored(const ModelParameters& start, const PatternCounts& counts,
                                   const SameProviderCounts& providers) {
  AnchoredEstimate estimate;
  estimate.parameters = start;
  const double shared_by_one = providers.share(0), shared_by_two = providers.share(1);
  std::vector<Observed> observed;
  for (std::size_t p = 0; p < kPatterns; ++p) {
    const Levels levels = levels_of(static_cast<Pattern>(p));
    if (counts[p] == 0 || levels.nhs != NhsLevel::exact) continue;
    const std::uint64_t shared = providers.other_shared[p], apart = providers.other_apart[p];
    if (const std::uint64_t unknown = counts[p] - shared - apart; unknown > 0) {
      observed.push_back({levels, static_cast<double>(unknown)});
    }
    if (shared > 0) observed.push_back({levels, static_cast<double>(shared), shared_by_one, shared_by_two});
    if (apart > 0) observed.push_back({levels, static_cast<double>(apart), 1 - shared_by_one, 1 - shared_by_two});
    estimate.pairs += counts[p];
    if (levels.birth == BirthLevel::other && levels.gender != GenderLevel::missing) {
      estimate.different_births += counts[p];
      if (levels.gender == GenderLevel::different) estimate.different_births_and_genders += counts[p];
    }
  }

  const ClassProbabilities documented{m_of(start.birth), m_of(start.postcode), m_of(start.gender)};
  const ClassProbabilities strangers{u_of(start.birth), u_of(start.postcode), u_of(start.gender)};
  ClassProbabilities same = documented;
  ClassProbabilities household{u_of(start.birth), household_postcodes(), {1, 0.5, 0.5}};
  household.postcode[0] = 1;
  // Their genders are learnt within bounds: free, pairs of one person with a wholly different date of birth would pass
  // for a household that always shares its gender.
  const ClassProbabilities usual_household = household;
  // Both kinds of mistakes are as frequent at first.
  const double usual_share = start.wrong_number[0][0] / 2;
  double of_strangers = usual_share, of_household = usual_share;

  while (estimate.iterations < kMostIterations && !estimate.converged) {
    ClassProbabilities expected{}, expected_household{};
    double sum_strangers = 0, sum_household = 0, sum = 0, likelihood = 0;
    for (const auto& [levels, pairs, by_one, by_two] : observed) {
      const double p_same = (1 - of_strangers - of_household) * same.of(levels) * by_one;
      const double p_strangers = of_strangers * strangers.of(levels) * by_two;
      const double p_household = of_household * household.of(levels) * by_two;
      const double p = p_same + p_strangers + p_household;
      likelihood += pairs * std::log(p);
      expected.add(levels, pairs * p_same / p);
      expected_household.add(levels, pairs * p_household / p);
      sum_strangers += pairs * p_strangers / p;
      sum_household += pairs * p_household / p;
      sum += pairs;
    }
    likelihood += log_prior(same.birth, documented.birth, kPriorPairs) +
                  log_prior(same.postcode, documented.postcode, kPriorPairs) +
                  log_prior(same.gender, documented.gender, kPriorPairs) +
                  log_prior(household.postcode, usual_household.postcode, kPriorWrongPairs) +
                  log_prior(household.gender, usual_household.gender, kPriorWrongPairs) +
                  kPriorNumberPairs * (usual_share * std::log(of_strangers) + usual_share * std::log(of_household) +
                                       (1 - 2 * usual_share) * std::log(1 - of_strangers - of_household));
    const double number_pairs = sum + kPriorNumberPairs;
    const double next_strangers = (sum_strangers + kPriorNumberPairs * usual_share) / number_pairs;
    const double next_household = (sum_household + kPriorNumberPairs * usual_share) / number_pairs;
    Shares<kGenderLevels> genders = household.gender;
    update(genders, expected_household.gender, usual_household.gender, kPriorWrongPairs);
    genders[kDifferent] = std::clamp(genders[kDifferent], kFewestDifferent, kMostDifferent);
    genders[kSame] = 1 - genders[kDifferent];
    household.gender = genders;
    const double moved =
        std::max({update(same.birth, expected.birth, documented.birth, kPriorPairs),
                  update(same.postcode, expected.postcode, documented.postcode, kPriorPairs),
                  update(same.gender, expected.gender, documented.gender, kPriorPairs),
                  update(household.postcode, expected_household.postcode, usual_household.postcode, kPriorWrongPairs),
                  move_to_settle(of_strangers, next_strangers, number_pairs),
                  move_to_settle(of_household, next_household, number_pairs)});
    of_strangers = next_strangers;
    of_household = next_household;
    ++estimate.iterations;
    estimate.converged = moved <= 1;
    estimate.log_likelihood.push_back(likelihood);
  }

  const bool right_way_round = same.birth.back() > kLeastAgreement && same.gender.back() > 0.5 &&
                               of_strangers + of_household < kMostWrongNumbers;
  estimate.usable = estimate.pairs >= kFewestPairs && estimate.converged && right_way_round;
  if (!estimate.usable) return estimate;
  ModelParameters& model = estimate.parameters;
  for (std::size_t level = 1; level < kBirthLevels; ++level) model.birth[level].m = same.birth[level];
  for (std::size_t level = 1; level < kPostcodeLevels; ++level) model.postcode[level].m = same.postcode[level];
  for (std::size_t level = 1; level < kGenderLevels; ++level) model.gender[level].m = same.gender[level];
  WrongNumbers wrong{of_strangers, of_household, household.postcode, household.gender[kDifferent]};
  wrong.household_postcode[0] = 0;
  set_wrong_numbers(wrong, model);
  return estimate;
}

}  // namespace ligature
