// Scoring by group: which group a row and a person counts in, and what is compared with what.
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "jobs/evaluate/groups.hpp"
#include "tests/evaluate_rows.hpp"

namespace ligature {
namespace {

TEST(Groups, a_row_is_counted_in_its_own_group_and_a_person_in_that_of_its_largest_part) {
  const Groupings groupings = test_groupings();
  for (std::uint64_t trial = 0; trial < 40; ++trial) {
    const std::vector<LabelledRow> rows = random_rows(trial);
    const Sides sides(rows);
    const Scores scores = scores_of(rows);
    // The published groupings, by a function of the found person; then one of the truth's own.
    const std::map<std::size_t, std::uint64_t> modulus = {{0, 20}, {1, 3}, {2, 4}};
    for (const auto& [grouping, groups] : modulus) {
      std::map<std::uint64_t, GroupCounts> expected;
      for (const LabelledRow& row : rows) {
        GroupCounts& group = expected[row.found % groups];
        ++group.rows.rows;
        group.rows.missed += sides.missed(row) ? 1U : 0U;
        group.rows.false_rows += sides.is_false(row) ? 1U : 0U;
      }
      for (const auto& [found, parts] : sides.of_found) ++expected[found % groups].found_persons;
      for (const auto& [truth, parts] : sides.of_truth) {
        ++expected[main_part(parts) % groups].true_persons;
        expected[main_part(parts) % groups].true_rows += size_of(parts);
      }
      const auto counts = scores.groups.counts_of(grouping);
      for (std::size_t group = 0; group < counts.size(); ++group) {
        EXPECT_EQ(counts[group].rows.rows, expected[group].rows.rows);
        EXPECT_EQ(counts[group].rows.missed, expected[group].rows.missed);
        EXPECT_EQ(counts[group].rows.false_rows, expected[group].rows.false_rows);
        EXPECT_EQ(counts[group].true_persons, expected[group].true_persons);
        EXPECT_EQ(counts[group].true_rows, expected[group].true_rows);
        EXPECT_EQ(counts[group].found_persons, expected[group].found_persons);
        EXPECT_EQ(counts[group].found_rows, expected[group].rows.rows);
      }
    }
    // group_x is not known for a third of the true persons, "a" for the others.
    std::array<std::uint64_t, 2> true_persons{}, found_persons{}, rows_of{};
    for (const LabelledRow& row : rows) ++rows_of[row.truth % 3 == 0 ? 0 : 1];
    for (const auto& [truth, parts] : sides.of_truth) ++true_persons[truth % 3 == 0 ? 0 : 1];
    for (const auto& [found, parts] : sides.of_found) ++found_persons[main_part(parts) % 3 == 0 ? 0 : 1];
    ASSERT_EQ(groupings.all[5].groups, (std::vector<std::string>{std::string(kNotKnown), "a"}));
    for (std::size_t group = 0; group < 2; ++group) {
      EXPECT_EQ(scores.groups.counts_of(5)[group].rows.rows, rows_of[group]);
      EXPECT_EQ(scores.groups.counts_of(5)[group].true_persons, true_persons[group]);
      EXPECT_EQ(scores.groups.counts_of(5)[group].found_persons, found_persons[group]);
    }
  }
}

TEST(Groups, a_person_counts_once_in_each_dataset_and_in_the_group_of_its_number_of_rows) {
  // True person 1: four rows, three of them together; found person 9 has the fourth and one of true person 2.
  const std::vector<LabelledRow> rows = {labelled(5, 1, 0), labelled(5, 1, 0), labelled(5, 1, 1), labelled(9, 1, 2),
                                         labelled(9, 2, 2)};
  const Scores scores = scores_of(rows);
  const auto dataset = scores.groups.counts_of(3);
  EXPECT_EQ(dataset[0].true_persons, 1U);
  EXPECT_EQ(dataset[0].rows.rows, 2U);
  EXPECT_EQ(dataset[2].true_persons, 2U);
  EXPECT_EQ(dataset[2].found_persons, 1U);
  EXPECT_EQ(dataset[2].rows.missed, 1U);
  EXPECT_EQ(dataset[2].rows.false_rows, 1U);  // of two rows of two persons one is the majority
  const auto size = scores.groups.counts_of(4);
  EXPECT_EQ(size[3].true_persons, 1U);  // four rows
  EXPECT_EQ(size[3].rows.rows, 4U);
  EXPECT_EQ(size[3].rows.missed, 1U);
  EXPECT_EQ(size[0].true_persons, 1U);
  EXPECT_EQ(size[2].found_persons, 1U);  // three rows
  EXPECT_EQ(size[1].found_persons, 1U);
}

TEST(Groups, decades_genders_and_areas_have_a_group_for_what_is_not_known) {
  const Groupings groupings = test_groupings();
  const auto decade = [&](std::uint64_t year) { return groupings.all[0].groups[birth_decade_of(year)]; };
  EXPECT_EQ(decade(0), kNotKnown);
  EXPECT_EQ(decade(1895), "1890s");
  EXPECT_EQ(decade(1900), "1900s");
  EXPECT_EQ(decade(2074), "2070s");
  EXPECT_EQ(decade(65'535), kNotKnown);
  const auto gender = [&](std::uint64_t code) { return groupings.all[1].groups[gender_group_of(code)]; };
  EXPECT_EQ(gender(0), kNotKnown);
  EXPECT_EQ(gender(1), "male");
  EXPECT_EQ(gender(2), "female");
  EXPECT_EQ(gender(9), "not specified");
  EXPECT_EQ(postcode_area("SW1A"), "SW");
  EXPECT_EQ(postcode_area("B1"), "B");
  EXPECT_EQ(postcode_area(""), "");
}

TEST(Groups, the_range_is_over_known_groups_that_are_large_enough) {
  const Grouping grouping{"g", {std::string(kNotKnown), "small", "a", "b", "c"}, 1};
  std::vector<GroupCounts> counts(5);
  counts[0].rows = {5'000, 4'000, 0};
  counts[1].rows = {kRowsForRange - 1, 900, 0};
  counts[2].rows = {kRowsForRange, 10, 0};
  counts[3].rows = {2'000, 10, 0};
  counts[4].rows = {4'000, 30, 0};
  const auto range = rate_range(grouping, counts, &RowErrors::missed_rate);
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(range->lowest, 3U);
  EXPECT_EQ(range->highest, 2U);
  EXPECT_EQ(range->lowest_rate, 0.005);
  EXPECT_EQ(range->highest_rate, 0.01);
  EXPECT_FALSE(rate_range(grouping, std::span(counts).first(2), &RowErrors::missed_rate).has_value());
}

TEST(Groups, a_ratio_needs_a_rate_of_all_rows_and_a_bias_a_true_value) {
  const Ratios with = ratios({100, 4, 0}, {1'000, 20, 0});
  EXPECT_DOUBLE_EQ(with.missed.value(), 2.0);
  EXPECT_FALSE(with.false_rows.has_value());
  EXPECT_DOUBLE_EQ(relative_bias(90, 100).value(), -0.1);
  EXPECT_FALSE(relative_bias(1, 0).has_value());
}

}  // namespace
}  // namespace ligature
