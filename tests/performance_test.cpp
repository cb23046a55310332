// What a run says about its own speed: POP measures, bounds, the file, and the counts behind them.
#include "io/performance.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/bounds.hpp"
#include "jobs/rates.hpp"
#include "jobs/rebuild/stage_clock.hpp"
#include "partition/shuffle.hpp"
#include "partition/traffic.hpp"

namespace ligature {
namespace {

// Two ranks in a stage of 10 s: one worked for 8, the other for 4, with two threads each.
StagePerformance lopsided() {
  StagePerformance stage;
  stage.name = "pairs";
  stage.unit = "pairs";
  stage.seconds = 10;
  stage.items = 120;
  stage.ranks.resize(2);
  for (StageUsage& usage : stage.ranks) usage.seconds = 10;
  stage.ranks[0].wait_seconds = 2;
  stage.ranks[1].wait_seconds = 6;
  stage.ranks[0].cpu_seconds = 14;
  stage.ranks[0].wait_cpu_seconds = 2;
  stage.ranks[1].cpu_seconds = 12;
  stage.ranks[1].wait_cpu_seconds = 6;
  return stage;
}

TEST(PopMetrics, time_outside_mpi_is_useful_time) {
  const PopMetrics pop = pop_metrics(lopsided(), 2);
  EXPECT_DOUBLE_EQ(pop.load_balance, 6.0 / 8);
  EXPECT_DOUBLE_EQ(pop.communication_efficiency, 8.0 / 10);
  EXPECT_DOUBLE_EQ(pop.parallel_efficiency, pop.load_balance * pop.communication_efficiency);
  EXPECT_DOUBLE_EQ(pop.thread_efficiency, 18.0 / 24);
}

TEST(PopMetrics, a_stage_that_took_no_time_lost_none) {
  StagePerformance stage;
  stage.ranks.resize(3);
  EXPECT_EQ(pop_metrics(stage, 4).parallel_efficiency, 1);
  EXPECT_EQ(pop_metrics(stage, 4).thread_efficiency, 1);
}

TEST(PopMetrics, waiting_for_a_cpu_is_told_from_using_one) {
  Performance performance;
  EXPECT_EQ(cpu_given(performance), 1);
  performance.stages = {lopsided()};
  performance.stages[0].ranks[1].queue_seconds = 6;  // 18 s were had
  EXPECT_DOUBLE_EQ(cpu_given(performance), 0.75);
}

TEST(PerformanceFile, has_every_rank_of_every_stage) {
  Performance performance;
  performance.ranks = 2;
  performance.threads_per_rank = 2;
  performance.stages = {lopsided(), lopsided()};
  performance.stages[1].bound_seconds = 2.5;
  performance.stages[1].bound_by = "cpu";
  const nlohmann::json json = nlohmann::json::parse(to_json(performance));
  ASSERT_EQ(json.at("stages").size(), 2U);
  const auto& stage = json.at("stages")[0];
  EXPECT_EQ(stage.at("ranks").size(), kUsageTimes.size() + kUsageCounts.size());
  EXPECT_EQ(stage.at("ranks").at("wait_seconds"), (std::vector<double>{2, 6}));
  EXPECT_FALSE(stage.contains("percent_of_bound"));
  EXPECT_EQ(json.at("stages")[1].at("percent_of_bound"), 25.0);
}

TEST(ResultLines, are_one_a_stage_and_one_for_the_whole) {
  Performance performance;
  performance.stages = {lopsided(), lopsided()};
  const std::string lines = result_lines(performance);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3);
  EXPECT_NE(lines.find(" stage=pairs seconds=10.000000 items=120 unit=pairs wait_seconds=8.000000 "), std::string::npos)
      << lines;
  EXPECT_NE(lines.find(" stage=total "), std::string::npos);
}

TEST(Bounds, disk_and_cores_work_side_by_side_and_kernels_one_after_another) {
  const Bounds bounds = parse_bounds(R"({"disk_read_bytes": 100, "parse_bytes": 50, "collapse_rows": 10})", "b.json");
  EXPECT_EQ(shortest_seconds({.read_bytes = 1000, .parsed_bytes = 600}, bounds, 1, 2),
            (std::pair{10.0, std::string_view("disk")}));
  EXPECT_EQ(shortest_seconds({.read_bytes = 1000, .parsed_bytes = 600}, bounds, 2, 2),
            (std::pair{6.0, std::string_view("cpu")}));
  EXPECT_EQ(shortest_seconds({.parsed_bytes = 100, .collapsed_rows = 20}, bounds, 1, 1).first, 4.0);
  const Bounds grouping = parse_bounds(R"({"grouped_items": 5, "cluster_edges": 2})", "b.json");
  EXPECT_EQ(shortest_seconds({.grouped_items = 20, .edges = 6}, grouping, 1, 1).first, 7.0);
}

TEST(Bounds, what_was_not_measured_bounds_nothing) {
  EXPECT_EQ(shortest_seconds({.written_bytes = 1e12, .compared_pairs = 1e15}, Bounds{}, 1, 1).first, 0);
}

TEST(Bounds, a_name_or_a_rate_that_is_wrong_is_refused) {
  EXPECT_THROW(parse_bounds(R"({"disk_reed_bytes": 1})", "b.json"), UsageError);
  EXPECT_THROW(parse_bounds(R"({"parse_bytes": 0})", "b.json"), UsageError);
  EXPECT_THROW(parse_bounds(R"({"parse_bytes": "fast"})", "b.json"), UsageError);
  EXPECT_THROW(parse_bounds("[1]", "b.json"), UsageError);
}

TEST(Rates, a_measured_run_replaces_the_stages_that_it_ran_long_enough) {
  const std::vector<StageRate> rates = measured_rates_of(
      R"({"ranks": 2, "threads_per_rank": 3, "rows_kept": 1200, "input_bytes": 1, "identities": 1, "persons": 1, "pairs": 1,
          "stages": [{"name": "publish", "seconds": 2.0}, {"name": "index", "seconds": 0.001}]})",
      "performance.json");
  const std::vector<StageRate> documented = documented_rates();
  ASSERT_EQ(rates.size(), documented.size());
  for (std::size_t r = 0; r < rates.size(); ++r) {
    EXPECT_DOUBLE_EQ(rates[r].rate, rates[r].stage == "publish" ? 100 : documented[r].rate) << rates[r].stage;
  }
  EXPECT_THROW(measured_rates_of("{}", "x.json"), UsageError);
}

