// How many records a second one core brings together by a key: the least that a sort or a shuffle does, and a whole
// sort; and what it saves to fetch the next line of each of many places.
#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/cache_line.hpp"
#include "engine/counting_sort.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "engine/raw_vector.hpp"

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

// Sorts records, as dealt by the leading bits of their keys, which are linkage keys of so many different values.
void sort_records(benchmark::State& state) {
  constexpr std::size_t kCount = std::size_t{1} << 23;
  constexpr unsigned kBits = 10;  // 8,192 to a bucket
  const ThreadLimit one(1);
  std::mt19937_64 random(1);
  std::vector<Record> records(kCount);
  for (Record& record : records) {
    record.key = linkage_key(random() % static_cast<std::uint64_t>(state.range(0)));
  }
  std::vector<radix_sort_detail::Run> runs(std::size_t{1} << kBits);
  std::stable_sort(records.begin(), records.end(),
                   [](const Record& a, const Record& b) { return a.key >> (64 - kBits) < b.key >> (64 - kBits); });
  for (std::size_t bucket = 0, place = 0; bucket < runs.size(); ++bucket) {
    runs[bucket].begin = place;
    while (place < kCount && records[place].key >> (64 - kBits) == bucket) ++place;
    runs[bucket].end = place;
  }
  for (auto _ : state) {
    state.PauseTiming();
    RawVector<Record> dealt(kCount);
    std::copy(records.begin(), records.end(), dealt.begin());
    state.ResumeTiming();
    const RawVector<Record> sorted = sort_buckets(
        std::move(dealt), std::span<const radix_sort_detail::Run>(runs), 1, kBits,
        [](const Record& record) { return record.key; }, nullptr);
    benchmark::DoNotOptimize(sorted.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCount));
}
BENCHMARK(sort_records)->ArgName("different")->Arg(50'000)->Arg(2'000'000)->Arg(1 << 30)->Unit(benchmark::kMillisecond);

// Records to as many places as the leading bits of their keys tell apart, once it is known how many go to each.
void deal_records(benchmark::State& state) {
  const std::size_t count = std::size_t{1} << 24;
  const auto bits = static_cast<unsigned>(state.range(0));
  const bool fetches = state.range(1) != 0;
  std::mt19937_64 random(1);
  std::vector<Record> records(count), dealt(count);
  std::vector<std::uint64_t> first((std::size_t{1} << bits) + 1, 0);
  for (Record& record : records) {
    record.key = random();
    ++first[(record.key >> (64 - bits)) + 1];
  }
  for (std::size_t place = 1; place < first.size(); ++place) first[place] += first[place - 1];
  for (auto _ : state) {
    std::vector<std::uint64_t> next = first;
    for (const Record& record : records) {
      Record& place = dealt[next[record.key >> (64 - bits)]++];
      if (fetches) fetch_line_after(&place);
      place = record;
    }
    benchmark::DoNotOptimize(dealt.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(deal_records)
    ->ArgNames({"bits", "fetches"})
    ->ArgsProduct({{8, 10, 12}, {0, 1}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ligature
