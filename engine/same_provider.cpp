#include "engine/same_provider.hpp"

#include <algorithm>
#include <cmath>

namespace ligature {

namespace {

// Pairs that the documented share, one half, counts for.
constexpr double kPriorPairs = 30;
// Neither says more than this, in bits.
constexpr double kMostBits = 5;

double share_of(std::uint64_t some, std::uint64_t all) noexcept {
  return (static_cast<double>(some) + kPriorPairs / 2) / (static_cast<double>(all) + kPriorPairs);
}

// What it adds that something is so which is so of these shares of one person's pairs and of two persons'.
Weight weight_of(double one, double two, bool is_so) noexcept {
  const double bits = is_so ? std::log2(one / two) : std::log2((1 - one) / (1 - two));
  return static_cast<Weight>(std::lround(std::clamp(bits, -kMostBits, kMostBits) * kWeightPerBit));
}

}  // namespace

double SameProviderCounts::share(std::size_t persons) const noexcept {
  return share_of(shared[persons], pairs[persons]);
}

double SameProviderCounts::several_share(std::size_t persons) const noexcept {
  return share_of(several[persons], all[persons]);
}

void SameProviderCounts::add(Pattern pattern, ProviderSet a, ProviderSet b, bool several_rows,
                             std::uint64_t count) noexcept {
  const Levels levels = levels_of(pattern);
  const bool alike = levels.birth > BirthLevel::same_year && levels.birth != BirthLevel::exact;
  const bool is_one = alike && levels.gender == GenderLevel::same;
  const bool is_two = levels.birth == BirthLevel::other && levels.gender == GenderLevel::different;
  if (is_one || is_two) {
    all[is_two] += count;
    if (several_rows) several[is_two] += count;
  }
  if (a == 0 || b == 0) return;
  const bool is_shared = (a & b) != 0;
  if (levels.birth == BirthLevel::other) (is_shared ? other_shared : other_apart)[pattern] += count;
  if (!is_one && !is_two) return;
  pairs[is_two] += count;
  if (is_shared) shared[is_two] += count;
}

void set_same_provider(const SameProviderCounts& counts, ModelParameters& model) noexcept {
  model.provider_shared_by_one = counts.share(0);
  model.provider_shared_by_two = counts.share(1);
}

void set_several_rows(const SameProviderCounts& counts, ModelParameters& model) noexcept {
  model.several_rows_of_one = counts.several_share(0);
  model.several_rows_of_two = counts.several_share(1);
}

Weight same_provider_weight(const ModelParameters& model, bool shared) noexcept {
  return weight_of(model.provider_shared_by_one, model.provider_shared_by_two, shared);
}

Weight several_rows_weight(const ModelParameters& model) noexcept {
  return weight_of(model.several_rows_of_one, model.several_rows_of_two, true);
}

}  // namespace ligature
