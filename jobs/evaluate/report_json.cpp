// The report as JSON: every figure of the tables, in full.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "jobs/evaluate/report.hpp"

namespace ligature {
namespace {

using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json share_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? Json(nullptr) : Json(static_cast<double>(part) / static_cast<double>(whole));
}

Json pairs_json(const Quality& quality) {
  return {{"true_pairs", quality.truth},      {"found_pairs", quality.found}, {"right_pairs", quality.agreed},
          {"precision", quality.precision()}, {"recall", quality.recall()},   {"f1", quality.f1()}};
}

Json pairs_json(const std::vector<PairLine>& lines) {
  Json json = Json::object();
  for (const PairLine& line : lines) json[line.name] = pairs_json(line.quality);
  return json;
}

Json row_rates_json(const RowErrors& rows) {
  return {{"rows", rows.rows},
          {"missed_rows", rows.missed},
          {"false_rows", rows.false_rows},
          {"missed_match_rate", rows.missed_rate()},
          {"false_match_rate", rows.false_rate()}};
}

// The same beside those of all rows.
Json row_rates_json(const RowErrors& rows, const RowErrors& all) {
  Json json = row_rates_json(rows);
  const Ratios against_all = ratios(rows, all);
  json["missed_ratio"] = number(against_all.missed);
  json["false_ratio"] = number(against_all.false_rows);
  return json;
}

Json measures_json(const Measures& measures) {
  return {{"precision", measures.precision}, {"recall", measures.recall}, {"f1", measures.f1}};
}

Json rows_json(const JoinCounts& rows) {
  return {{"kept", rows.index_rows},
          {"scored", rows.joined},
          {"without_truth", rows.index_without_truth},
          {"truth_rows", rows.truth_rows},
          {"truth_not_kept", rows.truth_without_index},
          {"kept_record_id_repeated", rows.index_repeated},
          {"truth_record_id_repeated", rows.truth_repeated},
          {"in_conflict", rows.index_in_conflict}};
}

Json persons_json(const PersonCounts& persons) {
  const Quality exact{persons.exactly_right, persons.found_persons, persons.true_persons};
  return {{"true_persons", persons.true_persons},   {"exactly_right", persons.exactly_right},
          {"exactly_right_share", exact.recall()},  {"split", persons.split},
          {"found_persons", persons.found_persons}, {"mixed", persons.mixed}};
}

Json clusters_json(const PersonCounts& persons) {
  Json json = measures_json(exact_persons(persons));
  json["split_share"] = share_of(persons.split, persons.true_persons);
  json["merged"] = persons.merged;
  json["merged_share"] = share_of(persons.merged, persons.true_persons);
  json["split_and_merged"] = persons.split_and_merged;
  json["mixed_share"] = share_of(persons.mixed, persons.found_persons);
  return json;
}

Json links_json(const PersonLinks& of_links) {
  return {{"true_links", of_links.truth},
          {"found_links", of_links.found},
          {"missed_links", of_links.missed},
          {"false_links", of_links.false_links},
          {"missed_link_rate", share_of(of_links.missed, of_links.truth)},
          {"false_link_rate", share_of(of_links.false_links, of_links.found)}};
}

Json downstream_json(const PersonCounts& persons) {
  Json json = Json::object();
  for (const Bias& bias : downstream_bias(persons)) {
    json[bias.name] = {
        {"true", bias.truth}, {"found", bias.found}, {"relative_bias", number(relative_bias(bias.found, bias.truth))}};
  }
  return json;
}

Json errors_json(const Figures& figures) {
  Json json = pairs_json(pair_lines(figures).by_error);
  for (const ErrorLine& line : error_lines(figures)) {
    const std::string name = line.name == "none" ? std::string(kNoError) : line.name;
    json[name].update(row_rates_json(line.rows, figures.scores.rows));
  }
  return json;
}

Json estimates_json(const Figures& figures) {
  Json json = Json::array();
  for (const auto& [estimated, measured] : estimate_lines(figures)) {
    const double rows = static_cast<double>(estimated->rows);
    json.push_back({{"kind", estimated->kind},
                    {"name", estimated->name},
                    {"estimated_missed_match_rate", number(rows == 0 ? 0 : estimated->missed_rows / rows)},
                    {"missed_match_rate", measured->missed_rate()},
                    {"estimated_false_match_rate", number(rows == 0 ? 0 : estimated->wrong_rows / rows)},
                    {"false_match_rate", measured->false_rate()}});
  }
  return json;
}

Json births_json(const Figures& figures) {
  if (!figures.has_birth_groups) return nullptr;
  const PersonCounts& persons = figures.scores.persons;
  Json json = {{"persons", persons.births_persons},
               {"exactly_right", persons.births_right},
               {"split", persons.births_split},
               {"merged_with_sibling", persons.births_merged},
               {"sibling_pairs", persons.sibling_pairs}};
  json.update(pairs_json(multiple_birth_pairs(figures.scores)));
  json.update(row_rates_json(figures.scores.births_rows, figures.scores.rows));
  return json;
}

std::optional<double> mean(std::uint64_t rows, std::uint64_t persons) {
  if (persons == 0) return std::nullopt;
  return static_cast<double>(rows) / static_cast<double>(persons);
}

Json group_json(const GroupCounts& group, const RowErrors& all) {
  Json json = row_rates_json(group.rows, all);
  json["true_persons"] = group.true_persons;
  json["found_persons"] = group.found_persons;
  json["persons_bias"] =
      number(relative_bias(static_cast<double>(group.found_persons), static_cast<double>(group.true_persons)));
  const std::optional<double> mean_true = mean(group.true_rows, group.true_persons);
  const std::optional<double> mean_found = mean(group.found_rows, group.found_persons);
  json["mean_rows_true"] = number(mean_true);
  json["mean_rows_found"] = number(mean_found);
  json["mean_rows_bias"] = number(mean_true && mean_found ? relative_bias(*mean_found, *mean_true) : std::nullopt);
  return json;
}

Json range_json(const Grouping& grouping, std::span<const GroupCounts> counts,
                double (RowErrors::*rate)() const noexcept) {
  const auto range = rate_range(grouping, counts, rate);
  if (!range) return nullptr;
  return {{"lowest", range->lowest_rate},
          {"lowest_group", grouping.groups[range->lowest]},
          {"highest", range->highest_rate},
          {"highest_group", grouping.groups[range->highest]}};
}

struct GroupsJson {
  Json groups = Json::object(), ranges = Json::object();
};

GroupsJson groups_json(const Scores& scores) {
  GroupsJson json;
  for (std::size_t g = 0; g < scores.groups.groupings().size(); ++g) {
    const Grouping& grouping = scores.groups.groupings()[g];
    const std::span<const GroupCounts> counts = scores.groups.counts_of(g);
    Json& groups = json.groups[grouping.name] = Json::object();
    for (std::size_t group = 0; group < counts.size(); ++group) {
      if (counts[group].rows.rows == 0 && counts[group].found_persons == 0) continue;
      groups[grouping.groups[group]] = group_json(counts[group], scores.rows);
    }
    json.ranges[grouping.name] = {{"missed_match_rate", range_json(grouping, counts, &RowErrors::missed_rate)},
                                  {"false_match_rate", range_json(grouping, counts, &RowErrors::false_rate)}};
  }
  return json;
}

}  // namespace

std::string report_json(const Figures& figures) {
  const Scores& scores = figures.scores;
  const PairLines pairs = pair_lines(figures);
  GroupsJson groups = groups_json(scores);
  const Json json = {
      {"rows", rows_json(figures.rows)},
      {"persons", persons_json(scores.persons)},
      {"clusters", clusters_json(scores.persons)},
      {"pairs", pairs_json(pairs.all.front().quality)},
      {"b_cubed", measures_json(b_cubed(scores))},
      {"row_rates", row_rates_json(scores.rows)},
      {"estimated", estimates_json(figures)},
      {"links", links_json(links(scores.persons))},
      {"downstream", downstream_json(scores.persons)},
      {"by_dataset", pairs_json(pairs.touching)},
      {"by_dataset_pair", pairs_json(pairs.between)},
      {"by_error", errors_json(figures)},
      {"multiple_births", births_json(figures)},
      {"by_group", std::move(groups.groups)},
      {"group_ranges", std::move(groups.ranges)},
  };
  return json.dump(2) + "\n";
}

}  // namespace ligature
