// How fast whole stages of a rebuild go on one core: the one table that plan reckons with.
//
// A rate includes everything that its stage does, so it is lower than that of the kernel in it.  Those of another
// machine are read from the account of a run there (secure/performance.json).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace ligature {

// What a stage's time grows with.
enum class WorkKind : std::uint8_t { input_bytes, rows, identities, pairs };

struct StageRate {
  std::string_view stage;
  WorkKind per = WorkKind::rows;
  double rate = 0;             // a second and core
  std::string_view benchmark;  // where the figure comes from
};

// Of the machine that bench/README.md describes, in the order of the stages.
std::vector<StageRate> documented_rates();

// The same stages as they went in a run, from its performance.json; throws UsageError for what is none.  A stage too
// short to be measured, or not run, keeps its documented rate.
std::vector<StageRate> measured_rates(const std::filesystem::path& performance);
std::vector<StageRate> measured_rates_of(std::string_view json, std::string_view name);

}  // namespace ligature
