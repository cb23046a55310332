// Dependence of errors: found where it is planted, not where it is not, and not blurred by wrong numbers when asked so.
#include "engine/dependence.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/planted.hpp"

namespace ligature {
namespace {

// No normal error is larger once in a hundred thousand.
constexpr double kMostErrors = 4.5;

constexpr double kWrongBirth = 0.03, kWrongPostcode = 0.3, kWrongGender = 0.01;

// Pairs of one person, of which some rows are careless: there each identifier is wrong so many times as often.
Vector one_person(double careless, double times) {
  Vector cells(kPatterns);
  for (const double kind : {careless, 1 - careless}) {
    const double k = kind == careless ? times : 1;
    const double birth = k * kWrongBirth, postcode = k * kWrongPostcode, gender = k * kWrongGender;
    for (const BirthLevel b : {BirthLevel::exact, BirthLevel::one_digit, BirthLevel::missing}) {
      for (const PostcodeLevel p : {PostcodeLevel::exact, PostcodeLevel::other, PostcodeLevel::missing}) {
        for (const GenderLevel g : {GenderLevel::same, GenderLevel::different, GenderLevel::missing}) {
          const auto share = [](auto level, auto exact, double wrong) {
            using Level = decltype(level);
            return level == Level::missing ? 0.1 : 0.9 * (level == exact ? 1 - wrong : wrong);
          };
          cells[pattern_of({NhsLevel::exact, b, p, g})] += kind * share(b, BirthLevel::exact, birth) *
                                                           share(p, PostcodeLevel::exact, postcode) *
                                                           share(g, GenderLevel::same, gender);
        }
      }
    }
  }
  return cells;
}

PatternCounts drawn(const Vector& cells, std::uint64_t pairs, std::uint64_t seed) {
  const std::vector<std::uint64_t> counts = draw(cells, pairs, seed);
  PatternCounts found{};
  std::copy(counts.begin(), counts.end(), found.begin());
  return found;
}

TEST(Dependence, counts_each_two_identifiers_that_both_sides_have) {
  PatternCounts counts{};
  counts[pattern_of({NhsLevel::exact, BirthLevel::exact, PostcodeLevel::exact, GenderLevel::same})] = 1000;
  counts[pattern_of({NhsLevel::exact, BirthLevel::swapped, PostcodeLevel::exact, GenderLevel::same})] = 100;
  counts[pattern_of({NhsLevel::exact, BirthLevel::exact, PostcodeLevel::area, GenderLevel::missing})] = 10;
  counts[pattern_of({NhsLevel::exact, BirthLevel::other, PostcodeLevel::other, GenderLevel::different})] = 1;
  counts[pattern_of({NhsLevel::near, BirthLevel::other, PostcodeLevel::other, GenderLevel::different})] = 5000;
  counts[pattern_of({NhsLevel::missing, BirthLevel::exact, PostcodeLevel::exact, GenderLevel::same})] = 7000;
  const std::vector<Dependence> found = measure_dependence(counts);
  ASSERT_EQ(found.size(), 3U);
  const auto expect = [](const Association& table, std::uint64_t agree, std::uint64_t first, std::uint64_t second,
                         std::uint64_t disagree) {
    EXPECT_EQ(table.agree, agree);
    EXPECT_EQ(table.first_disagrees, first);
    EXPECT_EQ(table.second_disagrees, second);
    EXPECT_EQ(table.disagree, disagree);
  };
  EXPECT_EQ(found[0].first, "birth");
  EXPECT_EQ(found[0].second, "postcode");
  expect(found[0].all, 1000, 100, 10, 1);
  expect(found[0].alike, 1000, 100, 10, 0);
  EXPECT_EQ(found[1].first, "birth");
  EXPECT_EQ(found[1].second, "gender");
  expect(found[1].all, 1000, 100, 0, 1);
  expect(found[1].alike, 1000, 100, 0, 0);
  EXPECT_EQ(found[2].first, "postcode");
  EXPECT_EQ(found[2].second, "gender");
  expect(found[2].all, 1100, 0, 0, 1);
  expect(found[2].alike, 1100, 0, 0, 0);
  EXPECT_NEAR(found[0].all.log_odds_ratio, std::log(1000.5 * 1.5 / (100.5 * 10.5)), 1e-12);
  EXPECT_DOUBLE_EQ(found[0].all.standard_error, std::sqrt(1 / 1000.5 + 1 / 100.5 + 1 / 10.5 + 1 / 1.5));
}

TEST(Dependence, is_not_found_where_errors_are_independent) {
  for (const Dependence& found : measure_dependence(drawn(one_person(0, 1), 10'000'000, 1))) {
    EXPECT_NEAR(found.all.log_odds_ratio, 0, kMostErrors * found.all.standard_error) << found.first << found.second;
    EXPECT_NEAR(found.alike.log_odds_ratio, 0, kMostErrors * found.alike.standard_error) << found.first << found.second;
    EXPECT_LT(found.all.standard_error, 0.1);
  }
}

TEST(Dependence, of_careless_rows_is_found_and_has_its_true_size) {
  constexpr double kCareless = 0.1, kTimes = 3;
  const std::vector<Dependence> found = measure_dependence(drawn(one_person(kCareless, kTimes), 10'000'000, 2));
  const auto truth = [](double a, double b) {
    const double both = (1 - kCareless) * a * b + kCareless * kTimes * kTimes * a * b;
    const double first = (1 - kCareless) * a + kCareless * kTimes * a;
    const double second = (1 - kCareless) * b + kCareless * kTimes * b;
    return std::log(both * (1 - first - second + both) / ((first - both) * (second - both)));
  };
  const double expected[] = {truth(kWrongBirth, kWrongPostcode), truth(kWrongBirth, kWrongGender),
                             truth(kWrongPostcode, kWrongGender)};
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i].all.log_odds_ratio, expected[i], kMostErrors * found[i].all.standard_error);
    EXPECT_GT(found[i].all.log_odds_ratio, kMostErrors * found[i].all.standard_error);
  }
}

TEST(Dependence, of_wrong_numbers_is_left_out_with_other_dates_of_birth) {
  Vector cells = one_person(0, 1);
  for (double& share : cells) share *= 0.996;
  // Two strangers under one number.
  for (const GenderLevel g : {GenderLevel::same, GenderLevel::different}) {
    cells[pattern_of({NhsLevel::exact, BirthLevel::other, PostcodeLevel::other, g})] += 0.002;
  }
  for (const Dependence& found : measure_dependence(drawn(cells, 10'000'000, 3))) {
    EXPECT_GT(found.all.log_odds_ratio, kMostErrors * found.all.standard_error) << found.first << found.second;
    EXPECT_NEAR(found.alike.log_odds_ratio, 0, kMostErrors * found.alike.standard_error) << found.first << found.second;
  }
}

TEST(Dependence, of_nothing_is_nothing_with_a_large_error) {
  for (const Dependence& found : measure_dependence({})) {
    EXPECT_EQ(found.all.log_odds_ratio, 0);
    EXPECT_DOUBLE_EQ(found.all.standard_error, std::sqrt(8.0));
  }
}

}  // namespace
}  // namespace ligature
