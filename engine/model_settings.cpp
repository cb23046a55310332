// The names of identifiers and levels, and the job's own m, u and merged levels put into an estimated model.
#include "engine/model_settings.hpp"

#include <algorithm>
#include <array>

#include "engine/comparison.hpp"
#include "engine/model.hpp"

namespace ligature {
namespace {

constexpr std::size_t kMostLevels = std::max({kNhsLevels, kBirthLevels, kPostcodeLevels, kGenderLevels});

// For each level, the weakest that it counts as.
using Groups = std::array<std::size_t, kMostLevels>;

template <typename Level, std::size_t Count>
std::span<const std::string_view> names_of_levels() noexcept {
  static const std::array<std::string_view, Count - 1> names = [] {
    std::array<std::string_view, Count - 1> result;
    for (std::size_t level = 1; level < Count; ++level) result[level - 1] = level_name(static_cast<Level>(level));
    return result;
  }();
  return names;
}

// levels: indexed by level, up to the strongest that has probabilities.
void set_column(const ModelSettings& settings, LinkageIdentifier identifier, std::span<LevelProbabilities> levels,
                double LevelProbabilities::*column, std::optional<double> LevelOverride::*given) {
  std::array<bool, kMostLevels> fixed{};
  double taken = 0;
  for (const LevelOverride& change : settings.levels) {
    const std::optional<double>& value = change.*given;
    if (change.identifier != identifier || !value || change.level == 0 || change.level >= levels.size()) continue;
    levels[change.level].*column = *value;
    fixed[change.level] = true;
    taken += *value;
  }
  if (taken == 0) return;
  double estimated = 0, others = 0;
  for (std::size_t level = 1; level < levels.size(); ++level) {
    if (fixed[level]) continue;
    estimated += levels[level].*column;
    ++others;
  }
  const double left = std::max(0.0, 1 - taken);
  for (std::size_t level = 1; level < levels.size(); ++level) {
    if (fixed[level]) continue;
    // Where nothing was estimated for the others, they are alike.
    levels[level].*column = estimated > 0 ? left * (levels[level].*column / estimated) : left / others;
  }
}

Groups groups_of(const ModelSettings& settings, LinkageIdentifier identifier) {
  Groups group{};
  for (std::size_t level = 0; level < kMostLevels; ++level) group[level] = level;
  for (const LevelOverride& change : settings.levels) {
    if (change.identifier == identifier && change.merge && change.level<kMostLevels&& * change.merge> 0 &&
        *change.merge < change.level) {
      group[change.level] = *change.merge;
    }
  }
  // A target is weaker, so it is settled before those that count as it.
  for (std::size_t level = 1; level < kMostLevels; ++level) group[level] = group[group[level]];
  return group;
}

// Gives each level the sum over its group.  value: of a level, by reference.
template <typename Value>
void merge(const Groups& group, std::size_t levels, const Value& value) {
  std::array<double, kMostLevels> sums{};
  for (std::size_t level = 1; level < levels; ++level) sums[group[level]] += value(level);
  for (std::size_t level = 1; level < levels; ++level) value(level) = sums[group[level]];
}

void apply(const ModelSettings& settings, LinkageIdentifier identifier, std::span<LevelProbabilities> levels) {
  set_column(settings, identifier, levels, &LevelProbabilities::m, &LevelOverride::m);
  set_column(settings, identifier, levels, &LevelProbabilities::u, &LevelOverride::u);
  const Groups group = groups_of(settings, identifier);
  merge(group, levels.size(), [&](std::size_t level) -> double& { return levels[level].m; });
  merge(group, levels.size(), [&](std::size_t level) -> double& { return levels[level].u; });
}

}  // namespace

std::span<const std::string_view> linkage_identifier_names() noexcept {
  static constexpr std::array<std::string_view, kLinkageIdentifiers> kNames = {"nhs_number", "date_of_birth",
                                                                               "postcode", "gender"};
  return kNames;
}

std::span<const std::string_view> linkage_level_names(LinkageIdentifier identifier) noexcept {
  switch (identifier) {
    case LinkageIdentifier::nhs_number:
      return names_of_levels<NhsLevel, kNhsLevels>();
    case LinkageIdentifier::date_of_birth:
      return names_of_levels<BirthLevel, kBirthLevels>();
    case LinkageIdentifier::postcode:
      return names_of_levels<PostcodeLevel, kPostcodeLevels>();
    case LinkageIdentifier::gender:
      return names_of_levels<GenderLevel, kGenderLevels>();
  }
  return {};
}

bool level_has_probabilities(LinkageIdentifier identifier, std::uint8_t level) noexcept {
  return level > 0 && level <= linkage_level_names(identifier).size() &&
         !(identifier == LinkageIdentifier::nhs_number && level == static_cast<std::uint8_t>(NhsLevel::exact));
}

bool level_may_merge(LinkageIdentifier identifier, std::uint8_t level) noexcept {
  return level > 1 && level < linkage_level_names(identifier).size();
}

void apply_levels(const ModelSettings& settings, ModelParameters& model) {
  if (settings.levels.empty()) return;
  apply(settings, LinkageIdentifier::nhs_number, std::span(model.nhs).first<kNhsLevels - 1>());
  apply(settings, LinkageIdentifier::date_of_birth, model.birth);
  apply(settings, LinkageIdentifier::postcode, model.postcode);
  apply(settings, LinkageIdentifier::gender, model.gender);
  const Groups postcodes = groups_of(settings, LinkageIdentifier::postcode);
  for (std::size_t gender = 0; gender < kGenderLevels; ++gender) {
    merge(postcodes, kPostcodeLevels, [&](std::size_t level) -> double& { return model.wrong_number[level][gender]; });
  }
}

}  // namespace ligature
