// The figures of an evaluation, as tables of text and as JSON (docs/evaluation.md explains every one).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/manifest.hpp"
#include "jobs/evaluate/join.hpp"
#include "jobs/evaluate/metrics.hpp"

namespace ligature {

struct Figures {
  JoinCounts rows;
  Scores scores;
  std::vector<std::string> datasets, error_kinds;
  bool has_birth_groups = false;          // the truth says who was born together
  std::vector<EstimatedGroup> estimated;  // what the run expected, without any truth
};

// What was measured of a group, beside what the run expected.
struct EstimateLine {
  const EstimatedGroup* estimated;
  const RowErrors* measured;
};
// Of the groups that both know, in the order of the run's.
std::vector<EstimateLine> estimate_lines(const Figures& figures);

// A group of pairs and its quality.
struct PairLine {
  std::string name;
  Quality quality;
};
// The groups of pairs that are reported, in the order of the report.
struct PairLines {
  std::vector<PairLine> all, touching, between, by_error;
};
PairLines pair_lines(const Figures& figures);

inline constexpr std::string_view kNoError = "none in either row";
// Rows by kind of error, the first without any; empty if the truth names no kinds.
struct ErrorLine {
  std::string name;
  RowErrors rows;
};
std::vector<ErrorLine> error_lines(const Figures& figures);

// Precision, recall and F1 of a sum over rows, or of persons.
struct Measures {
  double precision = 1, recall = 1, f1 = 1;
};
Measures b_cubed(const Scores& scores) noexcept;
Measures exact_persons(const PersonCounts& persons) noexcept;
Quality multiple_birth_pairs(const Scores& scores) noexcept;

// A person of n rows is held together by n - 1 links: what is missing and what is wrong of them.
struct PersonLinks {
  std::uint64_t truth = 0, found = 0, missed = 0, false_links = 0;
};
PersonLinks links(const PersonCounts& persons) noexcept;

// What an analysis of persons would see: the true value, the found one, and the relative bias.
struct Bias {
  std::string_view name;  // "persons", "mean_rows", "repeat_rows"
  double truth = 0, found = 0;
};
std::vector<Bias> downstream_bias(const PersonCounts& persons);

std::string report_text(const Figures& figures);
std::string report_json(const Figures& figures);

}  // namespace ligature
