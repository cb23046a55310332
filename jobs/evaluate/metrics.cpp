#include "jobs/evaluate/metrics.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "engine/parallel.hpp"
#include "engine/sort_items.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t pairs_among(std::uint64_t rows) noexcept {
  return rows % 2 == 0 ? rows / 2 * (rows - (rows == 0 ? 0 : 1)) : (rows - 1) / 2 * rows;
}

double share(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The end of the run of rows that are equal to rows[begin] under key.
template <typename Key>
std::size_t group_end(std::span<const LabelledRow> rows, std::size_t begin, const Key& key) {
  std::size_t end = begin + 1;
  while (end < rows.size() && key(rows[end]) == key(rows[begin])) ++end;
  return end;
}

std::uint64_t found_of(const LabelledRow& row) noexcept {
  return row.found;
}
std::uint64_t truth_of(const LabelledRow& row) noexcept {
  return row.truth;
}

// The cells of one person, found or true: its rows by who they are on the other side.
struct Cells {
  std::uint64_t count = 0;
  std::uint64_t squares = 0;  // sum of the squares of their sizes
  GroupTally::Part largest;   // the first of several
};

// rows: of one person, sorted by key.  visit: called with the rows of each cell.
template <typename Key, typename Visit>
Cells add_cells(std::span<const LabelledRow> rows, const Key& key, const Visit& visit) {
  Cells cells;
  for (std::size_t begin = 0; begin < rows.size(); ++cells.count) {
    const std::size_t end = group_end(rows, begin, key);
    const std::uint64_t size = end - begin;
    cells.squares += size * size;
    if (size > cells.largest.end - cells.largest.begin) cells.largest = {begin, end};
    visit(rows.subspan(begin, end - begin));
    begin = end;
  }
  return cells;
}

// Marks the rows of a found person that stand beside rows of a sibling; returns the number of pairs of such rows.
std::uint64_t mark_siblings(std::span<LabelledRow> person) {
  std::vector<LabelledRow*> born_together;
  for (LabelledRow& row : person) {
    if (row.birth_group != 0) born_together.push_back(&row);
  }
  std::stable_sort(born_together.begin(), born_together.end(),  // the rows of a true person stay together
                   [](const LabelledRow* a, const LabelledRow* b) { return a->birth_group < b->birth_group; });
  std::uint64_t pairs = 0;
  for (auto begin = born_together.begin(); begin != born_together.end();) {
    const auto end = std::find_if(begin, born_together.end(),
                                  [&](const LabelledRow* row) { return row->birth_group != (*begin)->birth_group; });
    pairs += pairs_among(static_cast<std::uint64_t>(end - begin));
    for (auto cell = begin; cell != end;) {
      const auto cell_end =
          std::find_if(cell, end, [&](const LabelledRow* row) { return row->truth != (*cell)->truth; });
      pairs -= pairs_among(static_cast<std::uint64_t>(cell_end - cell));
      cell = cell_end;
    }
    if ((*begin)->truth != (*std::prev(end))->truth) {  // sorted by truth: the first and the last tell
      for (auto row = begin; row != end; ++row) (*row)->flags |= LabelledRow::kWithSibling;
    }
    begin = end;
  }
  return pairs;
}

void add_true_person(std::span<const LabelledRow> person, bool split, PersonCounts& persons) {
  const auto any = [&](std::uint8_t flag) {
    return std::any_of(person.begin(), person.end(), [&](const LabelledRow& row) { return row.has(flag); });
  };
  const bool merged = any(LabelledRow::kMixed), right = !split && !merged;
  ++persons.true_persons;
  persons.exactly_right += right ? 1U : 0U;
  persons.split += split ? 1U : 0U;
  persons.merged += merged ? 1U : 0U;
  persons.split_and_merged += split && merged ? 1U : 0U;
  if (person.front().birth_group == 0) return;
  ++persons.births_persons;
  persons.births_right += right ? 1U : 0U;
  persons.births_split += split ? 1U : 0U;
  persons.births_merged += merged && any(LabelledRow::kWithSibling) ? 1U : 0U;
}

}  // namespace

PairTally::PairTally(std::size_t datasets, std::size_t kinds)
    : datasets_(datasets), kinds_(kinds), counts_(first_kind() + kinds + 2) {}

std::size_t PairTally::cell(std::size_t a, std::size_t b) const noexcept {
  if (a > b) std::swap(a, b);
  return 1 + b * (b + 1) / 2 + a;
}

std::uint64_t PairTally::touching(std::size_t a) const noexcept {
  std::uint64_t pairs = 0;
  for (std::size_t b = 0; b < datasets_; ++b) pairs += between(a, b);
  return pairs;
}

