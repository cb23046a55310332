// How many pairs a second one core compares, alone and with what a pass does to each pattern: count it, test it.
#include <algorithm>
#include <string>

#include <benchmark/benchmark.h>

#include "bench/population.hpp"
#include "engine/decisive.hpp"
#include "engine/model.hpp"
#include "engine/pair_kernel.hpp"
#include "engine/pattern_tally.hpp"

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
  std::vector<Pattern> patterns(items);
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

// What estimating the model from all pairs takes of a group: unpack, compare, count each pattern.
void compare_and_count(benchmark::State& state) {
  const auto items = static_cast<std::size_t>(state.range(0));
  const std::vector<Identity> identities = born_on_one_day(items, 1);
  const std::vector<std::uint8_t> records(items, 1);
  IdentityColumns columns;
  PatternTally tally;
  std::vector<Pattern> patterns(items);
  for (auto _ : state) {
    columns.assign(identities);
    for (std::size_t query = 0; query + 1 < items; ++query) {
      for (std::size_t begin = query + 1; begin < items; begin += kTallyBlock) {
        const std::size_t end = std::min(items, begin + kTallyBlock);
        compare_one_to_many(columns, query, columns, begin, end, patterns.data());
        tally.add(patterns.data(), records.data() + begin, end - begin, 1);
      }
    }
  }
  benchmark::DoNotOptimize(tally.counts());
  report(state, items, items * (items - 1) / 2);
}
BENCHMARK(compare_and_count)->ArgName("identities")->Arg(2)->Arg(64)->Arg(4096);

// What linking takes of it: unpack, find the pairs that decide something, weigh them, keep the links.  Pairs of two
// with numbers in use are not looked at, as in a pass; the others are the items.  one_postcode: all live at one that is
// as common as that makes it.
void find_and_weigh(benchmark::State& state) {
  const auto items = static_cast<std::size_t>(state.range(0));
  const bool one_postcode = state.range(1) != 0;
  std::vector<Identity> identities = born_on_one_day(items, 1);
  const Rarity rarity = one_postcode ? Rarity{16} : kAverageRarity;
  for (Identity& identity : identities) {
    IdentityFields fields = unpack(identity);
    if (one_postcode) fields.postcode = unpack(identities.front()).postcode;
    identity = weighed(pack(fields), {kAverageRarity, rarity, 0, 0});
  }
  const auto numbered = std::partition(identities.begin(), identities.end(),
                                       [](const Identity& identity) { return !identity.has_valid_nhs(); });
  const auto rows = static_cast<std::size_t>(numbered - identities.begin());
  FileFrequencies file;
  file.identities = 100'000'000;
  file.distinct_nhs = 60'000'000;
  const LinkageModel model(documented_model(file));
  const WantedPatterns wanted(decisive_patterns(model, false, kAverageRarity, rarity), false, Shared::birth);
  IdentityColumns columns;
  std::vector<std::uint32_t> linked;
  std::vector<FoundPair> found(items);
  for (auto _ : state) {
    columns.assign(identities);
    linked.clear();
    for (std::size_t query = 0; query < rows; ++query) {
      const FoundPairs pairs = find_wanted(columns, query, columns, query + 1, items, wanted, found.data());
      for (std::size_t i = 0; i < pairs.wanted; ++i) {
        const FoundPair& pair = found[i];
        if (model.weight(pair.pattern, identities[query], identities[pair.index]) >= model.threshold()) {
          linked.push_back(pair.index);
        }
      }
    }
    benchmark::DoNotOptimize(linked.data());
  }
  state.counters["links"] = static_cast<double>(linked.size());
  report(state, items, rows * (2 * items - rows - 1) / 2);
}
BENCHMARK(find_and_weigh)->ArgNames({"identities", "one_postcode"})->ArgsProduct({{64, 4096}, {0, 1}});

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
