#include "engine/weight_parts.hpp"

namespace ligature {

std::string_view weight_part_name(WeightPart part) noexcept {
  switch (part) {
    case WeightPart::prior:
      return "prior";
    case WeightPart::one_numbered:
      return "one_numbered";
    case WeightPart::two_numbers:
      return "two_numbers";
    case WeightPart::same_number:
      return "same_number";
    case WeightPart::nhs_number:
      return "nhs_number";
    case WeightPart::date_of_birth:
      return "date_of_birth";
    case WeightPart::birth_rarity:
      return "birth_rarity";
    case WeightPart::postcode:
      return "postcode";
    case WeightPart::postcode_rarity:
      return "postcode_rarity";
    case WeightPart::company:
      return "company";
    case WeightPart::gender:
      return "gender";
    case WeightPart::together:
      return "together";
  }
  return "";
}

std::vector<PartOfWeight> weight_parts(const LinkageModel& model, Pattern pattern, const Identity& a,
                                       const Identity& b) {
  const Rarity birth = birth_rarity(a), postcode = postcode_rarity(a);
  const Levels levels = levels_of(pattern);
  const bool same_number = levels.nhs == NhsLevel::exact;
  // Every part is what the weight gains by one identifier, beginning with a pair of which nothing else is known.
  Levels nothing;
  if (same_number) nothing.nhs = NhsLevel::exact;
  const Weight start = model.weight(pattern_of(nothing));

  std::vector<PartOfWeight> parts{{same_number ? WeightPart::same_number : WeightPart::prior, start}};
  Weight sum = start;
  const auto add = [&](WeightPart part, Weight weight) {
    parts.push_back({part, weight});
    sum += weight;
  };
  // A level by itself, and how rare the value is, where that counts.
  const auto add_level = [&](WeightPart level_part, const Levels& alone, WeightPart rarity_part) {
    const Weight average = model.weight(pattern_of(alone));
    add(level_part, average - start);
    const Weight rare = model.weight(pattern_of(alone), birth, postcode) - average;
    if (rare != 0) add(rarity_part, rare);
  };
  const bool two_numbers = a.has_valid_nhs() && b.has_valid_nhs() && a.nhs() != b.nhs();
  Levels others = levels;  // what the identifiers say beside two numbers
  if (two_numbers) others.nhs = NhsLevel::missing;
  const Weight numbers = model.weight(pattern, a, b) - model.weight(pattern_of(others), birth, postcode);
  if (numbers != 0) add(two_numbers ? WeightPart::two_numbers : WeightPart::one_numbered, numbers);
  if (!same_number && others.nhs != NhsLevel::missing) {
    Levels alone = nothing;
    alone.nhs = levels.nhs;
    add(WeightPart::nhs_number, model.weight(pattern_of(alone)) - start);
  }
  if (levels.birth != BirthLevel::missing) {
    Levels alone = nothing;
    alone.birth = levels.birth;
    add_level(WeightPart::date_of_birth, alone, WeightPart::birth_rarity);
  }
  if (levels.postcode != PostcodeLevel::missing) {
    Levels alone = nothing;
    alone.postcode = levels.postcode;
    add_level(WeightPart::postcode, alone, WeightPart::postcode_rarity);
  }
  if (levels.gender != GenderLevel::missing) {
    Levels alone = nothing;
    alone.gender = levels.gender;
    add(WeightPart::gender, model.weight(pattern_of(alone)) - start);
  }
  const Weight together = model.weight(pattern, a, b) - sum;
  if (together != 0) add(WeightPart::together, together);
  return parts;
}

}  // namespace ligature
