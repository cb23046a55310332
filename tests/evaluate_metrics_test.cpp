// Scoring, the figures: every count against one from its definition, by listing pairs, rows and persons.
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "jobs/evaluate/metrics.hpp"
#include "tests/evaluate_rows.hpp"

namespace ligature {
namespace {

// The same figures from their definitions.
struct Listed {
  Quality all, clean, births;
  std::array<std::array<Quality, kDatasets>, kDatasets> between;  // [smaller][larger]
  std::array<Quality, kDatasets> touching;
  std::array<Quality, kKinds> with_error;
  std::uint64_t sibling_pairs = 0;
};

Listed list_pairs(const std::vector<LabelledRow>& rows) {
  Listed listed;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const LabelledRow& a = rows[i];
      const LabelledRow& b = rows[j];
      const bool found = a.found == b.found, truth = a.truth == b.truth;
      const auto count = [&](Quality& quality) {
        quality.found += found ? 1U : 0U;
        quality.truth += truth ? 1U : 0U;
        quality.agreed += found && truth ? 1U : 0U;
      };
      count(listed.all);
      if ((a.errors | b.errors) == 0) count(listed.clean);
      if ((a.birth_group | b.birth_group) != 0) count(listed.births);
      if (found && !truth && a.birth_group != 0 && a.birth_group == b.birth_group) ++listed.sibling_pairs;
      count(listed.between[std::min(a.dataset, b.dataset)][std::max(a.dataset, b.dataset)]);
      count(listed.touching[a.dataset]);
      if (a.dataset != b.dataset) count(listed.touching[b.dataset]);
      for (std::size_t kind = 0; kind < kKinds; ++kind) {
        if ((((a.errors | b.errors) >> kind) & 1U) != 0) count(listed.with_error[kind]);
      }
    }
  }
  return listed;
}

void expect_pairs(const Quality& expected, std::uint64_t agreed, std::uint64_t found, std::uint64_t truth) {
  EXPECT_EQ(expected.agreed, agreed);
  EXPECT_EQ(expected.found, found);
  EXPECT_EQ(expected.truth, truth);
}

TEST(Metrics, pair_counts_equal_those_of_all_pairs_listed) {
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    const std::vector<LabelledRow> rows = random_rows(trial);
    const Listed listed = list_pairs(rows);
    const Scores scores = scores_of(rows);
    const auto expect = [&](const Quality& expected, const auto& count) {
      expect_pairs(expected, count(scores.agreed), count(scores.found), count(scores.truth));
    };
    expect(listed.all, [](const PairTally& pairs) { return pairs.all(); });
    expect(listed.clean, [](const PairTally& pairs) { return pairs.clean(); });
    expect(listed.births, [](const PairTally& pairs) { return pairs.of_multiple_birth(); });
    for (std::size_t a = 0; a < kDatasets; ++a) {
      expect(listed.touching[a], [&](const PairTally& pairs) { return pairs.touching(a); });
      for (std::size_t b = a; b < kDatasets; ++b) {
        expect(listed.between[a][b], [&](const PairTally& pairs) { return pairs.between(b, a); });
      }
    }
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      expect(listed.with_error[kind], [&](const PairTally& pairs) { return pairs.with_error(kind); });
    }
    EXPECT_EQ(scores.persons.sibling_pairs, listed.sibling_pairs);
  }
}

