// How many persons a second one core names.
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/pseudonym.hpp"

namespace ligature {
namespace {

void name_numbered_persons(benchmark::State& state) {
  Pseudonymiser pseudonymiser(std::vector<std::byte>(32, std::byte{7}));
  std::uint64_t number = 4'000'000'000;
  for (auto _ : state) benchmark::DoNotOptimize(pseudonymiser.of_nhs_number(number++));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(name_numbered_persons);

void name_other_persons(benchmark::State& state) {
  Pseudonymiser pseudonymiser(std::vector<std::byte>(32, std::byte{7}));
  Identity identity;
  for (auto _ : state) {
    ++identity.second;
    benchmark::DoNotOptimize(pseudonymiser.of_identity(identity));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(name_other_persons);

}  // namespace
}  // namespace ligature
