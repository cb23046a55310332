// The trace: off until started, bounded in size, and one timeline of JSON over all ranks.
#include "engine/trace.hpp"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/parallel.hpp"
#include "io/files.hpp"
#include "io/trace_file.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

TEST(Trace, keeps_nothing_before_it_starts) {
  Trace& trace = Trace::of_this_process();
  EXPECT_FALSE(trace.on());
  for_each_item(100, [](std::size_t) {});
  trace.start(10);
  EXPECT_TRUE(trace.stop().empty());
}

TEST(Trace, a_full_one_forgets_the_shortest_first) {
  Trace& trace = Trace::of_this_process();
  trace.start(8);
  for (std::uint64_t i = 1; i <= 100; ++i) trace.add("task", i * kMillisecond, i * kMillisecond + i * kMillisecond);
  const std::vector<TraceEvent> kept = trace.stop();
  EXPECT_LE(kept.size(), 8U);
  ASSERT_FALSE(kept.empty());
  EXPECT_EQ(kept.back().length(), 100 * kMillisecond);
  for (const TraceEvent& event : kept) EXPECT_GT(event.length(), 90 * kMillisecond);
}

TEST(Trace, a_task_has_the_name_of_its_stage_and_the_order_of_its_begin) {
  Trace& trace = Trace::of_this_process();
  trace.start(8);
  trace.name_tasks("pairs");
  trace.add(trace.task_name(), 5 * kMillisecond, 6 * kMillisecond);
  trace.add("earlier", kMillisecond, 9 * kMillisecond);
  const std::vector<TraceEvent> kept = trace.stop();
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_STREQ(kept[0].name, "earlier");
  EXPECT_STREQ(kept[1].name, "pairs");
}

TEST(TraceFile, every_rank_is_a_process_of_one_timeline) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const std::filesystem::path path = folder.path() / "trace.json";
  const auto rank = static_cast<std::uint64_t>(world.rank());
  const std::uint64_t zero = 10 * kMillisecond;
  std::vector<TraceEvent> events{{"before", 0, 0, 9 * kMillisecond},
                                 {"a \"stage\"", 0, 9 * kMillisecond, 13 * kMillisecond}};
  for (std::uint64_t i = 0; i < rank; ++i) {
    events.push_back({"task", 1, zero + i * kMillisecond, zero + (i + 1) * kMillisecond});
  }
  write_trace(world, path, events, zero);
  world.barrier();
  if (!world.is_root()) return;

  const nlohmann::json trace = nlohmann::json::parse(read_small_file(path));
  std::vector<std::uint64_t> tasks(static_cast<std::size_t>(world.size()), 0);
  std::uint64_t stages = 0, names = 0;
  for (const auto& event : trace.at("traceEvents")) {
    const auto process = event.at("pid").get<std::size_t>();
    ASSERT_LT(process, tasks.size());
    if (event.at("name") == "process_name") ++names;
    if (event.at("name") == "task") ++tasks[process];
    EXPECT_NE(event.at("name"), "before");
    if (event.at("name") != "a \"stage\"") continue;
    ++stages;
    EXPECT_EQ(event.at("ts").get<double>(), 0);
    EXPECT_EQ(event.at("dur").get<double>(), 3000);
  }
  EXPECT_EQ(names, tasks.size());
  EXPECT_EQ(stages, tasks.size());
  for (std::size_t process = 0; process < tasks.size(); ++process) EXPECT_EQ(tasks[process], process);
}

TEST(TraceFile, a_folder_that_is_not_there_is_an_error_on_every_rank) {
  const Communicator world = Communicator::world();
  EXPECT_ANY_THROW(write_trace(world, "/nowhere/at/all/trace.json", {}, 0));
}

}  // namespace
}  // namespace ligature