TEST(Metrics, persons_are_right_split_merged_or_both_by_their_rows) {
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    const std::vector<LabelledRow> rows = random_rows(trial);
    const Sides sides(rows);
    PersonCounts expected;
    for (const auto& [truth, parts] : sides.of_truth) {
      const bool split = parts.size() > 1;
      bool merged = false, with_sibling = false;
      for (const auto& [found, count] : parts) {
        const auto& others = sides.of_found.at(found);
        merged = merged || others.size() > 1;
        with_sibling = with_sibling || (truth % 4 < 2 && others.contains(truth ^ 1U));
      }
      const auto add = [](std::uint64_t& count, bool holds) { count += holds ? 1U : 0U; };
      add(expected.exactly_right, !split && !merged);
      add(expected.split, split);
      add(expected.merged, merged);
      add(expected.split_and_merged, split && merged);
      expected.parts += parts.size();
      if (truth % 4 >= 2) continue;
      ++expected.births_persons;
      add(expected.births_right, !split && !merged);
      add(expected.births_split, split);
      add(expected.births_merged, with_sibling);
    }
    for (const auto& [found, parts] : sides.of_found) expected.mixed += parts.size() > 1 ? 1U : 0U;
    const PersonCounts persons = scores_of(rows).persons;
    EXPECT_EQ(persons.rows, rows.size());
    EXPECT_EQ(persons.true_persons, sides.of_truth.size());
    EXPECT_EQ(persons.found_persons, sides.of_found.size());
    EXPECT_EQ(persons.exactly_right, expected.exactly_right);
    EXPECT_EQ(persons.split, expected.split);
    EXPECT_EQ(persons.merged, expected.merged);
    EXPECT_EQ(persons.split_and_merged, expected.split_and_merged);
    EXPECT_EQ(persons.exactly_right + persons.split + persons.merged - persons.split_and_merged, persons.true_persons);
    EXPECT_EQ(persons.parts, expected.parts);
    EXPECT_EQ(persons.mixed, expected.mixed);
    EXPECT_EQ(persons.births_persons, expected.births_persons);
    EXPECT_EQ(persons.births_right, expected.births_right);
    EXPECT_EQ(persons.births_split, expected.births_split);
    EXPECT_EQ(persons.births_merged, expected.births_merged);
  }
}

TEST(Metrics, b_cubed_is_the_mean_over_rows_of_the_share_of_their_person_that_is_right) {
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    const std::vector<LabelledRow> rows = random_rows(trial);
    const Sides sides(rows);
    double precision = 0, recall = 0;
    for (const LabelledRow& row : rows) {
      const auto right = static_cast<double>(sides.of_found.at(row.found).at(row.truth));
      precision += right / static_cast<double>(size_of(sides.of_found.at(row.found)));
      recall += right / static_cast<double>(size_of(sides.of_truth.at(row.truth)));
    }
    const Scores scores = scores_of(rows);
    EXPECT_NEAR(scores.b_cubed_precision.value(), precision, 1e-12 * (1 + precision));
    EXPECT_NEAR(scores.b_cubed_recall.value(), recall, 1e-12 * (1 + recall));
  }
}

TEST(Metrics, rows_are_missed_outside_the_largest_part_and_false_beside_a_majority) {
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    const std::vector<LabelledRow> rows = random_rows(trial);
    const Sides sides(rows);
    const auto count = [&](const auto& counts) {
      RowErrors expected;
      for (const LabelledRow& row : rows) {
        if (!counts(row)) continue;
        ++expected.rows;
        expected.missed += sides.missed(row) ? 1U : 0U;
        expected.false_rows += sides.is_false(row) ? 1U : 0U;
      }
      return expected;
    };
    const auto expect = [&](const RowErrors& found, const RowErrors& expected) {
      EXPECT_EQ(found.rows, expected.rows);
      EXPECT_EQ(found.missed, expected.missed);
      EXPECT_EQ(found.false_rows, expected.false_rows);
    };
    const Scores scores = scores_of(rows);
    expect(scores.rows, count([](const LabelledRow&) { return true; }));
    expect(scores.births_rows, count([](const LabelledRow& row) { return row.birth_group != 0; }));
    ASSERT_EQ(scores.by_error.size(), kKinds + 1);
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      expect(scores.by_error[kind], count([&](const LabelledRow& row) { return ((row.errors >> kind) & 1U) != 0; }));
    }
    expect(scores.by_error.back(), count([](const LabelledRow& row) { return row.errors == 0; }));
  }
}

TEST(Metrics, no_rows_have_no_pairs_and_nothing_wrong) {
  const Scores scores = scores_of({});
  EXPECT_EQ(scores.truth.all(), 0U);
  EXPECT_EQ(scores.persons.true_persons, 0U);
  EXPECT_EQ(scores.rows.missed_rate(), 0.0);
  EXPECT_EQ(Quality{}.precision(), 1.0);
  EXPECT_EQ(Quality{}.recall(), 1.0);
  EXPECT_EQ(Quality{}.f1(), 1.0);
}

