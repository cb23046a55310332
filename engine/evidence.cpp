#include "engine/evidence.hpp"

#include <algorithm>
#include <cmath>

namespace ligature {

Rarity rarity_of(double share, double average) noexcept {
  const double bits = std::log2(average / share);
  if (std::isnan(bits)) return kAverageRarity;
  return static_cast<Rarity>(std::clamp<double>(std::round(bits * kRaritiesPerBit) + kAverageRarity, 0, kRarities - 1));
}

}  // namespace ligature
