// How many records a second one core brings together by a key: the least that a sort or a shuffle does.
#include <cstdint>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/counting_sort.hpp"
#include "engine/parallel.hpp"

namespace ligature {
namespace {

constexpr std::size_t kGroups = 256;  // what one pass of a sort tells apart

struct Record {
  std::uint64_t key = 0;
  std::uint64_t rest[3] = {};
};
static_assert(sizeof(Record) == 32);

// One pass: each record is read twice and written once, in the order of the leading byte of its key.
void group_records(benchmark::State& state) {
  const ThreadLimit one(1);
  std::mt19937_64 random(1);
  std::vector<Record> records(static_cast<std::size_t>(state.range(0))), grouped(records.size());
  for (Record& record : records) record.key = random();
  const auto group_of = [&](std::size_t i) { return records[i].key >> 56; };
  for (auto _ : state) {
    SortPlan plan = plan_sort(records.size(), kGroups, group_of);
    for_blocks(records.size(), plan.grain, [&](std::size_t begin, std::size_t end) {
      std::uint64_t* const cursors = plan.cursors_of(begin);
      for (std::size_t i = begin; i < end; ++i) grouped[cursors[group_of(i)]++] = records[i];
    });
    benchmark::DoNotOptimize(grouped.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(group_records)->ArgName("records")->Arg(1 << 16)->Arg(1 << 20)->Arg(1 << 24)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ligature
