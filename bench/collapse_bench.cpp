// How many rows a second one core collapses to different identities.
#include <algorithm>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/collapse.hpp"
#include "engine/parallel.hpp"

namespace ligature {
namespace {

// Rows in random order, four an identity, as extracts of a population have them.  The low bits of an identity are zero.
std::vector<Identity> make_rows(std::size_t count) {
  std::mt19937_64 random(20);
  std::vector<Identity> rows;
  for (std::size_t i = 0; i < count / 4; ++i) rows.insert(rows.end(), 4, Identity{random(), random() << 14});
  std::shuffle(rows.begin(), rows.end(), random);
  return rows;
}

template <typename Collapse>
void run(benchmark::State& state, const Collapse& collapse_rows) {
  const ThreadLimit one(1);
  const std::vector<Identity> rows = make_rows(static_cast<std::size_t>(state.range(0)));
  std::vector<IdentityRun> runs;
  constexpr std::size_t kRowsPerBlock = 80'000;  // of an extract's block of 8 MiB
  for (std::size_t begin = 0; begin < rows.size(); begin += kRowsPerBlock) {
    runs.push_back({std::span(rows).subspan(begin, std::min(kRowsPerBlock, rows.size() - begin)),
                    static_cast<std::uint32_t>(4 * begin / rows.size()),
                    {}});
  }
  std::vector<std::uint32_t> of_row(rows.size());
  benchmark::DoNotOptimize(collapse_rows(runs, of_row));  // the first touch of memory is another question
  for (auto _ : state) benchmark::DoNotOptimize(collapse_rows(runs, of_row));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void collapse_partitioned(benchmark::State& state) {
  run(state, collapse);
}
BENCHMARK(collapse_partitioned)->RangeMultiplier(16)->Range(1 << 16, 1 << 24)->Unit(benchmark::kMillisecond);

void collapse_by_sorting(benchmark::State& state) {
  run(state, collapse_plain);
}
BENCHMARK(collapse_by_sorting)->Arg(1 << 20)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ligature
