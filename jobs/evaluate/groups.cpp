#include "jobs/evaluate/groups.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <utility>

namespace ligature {
namespace {

// The fixed groupings, in the order of the report.
enum Fixed : std::size_t { kBirthDecade, kGender, kArea, kDataset, kRows, kFixedGroupings };

constexpr std::uint64_t kFirstDecade = 1890, kLastDecade = 2070;  // years of birth are 1895 to 2074 (engine/date.hpp)

// By the number of a person's rows: the first of each group.
constexpr std::array<std::uint64_t, 8> kSizes = {1, 2, 3, 4, 5, 10, 20, 50};

std::size_t size_group(std::size_t rows) noexcept {
  const auto above = std::upper_bound(kSizes.begin(), kSizes.end(), rows);
  return static_cast<std::size_t>(above - kSizes.begin()) - 1;
}

Grouping birth_decades() {
  Grouping grouping{"birth_decade", {std::string(kNotKnown)}, 1};
  for (std::uint64_t year = kFirstDecade; year <= kLastDecade; year += 10) {
    grouping.groups.push_back(std::to_string(year) + "s");
  }
  return grouping;
}

Grouping sizes() {
  Grouping grouping{"rows", {}, 0};
  for (std::size_t i = 0; i < kSizes.size(); ++i) {
    std::string name = std::to_string(kSizes[i]);
    if (i + 1 == kSizes.size()) {
      name += " and more";
    } else if (kSizes[i + 1] > kSizes[i] + 1) {
      name += " to " + std::to_string(kSizes[i + 1] - 1);
    }
    grouping.groups.push_back(std::move(name));
  }
  return grouping;
}

double rate(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double RowErrors::missed_rate() const noexcept {
  return rate(missed, rows);
}
double RowErrors::false_rate() const noexcept {
  return rate(false_rows, rows);
}

std::uint8_t birth_decade_of(std::uint64_t year) noexcept {
  if (year < kFirstDecade || year >= kLastDecade + 10) return 0;
  return static_cast<std::uint8_t>((year - kFirstDecade) / 10 + 1);
}

std::uint8_t gender_group_of(std::uint64_t code) noexcept {
  return code == 1 ? 1 : code == 2 ? 2 : code == 9 ? 3 : 0;
}

std::string_view postcode_area(std::string_view outward) noexcept {
  const auto* const end =
      std::find_if(outward.begin(), outward.end(), [](char character) { return character < 'A' || character > 'Z'; });
  return outward.substr(0, static_cast<std::size_t>(end - outward.begin()));
}

Groupings make_groupings(const std::vector<std::string>& areas, const std::vector<std::string>& datasets,
                         const TruthGroups& truth) {
  Groupings groupings;
  groupings.all = {birth_decades(),
                   {"gender", {std::string(kNotKnown), "male", "female", "not specified"}, 1},
                   {"area", areas, 1},
                   {"dataset", datasets, 0},
                   sizes()};
  for (std::size_t column = 0; column < truth.names.size(); ++column) {
    std::set<std::string> values;
    for (const std::vector<std::string>& combination : truth.combinations) values.insert(combination[column]);
    values.erase("");
    Grouping grouping{truth.names[column], {std::string(kNotKnown)}, 1};
    grouping.groups.insert(grouping.groups.end(), values.begin(), values.end());
    std::vector<std::uint16_t>& group_of = groupings.group_of_combination.emplace_back();
    for (const std::vector<std::string>& combination : truth.combinations) {
      const auto found = values.find(combination[column]);
      group_of.push_back(
          static_cast<std::uint16_t>(found == values.end() ? 0 : 1 + std::distance(values.begin(), found)));
    }
    groupings.all.push_back(std::move(grouping));
  }
  return groupings;
}

GroupTally::GroupTally(Groupings groupings) : groupings_(std::move(groupings)) {
  std::size_t cells = 0;
  for (const Grouping& grouping : groupings_.all) {
    first_.push_back(cells);
    cells += grouping.groups.size();
  }
  counts_.resize(cells);
}

std::size_t GroupTally::cell_of(std::size_t grouping, const LabelledRow& row) const noexcept {
  std::size_t group = 0;
  switch (grouping) {
    case kBirthDecade:
      group = row.published.birth_decade;
      break;
    case kGender:
      group = row.published.gender;
      break;
    case kArea:
      group = row.published.area;
      break;
    default:
      group = groupings_.group_of_combination[grouping - kFixedGroupings][row.truth_groups];
  }
  return first_[grouping] + group;
}

void GroupTally::add_found_person(std::span<const LabelledRow> rows, const LabelledRow& main) noexcept {
  if (counts_.empty()) return;
  for (std::size_t grouping = 0; grouping < groupings_.all.size(); ++grouping) {
    if (grouping == kDataset) continue;
    GroupCounts& counts =
        counts_[grouping == kRows ? first_[kRows] + size_group(rows.size()) : cell_of(grouping, main)];
    ++counts.found_persons;
    counts.found_rows += rows.size();
  }
  std::uint32_t seen = 0;  // a person counts once in each of its datasets
  for (const LabelledRow& row : rows) {
    GroupCounts& counts = counts_[first_[kDataset] + row.dataset];
    if (((seen >> row.dataset) & 1U) == 0) ++counts.found_persons;
    seen |= std::uint32_t{1} << row.dataset;
    ++counts.found_rows;
  }
}

void GroupTally::add_true_person(std::span<const LabelledRow> rows, Part main) noexcept {
  if (counts_.empty()) return;
  const std::size_t size_cell = first_[kRows] + size_group(rows.size());
  for (std::size_t grouping = 0; grouping < groupings_.all.size(); ++grouping) {
    if (grouping == kDataset) continue;
    GroupCounts& counts = counts_[grouping == kRows ? size_cell : cell_of(grouping, rows[main.begin])];
    ++counts.true_persons;
    counts.true_rows += rows.size();
  }
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const LabelledRow& row = rows[i];
    const bool missed = !main.holds(i);
    GroupCounts& of_dataset = counts_[first_[kDataset] + row.dataset];
    if (((seen >> row.dataset) & 1U) == 0) ++of_dataset.true_persons;
    seen |= std::uint32_t{1} << row.dataset;
    ++of_dataset.true_rows;
    of_dataset.rows.add(row, missed);
    counts_[size_cell].rows.add(row, missed);
    for (std::size_t grouping = 0; grouping < groupings_.all.size(); ++grouping) {
      if (grouping != kDataset && grouping != kRows) counts_[cell_of(grouping, row)].rows.add(row, missed);
    }
  }
}

Ratios ratios(const RowErrors& group, const RowErrors& all) noexcept {
  const auto ratio = [](double of_group, double of_all) {
    return of_all > 0 ? std::optional(of_group / of_all) : std::nullopt;
  };
  return {ratio(group.missed_rate(), all.missed_rate()), ratio(group.false_rate(), all.false_rate())};
}

std::optional<double> relative_bias(double found, double truth) noexcept {
  if (!(truth > 0)) return std::nullopt;
  return found / truth - 1;
}

std::optional<RateRange> rate_range(const Grouping& grouping, std::span<const GroupCounts> counts,
                                    double (RowErrors::*rate)() const noexcept) noexcept {
  std::optional<RateRange> range;
  for (std::size_t group = grouping.first_known; group < counts.size(); ++group) {
    if (counts[group].rows.rows < kRowsForRange) continue;
    const double value = (counts[group].rows.*rate)();
    if (!range) range = RateRange{group, group, value, value};
    if (value < range->lowest_rate) {
      range->lowest = group;
      range->lowest_rate = value;
    }
    if (value > range->highest_rate) {
      range->highest = group;
      range->highest_rate = value;
    }
  }
  return range;
}

}  // namespace ligature
