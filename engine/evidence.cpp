#include "engine/evidence.hpp"

#include <algorithm>
#include <cmath>

namespace ligature {

Rarity rarity_of(double share, double average) noexcept {
  const double bits = std::log2(average / share);
  if (std::isnan(bits)) return kAverageRarity;
  return static_cast<Rarity>(std::clamp<double>(std::round(bits * kRaritiesPerBit) + kAverageRarity, 0, kRarities - 1));
}

Identity weighed(const Identity& identity, const Evidence& evidence) noexcept {
  IdentityFields fields = unpack(identity);
  if (evidence.has(Evidence::number_disowned) || evidence.has(Evidence::number_default)) fields.nhs = {};
  if (evidence.has(Evidence::birth_default)) fields.date_of_birth = kMissingDay;
  Identity result = pack(fields);
  if (evidence.has(Evidence::number_thin)) result.first |= 1;
  if (evidence.has(Evidence::suppressed)) result = suppressed(result);
  result.second |= std::uint64_t{evidence.birth} << 7 | evidence.postcode;
  return result;
}

}  // namespace ligature
