// The report as tables.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "io/progress.hpp"
#include "jobs/evaluate/report.hpp"

namespace ligature {
namespace {

using Table = std::vector<std::vector<std::string>>;

// More groups than this and only the largest are printed; the JSON has all.
constexpr std::size_t kMostGroups = 20;

std::string fixed(double value) {
  return fmt::format("{:.6f}", value);
}

std::string share_text(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "-" : fixed(static_cast<double>(part) / static_cast<double>(whole));
}

std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.2f}", *ratio) : "-";
}

std::string bias_text(const std::optional<double>& bias) {
  return bias ? fmt::format("{:+.4f} %", *bias * 100) : "-";
}

std::string rows_section(const JoinCounts& rows) {
  Table table = {
      {"rows", ""},
      {"kept by the run", with_commas(rows.index_rows)},
      {"with a true person (scored)", with_commas(rows.joined)},
      {"without a truth", with_commas(rows.index_without_truth)},
      {"in the truth, not kept", with_commas(rows.truth_without_index)},
  };
  if (rows.index_repeated > 0) table.push_back({"kept, record id repeated", with_commas(rows.index_repeated)});
  if (rows.truth_repeated > 0) table.push_back({"truth, record id repeated", with_commas(rows.truth_repeated)});
  if (rows.index_in_conflict > 0) {
    table.push_back({"left out: the truth names two persons", with_commas(rows.index_in_conflict)});
  }
  return text_table(table) + "\n";
}

std::string persons_section(const PersonCounts& persons) {
  const auto of_true = [&](std::string name, std::uint64_t count) {
    return std::vector{std::move(name), with_commas(count), share_text(count, persons.true_persons)};
  };
  return text_table({{"persons", "", "share"},
                     {"true persons", with_commas(persons.true_persons), ""},
                     of_true("  exactly right", persons.exactly_right),
                     of_true("  split", persons.split),
                     of_true("  merged with others", persons.merged),
                     of_true("  split and merged", persons.split_and_merged),
                     {"found persons", with_commas(persons.found_persons), ""},
                     {"  mixing true persons", with_commas(persons.mixed),
                      share_text(persons.mixed, persons.found_persons)}}) +
         "\n";
}

std::string measures_section(const Figures& figures) {
  const Quality all = pair_lines(figures).all.front().quality;
  const auto line = [](std::string name, const Measures& measures) {
    return std::vector{std::move(name), fixed(measures.precision), fixed(measures.recall), fixed(measures.f1)};
  };
  return text_table({{"over", "precision", "recall", "F1"},
                     line("pairs of rows", {all.precision(), all.recall(), all.f1()}),
                     line("rows (B-cubed)", b_cubed(figures.scores)),
                     line("persons (exact)", exact_persons(figures.scores.persons))}) +
         "\n";
}

std::string pairs_section(const std::string& title, const std::vector<PairLine>& lines) {
  Table table = {{title, "true pairs", "found pairs", "right", "precision", "recall", "F1"}};
  for (const auto& [name, quality] : lines) {
    table.push_back({name, with_commas(quality.truth), with_commas(quality.found), with_commas(quality.agreed),
                     fixed(quality.precision()), fixed(quality.recall()), fixed(quality.f1())});
  }
  return text_table(table) + "\n";
}

std::string rates_section(const Scores& scores) {
  const RowErrors& rows = scores.rows;
  const PersonLinks of_links = links(scores.persons);
  return text_table(
             {{"measured error", "", "rate"},
              {"rows, missed match", with_commas(rows.missed), fixed(rows.missed_rate())},
              {"rows, false match", with_commas(rows.false_rows), fixed(rows.false_rate())},
              {"links, missed (of true)", with_commas(of_links.missed), share_text(of_links.missed, of_links.truth)},
              {"links, false (of found)", with_commas(of_links.false_links),
               share_text(of_links.false_links, of_links.found)}}) +
         "\n";
}

std::string bias_section(const PersonCounts& persons) {
  Table table = {{"as an analysis sees it", "true", "found", "bias"}};
  for (const Bias& bias : downstream_bias(persons)) {
    const bool whole = bias.name != "mean_rows";
    const auto number = [&](double value) {
      return whole ? with_commas(static_cast<std::uint64_t>(value)) : fixed(value);
    };
    const char* const name = bias.name == "persons"     ? "persons"
                             : bias.name == "mean_rows" ? "rows a person"
                                                        : "rows after a person's first";
    table.push_back({name, number(bias.truth), number(bias.found), bias_text(relative_bias(bias.found, bias.truth))});
  }
  return text_table(table) + "\n";
}

// Rows, what is wrong with them, and how that compares with all rows.
std::vector<std::string> row_cells(const RowErrors& rows, const RowErrors& all) {
  const Ratios against_all = ratios(rows, all);
  return {with_commas(rows.rows),
          with_commas(rows.missed),
          fixed(rows.missed_rate()),
          ratio_text(against_all.missed),
          with_commas(rows.false_rows),
          fixed(rows.false_rate()),
          ratio_text(against_all.false_rows)};
}
const std::vector<std::string> kRowTitles = {"rows", "missed", "rate", "x all", "false", "rate", "x all"};