TEST(Metrics, everything_in_one_person_has_full_recall_and_little_precision) {
  std::vector<LabelledRow> rows;
  for (std::uint64_t i = 0; i < 10; ++i) rows.push_back(labelled(7, i / 2));
  const Scores scores = scores_of(rows);
  const Quality quality{scores.agreed.all(), scores.found.all(), scores.truth.all()};
  EXPECT_EQ(quality.recall(), 1.0);
  EXPECT_DOUBLE_EQ(quality.precision(), 5.0 / 45);
  EXPECT_DOUBLE_EQ(quality.f1(), 2 * 5.0 / (45 + 5));
  EXPECT_EQ(scores.persons.exactly_right, 0U);
  EXPECT_EQ(scores.persons.mixed, 1U);
  EXPECT_EQ(scores.persons.merged, 5U);
  EXPECT_EQ(scores.rows.missed, 0U);
  EXPECT_EQ(scores.rows.false_rows, 8U);
  EXPECT_DOUBLE_EQ(scores.b_cubed_precision.value() / 10, 0.2);
  EXPECT_EQ(scores.b_cubed_recall.value(), 10.0);
}

TEST(Metrics, a_group_of_a_hundred_thousand_rows_is_counted_without_listing_pairs) {
  const std::vector<LabelledRow> rows(100'000, labelled(1, 2, 1, 1));
  const Scores scores = scores_of(rows);
  EXPECT_EQ(scores.truth.all(), std::uint64_t{100'000} * 99'999 / 2);
  EXPECT_EQ(scores.agreed.with_error(0), scores.truth.all());
  EXPECT_EQ(scores.persons.exactly_right, 1U);
  EXPECT_EQ(scores.b_cubed_precision.value(), 100'000.0);
}

TEST(Metrics, counts_of_the_parts_of_a_split_add_up_to_those_of_the_whole) {
  const auto counts_of = [](Scores scores) {
    std::vector<std::uint64_t> counts;
    scores.for_each_count([&](std::uint64_t& count) { counts.push_back(count); });
    return counts;
  };
  // Persons 0 to 11 and the same again as 100 to 111: no person is on both sides.
  std::vector<LabelledRow> one, other, both;
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    one = random_rows(trial);
    other = random_rows(trial + 100);
    for (LabelledRow& row : other) {
      row.found += 100;
      row.truth += 100;
    }
    both = one;
    both.insert(both.end(), other.begin(), other.end());
    std::vector<std::uint64_t> sum = counts_of(scores_of(one));
    const std::vector<std::uint64_t> more = counts_of(scores_of(other));
    ASSERT_EQ(sum.size(), more.size());
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
    EXPECT_EQ(sum, counts_of(scores_of(both)));
  }
}

TEST(FractionSum, is_exact_for_fractions_of_binary_denominators_and_rounds_down_by_less_than_2_to_minus_64) {
  FractionSum sum;
  sum.add(7, 2);
  sum.add(3, 4);
  sum.add(1, std::uint64_t{1} << 31U);
  EXPECT_EQ(sum.value(), 4.25 + 0x1p-31);
  FractionSum thirds;
  for (int i = 0; i < 3; ++i) thirds.add(1, 3);
  std::vector<std::uint64_t> parts;
  thirds.for_each_count([&](std::uint64_t& part) { parts.push_back(part); });
  EXPECT_EQ(parts, (std::vector<std::uint64_t>{0, 3 * std::uint64_t{0x55555555}, 3 * std::uint64_t{0x55555555}}));
  EXPECT_EQ(thirds.value(), 1.0);  // 1 - 2^-64 is nearest to 1
  FractionSum largest;
  largest.add(UINT64_MAX, UINT32_MAX);  // UINT64_MAX = UINT32_MAX * (2^32 + 1)
  EXPECT_EQ(largest.value(), 0x1p32 + 1);
}

}  // namespace
}  // namespace ligature
