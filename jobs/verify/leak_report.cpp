#include "jobs/verify/leak_report.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "engine/linkage_key.hpp"

namespace ligature {

namespace {

constexpr double kMillion = 1e6;
constexpr double kLeastExpected = 0.5, kLeastLikely = 1e-5;

struct Entry {
  LeakPlace place = 0;
  LeakCounts counts;
};

// The chance of at least `hits` where `expected` are to be expected: the Poisson terms from there on, which fall.
double at_least(double hits, double expected) noexcept {
  if (hits <= expected) return 1;
  if (expected <= 0) return 0;
  double term = std::exp(hits * std::log(expected) - expected - std::lgamma(hits + 1)), sum = term;
  for (double k = hits + 1; term > sum * 1e-9; ++k) sum += term *= expected / k;
  return sum;
}

}  // namespace

void DistinctCount::add(SearchKey key) noexcept {
  const std::uint64_t hash = linkage_key(key);
  // The top bits chose the rank that holds the key: they say nothing of how many there are on it.
  std::uint8_t& kept = registers_[hash & (registers_.size() - 1)];
  kept = std::max(kept, static_cast<std::uint8_t>(std::countr_zero(hash >> 10 | std::uint64_t{1} << 40) + 1));
}

void DistinctCount::join(const DistinctCount& other) noexcept {
  for (std::size_t i = 0; i < registers_.size(); ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

double DistinctCount::estimate() const noexcept {
  const auto size = static_cast<double>(registers_.size());
  double sum = 0;
  std::size_t empty = 0;
  for (const std::uint8_t kept : registers_) {
    sum += std::ldexp(1.0, -kept);
    empty += kept == 0 ? 1 : 0;
  }
  const double raw = 0.7213 / (1 + 1.079 / size) * size * size / sum;
  return raw <= 2.5 * size && empty > 0 ? size * std::log(size / static_cast<double>(empty)) : raw;
}

void LeakCounts::join(const LeakCounts& other) noexcept {
  candidates += other.candidates;
  hits += other.hits;
  first = std::min(first, other.first);
  chance += other.chance;
  different.join(other.different);
  different_hits.join(other.different_hits);
}

double LeakCounts::expected() const noexcept {
  if (candidates == 0) return 0;
  const auto all = static_cast<double>(candidates);
  return static_cast<double>(chance) / kMillion * std::min(1.0, different.estimate() / all);
}

bool is_certain(IdentifierForm form) noexcept {
  return form == IdentifierForm::nhs_grouped || form == IdentifierForm::postcode_spaced ||
         form == IdentifierForm::birth_and_postcode || form == IdentifierForm::birth_packed;
}

bool chance_explains(IdentifierForm form, bool by_accident, const LeakCounts& counts) noexcept {
  if (counts.hits == 0) return true;
  const double expected = counts.expected();
  if (!by_accident && (is_certain(form) || expected < kLeastExpected)) return false;
  const double hits = std::max(1.0, std::round(counts.different_hits.estimate()));
  return at_least(hits, expected) >= kLeastLikely;
}

LeakTable join_tables(const Communicator& comm, const LeakTable& table) {
  std::vector<Entry> mine;
  for (const auto& [place, counts] : table) mine.push_back({place, counts});
  LeakTable joined;
  for (const Entry& entry : comm.all_gather(std::span<const Entry>(mine))) joined[entry.place].join(entry.counts);
  return joined;
}

}  // namespace ligature
