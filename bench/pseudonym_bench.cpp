// How many persons a second one core names: in lanes as a rebuild does, one by one with OpenSSL, and how fast OpenSSL's
// one-shot function is, which is what a program writes first.
#include <array>
#include <vector>

#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "engine/hmac_lanes.hpp"
#include "engine/pseudonym.hpp"

namespace ligature {
namespace {

constexpr std::size_t kPersons = 1U << 12;

std::vector<std::byte> key() {
  return std::vector<std::byte>(32, std::byte{7});
}

template <typename Who>
void name(benchmark::State& state, const std::vector<Who>& who) {
  Pseudonymiser pseudonymiser(key());
  std::vector<Pseudonym> names(who.size());
  for (auto _ : state) {
    pseudonymiser.name(who, names);
    benchmark::DoNotOptimize(names.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(who.size()));
}

void name_numbered_persons(benchmark::State& state) {
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < kPersons; ++i) numbers.push_back(4'000'000'000 + i);
  name(state, numbers);
}
BENCHMARK(name_numbered_persons);

void name_other_persons(benchmark::State& state) {
  std::vector<Identity> identities;
  for (std::uint64_t i = 0; i < kPersons; ++i) identities.push_back({i, i * i});
  name(state, identities);
}
BENCHMARK(name_other_persons);

void name_one_by_one(benchmark::State& state) {
  Pseudonymiser pseudonymiser(key());
  std::uint64_t number = 4'000'000'000;
  for (auto _ : state) benchmark::DoNotOptimize(pseudonymiser.of_nhs_number(number++));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(name_one_by_one);

void openssl_one_shot(benchmark::State& state) {
  const std::vector<std::byte> secret = key();
  std::array<unsigned char, 32> message{}, digest{};
  for (auto _ : state) {
    ++message[31];
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), message.data(), message.size(), digest.data(),
         nullptr);
    benchmark::DoNotOptimize(digest);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(openssl_one_shot);

void kernel(benchmark::State& state, void (*hmac)(const HmacKey&, const HmacMessages&, HmacDigests&)) {
  const HmacKey secret(key());
  const HmacMessages messages(std::vector<std::byte>(32, std::byte{7}));
  HmacDigests digests;
  for (auto _ : state) {
    hmac(secret, messages, digests);
    benchmark::DoNotOptimize(digests);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kHmacLanes));
}
BENCHMARK_CAPTURE(kernel, by_block, hmac_lanes_by_block);
BENCHMARK_CAPTURE(kernel, plain_reference, hmac_lanes_plain);

}  // namespace
}  // namespace ligature
