// What the tests of the figures share: small random runs, and who has which rows from the definitions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jobs/evaluate/metrics.hpp"
#include "jobs/synth/random.hpp"

namespace ligature {

inline constexpr std::size_t kDatasets = 3, kKinds = 2;

inline Published published_of(std::uint64_t found) {
  return {static_cast<std::uint16_t>(found % 4), static_cast<std::uint8_t>(found % 20),
          static_cast<std::uint8_t>(found % 3)};
}

inline Groupings test_groupings() {
  const TruthGroups truth{{"group_x", "group_y"}, {{"", "b"}, {"a", ""}, {"a", "b"}}};
  return make_groupings({std::string(kNotKnown), "AL", "B", "YO"}, {"gp", "ae", "op"}, truth);
}

inline LabelledRow labelled(std::uint64_t found, std::uint64_t truth, std::uint8_t dataset = 0,
                            std::uint32_t errors = 0) {
  LabelledRow row;
  row.found = found;
  row.truth = truth;
  row.dataset = dataset;
  row.errors = errors;
  return row;
}

inline Scores scores_of(std::vector<LabelledRow> rows) {
  Scores scores(kDatasets, kKinds, test_groupings());
  tally_found(rows, published_of, scores);
  tally_truth(rows, scores);
  return scores;
}

// Up to 40 rows of up to 12 persons; siblings are persons with the same number but for its last bit.
inline std::vector<LabelledRow> random_rows(std::uint64_t trial) {
  const synthetic::Random random(11, synthetic::Subject::row, trial);
  const std::uint32_t count = random.below(0, 40), persons = 1 + random.below(1, 12);
  std::vector<LabelledRow> rows;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t at = 10 + 8 * i;
    LabelledRow row;
    row.found = random.below(at, persons);
    row.truth = random.below(at + 1, persons);
    row.errors = random.below(at + 2, 4);
    row.dataset = static_cast<std::uint8_t>(random.below(at + 3, kDatasets));
    row.birth_group = row.truth % 4 < 2 ? static_cast<std::uint32_t>(row.truth / 2 + 1) : 0;
    row.truth_groups = static_cast<std::uint16_t>(row.truth % 3);
    rows.push_back(row);
  }
  return rows;
}

// Rows of each person on one side by person on the other.
using Side = std::map<std::uint64_t, std::map<std::uint64_t, std::uint64_t>>;

// The other person with most rows; of several the first.
inline std::uint64_t main_part(const std::map<std::uint64_t, std::uint64_t>& parts) {
  return std::max_element(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

inline std::uint64_t size_of(const std::map<std::uint64_t, std::uint64_t>& parts) {
  std::uint64_t size = 0;
  for (const auto& [person, rows] : parts) size += rows;
  return size;
}

struct Sides {
  Side of_found, of_truth;
  explicit Sides(const std::vector<LabelledRow>& rows) {
    for (const LabelledRow& row : rows) {
      ++of_found[row.found][row.truth];
      ++of_truth[row.truth][row.found];
    }
  }
  [[nodiscard]] bool missed(const LabelledRow& row) const { return main_part(of_truth.at(row.truth)) != row.found; }
  [[nodiscard]] bool is_false(const LabelledRow& row) const { return main_part(of_found.at(row.found)) != row.truth; }
};

}  // namespace ligature
