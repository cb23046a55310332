#include "engine/decisive.hpp"

namespace ligature {

std::array<bool, kPatterns> decisive_patterns(const LinkageModel& model, bool numbered, Rarity birth, Rarity postcode) {
  const auto identity = [&](bool valid, std::uint64_t number) {
    IdentityFields fields;
    if (valid) fields.nhs = {number, NhsStatus::valid};
    return weighed(pack(fields), {birth, postcode, 0, 0});
  };
  const Identity query = identity(numbered, 1), others[] = {identity(false, 2), identity(true, 2)};
  std::array<bool, kPatterns> decisive{};
  for (std::size_t p = 0; p < kPatterns; ++p) {
    const auto pattern = static_cast<Pattern>(p);
    for (const Identity& other : others) {
      decisive[p] = decisive[p] || is_decisive(model, model.weight(pattern, query, other), query, other);
    }
  }
  return decisive;
}

}  // namespace ligature