void PairTally::add_group(std::span<const LabelledRow> rows) noexcept {
  if (rows.size() < 2) return;
  std::array<std::uint64_t, kMaxDatasets> of_dataset{};
  std::array<std::uint64_t, kMaxErrorKinds> of_kind{};
  std::uint64_t clean_rows = 0, single_births = 0;
  for (const LabelledRow& row : rows) {
    ++of_dataset[row.dataset];
    if (row.errors == 0) ++clean_rows;
    if (row.birth_group == 0) ++single_births;
    for (std::uint32_t rest = row.errors; rest != 0; rest &= rest - 1) {
      ++of_kind[static_cast<std::size_t>(__builtin_ctz(rest))];
    }
  }
  const std::uint64_t all_pairs = pairs_among(rows.size());
  counts_[0] += all_pairs;
  for (std::size_t b = 0; b < datasets_; ++b) {
    if (of_dataset[b] == 0) continue;
    for (std::size_t a = 0; a < b; ++a) counts_[cell(a, b)] += of_dataset[a] * of_dataset[b];
    counts_[cell(b, b)] += pairs_among(of_dataset[b]);
  }
  for (std::size_t kind = 0; kind < kinds_; ++kind) {
    if (of_kind[kind] > 0) counts_[first_kind() + kind] += all_pairs - pairs_among(rows.size() - of_kind[kind]);
  }
  counts_[counts_.size() - 2] += all_pairs - pairs_among(single_births);
  counts_.back() += pairs_among(clean_rows);
}

void FractionSum::add(std::uint64_t numerator, std::uint64_t denominator) noexcept {
  // Long division with digits of 32 bits: a remainder is below the denominator, so no shift loses a bit.
  const std::uint64_t high = (numerator % denominator) << 32U;
  const std::uint64_t low = (high % denominator) << 32U;
  parts_[0] += numerator / denominator;
  parts_[1] += high / denominator;
  parts_[2] += low / denominator;
}

double FractionSum::value() const noexcept {
  return static_cast<double>(parts_[0]) + static_cast<double>(parts_[1]) * 0x1p-32 +
         static_cast<double>(parts_[2]) * 0x1p-64;
}

void tally_found(std::vector<LabelledRow>& rows, const PublishedOf& published, Scores& scores) {
  sort_items(rows.begin(), rows.end(), [](const LabelledRow& a, const LabelledRow& b) {
    return std::tie(a.found, a.truth, a.dataset, a.errors, a.truth_groups, a.birth_group) <
           std::tie(b.found, b.truth, b.dataset, b.errors, b.truth_groups, b.birth_group);
  });
  const std::span<LabelledRow> all(rows);
  for (std::size_t begin = 0; begin < rows.size();) {
    const std::size_t end = group_end(all, begin, found_of);
    const std::span<LabelledRow> person = all.subspan(begin, end - begin);
    const Published of_person = published(rows[begin].found);
    const Cells cells = add_cells(std::span<const LabelledRow>(person), truth_of,
                                  [&](std::span<const LabelledRow> cell) { scores.agreed.add_group(cell); });
    scores.found.add_group(person);
    ++scores.persons.found_persons;
    scores.persons.parts += cells.count;
    scores.b_cubed_precision.add(cells.squares, person.size());
    for (std::size_t i = 0; i < person.size(); ++i) {
      const bool is_false = !cells.largest.holds(i);
      person[i].published = of_person;
      person[i].flags =
          static_cast<std::uint8_t>((cells.count > 1 ? LabelledRow::kMixed : 0) | (is_false ? LabelledRow::kFalse : 0));
    }
    if (cells.count > 1) {
      ++scores.persons.mixed;
      scores.persons.sibling_pairs += mark_siblings(person);
    }
    scores.groups.add_found_person(person, person[cells.largest.begin]);
    begin = end;
  }
  scores.persons.rows += rows.size();
}

void tally_truth(std::vector<LabelledRow>& rows, Scores& scores) {
  sort_items(rows.begin(), rows.end(), [](const LabelledRow& a, const LabelledRow& b) {
    return std::tie(a.truth, a.found, a.dataset, a.errors, a.truth_groups, a.birth_group) <
           std::tie(b.truth, b.found, b.dataset, b.errors, b.truth_groups, b.birth_group);
  });
  const std::span<LabelledRow> all(rows);
  for (std::size_t begin = 0; begin < rows.size();) {
    const std::size_t end = group_end(all, begin, truth_of);
    const std::span<const LabelledRow> person = all.subspan(begin, end - begin);
    const Cells cells = add_cells(person, found_of, [](std::span<const LabelledRow>) {});
    scores.truth.add_group(person);
    scores.b_cubed_recall.add(cells.squares, person.size());
    add_true_person(person, cells.count > 1, scores.persons);
    scores.groups.add_true_person(person, cells.largest);
    for (std::size_t i = 0; i < person.size(); ++i) {
      const LabelledRow& row = person[i];
      const bool missed = !cells.largest.holds(i);
      scores.rows.add(row, missed);
      if (row.birth_group != 0) scores.births_rows.add(row, missed);
      if (row.errors == 0) scores.by_error.back().add(row, missed);
      for (std::uint32_t rest = row.errors; rest != 0; rest &= rest - 1) {
        scores.by_error[static_cast<std::size_t>(__builtin_ctz(rest))].add(row, missed);
      }
    }
    begin = end;
  }
}

double Quality::precision() const noexcept {
  return share(agreed, found);
}
double Quality::recall() const noexcept {
  return share(agreed, truth);
}
double Quality::f1() const noexcept {
  return share(2 * agreed, found + truth);
}

}  // namespace ligature
