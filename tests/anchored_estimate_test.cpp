// The estimate from pairs that share a number must find the planted mixture of one person, two strangers and two of a
// household, as closely as the drawing of the pairs allows, and stay with what is documented where it cannot.
#include "engine/anchored_estimate.hpp"

#include <cstring>
#include <limits>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

#include "engine/wrong_numbers.hpp"
#include "tests/planted.hpp"

namespace ligature {
namespace {

// No normal error is larger once in a hundred thousand.
constexpr double kMostErrors = 4.5;

// Where levels 2, 3, ... are in a vector of parameters; level 1 is what they leave.
constexpr std::size_t kBirth = 0, kPostcode = 5, kGender = 10, kHomePostcode = 11, kHomeGender = 16;
constexpr std::size_t kStrangers = 17, kHousehold = 18, kAll = 19;

// All parameters.  The gender within a household is learnt too, within bounds that the planted one is well inside of.
const std::vector<std::size_t> kFree = [] {
  std::vector<std::size_t> free(kAll);
  std::iota(free.begin(), free.end(), std::size_t{0});
  return free;
}();

// Slopes for each parameter as slopes for those that are learnt.
Vector of_free(const Vector& slopes) {
  Vector found;
  for (const std::size_t i : kFree) found.push_back(slopes[i]);
  return found;
}

template <std::size_t Count>
std::array<double, Count> shares_of(const Vector& parameters, std::size_t first) {
  std::array<double, Count> shares{1, 1};
  for (std::size_t level = 2; level < Count; ++level) {
    shares[level] = parameters[first + level - 2];
    shares[1] -= shares[level];
  }
  return shares;
}

struct World {
  ModelParameters start;  // its u are true, its m documented
  Vector truth;
  double both_births = 0.98, both_postcodes = 0.9, both_genders = 0.95;

  [[nodiscard]] Vector cells(const Vector& parameters) const {
    const auto m_birth = shares_of<kBirthLevels>(parameters, kBirth);
    const auto m_postcode = shares_of<kPostcodeLevels>(parameters, kPostcode);
    const auto m_gender = shares_of<kGenderLevels>(parameters, kGender);
    const auto home_postcode = shares_of<kPostcodeLevels>(parameters, kHomePostcode);
    const auto home_gender = shares_of<kGenderLevels>(parameters, kHomeGender);
    const double strangers = parameters[kStrangers], household = parameters[kHousehold];
    Vector found(kPatterns);
    for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
      const Levels levels = levels_of(static_cast<Pattern>(pattern));
      if (levels.nhs != NhsLevel::exact) continue;
      const auto b = static_cast<std::size_t>(levels.birth), p = static_cast<std::size_t>(levels.postcode);
      const auto g = static_cast<std::size_t>(levels.gender);
      const double here = (b == 0 ? 1 - both_births : both_births) * (p == 0 ? 1 - both_postcodes : both_postcodes) *
                          (g == 0 ? 1 - both_genders : both_genders);
      const double u_birth = b == 0 ? 1 : start.birth[b].u;
      const double apart = u_birth * (p == 0 ? 1 : start.postcode[p].u) * (g == 0 ? 1 : start.gender[g].u);
      found[pattern] = here * ((1 - strangers - household) * m_birth[b] * m_postcode[p] * m_gender[g] +
                               strangers * apart + household * u_birth * home_postcode[p] * home_gender[g]);
    }
    return found;
  }

  [[nodiscard]] PatternCounts draw_pairs(std::uint64_t pairs, std::uint64_t seed) const {
    const std::vector<std::uint64_t> drawn = draw(cells(truth), pairs, seed);
    PatternCounts counts{};
    std::copy(drawn.begin(), drawn.end(), counts.begin());
    return counts;
  }

  [[nodiscard]] Matrix covariance(double pairs) const {
    return inverse(information([this](const Vector& parameters) { return cells(parameters); }, truth, kFree, pairs));
  }

