#include "io/performance.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/files.hpp"

namespace ligature {

namespace {

using Json = nlohmann::ordered_json;

double ratio(double part, double whole) {
  return whole > 0 ? part / whole : 1;
}

double percent_of_bound(const StagePerformance& stage) {
  return stage.seconds > 0 ? 100 * stage.bound_seconds / stage.seconds : 0;
}

Json json_of(const StagePerformance& stage, int threads) {
  Json json = Json::object();
  json["name"] = stage.name;
  json["seconds"] = stage.seconds;
  json["items"] = stage.items;
  json["unit"] = stage.unit;
  const PopMetrics pop = pop_metrics(stage, threads);
  json["load_balance"] = pop.load_balance;
  json["communication_efficiency"] = pop.communication_efficiency;
  json["parallel_efficiency"] = pop.parallel_efficiency;
  json["thread_efficiency"] = pop.thread_efficiency;
  if (stage.bound_seconds > 0) {
    json["bound_seconds"] = stage.bound_seconds;
    json["bound_by"] = stage.bound_by;
    json["percent_of_bound"] = percent_of_bound(stage);
  }
  Json ranks = Json::object();
  const auto add = [&](std::string_view name, auto field) {
    Json& values = ranks[std::string(name)] = Json::array();
    for (const StageUsage& usage : stage.ranks) values.push_back(usage.*field);
  };
  for (const auto& [name, field] : kUsageTimes) add(name, field);
  for (const auto& [name, field] : kUsageCounts) add(name, field);
  json["ranks"] = std::move(ranks);
  return json;
}

}  // namespace

PopMetrics pop_metrics(const StagePerformance& stage, int threads) {
  double useful = 0, largest = 0, seconds = 0, cpu = 0;
  for (const StageUsage& usage : stage.ranks) {
    const double mine = std::max(0.0, usage.seconds - usage.wait_seconds);
    useful += mine;
    largest = std::max(largest, mine);
    seconds = std::max(seconds, usage.seconds);
    cpu += std::max(0.0, usage.cpu_seconds - usage.wait_cpu_seconds);
  }
  const double mean = stage.ranks.empty() ? 0 : useful / static_cast<double>(stage.ranks.size());
  return {ratio(mean, largest), ratio(largest, seconds), ratio(mean, seconds), ratio(cpu, useful * threads)};
}

double cpu_given(const Performance& performance) {
  double got = 0, queued = 0;
  for (const StagePerformance& stage : performance.stages) {
    got += sum_of(stage, &StageUsage::cpu_seconds) - sum_of(stage, &StageUsage::wait_cpu_seconds);
    queued += sum_of(stage, &StageUsage::queue_seconds);
  }
  return ratio(got, got + queued);
}

std::string to_json(const Performance& performance) {
  Json json = Json::object();
  json["format"] = 1;
  json["software_version"] = performance.software_version;
  json["run_id"] = performance.run_id;
  json["started_utc"] = performance.started_utc;
  json["simd"] = performance.simd;
  json["warning"] = performance.warning;
  json["hosts"] = performance.hosts;
  json["ranks"] = performance.ranks;
  json["threads_per_rank"] = performance.threads_per_rank;
  json["cpus_per_rank"] = performance.cpus_per_rank;
  json["cpus_per_host"] = performance.cpus_per_host;
  json["input_bytes"] = performance.input_bytes;
  json["rows"] = performance.rows;
  json["rows_kept"] = performance.rows_kept;
  json["identities"] = performance.identities;
  json["pairs"] = performance.pairs;
  json["persons"] = performance.persons;
  json["launch_seconds"] = performance.launch_seconds;
  json["total_seconds"] = performance.total_seconds;
  json["cpu_given"] = cpu_given(performance);
  json["fault_seconds"] = performance.fault_seconds;
  Json& stages = json["stages"] = Json::array();
  for (const StagePerformance& stage : performance.stages) {
    stages.push_back(json_of(stage, performance.threads_per_rank));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_performance(const std::filesystem::path& secure, const Performance& performance) {
  write_file_durably(secure / "performance.json", to_json(performance), 0600);
}

std::string result_lines(const Performance& performance) {
  std::string text;
  const auto add = [&](const std::string& stage, double seconds, std::uint64_t items, const std::string& unit) {
    text +=
        fmt::format("RESULT job=rebuild run={} ranks={} threads={} simd={} stage={} seconds={:.6f} items={} unit={}",
                    performance.run_id, performance.ranks, performance.threads_per_rank, performance.simd, stage,
                    seconds, items, unit);
  };
  std::uint64_t peak = 0;
  for (const StagePerformance& stage : performance.stages) {
    const PopMetrics pop = pop_metrics(stage, performance.threads_per_rank);
    peak = sum_of(stage, &StageUsage::peak_memory_bytes);
    add(stage.name, stage.seconds, stage.items, stage.unit);
    for (const auto& [name, field] : kUsageTimes) {
      if (field != &StageUsage::seconds) text += fmt::format(" {}={:.6f}", name, sum_of(stage, field));
    }
    for (const auto& [name, field] : kUsageCounts) {
      if (field != &StageUsage::items) text += fmt::format(" {}={}", name, sum_of(stage, field));
    }
    text += fmt::format(
        " load_balance={:.4f} communication_efficiency={:.4f} parallel_efficiency={:.4f} thread_efficiency={:.4f}",
        pop.load_balance, pop.communication_efficiency, pop.parallel_efficiency, pop.thread_efficiency);
    if (stage.bound_seconds > 0) text += fmt::format(" percent_of_bound={:.2f}", percent_of_bound(stage));
    text += '\n';
  }
  add("total", performance.total_seconds, performance.rows, "rows");
  text += fmt::format(" peak_memory_bytes={} launch_seconds={:.6f} cpu_given={:.4f}\n", peak,
                      performance.launch_seconds, cpu_given(performance));
  return text;
}

}  // namespace ligature
