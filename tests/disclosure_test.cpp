// What a published table tells: attackers who subtract, solve and search must not find a small count.
//
// The attacker knows the rules, every entry that is shown, and that a suppressed one is at least 1 (zero is shown).
#include "engine/disclosure.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "tests/sanitized.hpp"

namespace ligature {
namespace {

using Entry = std::vector<std::uint32_t>;

Cube cube_of(std::vector<std::uint32_t> sizes, std::vector<std::uint64_t> counts) {
  return {std::move(sizes), std::move(counts)};
}

Face whole(const Cube& cube) {
  return (Face{1} << cube.sizes.size()) - 1;
}

// Every entry of all faces.
std::vector<Entry> entries_of(const Cube& cube) {
  std::vector<Entry> all = {{}};
  for (const std::uint32_t size : cube.sizes) {
    std::vector<Entry> next;
    for (const Entry& entry : all) {
      for (std::uint32_t c = 0; c <= size; ++c) {
        next.push_back(entry);
        next.back().push_back(c);
      }
    }
    all = std::move(next);
  }
  return all;
}

// The numbers of the cells that an entry is the sum of.
std::vector<std::size_t> cells_of(const Cube& cube, const Entry& entry) {
  std::vector<std::size_t> cells = {0};
  for (std::size_t d = 0; d < cube.sizes.size(); ++d) {
    std::vector<std::size_t> next;
    for (const std::size_t cell : cells) {
      for (std::uint32_t c = 0; c < cube.sizes[d]; ++c) {
        if (entry[d] == cube.sizes[d] || entry[d] == c) next.push_back(cell * cube.sizes[d] + c);
      }
    }
    cells = std::move(next);
  }
  return cells;
}

std::uint64_t true_value(const Cube& cube, const Entry& entry) {
  std::uint64_t sum = 0;
  for (const std::size_t cell : cells_of(cube, entry)) sum += cube.counts[cell];
  return sum;
}

// Attack 1: everything that follows from what is shown by adding and subtracting, with any coefficients.  Arithmetic
// modulo a large prime: an entry that depends on the shown ones over the rationals depends on them here.
class LinearAttack {
 public:
  LinearAttack(const Cube& cube, const Table& table) : cube_(cube) {
    for (const Entry& entry : entries_of(cube)) {
      if (table.states[table.at(entry)] == EntryState::shown) add(row_of(entry));
    }
  }
  [[nodiscard]] bool recovers(const Entry& entry) const {
    std::vector<std::uint64_t> row = row_of(entry);
    reduce(row);
    return std::all_of(row.begin(), row.end(), [](std::uint64_t x) { return x == 0; });
  }

 private:
  static constexpr std::uint64_t kPrime = 2'147'483'647;
  static std::uint64_t power(std::uint64_t base, std::uint64_t exponent) {
    std::uint64_t result = 1;
    for (; exponent > 0; exponent /= 2, base = base * base % kPrime) {
      if (exponent % 2 == 1) result = result * base % kPrime;
    }
    return result;
  }
  [[nodiscard]] std::vector<std::uint64_t> row_of(const Entry& entry) const {
    std::vector<std::uint64_t> row(cube_.counts.size());
    for (const std::size_t cell : cells_of(cube_, entry)) row[cell] = 1;
    return row;
  }
  void reduce(std::vector<std::uint64_t>& row) const {
    for (const auto& [pivot, basis] : basis_) {
      if (row[pivot] == 0) continue;
      const std::uint64_t factor = row[pivot];
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = (row[i] + (kPrime - factor) * basis[i]) % kPrime;
    }
  }
  void add(std::vector<std::uint64_t> row) {
    reduce(row);
    const auto pivot = std::find_if(row.begin(), row.end(), [](std::uint64_t x) { return x != 0; });
    if (pivot == row.end()) return;
    const std::uint64_t inverse = power(*pivot, kPrime - 2);
    for (std::uint64_t& x : row) x = x * inverse % kPrime;
    basis_.emplace(static_cast<std::size_t>(pivot - row.begin()), std::move(row));
  }

