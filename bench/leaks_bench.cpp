// How fast text and bytes are searched for what may be an identifier: bytes a second of one core.
#include <string>

#include <benchmark/benchmark.h>

#include "jobs/verify/identifier_forms.hpp"

namespace ligature {
namespace {

constexpr std::size_t kBytes = std::size_t{4} << 20;

// Lines of an extract without identifiers, or with one of each kind.
std::string lines(bool identifiers) {
  std::string text;
  for (std::uint64_t row = 0; text.size() < kBytes; ++row) {
    text += std::to_string(row) + ",A81001,2014-03-1" + std::to_string(row % 10) + ",C10E.," +
            std::to_string(row * 7919 % 1000);
    if (identifiers) text += ",943476" + std::to_string(1000 + row % 9000) + ",31/12/1970,SW1A 1AA";
    text += '\n';
  }
  return text;
}

void search_text(benchmark::State& state) {
  const std::string text = lines(state.range(0) != 0);
  std::uint64_t finds = 0;
  const FoundForms count = [&](const FoundForm&) { ++finds; };
  for (auto step : state) {
    static_cast<void>(step);
    find_in_text(text, count);
    find_in_bytes(text, count);
  }
  benchmark::DoNotOptimize(finds);
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(search_text)->ArgName("identifiers")->Arg(0)->Arg(1);

// 16-bit numbers, most of them small: zeros everywhere, so that no window can be passed over.
void search_binary(benchmark::State& state) {
  std::string bytes(kBytes, '\0');
  for (std::size_t i = 0; i < kBytes; i += 2) bytes[i] = static_cast<char>(i * 2654435761U >> 7);
  std::uint64_t finds = 0;
  const FoundForms count = [&](const FoundForm&) { ++finds; };
  for (auto step : state) {
    static_cast<void>(step);
    find_in_text(bytes, count);
    find_in_bytes(bytes, count);
  }
  benchmark::DoNotOptimize(finds);
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes.size()) * state.iterations());
}
BENCHMARK(search_binary);

}  // namespace
}  // namespace ligature

BENCHMARK_MAIN();
