#include "jobs/evaluate/metrics.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/parallel.hpp"

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

}  // namespace

PairTally::PairTally(std::size_t datasets, std::size_t kinds)
    : datasets_(datasets), kinds_(kinds), counts_(first_kind() + kinds + 1) {}

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
  std::uint64_t clean_rows = 0;
  for (const LabelledRow& row : rows) {
    ++of_dataset[row.dataset];
    if (row.errors == 0) ++clean_rows;
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
  counts_.back() += pairs_among(clean_rows);
}

void tally_found(std::vector<LabelledRow>& rows, Tally& tally) {
  sort_items(rows.begin(), rows.end(), [](const LabelledRow& a, const LabelledRow& b) {
    return std::tie(a.found, a.truth, a.dataset, a.errors) < std::tie(b.found, b.truth, b.dataset, b.errors);
  });
  const std::span<const LabelledRow> all(rows);
  for (std::size_t begin = 0; begin < rows.size();) {
    const std::size_t end = group_end(all, begin, found_of);
    std::size_t true_persons = 0;
    for (std::size_t cell = begin; cell < end; ++true_persons) {
      const std::size_t cell_end = group_end(all.first(end), cell, truth_of);
      tally.agreed.add_group(all.subspan(cell, cell_end - cell));
      cell = cell_end;
    }
    tally.found.add_group(all.subspan(begin, end - begin));
    ++tally.persons.found_persons;
    if (true_persons > 1) ++tally.persons.mixed;
    for (std::size_t i = begin; i < end; ++i) rows[i].pure = true_persons == 1 ? 1 : 0;
    begin = end;
  }
  tally.persons.rows += rows.size();
}

void tally_truth(std::vector<LabelledRow>& rows, Tally& tally) {
  sort_items(rows.begin(), rows.end(), [](const LabelledRow& a, const LabelledRow& b) {
    return std::tie(a.truth, a.found, a.dataset, a.errors) < std::tie(b.truth, b.found, b.dataset, b.errors);
  });
  const std::span<const LabelledRow> all(rows);
  for (std::size_t begin = 0; begin < rows.size();) {
    const std::size_t end = group_end(all, begin, truth_of);
    tally.truth.add_group(all.subspan(begin, end - begin));
    ++tally.persons.true_persons;
    const bool whole = rows[begin].found == rows[end - 1].found;  // sorted by found: the first and the last tell
    if (!whole) {
      ++tally.persons.split;
    } else if (rows[begin].pure != 0) {
      ++tally.persons.exactly_right;
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
