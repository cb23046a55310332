// How many rows a second one core collapses to different identities, at once and batch by batch.
#include <algorithm>
#include <random>
#include <span>
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

std::vector<IdentityRun> make_runs(std::span<const Identity> rows) {
  std::vector<IdentityRun> runs;
  constexpr std::size_t kRowsPerBlock = 80'000;  // of an extract's block of 8 MiB
  for (std::size_t begin = 0; begin < rows.size(); begin += kRowsPerBlock) {
    runs.push_back({rows.subspan(begin, std::min(kRowsPerBlock, rows.size() - begin)),
                    static_cast<std::uint32_t>(4 * begin / rows.size()),
                    {}});
  }
  return runs;
}

template <typename Collapse>
void run(benchmark::State& state, const Collapse& collapse_rows) {
  const ThreadLimit one(1);
  const std::vector<Identity> rows = make_rows(static_cast<std::size_t>(state.range(0)));
  const std::vector<IdentityRun> runs = make_runs(rows);
  std::vector<std::uint32_t> of_row(rows.size());
  benchmark::DoNotOptimize(collapse_rows(runs, of_row));  // the first touch of memory is another question
  for (auto _ : state) benchmark::DoNotOptimize(collapse_rows(runs, of_row));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void collapse_partitioned(benchmark::State& state) {
  run(state, collapse);
}
BENCHMARK(collapse_partitioned)->RangeMultiplier(16)->Range(1 << 16, 1 << 24)->Unit(benchmark::kMillisecond);

// As a rebuild does while it reads: each batch meets what those before it have left.
void collapse_in_batches(benchmark::State& state) {
  const ThreadLimit one(1);
  const std::vector<Identity> rows = make_rows(std::size_t{1} << 24);
  const std::vector<IdentityRun> runs = make_runs(rows);
  const auto batches = static_cast<std::size_t>(state.range(0)), runs_a_batch = runs.size() / batches + 1;
  std::vector<std::uint32_t> of_row(rows.size());
  for (auto _ : state) {
    Collapser collapser(rows.size());
    std::size_t row = 0;
    for (std::size_t first = 0; first < runs.size(); first += runs_a_batch) {
      const auto batch = std::span(runs).subspan(first, std::min(runs_a_batch, runs.size() - first));
      std::size_t count = 0;
      for (const IdentityRun& run : batch) count += run.identities.size();
      collapser.add(batch, std::span(of_row).subspan(row, count));
      row += count;
    }
    benchmark::DoNotOptimize(collapser.finish());
    collapser.resolve(of_row);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows.size()));
}
BENCHMARK(collapse_in_batches)->ArgName("batches")->Arg(4)->Arg(16)->Unit(benchmark::kMillisecond);

void collapse_by_sorting(benchmark::State& state) {
  run(state, collapse_plain);
}
BENCHMARK(collapse_by_sorting)->Arg(1 << 20)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ligature
