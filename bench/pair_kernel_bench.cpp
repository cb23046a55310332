// How many pairs a second one core compares, alone and with what a pass does to each pattern: count it, test it.
#include <string>

#include <benchmark/benchmark.h>

#include "bench/population.hpp"
#include "engine/model.hpp"
#include "engine/pair_kernel.hpp"

namespace ligature {
namespace {

// One group of a pass; items is its size, all pairs are compared.
void report(benchmark::State& state, std::size_t items, std::size_t pairs) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pairs));
  state.SetLabel(std::string(pair_kernel_target()) + ", " + std::to_string(items) + " identities");
}

void compare_all_pairs(benchmark::State& state) {
  const auto items = static_cast<std::size_t>(state.range(0));
  const std::vector<Identity> identities = born_on_one_day(items, 1);
  IdentityColumns columns;
  columns.assign(identities);
  std::vector<Pattern> patterns(items + 16);
  for (auto _ : state) {
    for (std::size_t query = 0; query < items; ++query) {
      compare_one_to_many(columns, query, columns, query + 1, items, patterns.data());
      benchmark::DoNotOptimize(patterns.data());
      benchmark::ClobberMemory();
    }
  }
  report(state, items, items * (items - 1) / 2);
}
BENCHMARK(compare_all_pairs)->ArgName("identities")->Arg(64)->Arg(4096);

void compare_count_and_test(benchmark::State& state) {
  const auto items = static_cast<std::size_t>(state.range(0));
  const std::vector<Identity> identities = born_on_one_day(items, 1);
  FileFrequencies file;
  file.identities = 100'000'000;
  file.distinct_nhs = 60'000'000;
  const LinkageModel model(documented_model(file));
  std::vector<std::uint8_t> links(kPatterns);
  for (std::size_t pattern = 0; pattern < kPatterns; ++pattern)
    links[pattern] = model.links(static_cast<Pattern>(pattern));
  IdentityColumns columns;
  PatternCounts counts{};
  std::vector<std::uint32_t> linked;
  std::vector<Pattern> patterns(items + 16);
  for (auto _ : state) {
    columns.assign(identities);
    linked.clear();
    for (std::size_t query = 0; query < items; ++query) {
      compare_one_to_many(columns, query, columns, query + 1, items, patterns.data());
      for (std::size_t i = query + 1; i < items; ++i) {
        const Pattern pattern = patterns[i - query - 1];
        ++counts[pattern];
        if (links[pattern] != 0) linked.push_back(static_cast<std::uint32_t>(i));
      }
    }
    benchmark::DoNotOptimize(linked.data());
  }
  benchmark::DoNotOptimize(counts.data());
  report(state, items, items * (items - 1) / 2);
}
BENCHMARK(compare_count_and_test)->ArgName("identities")->Arg(2)->Arg(64)->Arg(4096);

void compare_plainly(benchmark::State& state) {
  const auto items = static_cast<std::size_t>(state.range(0));
  const std::vector<Identity> identities = born_on_one_day(items, 1);
  for (auto _ : state) {
    for (std::size_t query = 0; query < items; ++query) {
      for (std::size_t i = query + 1; i < items; ++i) {
        benchmark::DoNotOptimize(compare(identities[query], identities[i]));
      }
    }
  }
  report(state, items, items * (items - 1) / 2);
}
BENCHMARK(compare_plainly)->ArgName("identities")->Arg(256);

}  // namespace
}  // namespace ligature
