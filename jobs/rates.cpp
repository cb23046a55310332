#include "jobs/rates.hpp"

#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "io/files.hpp"

namespace ligature {

namespace {

constexpr double kShortestSeconds = 0.05;  // below it a stage is mostly its fixed cost

std::string_view field_of(WorkKind kind) {
  switch (kind) {
    case WorkKind::input_bytes:
      return "input_bytes";
    case WorkKind::rows:
      return "rows_kept";
    case WorkKind::identities:
      return "identities";
    case WorkKind::pairs:
      return "pairs";
  }
  return "";
}

}  // namespace

std::vector<StageRate> documented_rates() {
  return {
      {"intake", WorkKind::input_bytes, 270e6, "bench/england.sh, stage intake"},
      {"identities", WorkKind::rows, 6.1e6, "bench/england.sh, stage identities"},
      {"survey", WorkKind::identities, 2.0e6, "bench/england.sh, stage survey"},
      {"numbers", WorkKind::identities, 14e6, "bench/england.sh, stage numbers"},
      {"pairs", WorkKind::identities, 0.8e6, "bench/england.sh --sizes, stage pairs: what does not grow with pairs"},
      {"pairs", WorkKind::pairs, 110e6, "bench/england.sh --sizes, stage pairs: what does"},
      {"clusters", WorkKind::identities, 2.0e6, "bench/england.sh, stage clusters"},
      {"persons", WorkKind::identities, 1.4e6, "bench/england.sh, stage persons"},
      {"estimates", WorkKind::identities, 10e6, "bench/england.sh, stage estimates"},
      {"publish", WorkKind::rows, 4.0e6, "bench/england.sh, stage publish"},
      {"index", WorkKind::rows, 9.5e6, "bench/england.sh, stage index"},
  };
}

std::vector<StageRate> measured_rates_of(std::string_view text, std::string_view name) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  std::vector<StageRate> rates = documented_rates();
  try {
    const double cores = json.at("ranks").get<double>() * json.at("threads_per_rank").get<double>();
    const std::vector<StageRate> documented = rates;
    for (const auto& stage : json.at("stages")) {
      const double seconds = stage.at("seconds").get<double>();
      const auto name_of = stage.at("name").get<std::string>();
      if (seconds < kShortestSeconds || cores <= 0) continue;
      // What a stage's time grows with, one run cannot tell apart: it is as much faster or slower in all.
      double expected = 0;
      for (const StageRate& rate : documented) {
        if (rate.stage == name_of) expected += json.at(std::string(field_of(rate.per))).get<double>() / rate.rate;
      }
      if (expected <= 0) continue;
      for (std::size_t r = 0; r < rates.size(); ++r) {
        if (rates[r].stage != name_of) continue;
        rates[r].rate = documented[r].rate * expected / seconds / cores;
        rates[r].benchmark = "the run named by --measured";
      }
    }
  } catch (const nlohmann::json::exception&) {
    throw UsageError(std::string(name) + ": not the performance.json of a rebuild");
  }
  return rates;
}

std::vector<StageRate> measured_rates(const std::filesystem::path& performance) {
  return measured_rates_of(read_small_file(performance, std::size_t{1} << 30), performance.string());
}

}  // namespace ligature
