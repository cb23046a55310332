// The [model] section, checked key by key; the m and u that are set are held to what can be probabilities together.
#include "io/model_section.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace ligature {
namespace {

// Typed shares such as 0.1 + 0.2 + 0.7 need not sum to 1 exactly.
constexpr double kRounding = 1e-9;

constexpr std::array<std::pair<std::string_view, bool ModelSettings::*>, 10> kSwitches = {
    {{"term_frequency", &ModelSettings::term_frequency},
     {"number_ownership", &ModelSettings::number_ownership},
     {"returns", &ModelSettings::returns},
     {"near_numbers", &ModelSettings::near_numbers},
     {"default_values", &ModelSettings::default_values},
     {"conflicts", &ModelSettings::conflicts},
     {"twins", &ModelSettings::twins},
     {"moves", &ModelSettings::moves},
     {"providers", &ModelSettings::providers},
     {"rivals", &ModelSettings::rivals}}};

// Index of a name in linkage_level_names to the number of the level, and back.
std::uint8_t level_at(std::size_t index) noexcept {
  return static_cast<std::uint8_t>(index + 1);
}
std::string_view name_of(LinkageIdentifier identifier, std::uint8_t level) {
  return linkage_level_names(identifier)[level - 1U];
}
std::string_view name_of(LinkageIdentifier identifier) {
  return linkage_identifier_names()[static_cast<std::size_t>(identifier)];
}

// What the levels read so far have set for one identifier.
struct GivenLevels {
  struct Column {
    double sum = 0;
    std::size_t levels = 0;
  };
  std::array<bool, 16> seen{};  // by level
  Column m, u;
};

// Adds a given m or u: together they must leave something to the other levels, or be all there is.
void add_given(TableReader& table, std::string_view key, const LevelOverride& change, double value,
               GivenLevels::Column& column) {
  const std::span<const std::string_view> names = linkage_level_names(change.identifier);
  std::size_t possible = 0;
  for (std::size_t index = 0; index < names.size(); ++index) {
    if (level_has_probabilities(change.identifier, level_at(index))) ++possible;
  }
  const bool reported = column.sum >= 1;
  column.sum += value;
  ++column.levels;
  if (reported) return;
  if (column.levels == possible) {
    if (std::abs(column.sum - 1) > kRounding) {
      table.mistake_at(key, fmt::format("'{}' is given for all levels of {} and must sum to 1, not {:.9g}", key,
                                        name_of(change.identifier), column.sum));
    }
  } else if (column.sum >= 1) {
    table.mistake_at(
        key, fmt::format("'{}' of the levels of {} sums to {:.9g}, which leaves nothing to its other levels", key,
                         name_of(change.identifier), column.sum));
  }
}

void read_merge(TableReader& table, LevelOverride& change) {
  const std::span<const std::string_view> names = linkage_level_names(change.identifier);
  if (level_may_merge(change.identifier, change.level)) {
    const auto weaker = table.one_of("merge", names.first(change.level - 1U));
    if (weaker) change.merge = level_at(*weaker);
  } else {
    table.mistake_at("merge", fmt::format("level '{}' of {} cannot be merged: it is the {}",
                                          name_of(change.identifier, change.level), name_of(change.identifier),
                                          change.level == 1 ? "weakest" : "strongest, on which other rules rest"));
  }
}

void read_level(const ConfigNode* node, const ConfigPlace& place, std::array<GivenLevels, kLinkageIdentifiers>& given,
                ModelSettings& settings, Mistakes& mistakes) {
  TableReader table(node, "[[model.level]]", place, mistakes);
  const auto identifier = table.required_one_of("identifier", linkage_identifier_names());
  LevelOverride change;
  if (identifier) change.identifier = static_cast<LinkageIdentifier>(*identifier);
  // Without the identifier its levels cannot be named.
  const auto level = identifier ? table.required_one_of("level", linkage_level_names(change.identifier)) : std::nullopt;
  if (level) change.level = level_at(*level);
  table.any("level");
  change.m = table.probability("m");
  change.u = table.probability("u");
  const bool sets = table.has("m") || table.has("u"), merges = table.has("merge");
  if (level && merges && !sets) read_merge(table, change);
  table.any("merge");
  table.report_unknown_keys();
  if (!sets && !merges) table.mistake("a [[model.level]] sets 'm', 'u' or both, or else 'merge'");
  if (sets && merges) table.mistake_at("merge", "'merge' in [[model.level]] takes the place of 'm' and 'u'");
  if (!level) return;
  GivenLevels& of_identifier = given[*identifier];
  if (std::exchange(of_identifier.seen[change.level], true)) {
    return table.mistake_at("level", fmt::format("level '{}' of {} is given twice",
                                                 name_of(change.identifier, change.level), name_of(change.identifier)));
  }
  if (sets && !level_has_probabilities(change.identifier, change.level)) {
    return table.mistake_at(table.has("m") ? "m" : "u",
                            "an equal NHS number has no m and u to set: the share of records with a wrong number, "
                            "found in the file, is what it counts for");
  }
  if (change.m) add_given(table, "m", change, *change.m, of_identifier.m);
  if (change.u) add_given(table, "u", change, *change.u, of_identifier.u);
  settings.levels.push_back(change);
}

void read_levels(TableReader& model, ModelSettings& settings, Mistakes& mistakes) {
  const std::vector<const ConfigNode*> tables = model.tables("level", "[[model.level]]");
  std::size_t most = 0;
  for (std::size_t i = 0; i < kLinkageIdentifiers; ++i) {
    most += linkage_level_names(static_cast<LinkageIdentifier>(i)).size();
  }
  if (tables.size() > most) {
    return model.mistake_at("level", fmt::format("{} levels; there are only {}", tables.size(), most));
  }
  std::array<GivenLevels, kLinkageIdentifiers> given;
  for (const ConfigNode* node : tables) read_level(node, model.place(), given, settings, mistakes);
}

}  // namespace

void read_model(TableReader table, JobFile& job, Mistakes& mistakes) {
  constexpr std::array<std::string_view, 4> kEstimates = {"auto", "anchored", "em", "documented"};
  constexpr std::array<std::string_view, 3> kPasses = {"nhs_number", "date_of_birth", "postcode"};
  job.threshold_bits = table.number("threshold_bits", -100, 100);
  job.margin_bits = table.number("margin_bits", 0, 100);
  job.prior = table.number("prior", 1e-18, 0.5);
  job.use_local_id = table.boolean("use_local_id").value_or(job.use_local_id);
  job.model.estimate = static_cast<EstimateChoice>(table.one_of("estimate", kEstimates).value_or(0));
  if (const auto passes = table.some_of("passes", kPasses)) {
    const auto chosen = [&](std::size_t pass) {
      return std::find(passes->begin(), passes->end(), pass) != passes->end();
    };
    job.model.passes = {chosen(0), chosen(1), chosen(2)};
  }
  for (const auto& [key, member] : kSwitches) job.model.*member = table.boolean(key).value_or(job.model.*member);
  read_levels(table, job.model, mistakes);
  table.report_unknown_keys();
}

}  // namespace ligature