  const Cube& cube_;
  std::map<std::size_t, std::vector<std::uint64_t>> basis_;
};

// Attack 2: every table of whole numbers that looks like the published one, by search; the least and most that an entry
// is in any of them.  Cells are looked for up to 6 above what they are, so what is found is there, and may be more.
class SearchAttack {
 public:
  SearchAttack(const Cube& cube, const Table& table) : cube_(cube), values_(cube.counts) {
    for (const Entry& entry : entries_of(cube)) {
      const std::size_t at = table.at(entry);
      if (table.states[at] == EntryState::unpublished) continue;
      const bool shown = table.states[at] == EntryState::shown;
      sums_.push_back({cells_of(cube, entry), shown ? std::optional(table.values[at]) : std::nullopt});
      // A suppressed cell is at least 1, a shown zero makes all its cells zero.
      if (shown && table.values[at] == 0) zero_.insert(sums_.back().cells.begin(), sums_.back().cells.end());
      if (sums_.back().cells.size() == 1) {
        const std::size_t cell = sums_.back().cells.front();
        if (shown) {
          known_.insert(cell);
        } else {
          at_least_one_.insert(cell);
        }
      }
    }
    for (std::size_t cell = 0; cell < cube.counts.size(); ++cell) {
      if (known_.count(cell) == 0 && zero_.count(cell) == 0) unknown_.push_back(cell);
    }
    for (std::size_t s = 0; s < sums_.size(); ++s) {
      for (const std::size_t cell : sums_[s].cells) sums_of_[cell].push_back(s);
    }
  }
  [[nodiscard]] std::size_t unknowns() const { return unknown_.size(); }

  // The least and most of an entry, up to a number of steps.
  std::pair<std::uint64_t, std::uint64_t> range(const Entry& entry) {
    target_ = cells_of(cube_, entry);
    least_ = most_ = true_value(cube_, entry);
    steps_ = 300'000;
    for (const std::size_t cell : unknown_) values_[cell] = 0;
    search(0);
    values_ = cube_.counts;
    return {least_, most_};
  }

 private:
  struct Sum {
    std::vector<std::size_t> cells;
    std::optional<std::uint64_t> total;  // not shown: at least 1
  };
  void search(std::size_t i) {
    if (steps_ == 0) return;
    --steps_;
    if (i == unknown_.size()) {
      std::uint64_t sum = 0;
      for (const std::size_t cell : target_) sum += values_[cell];
      least_ = std::min(least_, sum);
      most_ = std::max(most_, sum);
      return;
    }
    const std::size_t cell = unknown_[i];
    for (std::uint64_t v = at_least_one_.count(cell); v <= cube_.counts[cell] + 6; ++v) {
      values_[cell] = v;
      if (possible(cell, i)) search(i + 1);
    }
    values_[cell] = 0;
  }
  // No sum is passed, and those whose cells are all set are met.
  [[nodiscard]] bool possible(std::size_t cell, std::size_t set) const {
    const auto found = sums_of_.find(cell);
    for (const std::size_t s : found->second) {
      std::uint64_t sum = 0;
      bool whole = true;
      for (const std::size_t other : sums_[s].cells) {
        sum += values_[other];
        whole = whole && (std::find(unknown_.begin() + static_cast<std::ptrdiff_t>(set) + 1, unknown_.end(), other) ==
                          unknown_.end());
      }
      if (!sums_[s].total) {
        if (whole && sum == 0) return false;
      } else if (sum > *sums_[s].total || (whole && sum != *sums_[s].total)) {
        return false;
      }
    }
    return true;
  }

