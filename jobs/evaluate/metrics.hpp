// Quality of a partition of rows against the truth, from contingency counts: pairs, B-cubed, persons and rows.
//
// With n rows in a group there are n(n-1)/2 pairs, so pairs are never listed: the pairs put together are counted over
// found persons, the pairs that belong together over true persons, and those that are both over the cells of found and
// true person.  Counts are exact integers and are summed over any split of the groups; docs/evaluation.md defines each.
// Sources: Christen, Data Matching, Springer 2012, chapter 7 (without true negatives); Bagga and Baldwin, Algorithms
// for scoring coreference chains, LREC 1998 (B-cubed); Hagger-Johnson et al., BMJ Open 2015 (missed and false matches).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "jobs/evaluate/groups.hpp"
#include "jobs/evaluate/labelled_row.hpp"

namespace ligature {

// Numbers of pairs: all; by the datasets of the two rows; and with a row of each error kind.
class PairTally {
 public:
  PairTally(std::size_t datasets, std::size_t kinds);

  // Adds the pairs among the rows of one group.
  void add_group(std::span<const LabelledRow> rows) noexcept;

  [[nodiscard]] std::uint64_t all() const noexcept { return counts_[0]; }
  // Pairs of a row of a with a row of b; of two rows of a if they are equal.
  [[nodiscard]] std::uint64_t between(std::size_t a, std::size_t b) const noexcept { return counts_[cell(a, b)]; }
  // Pairs with at least one row of dataset a.
  [[nodiscard]] std::uint64_t touching(std::size_t a) const noexcept;
  // Pairs with at least one row of this error kind.
  [[nodiscard]] std::uint64_t with_error(std::size_t kind) const noexcept { return counts_[first_kind() + kind]; }
  // Pairs with at least one row of a person of a multiple birth.
  [[nodiscard]] std::uint64_t of_multiple_birth() const noexcept { return counts_[counts_.size() - 2]; }
  // Pairs of rows without any error.
  [[nodiscard]] std::uint64_t clean() const noexcept { return counts_.back(); }

  // Visits all counts: they may be added up one by one.
  template <typename Visit>
  void for_each_count(const Visit& visit) {
    for (std::uint64_t& count : counts_) visit(count);
  }

 private:
  [[nodiscard]] std::size_t cell(std::size_t a, std::size_t b) const noexcept;
  [[nodiscard]] std::size_t first_kind() const noexcept { return 1 + datasets_ * (datasets_ + 1) / 2; }

  std::size_t datasets_, kinds_;
  std::vector<std::uint64_t> counts_;  // all; datasets a <= b; kinds; of multiple birth; clean
};

// A sum of fractions that is the same in any order and over any ranks: 64 binary places, each fraction rounded down.
// The parts may be added up one by one, over at most 2^32 fractions.
class FractionSum {
 public:
  // REQUIRES: 0 < denominator < 2^32.
  void add(std::uint64_t numerator, std::uint64_t denominator) noexcept;
  [[nodiscard]] double value() const noexcept;
  template <typename Visit>
  void for_each_count(const Visit& visit) {
    for (std::uint64_t& part : parts_) visit(part);
  }

 private:
  std::array<std::uint64_t, 3> parts_{};  // whole numbers, units of 2^-32, units of 2^-64
};

struct PersonCounts {
  std::uint64_t rows = 0;
  std::uint64_t true_persons = 0;
  std::uint64_t exactly_right = 0;     // all rows of the true person in one found person, and no others there
  std::uint64_t split = 0;             // true persons whose rows are in several found persons
  std::uint64_t merged = 0;            // true persons of whom a found person also holds rows of others
  std::uint64_t split_and_merged = 0;  // both
  std::uint64_t parts = 0;             // pairs of a true and a found person with a row in common
  std::uint64_t found_persons = 0;
  std::uint64_t mixed = 0;  // found persons with rows of several true persons
  std::uint64_t births_persons = 0, births_right = 0, births_split = 0;  // of multiple births, as above
  std::uint64_t births_merged = 0;                                       // put together with rows of a sibling
  std::uint64_t sibling_pairs = 0;                                       // pairs of rows of two siblings put together

  template <typename Visit>
  void for_each_count(const Visit& visit) {
    for (std::uint64_t* const count :
         {&rows, &true_persons, &exactly_right, &split, &merged, &split_and_merged, &parts, &found_persons, &mixed,
          &births_persons, &births_right, &births_split, &births_merged, &sibling_pairs}) {
      visit(*count);
    }
  }
};

struct Scores {
  Scores(std::size_t datasets, std::size_t kinds, Groupings groupings = {})
      : agreed(datasets, kinds),
        found(datasets, kinds),
        truth(datasets, kinds),
        by_error(kinds + 1),
        groups(std::move(groupings)) {}
  PairTally agreed;  // pairs put together that belong together
  PairTally found;   // pairs put together
  PairTally truth;   // pairs that belong together
  PersonCounts persons;
  FractionSum b_cubed_precision, b_cubed_recall;  // sums over rows
  RowErrors rows, births_rows;
  std::vector<RowErrors> by_error;  // the last: rows without any error
  GroupTally groups;

  // Visits all counts, always in the same order: those of any split of the groups may be added up one by one.
  template <typename Visit>
  void for_each_count(const Visit& visit) {
    for (PairTally* const pairs : {&agreed, &found, &truth}) pairs->for_each_count(visit);
    persons.for_each_count(visit);
    for (FractionSum* const sum : {&b_cubed_precision, &b_cubed_recall}) sum->for_each_count(visit);
    for (RowErrors* const counts : {&rows, &births_rows}) counts->for_each_count(visit);
    for (RowErrors& counts : by_error) counts.for_each_count(visit);
    groups.for_each_count(visit);
  }
};

// What is published about a found person; called in ascending order of LabelledRow::found.
using PublishedOf = std::function<Published(std::uint64_t)>;

// rows: all rows of the found persons among them.  Sorts them, fills in published and flags, counts found and agreed
// pairs and found persons.
void tally_found(std::vector<LabelledRow>& rows, const PublishedOf& published, Scores& scores);
// rows: all rows of the true persons among them, after tally_found.  Sorts them; counts true pairs, true persons, and
// missed and false rows.
void tally_truth(std::vector<LabelledRow>& rows, Scores& scores);

// Of pair counts, or of persons; a share of nothing is 1.
struct Quality {
  std::uint64_t agreed = 0, found = 0, truth = 0;
  [[nodiscard]] double precision() const noexcept;
  [[nodiscard]] double recall() const noexcept;
  [[nodiscard]] double f1() const noexcept;  // 2 agreed / (found + truth)
};

}  // namespace ligature