std::vector<std::string> table_line(std::string name, const std::vector<std::string>& cells,
                                    const std::vector<std::string>& more = {}) {
  std::vector<std::string> line = {std::move(name)};
  line.insert(line.end(), cells.begin(), cells.end());
  line.insert(line.end(), more.begin(), more.end());
  return line;
}

std::string errors_section(const Figures& figures) {
  const std::vector<ErrorLine> lines = error_lines(figures);
  if (lines.empty()) return {};
  Table table = {table_line("error in the row", kRowTitles)};
  for (const ErrorLine& line : lines) table.push_back(table_line(line.name, row_cells(line.rows, figures.scores.rows)));
  return pairs_section("error in either row", pair_lines(figures).by_error) + text_table(table) + "\n";
}

std::string births_section(const Figures& figures) {
  if (!figures.has_birth_groups) return {};
  const Scores& scores = figures.scores;
  const PersonCounts& persons = scores.persons;
  const auto count = [&](std::string name, std::uint64_t number) {
    return std::vector{std::move(name), with_commas(number), share_text(number, persons.births_persons)};
  };
  return pairs_section("a row of a multiple birth", {{"", multiple_birth_pairs(scores)}}) +
         text_table(
             {table_line("a multiple birth", kRowTitles), table_line("", row_cells(scores.births_rows, scores.rows))}) +
         "\n" +
         text_table({{"persons of multiple births", with_commas(persons.births_persons), "share"},
                     count("  exactly right", persons.births_right),
                     count("  split", persons.births_split),
                     count("  merged with a sibling", persons.births_merged),
                     {"pairs of siblings' rows", with_commas(persons.sibling_pairs), ""}}) +
         "\n";
}

// One line on the spread of a rate over groups.
std::string range_text(const char* what, const Grouping& grouping, std::span<const GroupCounts> counts,
                       double (RowErrors::*rate)() const noexcept) {
  const auto range = rate_range(grouping, counts, rate);
  if (!range) return {};
  return fmt::format("{}: from {} ({}) to {} ({})\n", what, fixed(range->lowest_rate), grouping.groups[range->lowest],
                     fixed(range->highest_rate), grouping.groups[range->highest]);
}

std::string group_section(const Grouping& grouping, std::span<const GroupCounts> counts, const RowErrors& all) {
  std::vector<std::size_t> shown;
  for (std::size_t group = 0; group < counts.size(); ++group) {
    if (counts[group].rows.rows > 0 || counts[group].found_persons > 0) shown.push_back(group);
  }
  const std::size_t groups = shown.size();
  if (groups > kMostGroups) {
    std::stable_sort(shown.begin(), shown.end(),
                     [&](std::size_t a, std::size_t b) { return counts[a].rows.rows > counts[b].rows.rows; });
    shown.resize(kMostGroups);
    std::sort(shown.begin(), shown.end());
  }
  std::string title = grouping.name;
  std::replace(title.begin(), title.end(), '_', ' ');
  Table table = {table_line(title, kRowTitles, {"true persons", "found", "bias"})};
  for (const std::size_t group : shown) {
    const GroupCounts& each = counts[group];
    table.push_back(table_line(
        grouping.groups[group], row_cells(each.rows, all),
        {with_commas(each.true_persons), with_commas(each.found_persons),
         bias_text(relative_bias(static_cast<double>(each.found_persons), static_cast<double>(each.true_persons)))}));
  }
  std::string text = text_table(table);
  if (groups > kMostGroups)
    text += fmt::format("The {} largest of {} groups; the JSON has all.\n", kMostGroups, groups);
  text += range_text("Missed-match rate", grouping, counts, &RowErrors::missed_rate);
  text += range_text("False-match rate", grouping, counts, &RowErrors::false_rate);
  return text + "\n";
}

std::string share_of(double rows, std::uint64_t of) {
  return of == 0 ? "" : fixed(rows / static_cast<double>(of));
}

std::string estimates_section(const Figures& figures) {
  Table table = {{"estimated by the run", "", "missed", "measured", "false", "measured"}};
  for (const auto& [estimated, measured] : estimate_lines(figures)) {
    if (estimated->kind == "area") continue;
    table.push_back({estimated->kind, estimated->name, share_of(estimated->missed_rows, estimated->rows),
                     fixed(measured->missed_rate()), share_of(estimated->wrong_rows, estimated->rows),
                     fixed(measured->false_rate())});
  }
  return table.size() == 1 ? "" : text_table(table) + "\n";
}

}  // namespace

std::string report_text(const Figures& figures) {
  const Scores& scores = figures.scores;
  const PairLines pairs = pair_lines(figures);
  std::string text = rows_section(figures.rows) + persons_section(scores.persons) + measures_section(figures) +
                     rates_section(scores) + estimates_section(figures) + bias_section(scores.persons) +
                     pairs_section("pairs", pairs.all) + pairs_section("a row in", pairs.touching) +
                     pairs_section("datasets", pairs.between) + errors_section(figures) + births_section(figures);
  for (std::size_t grouping = 0; grouping < scores.groups.groupings().size(); ++grouping) {
    text += group_section(scores.groups.groupings()[grouping], scores.groups.counts_of(grouping), scores.rows);
  }
  return text;
}

}  // namespace ligature