  const Cube& cube_;
  std::vector<std::uint64_t> values_;
  std::vector<Sum> sums_;
  std::map<std::size_t, std::vector<std::size_t>> sums_of_;
  std::set<std::size_t> zero_, known_, at_least_one_;
  std::vector<std::size_t> unknown_, target_;
  std::uint64_t least_ = 0, most_ = 0, steps_ = 0;
};

Cube random_cube(std::mt19937_64& random, std::vector<std::uint32_t> sizes, std::uint64_t most) {
  Cube cube;
  std::size_t cells = 1;
  for (const std::uint32_t size : sizes) cells *= size;
  cube.sizes = std::move(sizes);
  for (std::size_t i = 0; i < cells; ++i) {
    const std::uint64_t kind = random() % 4;  // many zeros and small counts, some large
    cube.counts.push_back(kind == 0 ? 0 : kind == 1 ? 1 + random() % 5 : random() % (most + 1));
  }
  return cube;
}

void expect_safe_from_subtraction(const Cube& cube, const Table& table) {
  const LinearAttack attack(cube, table);
  for (const Entry& entry : entries_of(cube)) {
    if (table.states[table.at(entry)] == EntryState::unpublished) continue;
    const std::uint64_t value = true_value(cube, entry);
    if (value == 0 || value > 5) continue;
    ASSERT_EQ(table.states[table.at(entry)], EntryState::suppressed);
    EXPECT_FALSE(attack.recovers(entry)) << "a count of " << value;
  }
}

constexpr auto kSuppress = DisclosureRules::suppress_1_5_v1;
constexpr auto kRound = DisclosureRules::hes_2018_v1;

TEST(Suppression, zero_and_counts_above_five_are_shown_where_nothing_is_small) {
  const Cube cube = cube_of({2, 3}, {0, 6, 7, 60, 0, 100});
  const std::vector<Face> faces = {whole(cube)};
  const Table table = disclose(cube, faces, kSuppress);
  for (const Entry& entry : entries_of(cube)) {
    EXPECT_EQ(table.states[table.at(entry)], EntryState::shown);
    EXPECT_EQ(table.values[table.at(entry)], true_value(cube, entry));
  }
}

TEST(Suppression, one_small_cell_takes_three_others_with_it_so_that_no_total_gives_it_back) {
  // The 3 alone suppressed would be its row's total less the other cells: the oldest of disclosure failures.
  const Cube cube = cube_of({2, 2}, {3, 20, 30, 40});
  const std::vector<Face> faces = {whole(cube)};
  const Table table = disclose(cube, faces, kSuppress);
  for (const Entry& entry : {Entry{0, 0}, Entry{0, 1}, Entry{1, 0}, Entry{1, 1}}) {
    EXPECT_EQ(table.states[table.at(entry)], EntryState::suppressed);
  }
  EXPECT_EQ(table.states[table.at(Entry{2, 2})], EntryState::shown);
  EXPECT_EQ(table.values[table.at(Entry{2, 2})], 93U);
  EXPECT_EQ(table.values[table.at(Entry{0, 2})], 23U);
}

TEST(Suppression, two_ones_in_a_row_are_not_given_away_by_their_sum) {
  // Both hidden, but their sum 2 is shown and neither can be 0: each would be known to be 1.
  const Cube cube = cube_of({3, 3}, {1, 1, 30, 20, 30, 40, 50, 60, 70});
  const std::vector<Face> faces = {whole(cube)};
  const Table table = disclose(cube, faces, kSuppress);
  SearchAttack attack(cube, table);
  for (const Entry& entry : {Entry{0, 0}, Entry{0, 1}}) {
    const auto [least, most] = attack.range(entry);
    EXPECT_LE(least, 1U);
    EXPECT_GE(most, 5U);
  }
}

TEST(Suppression, the_only_count_of_a_table_hides_its_totals_too) {
  const Cube cube = cube_of({2, 2}, {4, 0, 0, 0});
  const std::vector<Face> faces = {whole(cube)};
  const Table table = disclose(cube, faces, kSuppress);
  EXPECT_EQ(table.states[table.at(Entry{2, 2})], EntryState::suppressed);
  EXPECT_EQ(table.states[table.at(Entry{0, 2})], EntryState::suppressed);
  EXPECT_EQ(table.states[table.at(Entry{0, 1})], EntryState::shown);
}

TEST(Suppression, no_small_count_of_a_small_table_can_be_told_from_one_to_five) {
  std::mt19937_64 random(1);
  std::size_t searched = 0;
  for (int round = 0; round < unless_sanitized(150, 25); ++round) {
    const std::vector<std::vector<std::uint32_t>> shapes = {{3}, {2, 2}, {3, 2}, {3, 3}, {2, 2, 2}};
    const Cube cube = random_cube(random, shapes[static_cast<std::size_t>(round) % shapes.size()], 12);
    const std::vector<Face> faces = {whole(cube)};
    const Table table = disclose(cube, faces, kSuppress);
    expect_safe_from_subtraction(cube, table);
    SearchAttack attack(cube, table);
    if (attack.unknowns() > 8) continue;
    for (const Entry& entry : entries_of(cube)) {
      const std::uint64_t value = true_value(cube, entry);
      if (value == 0 || value > 5) continue;
      const auto [least, most] = attack.range(entry);
      EXPECT_LT(least, most) << "a count of " << value << " is given away";
      if (cells_of(cube, entry).size() == 1) {
        EXPECT_LE(least, 1U) << value;
        EXPECT_GE(most, 5U) << value;
      }
      ++searched;
    }
  }
  EXPECT_GT(searched, unless_sanitized(100U, 16U));
}

TEST(Suppression, larger_tables_of_up_to_four_dimensions_cannot_be_undone_by_subtraction) {
  std::mt19937_64 random(2);
  const std::vector<std::vector<std::uint32_t>> shapes = {{12, 9}, {6, 5, 4}, {4, 3, 3, 3}, {40}, {2, 30}};
  for (int round = 0; round < 10; ++round) {
    const Cube cube = random_cube(random, shapes[static_cast<std::size_t>(round) % shapes.size()], 60);
    const std::vector<Face> faces = {whole(cube)};
    const Table table = disclose(cube, faces, kSuppress);
    expect_safe_from_subtraction(cube, table);
  }
}

TEST(Suppression, tables_that_share_margins_do_not_undo_each_other) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20; ++round) {
    // Area by age, and area by sex: two faces of one cube, whose cells are not published.
    const Cube cube = random_cube(random, {4, 3, 2}, 20);
    const std::vector<Face> faces = {0b011, 0b101};
    const Table table = disclose(cube, faces, kSuppress);
    EXPECT_EQ(table.states[table.at(Entry{0, 0, 0})], EntryState::unpublished);
    expect_safe_from_subtraction(cube, table);
  }
}

