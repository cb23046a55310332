#include "jobs/verify/leak_report.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>

#include "engine/linkage_key.hpp"

namespace ligature {

namespace {

constexpr double kMillion = 1e6;
constexpr double kLeastExpected = 0.5, kLeastLikely = 1e-3;

struct Entry {
  LeakPlace place = 0;
  LeakCounts counts;
};

// The chance of at least `hits` where `expected` are to be expected.
double at_least(double hits, double expected) noexcept {
  // Wilson and Hilferty's cube root, for a Poisson variable of any size.
  if (hits <= expected) return 1;
  const double z = 3 * std::sqrt(hits) * (1 - 1 / (9 * hits) - std::cbrt(expected / hits));
  return std::erfc(z / std::sqrt(2.0)) / 2;
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

bool chance_explains(IdentifierForm form, const LeakCounts& counts) noexcept {
  if (counts.hits == 0) return true;
  if (is_certain(form)) return false;
  const double expected = counts.expected();
  const double hits = std::max(1.0, std::round(counts.different_hits.estimate()));
  return expected >= kLeastExpected && at_least(hits, expected) >= kLeastLikely;
}

LeakTable join_tables(const Communicator& comm, const LeakTable& table) {
  std::vector<Entry> mine;
  for (const auto& [place, counts] : table) mine.push_back({place, counts});
  LeakTable joined;
  for (const Entry& entry : comm.all_gather(std::span<const Entry>(mine))) joined[entry.place].join(entry.counts);
  return joined;
}

}  // namespace ligature
