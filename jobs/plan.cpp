// plan: what a rebuild of a job file would read, compare, hold and write, before anything runs.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/files.hpp"
#include "io/placement.hpp"
#include "io/progress.hpp"
#include "jobs/calibration.hpp"
#include "jobs/jobs.hpp"
#include "jobs/rates.hpp"
#include "jobs/rebuild/room.hpp"
#include "jobs/reckoning.hpp"

namespace ligature {

namespace {

// How much of what a stage's time grows with there is.
double work_of(const Estimate& e, WorkKind kind) {
  switch (kind) {
    case WorkKind::input_bytes:
      return e.input_bytes;
    case WorkKind::rows:
      return e.kept;
    case WorkKind::identities:
      return e.identities;
    case WorkKind::pairs:
      return e.number_pairs + e.birth_pairs + e.postcode_pairs;
  }
  return 0;
}

// Collective.
std::vector<StageRate> load_rates(const Communicator& comm, const PlanOptions& options) {
  std::vector<StageRate> rates = documented_rates();
  std::optional<std::string> problem;
  const auto& file = options.calibrate ? options.calibrate : options.measured;
  if (comm.is_root() && file) {
    try {
      rates = measured_rates(*file);
    } catch (const Error& error) {
      problem = error.what();
    }
  }
  comm.agree(problem, kExitWrongUse);
  return rates;  // those of the options on rank 0, which alone reckons
}

// Seconds by stage on so many cores, rows of one stage together.
std::vector<std::vector<std::string>> stage_times(const Estimate& e, const std::vector<StageRate>& rates,
                                                  double cores) {
  std::vector<std::vector<std::string>> table{{"stage", "seconds"}};
  double total = 0, of_stage = 0;
  for (std::size_t r = 0; r < rates.size(); ++r) {
    of_stage += work_of(e, rates[r].per) / rates[r].rate / cores;
    if (r + 1 < rates.size() && rates[r + 1].stage == rates[r].stage) continue;
    table.push_back({std::string(rates[r].stage), fmt::format("{:.1f}", of_stage)});
    total += std::exchange(of_stage, 0);
  }
  table.push_back({"total", fmt::format("{:.1f}", total)});
  return table;
}

// What a rebuild reads beside the extracts and does not find, for whoever plans where the key is not.
std::vector<std::string> absent_files(const JobFile& job) {
  std::vector<std::string> absent;
  const auto look = [&](const std::string& pattern) {
    if (expand_glob(pattern).empty()) absent.push_back(pattern);
  };
  look(job.key.string());
  for (const std::string& pattern : job.consent.objections) look(pattern);
  if (job.superseded) look(job.superseded->string());
  if (job.practices) look(job.practices->string());
  return absent;
}

}  // namespace

int plan(const Communicator& comm, const JobFile& job, const PlanOptions& options) {
  if (options.calibrate) calibrate(comm, job, *options.calibrate, options.calibration_people);
  const std::vector<StageRate> rates = load_rates(comm, options);
  const Placement placement = examine_placement(comm);
  const ThreadLimit threads(job.threads > 0 ? job.threads : placement.fair_threads);
  const Inputs inputs = find_inputs(comm, job);
  const Estimate e = estimate(comm, job, inputs);
  const Room room = examine_room(comm, job);
  if (!comm.is_root()) return kExitDone;

  const double ranks = comm.size(), cores = ranks * num_threads();
  const auto count = [](double value) { return with_commas(static_cast<std::uint64_t>(std::max(0.0, value))); };
  const auto bytes = [](double value) { return human_bytes(static_cast<std::uint64_t>(std::max(0.0, value))); };

  const Fit fit = fit_into(room, job, e, ranks, num_threads(), true);
  std::vector<std::vector<std::string>> sizes{{"estimate", "all ranks", "each rank"}};
  const auto add = [&](const std::string& name, double value, const auto& text) {
    sizes.push_back({name, text(value), text(value / ranks)});
  };
  add("input", e.input_bytes, bytes);
  add("rows", e.rows, count);
  add("rows kept", e.kept, count);
  add("identities", e.identities, count);
  add("pairs sharing an NHS number", e.number_pairs, count);
  add("pairs sharing a date of birth", e.birth_pairs, count);
  add("pairs sharing a postcode", e.postcode_pairs, count);
  sizes.push_back({"largest birthday, identities", count(e.largest_birth), ""});
  sizes.push_back({"largest postcode, identities", count(e.largest_postcode), ""});
  add("memory at the peak", fit.liked, bytes);
  add("memory, at least", fit.least, bytes);
  add("memory that there is", fit.memory, bytes);
  add("scratch disk", scratch_bytes(e, room.of_rows(), job.checkpoint), bytes);
  add("output disk", published_bytes(e) + secure_bytes(e), bytes);

  const auto rates_of = options.calibrate.value_or(options.measured.value_or(std::filesystem::path()));
  fmt::print("{} file{}, {}\n\n{}\n{}\n", with_commas(inputs.files.size()), inputs.files.size() == 1 ? "" : "s",
             describe(placement), text_table(sizes), text_table(stage_times(e, rates, cores)));
  fmt::print("Estimated from a sample of up to {}; seconds at {:.0f} thread{} of {}.\n", human_bytes(kSampleBytes),
             cores, cores == 1 ? "" : "s",
             rates_of.empty() ? "the machine that bench/README.md describes" : "the rates of " + rates_of.string());
  for (const std::string& absent : absent_files(job)) {
    fmt::print("A rebuild here would be refused: there is no {}.\n", absent);
  }
  if (fit.problem) {
    fmt::print("A rebuild here would be refused: {}.\n", *fit.problem);
  } else if (fit.is_short()) {
    fmt::print("Memory is short: rows would wait on disk, and passes go in rounds where there is no room for one.\n");
  }
  return kExitDone;
}

}  // namespace ligature
