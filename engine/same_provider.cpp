#include "engine/same_provider.hpp"

#include <algorithm>
#include <cmath>

namespace ligature {

namespace {

// Pairs that the documented share, one half, counts for.
constexpr double kPriorPairs = 30;
// No provider says more than this, in bits.
constexpr double kMostBits = 5;

}  // namespace

double SameProviderCounts::share(std::size_t persons) const noexcept {
  return (static_cast<double>(shared[persons]) + kPriorPairs / 2) / (static_cast<double>(pairs[persons]) + kPriorPairs);
}

void SameProviderCounts::add(Pattern pattern, ProviderSet a, ProviderSet b, std::uint64_t count) noexcept {
  if (a == 0 || b == 0) return;
  const Levels levels = levels_of(pattern);
  if (levels.birth == BirthLevel::other) ((a & b) != 0 ? other_shared : other_apart)[pattern] += count;
  const bool alike = levels.birth > BirthLevel::same_year && levels.birth != BirthLevel::exact;
  const bool is_one = alike && levels.gender == GenderLevel::same;
  const bool is_two = levels.birth == BirthLevel::other && levels.gender == GenderLevel::different;
  if (!is_one && !is_two) return;
  pairs[is_two] += count;
  if ((a & b) != 0) shared[is_two] += count;
}

void set_same_provider(const SameProviderCounts& counts, ModelParameters& model) noexcept {
  model.provider_shared_by_one = counts.share(0);
  model.provider_shared_by_two = counts.share(1);
}

Weight same_provider_weight(const ModelParameters& model, bool shared) noexcept {
  const double one = model.provider_shared_by_one, two = model.provider_shared_by_two;
  const double bits = shared ? std::log2(one / two) : std::log2((1 - one) / (1 - two));
  return static_cast<Weight>(std::lround(std::clamp(bits, -kMostBits, kMostBits) * kWeightPerBit));
}

}  // namespace ligature
