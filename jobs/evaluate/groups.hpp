// Rows and persons counted by group: decade of birth, gender, postcode area, dataset, size of the person, and the
// truth's own groups.
//
// A row belongs to the group that the dataset publishes of its found person, since that is what a reader of the dataset
// can group by; in the truth's own groups, to the one that the truth gives it.  docs/evaluation.md has the definitions.
// Source of the question: Hagger-Johnson et al., BMJ Open 2015 and J Innov Health Inform 2017: the errors of HESID were
// not spread evenly over people, and only rates by group tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/evaluate/labelled_row.hpp"

namespace ligature {

// Rows and what is wrong with them.
struct RowErrors {
  std::uint64_t rows = 0;
  std::uint64_t missed = 0;      // not with the largest part of their true person
  std::uint64_t false_rows = 0;  // in a found person of whose rows another true person has most
  void add(const LabelledRow& row, bool is_missed) noexcept {
    ++rows;
    missed += is_missed ? 1U : 0U;
    false_rows += row.has(LabelledRow::kFalse) ? 1U : 0U;
  }
  template <typename Visit>
  void for_each_count(const Visit& visit) {
    for (std::uint64_t* const count : {&rows, &missed, &false_rows}) visit(*count);
  }
  [[nodiscard]] double missed_rate() const noexcept;  // of no rows: 0
  [[nodiscard]] double false_rate() const noexcept;
};

struct GroupCounts {
  RowErrors rows;
  std::uint64_t true_persons = 0, true_rows = 0;    // true persons of the group, and their rows
  std::uint64_t found_persons = 0, found_rows = 0;  // found persons of the group, and theirs
  template <typename Visit>
  void for_each_count(const Visit& visit) {
    rows.for_each_count(visit);
    for (std::uint64_t* const count : {&true_persons, &true_rows, &found_persons, &found_rows}) visit(*count);
  }
};

// One way to group: its name and the names of its groups.  first_known: groups before it hold what is not known.
struct Grouping {
  std::string name;
  std::vector<std::string> groups;
  std::size_t first_known = 0;
};

// The truth's group_ columns: their names, and the combinations of values that occur, in byte order.
struct TruthGroups {
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> combinations;  // a value for each name
};
inline constexpr std::size_t kMaxCombinations = 4096;

inline constexpr std::string_view kNotKnown = "not known";
// The group of a published year of birth (0: missing) and of the NHS code of gender.
std::uint8_t birth_decade_of(std::uint64_t year) noexcept;
std::uint8_t gender_group_of(std::uint64_t code) noexcept;
// The letters that an outward code begins with: "SW" of "SW1A".
std::string_view postcode_area(std::string_view outward) noexcept;

// All groupings of an evaluation: the five fixed ones, then one for each column of the truth.
struct Groupings {
  std::vector<Grouping> all;
  std::vector<std::vector<std::uint16_t>> group_of_combination;  // of each truth column, by combination
};
// areas: names by Published::area, the first kNotKnown.
Groupings make_groupings(const std::vector<std::string>& areas, const std::vector<std::string>& datasets,
                         const TruthGroups& truth);

class GroupTally {
 public:
  // Without groupings it counts nothing.
  explicit GroupTally(Groupings groupings);

  // rows: of one found person.  main: a row of the true person that has most of them.
  void add_found_person(std::span<const LabelledRow> rows, const LabelledRow& main) noexcept;
  // rows: of one true person.  main: [begin, end) of its largest part.
  struct Part {
    std::size_t begin = 0, end = 0;
    [[nodiscard]] bool holds(std::size_t i) const noexcept { return i >= begin && i < end; }
  };
  void add_true_person(std::span<const LabelledRow> rows, Part main) noexcept;

  [[nodiscard]] const std::vector<Grouping>& groupings() const noexcept { return groupings_.all; }
  [[nodiscard]] std::span<const GroupCounts> counts_of(std::size_t grouping) const noexcept {
    return std::span(counts_).subspan(first_[grouping], groupings_.all[grouping].groups.size());
  }
  template <typename Visit>
  void for_each_count(const Visit& visit) {
    for (GroupCounts& counts : counts_) counts.for_each_count(visit);
  }

 private:
  // The index in counts_ of a person's group; not for the groupings by dataset and by size.
  [[nodiscard]] std::size_t cell_of(std::size_t grouping, const LabelledRow& row) const noexcept;

  Groupings groupings_;
  std::vector<std::size_t> first_;  // of each grouping, in counts_
  std::vector<GroupCounts> counts_;
};

// Rates of a group beside those of all rows.
struct Ratios {
  std::optional<double> missed, false_rows;  // nothing where the rate of all rows is 0
};
Ratios ratios(const RowErrors& group, const RowErrors& all) noexcept;

// found / true - 1; nothing of nothing.
std::optional<double> relative_bias(double found, double truth) noexcept;

// The groups with the lowest and the highest rate, among those that are known and have kRowsForRange rows.
inline constexpr std::uint64_t kRowsForRange = 1000;
struct RateRange {
  std::size_t lowest = 0, highest = 0;  // groups
  double lowest_rate = 0, highest_rate = 0;
};
std::optional<RateRange> rate_range(const Grouping& grouping, std::span<const GroupCounts> counts,
                                    double (RowErrors::*rate)() const noexcept) noexcept;

}  // namespace ligature
