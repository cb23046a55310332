// What resolving costs: a nation of small components, one big component, and a flood of equal identities.
#include <algorithm>
#include <numeric>
#include <random>

#include <benchmark/benchmark.h>

#include "engine/clustering.hpp"
#include "engine/edge_reducer.hpp"
#include "engine/union_find.hpp"

namespace ligature {
namespace {

constexpr Weight kMargin = 5 * kWeightPerBit;

// A person's identities as a rebuild finds them: all pairs linked, one in five without a number.
void resolve_small_components(benchmark::State& state) {
  const auto identities = static_cast<std::uint64_t>(state.range(0));
  std::vector<ClusterNode> nodes;
  std::vector<Edge> edges;
  for (std::uint64_t id = 0; id < identities; ++id) {
    nodes.push_back({id, id % 5 == 1 ? 0U : 9'434'765'919U});
    for (std::uint64_t other = 0; other < id; ++other) {
      edges.push_back({other, id, static_cast<Weight>(20 * kWeightPerBit + other), EdgeKind::link});
    }
  }
  ClusterCounts counts;
  for (auto _ : state) benchmark::DoNotOptimize(resolve_component(nodes, edges, {kMargin, false}, counts));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(identities));
}
BENCHMARK(resolve_small_components)->ArgName("identities")->Arg(2)->Arg(3)->Arg(8);

// A random graph of three edges an identity, a third of them without a number.
void resolve_one_component(benchmark::State& state) {
  const auto identities = static_cast<std::uint64_t>(state.range(0));
  std::mt19937_64 random(1);
  std::vector<ClusterNode> nodes;
  std::vector<Edge> edges;
  for (std::uint64_t id = 0; id < identities; ++id) {
    nodes.push_back({id, id % 3 == 0 ? 0 : 4'000'000'000 + random() % identities});
    for (int edge = 0; edge < 3 && id > 0; ++edge) {
      edges.push_back({random() % id, id, static_cast<Weight>(random() % 30'000), EdgeKind::link});
    }
  }
  ClusterCounts counts;
  for (auto _ : state) benchmark::DoNotOptimize(resolve_component(nodes, edges, {kMargin, false}, counts));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(edges.size()));
}
BENCHMARK(resolve_one_component)->ArgName("identities")->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

// The links of persons of four identities each, all pairs, in no order: nodes far apart in memory.
void unite_persons(benchmark::State& state) {
  const auto nodes = static_cast<std::uint32_t>(state.range(0));
  std::mt19937_64 random(1);
  std::vector<std::uint32_t> places(nodes);
  std::iota(places.begin(), places.end(), 0U);
  std::shuffle(places.begin(), places.end(), random);
  std::vector<UnionFind::Pair> pairs;
  for (std::size_t person = 0; person + 4 <= nodes; person += 4) {
    for (std::size_t a = 0; a < 4; ++a) {
      for (std::size_t b = a + 1; b < 4; ++b) pairs.push_back({places[person + a], places[person + b]});
    }
  }
  std::shuffle(pairs.begin(), pairs.end(), random);
  const auto unite = [&] {
    UnionFind sets(nodes);
    sets.unite_all(pairs);
    benchmark::DoNotOptimize(sets.representatives().data());
  };
  unite();  // the first touch of memory is another question
  for (auto _ : state) unite();
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(pairs.size()));
}
BENCHMARK(unite_persons)->ArgName("nodes")->Arg(1 << 16)->Arg(1 << 20)->Arg(1 << 24)->Unit(benchmark::kMillisecond);

// All pairs of equal identities, half of them without a number.
void reduce_a_flood(benchmark::State& state) {
  const auto identities = static_cast<std::uint64_t>(state.range(0));
  std::size_t kept = 0;
  for (auto _ : state) {
    EdgeReducer reducer;
    for (std::uint64_t a = 0; a < identities; ++a) {
      for (std::uint64_t b = a + 1; b < identities; ++b) {
        reducer.add({a, b, kWeightPerBit, EdgeKind::link}, a % 2 * (a + 1), b % 2 * (b + 1));
      }
    }
    kept = reducer.take().size();
  }
  const std::uint64_t edges = identities * (identities - 1) / 2;
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(edges));
  state.counters["edges_kept"] = static_cast<double>(kept);
}
BENCHMARK(reduce_a_flood)->ArgName("identities")->Arg(2'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ligature
