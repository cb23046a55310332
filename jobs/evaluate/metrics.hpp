// Pairwise quality of a partition against the truth, from contingency counts.
//
// With n rows in a group there are n(n-1)/2 pairs, so pairs are never listed: the pairs put together are counted over
// found persons, the pairs that belong together over true persons, and those that are both over the cells of found and
// true person.  Counts are exact integers and are summed over any split of the groups.  The pairs with at least one row
// of a kind are all pairs less those among the other rows.
// Source of the measures: Christen, Data Matching, Springer 2012, chapter 7 (without true negatives).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ligature {

inline constexpr std::size_t kMaxDatasets = 32;
inline constexpr std::size_t kMaxErrorKinds = 32;

// One row of the run whose true person is known.  Persons are told apart by 64 bits of a hash of theirs: the chance
// that two of 10^8 persons share them is 3 in 10,000.
struct LabelledRow {
  std::uint64_t found = 0;
  std::uint64_t truth = 0;
  std::uint32_t errors = 0;  // bit k: error kind k
  std::uint16_t dataset = 0;
  std::uint16_t pure = 0;  // set by tally_found: the found person has rows of one true person only
};
static_assert(sizeof(LabelledRow) == 24);

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
  // Pairs of rows without any error.
  [[nodiscard]] std::uint64_t clean() const noexcept { return counts_.back(); }

  // The counts as numbers that may be added up element by element.
  [[nodiscard]] std::span<std::uint64_t> counts() noexcept { return counts_; }

 private:
  [[nodiscard]] std::size_t cell(std::size_t a, std::size_t b) const noexcept;
  [[nodiscard]] std::size_t first_kind() const noexcept { return 1 + datasets_ * (datasets_ + 1) / 2; }

  std::size_t datasets_, kinds_;
  std::vector<std::uint64_t> counts_;  // all; datasets a <= b; kinds; clean
};

struct PersonCounts {
  std::uint64_t rows = 0;
  std::uint64_t true_persons = 0;
  std::uint64_t exactly_right = 0;  // all rows of the true person in one found person, and no others there
  std::uint64_t split = 0;          // true persons whose rows are in several found persons
  std::uint64_t found_persons = 0;
  std::uint64_t mixed = 0;  // found persons with rows of several true persons
};

struct Tally {
  Tally(std::size_t datasets, std::size_t kinds)
      : agreed(datasets, kinds), found(datasets, kinds), truth(datasets, kinds) {}
  PairTally agreed;  // pairs put together that belong together
  PairTally found;   // pairs put together
  PairTally truth;   // pairs that belong together
  PersonCounts persons;
};

// rows: all rows of the found persons among them.  Sorts them, marks them pure or not, counts found and agreed pairs.
void tally_found(std::vector<LabelledRow>& rows, Tally& tally);
// rows: all rows of the true persons among them, after tally_found.  Sorts them, counts true pairs and true persons.
void tally_truth(std::vector<LabelledRow>& rows, Tally& tally);

// Of pair counts; a share of nothing is 1.
struct Quality {
  std::uint64_t agreed = 0, found = 0, truth = 0;
  [[nodiscard]] double precision() const noexcept;
  [[nodiscard]] double recall() const noexcept;
  [[nodiscard]] double f1() const noexcept;  // 2 agreed / (found + truth)
};

}  // namespace ligature