  // What the estimate must make of the parameters.
  [[nodiscard]] ModelParameters model_of(const Vector& parameters) const {
    WrongNumbers wrong{parameters[kStrangers], parameters[kHousehold],
                       shares_of<kPostcodeLevels>(parameters, kHomePostcode), 1 - parameters[kHomeGender]};
    wrong.household_postcode[0] = 0;
    ModelParameters model = start;
    set_wrong_numbers(wrong, model);
    return model;
  }
};

// More errors, and more wrong numbers, than the documented model has.
World planted() {
  World world;
  FileFrequencies file;
  file.identities = 2'000'000;
  file.distinct_nhs = 1'000'000;
  world.start = documented_model(file);
  world.truth = {0.003, 0.008, 0.010, 0.004, 0.970,  // birth: same year, two parts, one digit, swapped, exact
                 0.100, 0.050, 0.020, 0.010, 0.620,  // postcode: area, district, sector, near, exact
                 0.990,                              // the same gender
                 0.080, 0.040, 0.020, 0.010, 0.750,  // in a household
                 0.500,                              // the same gender, as documented
                 0.004, 0.006};                      // strangers, household
  return world;
}

void expect_monotone(const AnchoredEstimate& found) {
  for (std::size_t i = 1; i < found.log_likelihood.size(); ++i) {
    const double before = found.log_likelihood[i - 1];
    // Rounding alone: of each cell's term and of the sum.
    const double rounding = 600 * std::numeric_limits<double>::epsilon() * std::abs(before);
    ASSERT_GE(found.log_likelihood[i], before - rounding) << "iteration " << i;
  }
}

void expect_recovered(const World& world, const AnchoredEstimate& found, double pairs) {
  ASSERT_TRUE(found.usable);
  EXPECT_TRUE(found.converged);
  expect_monotone(found);
  const Matrix covariance = world.covariance(pairs);
  const auto check_m = [&](const auto& levels, std::size_t first, const std::string& what) {
    Vector of_rest(kAll);
    double rest = 0;
    for (std::size_t level = 2; level < levels.size(); ++level) {
      const std::size_t i = first + level - 2;
      Vector slopes(kAll);
      slopes[i] = of_rest[i] = 1;
      const double error = levels[level].m - world.truth[i];
      rest += error;
      EXPECT_LE(std::abs(error), kMostErrors * standard_error(covariance, of_free(slopes)))
          << what << " level " << level;
    }
    EXPECT_LE(std::abs(rest), kMostErrors * standard_error(covariance, of_free(of_rest))) << what << " level 1";
    double sum = 0;
    for (std::size_t level = 1; level < levels.size(); ++level) sum += levels[level].m;
    EXPECT_NEAR(sum, 1, 1e-12) << what;
  };
  check_m(found.parameters.birth, kBirth, "birth");
  check_m(found.parameters.postcode, kPostcode, "postcode");
  check_m(found.parameters.gender, kGender, "gender");
  const ModelParameters expected = world.model_of(world.truth);
  for (std::size_t p = 0; p < kPostcodeLevels; ++p) {
    for (std::size_t g = 0; g < kGenderLevels; ++g) {
      Vector slopes;
      for (std::size_t i = 0; i < kAll; ++i) {
        Vector above = world.truth, below = world.truth;
        const double step = 1e-3 * world.truth[i];
        above[i] += step, below[i] -= step;
        slopes.push_back((world.model_of(above).wrong_number[p][g] - world.model_of(below).wrong_number[p][g]) /
                         (2 * step));
      }
      const double error = found.parameters.wrong_number[p][g] - expected.wrong_number[p][g];
      EXPECT_LE(std::abs(error), kMostErrors * standard_error(covariance, of_free(slopes)))
          << "wrong " << p << ' ' << g;
    }
  }
}

AnchoredEstimate estimate(const World& world, std::uint64_t pairs, std::uint64_t seed) {
  return estimate_anchored(world.start, world.draw_pairs(pairs, seed));
}

void expect_documented(const World& world, const AnchoredEstimate& found) {
  EXPECT_FALSE(found.usable);
  EXPECT_EQ(std::memcmp(&found.parameters, &world.start, sizeof world.start), 0);
}

TEST(AnchoredEstimate, recovers_the_planted_mixture_within_the_sampling_error) {
  const World world = planted();
  double sum = 0;
  for (const double p : world.cells(world.truth)) sum += p;
  EXPECT_NEAR(sum, 1, 1e-12);
  for (const std::uint64_t pairs : {100'000U, 1'000'000U}) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      expect_recovered(world, estimate(world, pairs, seed), static_cast<double>(pairs));
    }
  }
}

TEST(AnchoredEstimate, does_not_stop_short_however_many_pairs_there_are) {
  const World world = planted();
  for (const std::uint64_t pairs : {30'000'000U, 1'000'000'000U}) {
    expect_recovered(world, estimate(world, pairs, 4), static_cast<double>(pairs));
  }
}

TEST(AnchoredEstimate, recovers_the_planted_mixture_where_values_are_missing_at_random) {
  World world = planted();
  world.both_births = 0.7;
  world.both_postcodes = 0.5;
  world.both_genders = 0.6;
  expect_recovered(world, estimate(world, 10'000'000, 5), 1e7);
}

TEST(AnchoredEstimate, does_not_take_errors_for_wrong_numbers) {
  // No wrong numbers, and half in a hundred pairs of one person have wholly different dates of birth.
  World world = planted();
  world.truth[kStrangers] = world.truth[kHousehold] = 1e-9;
  const AnchoredEstimate found = estimate(world, 10'000'000, 6);
  ASSERT_TRUE(found.usable);
  // Nothing is known of the postcodes of a household that is not there.
  std::vector<std::size_t> free;
  for (const std::size_t i : kFree) {
    if (i < kHomePostcode || i >= kStrangers) free.push_back(i);
  }
  const Matrix covariance =
      inverse(information([&](const Vector& parameters) { return world.cells(parameters); }, world.truth, free, 1e7));
  Vector wrong, other;
  double expected = 1;
  for (const std::size_t i : free) {
    wrong.push_back(i >= kStrangers ? 1 : 0);
    other.push_back(i < kPostcode ? -1 : 0);
    expected += other.back() * world.truth[i];
  }
  EXPECT_LE(found.parameters.wrong_number[0][0], kMostErrors * standard_error(covariance, wrong));
  EXPECT_NEAR(found.parameters.birth[1].m, expected, kMostErrors * standard_error(covariance, other));
}

// Couples whose numbers are mixed up differ in gender, at old addresses too: then errors in a date of birth hide among
// them, but for what providers say.
TEST(AnchoredEstimate, finds_errors_among_couples_by_their_providers) {
  constexpr double kPairs = 1e7, kOfOne = 0.01, kOfTwo = 0.5;
  const World world = planted();
  World of_one = world;
  of_one.truth[kStrangers] = of_one.truth[kHousehold] = 0;
  const Vector one = of_one.cells(of_one.truth), all = world.cells(world.truth);
  const double right = 1 - world.truth[kStrangers] - world.truth[kHousehold];
  PatternCounts counts{};
  SameProviderCounts providers;
  providers.pairs = {1'000'000, 1'000'000};
  providers.shared = {static_cast<std::uint64_t>(kOfOne * 1e6), static_cast<std::uint64_t>(kOfTwo * 1e6)};
  for (std::size_t p = 0; p < kPatterns; ++p) {
    Levels levels = levels_of(static_cast<Pattern>(p));
    if (levels.nhs != NhsLevel::exact) continue;
    const auto add = [&](const Levels& at, double of_one_person, double of_two) {
      const Pattern pattern = pattern_of(at);
      counts[pattern] += static_cast<std::uint64_t>(kPairs * (of_one_person + of_two));
      if (at.birth != BirthLevel::other) return;
      const double shared = kOfOne * of_one_person + kOfTwo * of_two;
      providers.other_shared[pattern] += static_cast<std::uint64_t>(kPairs * shared);
      providers.other_apart[pattern] += static_cast<std::uint64_t>(kPairs * (of_one_person + of_two - shared));
    };
    const double two = std::max(0.0, all[p] - right * one[p]);
    const double moved = levels.gender == GenderLevel::same ? 0.4 * two : 0;
    add(levels, right * one[p], two - moved);
    levels.gender = GenderLevel::different;
    if (moved > 0) add(levels, 0, moved);
  }
  double other = 1;
  for (std::size_t i = kBirth; i < kPostcode; ++i) other -= world.truth[i];
  const AnchoredEstimate by_gender = estimate_anchored(world.start, counts);
  const AnchoredEstimate by_providers = estimate_anchored(world.start, counts, providers);
  EXPECT_LT(by_gender.parameters.birth[1].m, other / 2);
  EXPECT_NEAR(by_providers.parameters.birth[1].m, other, other / 10);
  expect_monotone(by_providers);
}

TEST(AnchoredEstimate, counts_wholly_different_dates_of_birth_by_gender) {
  const World world = planted();
  PatternCounts counts{};
  counts[pattern_of({NhsLevel::exact, BirthLevel::other, PostcodeLevel::exact, GenderLevel::same})] = 5;
  counts[pattern_of({NhsLevel::exact, BirthLevel::other, PostcodeLevel::other, GenderLevel::different})] = 3;
  counts[pattern_of({NhsLevel::exact, BirthLevel::other, PostcodeLevel::other, GenderLevel::missing})] = 7;
  counts[pattern_of({NhsLevel::exact, BirthLevel::exact, PostcodeLevel::other, GenderLevel::different})] = 11;
  const AnchoredEstimate found = estimate_anchored(world.start, counts);
  EXPECT_EQ(found.different_births, 8U);
  EXPECT_EQ(found.different_births_and_genders, 3U);
  EXPECT_EQ(found.pairs, 26U);
}

TEST(AnchoredEstimate, rests_only_on_pairs_that_share_a_number) {
  const World world = planted();
  PatternCounts counts = world.draw_pairs(1'000'000, 7);
  const AnchoredEstimate without = estimate_anchored(world.start, counts);
  counts[pattern_of({NhsLevel::near, BirthLevel::other, PostcodeLevel::other, GenderLevel::different})] = 1'000'000;
  counts[pattern_of({NhsLevel::missing, BirthLevel::exact, PostcodeLevel::exact, GenderLevel::same})] = 1'000'000;
  const AnchoredEstimate with = estimate_anchored(world.start, counts);
  EXPECT_EQ(std::memcmp(&with.parameters, &without.parameters, sizeof with.parameters), 0);
  EXPECT_EQ(with.log_likelihood, without.log_likelihood);
  EXPECT_EQ(with.pairs, 1'000'000U);
}

TEST(AnchoredEstimate, stays_with_the_documented_where_there_are_few_pairs) {
  const World world = planted();
  expect_documented(world, estimate_anchored(world.start, {}));
  expect_documented(world, estimate(world, 99, 8));
  EXPECT_TRUE(estimate(world, 100, 8).usable);
}

TEST(AnchoredEstimate, stays_with_the_documented_where_numbers_are_mostly_wrong) {
  World world = planted();
  world.truth[kStrangers] = 0.7;
  expect_documented(world, estimate(world, 1'000'000, 9));
}

TEST(AnchoredEstimate, stands_counts_near_the_largest_integer) {
  const World world = planted();
  const Vector cells = world.cells(world.truth);
  const double largest = *std::max_element(cells.begin(), cells.end());
  PatternCounts counts{};
  for (std::size_t p = 0; p < kPatterns; ++p) {
    counts[p] = static_cast<std::uint64_t>(std::floor(cells[p] / largest * 0x1p62));
  }
  const AnchoredEstimate found = estimate_anchored(world.start, counts);
  EXPECT_TRUE(std::isfinite(found.log_likelihood.back()));
  EXPECT_NEAR(found.parameters.birth.back().m, world.truth[kBirth + 4], 1e-3);
  PatternCounts one{};
  one[pattern_of({NhsLevel::exact, BirthLevel::exact, PostcodeLevel::exact, GenderLevel::same})] = ~std::uint64_t{0};
  EXPECT_TRUE(std::isfinite(estimate_anchored(world.start, one).parameters.birth.back().m));
}

}  // namespace
}  // namespace ligature