TEST(Rates, a_stage_with_several_rates_takes_as_long_as_it_was_measured) {
  const std::vector<StageRate> rates = measured_rates_of(
      R"({"ranks": 2, "threads_per_rank": 2, "rows_kept": 1, "input_bytes": 1, "identities": 8000000, "pairs": 900000000,
          "stages": [{"name": "pairs", "seconds": 9.0}]})",
      "performance.json");
  double seconds = 0;
  for (const StageRate& rate : rates) {
    if (rate.stage == "pairs") seconds += (rate.per == WorkKind::pairs ? 9e8 : 8e6) / rate.rate / 4;
  }
  EXPECT_NEAR(seconds, 9, 1e-6);
}

TEST(Traffic, an_exchange_counts_what_leaves_the_rank) {
  const Communicator world = Communicator::world();
  const auto ranks = static_cast<std::uint64_t>(world.size());
  std::vector<std::uint64_t> items(1000 * ranks), first(ranks + 1);
  for (std::uint64_t r = 0; r <= ranks; ++r) first[r] = 1000 * r;
  const Traffic before = traffic();
  const Received<std::uint64_t> received = exchange(world, std::span<const std::uint64_t>(items), first);
  EXPECT_EQ(received.items.size(), 1000 * ranks);
  EXPECT_EQ(traffic().bytes_sent - before.bytes_sent, 8000 * (ranks - 1));
  EXPECT_EQ(traffic().bytes_received - before.bytes_received, 8000 * (ranks - 1));
  EXPECT_GT(traffic().waits, before.waits);
}

TEST(Traffic, waiting_inside_waiting_counts_once) {
  const Traffic before = traffic();
  {
    const Waiting outer("outer");
    const Waiting inner("inner");
  }
  EXPECT_EQ(traffic().waits, before.waits + 1);
}

TEST(StageClock, stages_follow_without_a_gap_and_the_root_has_every_rank) {
  const Communicator world = Communicator::world();
  StageClock clock(world);
  clock.begin("first");
  std::vector<std::vector<char>> memory(1, std::vector<char>(std::size_t{32} << 20, 1));  // each page touched
  clock.end(10, "rows", static_cast<std::uint64_t>(world.rank()), {.parsed_bytes = 100});
  clock.begin("second");
  clock.end(20, "rows", 0);
  ASSERT_EQ(clock.stages().size(), 2U);
  EXPECT_DOUBLE_EQ(clock.total_seconds(), clock.stages()[0].seconds + clock.stages()[1].seconds);
  const std::vector<StagePerformance> stages = clock.gather(parse_bounds(R"({"parse_bytes": 10})", "b"), 1, 2);
  if (!world.is_root()) {
    EXPECT_TRUE(stages.empty());
    return;
  }
  ASSERT_EQ(stages.size(), 2U);
  EXPECT_EQ(stages[0].name, "first");
  EXPECT_EQ(stages[0].bound_seconds, 5);
  EXPECT_EQ(stages[1].bound_seconds, 0);
  ASSERT_EQ(stages[0].ranks.size(), static_cast<std::size_t>(world.size()));
  for (std::size_t rank = 0; rank < stages[0].ranks.size(); ++rank) {
    const StageUsage& usage = stages[0].ranks[rank];
    EXPECT_EQ(usage.items, rank);
    EXPECT_GE(usage.seconds, usage.wait_seconds);
    EXPECT_GE(usage.peak_memory_bytes, std::uint64_t{32} << 20);
    EXPECT_GE(usage.peak_memory_bytes, usage.memory_bytes);
    EXPECT_LE(usage.first_touch_seconds, usage.system_seconds);
    EXPECT_GE(usage.waits, 1U);
  }
}

}  // namespace
}  // namespace ligature
