// Expectation-maximisation must find what was planted, as closely as the drawing of the pairs allows, and say so when
// it cannot.
#include "engine/expectation.hpp"

#include <cstring>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "tests/planted_pairs.hpp"

namespace ligature {
namespace {

// No normal error is larger once in a hundred thousand.
constexpr double kMostErrors = 4.5;

std::vector<std::size_t> first(std::size_t count) {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(i);
  return all;
}

Vector estimated(const ExpectationResult& result) {
  Vector found(kAll);
  const ModelParameters& model = result.parameters;
  for (std::size_t level = 2; level < kNhsLevels; ++level) found[kNhs + level - 2] = result.all_nhs[level].m;
  for (std::size_t level = 2; level < kBirthLevels; ++level) found[kBirth + level - 2] = model.birth[level].m;
  for (std::size_t level = 2; level < kPostcodeLevels; ++level) found[kPostcode + level - 2] = model.postcode[level].m;
  found[kGender] = model.gender.back().m;
  found[kLambda] = result.lambda;
  found[kNearU] = model.nhs[static_cast<std::size_t>(NhsLevel::near)].u;
  for (std::size_t i = 0; i < 4; ++i) {
    found[kBirthU + i] = model.birth[i + 2].u;
    found[kPostcodeU + i] = model.postcode[i + 2].u;
  }
  found[kSameBirthU] = model.birth.back().u;
  found[kSamePostcodeU] = model.postcode.back().u;
  return found;
}

// Rounding alone: of each cell's logarithm, which is near zero for the largest, and of the sum.
void expect_monotone(const ExpectationResult& result, double pairs) {
  for (std::size_t i = 1; i < result.log_likelihood.size(); ++i) {
    const double before = result.log_likelihood[i - 1], after = result.log_likelihood[i];
    const double rounding = 8 * std::numeric_limits<double>::epsilon() * (pairs + std::abs(before));
    ASSERT_GE(after, before - rounding) << "iteration " << i;
  }
}

// Levels below the end of a distribution sum to 1.
template <std::size_t Count>
void expect_complete(const std::array<LevelProbabilities, Count>& levels, bool u_too = true,
                     std::size_t last = Count - 1) {
  double m = 0, u = 0;
  for (std::size_t level = 1; level <= last; ++level) m += levels[level].m, u += levels[level].u;
  EXPECT_NEAR(m, 1, 1e-11);
  if (u_too) {
    EXPECT_NEAR(u, 1, 1e-11);
  }
}

// Every free parameter, and the first level of each identifier that the others leave, is within its sampling error.
void expect_recovered(const World& world, const ExpectationResult& result, double pairs,
                      const std::vector<std::size_t>& free = first(kOnes)) {
  ASSERT_TRUE(result.usable) << result.problem;
  EXPECT_TRUE(result.converged);
  EXPECT_EQ(result.problem, "");
  expect_monotone(result, pairs);
  const Matrix covariance = inverse(world.precision(free, pairs));
  const Vector found = estimated(result);
  // The sum of the parameters from begin to end.
  const auto check = [&](std::size_t begin, std::size_t end, const std::string& what) {
    Vector slopes;
    double error = 0;
    for (const std::size_t i : free) {
      slopes.push_back(begin <= i && i < end ? 1 : 0);
      if (begin <= i && i < end) error += found[i] - world.truth[i];
    }
    EXPECT_LE(std::abs(error), kMostErrors * standard_error(covariance, slopes)) << what;
  };
  for (const std::size_t i : free) check(i, i + 1, "parameter " + std::to_string(i));
  check(kNhs, kBirth, "other numbers");
  check(kBirth, kPostcode, "other dates of birth");
  check(kPostcode, kGender, "other postcodes");
  expect_complete(result.all_nhs, false);  // the u with the pairs that are known to differ
  expect_complete(result.parameters.nhs, true, 2);
  expect_complete(result.parameters.birth);
  expect_complete(result.parameters.postcode);
  expect_complete(result.parameters.gender);
}

constexpr std::uint64_t kPairs = 1'000'000'000, kNationalPairs = 1'000'000'000'000;

ExpectationResult estimate(const World& world, std::uint64_t pairs, std::uint64_t seed,
                           const ExpectationOptions& options = {}) {
  return estimate_by_expectation(world.start, world.pairs(pairs, seed), options);
}

// Nothing but the start is passed on, with the reason.
void expect_unusable(const ExpectationResult& result, const ModelParameters& start, const std::string& problem) {
  EXPECT_FALSE(result.usable);
  EXPECT_NE(result.problem.find(problem), std::string::npos) << result.problem;
  EXPECT_EQ(std::memcmp(&result.parameters, &start, sizeof start), 0);
  for (const double value : result.log_likelihood) EXPECT_TRUE(std::isfinite(value));
}

TEST(Expectation, recovers_what_was_planted_within_the_sampling_error) {
  const World world = planted(1e-3);
  double sum = 0;
  for (const double p : world.cells(world.truth)) sum += p;
  EXPECT_NEAR(sum, 1, 1e-12);
  for (const std::uint64_t seed : {1U, 2U, 3U}) expect_recovered(world, estimate(world, kPairs, seed), 1e9);
}

TEST(Expectation, recovers_m_where_one_pair_in_a_million_is_one_person) {
  const World world = planted(1e-6);
  expect_recovered(world, estimate(world, kNationalPairs, 4), 1e12);
}

TEST(Expectation, recovers_m_where_values_are_missing_at_random) {
  World world = planted(1e-3);
  world.both = {0.5, 0.7, 0.4, 0.6};
  expect_recovered(world, estimate(world, kPairs, 5), 1e9);
}

TEST(Expectation, recovers_m_where_one_row_in_twenty_has_a_number) {
  for (const double lambda : {1e-3, 1e-6}) {
    World world = planted(lambda);
    world.both[0] = 0.05 * 0.05;
    const auto pairs = static_cast<std::uint64_t>(1e6 / lambda);
    expect_recovered(world, estimate(world, pairs, 6), 1e6 / lambda);
  }
}

TEST(Expectation, recovers_m_where_no_number_is_known_to_be_valid) {
  World world = planted(1e-3);
  world.known = 0;
  expect_recovered(world, estimate(world, kPairs, 7), 1e9);
}

TEST(Expectation, recovers_m_where_nobody_has_a_number) {
  World world = planted(1e-6);
  world.both[0] = 0;
  const ExpectationResult result = estimate(world, kNationalPairs, 18);
  ASSERT_TRUE(result.usable) << result.problem;
  expect_monotone(result, 1e12);
  // The rest says nothing about the number levels, which stay documented.
  const Matrix covariance = inverse(world.precision({2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, 1e12));
  const Vector found = estimated(result);
  for (std::size_t i = kBirth; i < kOnes; ++i) {
    const double error = std::sqrt(covariance[i - kBirth][i - kBirth]);
    EXPECT_NEAR(found[i], world.truth[i], kMostErrors * error) << "parameter " << i;
  }
  EXPECT_NEAR(result.parameters.nhs[1].m, world.start.nhs[1].m, 1e-12);
  EXPECT_EQ(result.pairs_without_numbers, 1e12);
}

TEST(Expectation, recovers_m_where_near_numbers_are_compared) {
  World world = planted(1e-3);
  world.near_compared = true;
  expect_recovered(world, estimate(world, kPairs, 8), 1e9);
}

// The squared error in units of what sampling leaves is chi-squared, at any size: so errors are no larger than they
// must be, no smaller than they can be, and shrink with the root of the number of pairs.
TEST(Expectation, errors_shrink_with_the_root_of_the_number_of_pairs) {
  constexpr int kSeeds = 20;
  constexpr double kFreedom = kSeeds * kOnes, kRatio = 100;
  const World world = planted(1e-3);
  const Matrix per_pair = world.precision(first(kOnes), 1);
  double small = 0, large = 0;
  for (std::uint64_t seed = 100; seed < 100 + kSeeds; ++seed) {
    for (double* sum : {&small, &large}) {
      const ExpectationResult result = estimate(world, sum == &small ? kPairs / 100 : kPairs, seed);
      ASSERT_TRUE(result.usable) << result.problem;
      Vector error = estimated(result);
      error.resize(kOnes);
      for (std::size_t i = 0; i < kOnes; ++i) error[i] -= world.truth[i];
      *sum += squared_error(per_pair, error);
    }
  }
  EXPECT_NEAR(small * 1e7, kFreedom, kMostErrors * std::sqrt(2 * kFreedom));
  EXPECT_NEAR(large * 1e9, kFreedom, kMostErrors * std::sqrt(2 * kFreedom));
  EXPECT_NEAR(std::log(small / large), std::log(kRatio), kMostErrors * std::sqrt(4 / kFreedom));
}

TEST(Expectation, learns_how_partial_agreement_is_shared_among_two_persons) {
  World world = planted(1e-6);
  world.truth[kNearU] = 1e-3;
  // The start has the partial u wrong by a factor of two either way.
  for (std::size_t i = 0; i < 4; ++i) {
    for (auto* level : {&world.start.birth[i + 2], &world.start.postcode[i + 2]}) level->u *= i % 2 == 0 ? 2 : 0.5;
  }
  const auto complete = [](auto& levels) {
    levels[1].u = 1;
    for (std::size_t level = 2; level < levels.size(); ++level) levels[1].u -= levels[level].u;
  };
  complete(world.start.birth);
  complete(world.start.postcode);
  ExpectationOptions options;
  options.partial_u = true;
  expect_recovered(world, estimate(world, kNationalPairs, 9, options), 1e12, first(kPartial));
}

TEST(Expectation, learns_how_often_two_persons_agree_exactly) {
  World world = planted(1e-6);
  world.both[0] = 0.05 * 0.05;
  // The start takes equal dates of birth to be rarer by a twentieth than they are, and equal postcodes to be commoner.
  world.start.birth.back().u *= 0.95;
  world.start.postcode.back().u *= 1.05;
  ExpectationOptions options;
  options.exact_u = true;
  std::vector<std::size_t> free = first(kOnes);
  free.insert(free.end(), {kSameBirthU, kSamePostcodeU});
  expect_recovered(world, estimate(world, kNationalPairs, 20, options), 1e12, free);

  // Unless it learns, the surplus of equal dates of birth passes for pairs of one person who have all moved.
  const ExpectationResult without = estimate(world, kNationalPairs, 20);
  EXPECT_GT(without.lambda, 2 * world.truth[kLambda]);
  EXPECT_LT(without.parameters.postcode.back().m, world.truth[kPostcode + 4] / 2);
}

TEST(Expectation, tells_twins_from_one_person) {
  World world = planted(1e-6);
  world.both[0] = 0.05 * 0.05;
  world.siblings = {0.01, 0.004, 0.006};
  ExpectationOptions options;
  options.siblings_at_postcode = world.siblings;
  expect_recovered(world, estimate(world, kNationalPairs, 10, options), 1e12);

  // Without that, twins of different gender are taken for errors.
  const ExpectationResult without = estimate(world, kNationalPairs, 10);
  const Matrix covariance = inverse(world.precision(first(kOnes), 1e12));
  const double error = without.parameters.gender.back().m - world.truth[kGender];
  EXPECT_LT(error, -kMostErrors * std::sqrt(covariance[kGender][kGender]));
}

TEST(Expectation, averages_siblings_over_the_pairs_at_a_postcode) {
  ModelParameters model;
  model.siblings_at_postcode[3] = {0.3, 0.1, 0.2};
  model.siblings_at_postcode[5] = {0.6, 0.2, 0.4};
  FileFrequencies file;
  for (const double share : average_siblings_at_postcode(model, file)) EXPECT_EQ(share, 0);
  file.pairs_at_postcode[3] = 10;
  file.pairs_at_postcode[5] = 20;
  const auto average = average_siblings_at_postcode(model, file);
  EXPECT_DOUBLE_EQ(average[0], 0.5);
  EXPECT_DOUBLE_EQ(average[1], 0.5 / 3);
  EXPECT_DOUBLE_EQ(average[2], 1.0 / 3);
}

TEST(Expectation, knows_how_many_pairs_of_one_person_were_never_compared) {
  World world = planted(1e-3);
  world.both = {0.2, 0.9, 0.8, 0.9};
  const ExpectationResult result = estimate(world, kPairs, 11);
  expect_recovered(world, result, 1e9);
  const auto missed = [&](Vector parameters) {
    const double lambda = parameters[kLambda];
    parameters[kLambda] = 1;
    const Vector one = world.cells(parameters);
    double sum = 0;
    for (std::size_t p = 0; p < kPresentSets; ++p) sum += one[kPatterns + p];
    return lambda * sum * 1e9;
  };
  Vector slopes(kOnes);
  for (std::size_t i = 0; i < kOnes; ++i) {
    Vector above = world.truth, below = world.truth;
    above[i] += world.truth[i] / 2, below[i] -= world.truth[i] / 2;
    slopes[i] = (missed(above) - missed(below)) / world.truth[i];
  }
  const double error = standard_error(inverse(world.precision(first(kOnes), 1e9)), slopes);
  EXPECT_NEAR(result.matched_not_compared, missed(world.truth), kMostErrors * error);
  // Their own number is drawn as well.
  const double without_numbers = 1e9 * (1 - world.both[0]), drawn = std::sqrt(without_numbers * world.both[0]);
  EXPECT_NEAR(result.pairs_without_numbers, without_numbers, kMostErrors * drawn);
  EXPECT_NEAR(result.matched_without_numbers / result.pairs_without_numbers, result.lambda, 0.01 * result.lambda);
}

TEST(Expectation, maps_the_number_levels_to_those_given_that_the_numbers_differ) {
  const ExpectationResult result = estimate(planted(1e-3), kPairs, 12);
  const auto near = static_cast<std::size_t>(NhsLevel::near), exact = static_cast<std::size_t>(NhsLevel::exact);
  EXPECT_DOUBLE_EQ(result.parameters.nhs[near].m, result.all_nhs[near].m / (1 - result.all_nhs[exact].m));
  EXPECT_EQ(result.parameters.nhs[exact].m, 1);
  EXPECT_EQ(result.parameters.nhs[exact].u, 1);
  EXPECT_EQ(result.parameters.prior, result.lambda);
}

TEST(Expectation, leaves_alone_what_it_is_not_to_update) {
  const World world = planted(1e-3);
  ExpectationOptions options;
  options.nhs = options.gender = false;
  const ExpectationResult result = estimate(world, kPairs, 13, options);
  ASSERT_TRUE(result.usable) << result.problem;
  EXPECT_EQ(std::memcmp(&result.parameters.gender, &world.start.gender, sizeof world.start.gender), 0);
  EXPECT_EQ(std::memcmp(&result.parameters.nhs, &world.start.nhs, sizeof world.start.nhs), 0);
  EXPECT_NE(result.parameters.birth.back().m, world.start.birth.back().m);
  expect_monotone(result, 1e9);
}

TEST(Expectation, is_the_same_each_time_to_the_last_bit) {
  const World world = planted(1e-3);
  const ExpectationResult one = estimate(world, kPairs, 14), other = estimate(world, kPairs, 14);
  EXPECT_EQ(std::memcmp(&one.parameters, &other.parameters, sizeof one.parameters), 0);
  EXPECT_EQ(one.log_likelihood, other.log_likelihood);
}

TEST(Expectation, notices_that_the_classes_have_changed_places) {
  World world = planted(1e-3);
  const ComparedPairs pairs = world.pairs(kPairs, 15);
  const auto swap = [](auto& levels) {
    for (auto& level : levels) std::swap(level.m, level.u);
  };
  swap(world.start.birth);
  swap(world.start.postcode);
  swap(world.start.gender);
  expect_unusable(estimate_by_expectation(world.start, pairs), world.start, "changed places");
}

TEST(Expectation, notices_that_there_are_no_pairs) {
  const World world = planted(1e-3);
  ComparedPairs pairs;
  expect_unusable(estimate_by_expectation(world.start, pairs), world.start, "no pairs");
  pairs.known_different = 1000;
  expect_unusable(estimate_by_expectation(world.start, pairs), world.start, "no pairs");
  expect_unusable(estimate_by_expectation(ModelParameters{}, {}), ModelParameters{}, "no pairs");
}

TEST(Expectation, notices_that_no_pair_is_of_one_person) {
  World world = planted(1e-3);
  world.truth[kLambda] = 0;
  world.same = 0;
  expect_unusable(estimate(world, kPairs, 16), world.start, "no pair looks like one person");
}

TEST(Expectation, notices_that_few_pairs_are_of_one_person) {
  const World world = planted(1e-3);
  expect_unusable(estimate(world, 50'000, 17), world.start, "fewer than 100 pairs");
}

TEST(Expectation, notices_that_it_does_not_settle) {
  // A date of birth and a gender alone hardly tell how many pairs are of one person.
  World world = planted(1e-3);
  world.both = {0, 0.98, 0, 0.97};
  expect_unusable(estimate(world, kPairs, 19), world.start, "had not settled");
}

TEST(Expectation, stands_one_giant_cell) {
  constexpr std::uint64_t kGiant = std::uint64_t{1} << 63;
  const World world = planted(1e-3);
  ComparedPairs alike;
  alike.counts[pattern_of({NhsLevel::exact, BirthLevel::exact, PostcodeLevel::exact, GenderLevel::same})] = kGiant;
  expect_unusable(estimate_by_expectation(world.start, alike), world.start, "more than half of all pairs");
  ComparedPairs apart;
  apart.not_compared.back() = kGiant;
  expect_unusable(estimate_by_expectation(world.start, apart), world.start, "changed places");
}

TEST(Expectation, counts_near_the_largest_integer_leave_no_sampling_error) {
  const World world = planted(1e-3);
  const Vector cells = world.cells(world.truth);
  const double largest = *std::max_element(cells.begin(), cells.end());
  const auto scaled = [&](double p) { return static_cast<std::uint64_t>(std::floor(p / largest * 0x1p63)); };
  ComparedPairs pairs;
  for (std::size_t p = 0; p < kPatterns; ++p) pairs.counts[p] = scaled(cells[p]);
  for (std::size_t p = 0; p < kPresentSets; ++p) pairs.not_compared[p] = scaled(cells[kPatterns + p]);
  pairs.known_different = scaled(cells.back());
  const ExpectationResult result = estimate_by_expectation(world.start, pairs);
  ASSERT_TRUE(result.usable) << result.problem;
  expect_monotone(result, 0x1p65);
  // What remains is the rate of wrong numbers, taken from counts of which some are of one person.
  const Vector found = estimated(result);
  for (std::size_t i = 0; i < kOnes; ++i) EXPECT_NEAR(found[i] / world.truth[i], 1, 1e-4) << "parameter " << i;
}

}  // namespace
}  // namespace ligature
