// The figures that both forms of the report share.
#include "jobs/evaluate/report.hpp"

#include <algorithm>

namespace ligature {

namespace {

// Of b-cubed sums over rows; a mean over nothing is 1.
double mean(double sum, std::uint64_t rows) noexcept {
  return rows == 0 ? 1.0 : sum / static_cast<double>(rows);
}

}  // namespace

PairLines pair_lines(const Figures& figures) {
  const Scores& scores = figures.scores;
  const auto quality = [&](const auto& count) {
    return Quality{count(scores.agreed), count(scores.found), count(scores.truth)};
  };
  const std::vector<std::string>& datasets = figures.datasets;
  PairLines lines;
  lines.all.push_back({"all pairs", quality([](const PairTally& pairs) { return pairs.all(); })});
  for (std::size_t a = 0; a < datasets.size(); ++a) {
    lines.touching.push_back({datasets[a], quality([&](const PairTally& pairs) { return pairs.touching(a); })});
    for (std::size_t b = a; b < datasets.size(); ++b) {
      lines.between.push_back({a == b ? "within " + datasets[a] : datasets[a] + " - " + datasets[b],
                               quality([&](const PairTally& pairs) { return pairs.between(a, b); })});
    }
  }
  const std::vector<std::string>& kinds = figures.error_kinds;
  if (!kinds.empty()) {
    lines.by_error.push_back({std::string(kNoError), quality([](const PairTally& pairs) { return pairs.clean(); })});
  }
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    lines.by_error.push_back({kinds[k], quality([&](const PairTally& pairs) { return pairs.with_error(k); })});
  }
  return lines;
}

std::vector<ErrorLine> error_lines(const Figures& figures) {
  std::vector<ErrorLine> lines;
  if (figures.error_kinds.empty()) return lines;
  lines.push_back({"none", figures.scores.by_error.back()});
  for (std::size_t k = 0; k < figures.error_kinds.size(); ++k) {
    lines.push_back({figures.error_kinds[k], figures.scores.by_error[k]});
  }
  return lines;
}

Measures b_cubed(const Scores& scores) noexcept {
  Measures measures;
  measures.precision = mean(scores.b_cubed_precision.value(), scores.persons.rows);
  measures.recall = mean(scores.b_cubed_recall.value(), scores.persons.rows);
  measures.f1 = 2 * measures.precision * measures.recall / (measures.precision + measures.recall);
  return measures;
}

Measures exact_persons(const PersonCounts& persons) noexcept {
  const Quality quality{persons.exactly_right, persons.found_persons, persons.true_persons};
  return {quality.precision(), quality.recall(), quality.f1()};
}

Quality multiple_birth_pairs(const Scores& scores) noexcept {
  return {scores.agreed.of_multiple_birth(), scores.found.of_multiple_birth(), scores.truth.of_multiple_birth()};
}

std::vector<EstimateLine> estimate_lines(const Figures& figures) {
  std::vector<EstimateLine> lines;
  const GroupTally& groups = figures.scores.groups;
  for (const EstimatedGroup& estimated : figures.estimated) {
    if (estimated.kind == "all") lines.push_back({&estimated, &figures.scores.rows});
    for (std::size_t g = 0; g < groups.groupings().size(); ++g) {
      const Grouping& grouping = groups.groupings()[g];
      if (grouping.name != estimated.kind) continue;
      const auto found = std::find(grouping.groups.begin(), grouping.groups.end(), estimated.name);
      if (found == grouping.groups.end()) continue;
      const RowErrors& measured = groups.counts_of(g)[static_cast<std::size_t>(found - grouping.groups.begin())].rows;
      if (measured.rows > 0) lines.push_back({&estimated, &measured});
    }
  }
  return lines;
}

PersonLinks links(const PersonCounts& persons) noexcept {
  return {persons.rows - persons.true_persons, persons.rows - persons.found_persons,
          persons.parts - persons.true_persons, persons.parts - persons.found_persons};
}

std::vector<Bias> downstream_bias(const PersonCounts& persons) {
  const auto rows = static_cast<double>(persons.rows);
  const auto truth = static_cast<double>(persons.true_persons), found = static_cast<double>(persons.found_persons);
  return {{"persons", truth, found},
          {"mean_rows", truth > 0 ? rows / truth : 0, found > 0 ? rows / found : 0},
          {"repeat_rows", rows - truth, rows - found}};
}

}  // namespace ligature