TEST(Suppression, it_does_not_hide_more_than_it_must) {
  // One small cell in a large table costs three others, wherever it stands.
  std::vector<std::uint64_t> counts(100, 50);
  counts[37] = 2;
  const Cube cube = cube_of({10, 10}, counts);
  const std::vector<Face> faces = {whole(cube)};
  const Table table = disclose(cube, faces, kSuppress);
  const DisclosureCounts found = count_entries(cube, faces, kSuppress, table);
  EXPECT_EQ(found.entries, 121U);
  EXPECT_EQ(found.small, 1U);
  EXPECT_EQ(found.suppressed, 4U);
}

TEST(Rounding, follows_the_rule_of_2018) {
  // 0 -> 0; 1..7 -> *; others to the nearest 5.  In force for HES since September 2018.
  const std::vector<std::uint64_t> counts = {0, 1, 7, 8, 12, 13, 100, 102, 103};
  const std::vector<std::optional<std::uint64_t>> shown = {0, {}, {}, 10, 10, 15, 100, 100, 105};
  const Cube cube = cube_of({9}, counts);
  const std::vector<Face> faces = {whole(cube)};
  const Table table = disclose(cube, faces, kRound);
  for (std::uint32_t i = 0; i < counts.size(); ++i) {
    const std::size_t at = table.at(Entry{i});
    EXPECT_EQ(table.states[at] == EntryState::shown, shown[i].has_value()) << counts[i];
    EXPECT_EQ(shown[i].value_or(table.values[at]), table.values[at]);
  }
}

TEST(Rounding, totals_are_sums_of_what_is_shown_so_there_is_nothing_to_subtract_from) {
  const Cube cube = cube_of({2, 3}, {3, 20, 8, 0, 6, 0});
  const std::vector<Face> faces = {whole(cube)};
  const Table table = disclose(cube, faces, kRound);
  EXPECT_EQ(table.values[table.at(Entry{0, 3})], 30U);                     // 20 + 10
  EXPECT_EQ(table.states[table.at(Entry{1, 3})], EntryState::suppressed);  // nothing but a suppressed cell
  EXPECT_EQ(table.values[table.at(Entry{2, 3})], 30U);
  // Whatever the suppressed cells are, the published table is the same.
  for (std::uint64_t other = 1; other <= 7; ++other) {
    const Table same = disclose(cube_of({2, 3}, {other, 20, 8, 0, 8 - other, 0}), faces, kRound);
    for (const Entry& entry : entries_of(cube)) {
      ASSERT_EQ(same.states[same.at(entry)], table.states[table.at(entry)]);
      if (same.states[same.at(entry)] == EntryState::shown) {
        EXPECT_EQ(same.values[same.at(entry)], table.values[table.at(entry)]);
      }
    }
  }
}

TEST(Disclosure, a_cube_whose_counts_do_not_fit_its_sizes_is_refused) {
  const std::vector<Face> faces = {1};
  EXPECT_THROW(disclose(cube_of({2, 2}, {1, 2, 3}), faces, kSuppress), Error);
  EXPECT_THROW(disclose(cube_of({1, 1, 1, 1, 1, 1, 1}, {1}), faces, kSuppress), Error);
}

TEST(Disclosure, a_table_without_dimensions_is_its_total) {
  const std::vector<Face> faces = {0};
  EXPECT_EQ(disclose(cube_of({}, {12}), faces, kSuppress).values.front(), 12U);
  EXPECT_EQ(disclose(cube_of({}, {4}), faces, kSuppress).states.front(), EntryState::suppressed);
}

}  // namespace
}  // namespace ligature
