// Collapse against its plain reference: sorted, equal neighbours made one.
#include "engine/collapse.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"

namespace ligature {
namespace {

struct Rows {
  std::vector<std::vector<Identity>> blocks;
  std::vector<std::vector<ProviderPlace>> providers;  // of the rows of each block; every third names none
  std::vector<IdentityRun> runs;
  std::size_t size = 0;
};

// Blocks of random sizes, some empty, of three datasets; rows of `different` identities that differ in few bits, so
// that equal table slots and equal first words occur.
Rows make_rows(std::size_t count, std::uint64_t different, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Rows rows;
  while (rows.size < count) {
    std::vector<Identity>& block = rows.blocks.emplace_back(random() % 3 == 0 ? 0 : random() % 5'000);
    for (Identity& identity : block) {
      const std::uint64_t value = random() % different;
      identity = {value % 7 << 28, value << 14};
    }
    std::vector<ProviderPlace>& places = rows.providers.emplace_back(rows.blocks.size() % 3 == 0 ? 0 : block.size());
    for (ProviderPlace& place : places) place = static_cast<ProviderPlace>(random() % 65);
    rows.size += block.size();
  }
  for (std::size_t b = 0; b < rows.blocks.size(); ++b) {
    rows.runs.push_back(
        {rows.blocks[b], static_cast<std::uint32_t>(b * 3 / rows.blocks.size() * 15), rows.providers[b]});
  }
  return rows;
}

// The same identities with the same sums, and every row led to its own.
void expect_same(const Rows& rows) {
  std::vector<std::uint32_t> of_row(rows.size), expected_of_row(rows.size);
  const auto found = collapse(rows.runs, of_row);
  const std::vector<CountedIdentity> expected = collapse_plain(rows.runs, expected_of_row);
  std::vector<CountedIdentity> sorted(found.begin(), found.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const CountedIdentity& a, const CountedIdentity& b) { return a.identity < b.identity; });
  ASSERT_EQ(sorted, expected);
  for (std::size_t row = 0; row < rows.size; ++row) {
    ASSERT_LT(of_row[row], found.size());
    ASSERT_EQ(found[of_row[row]], expected[expected_of_row[row]]) << row;
  }
}

TEST(Collapse, gives_what_sorting_gives_for_any_number_of_rows_and_of_different_ones) {
  std::uint64_t seed = 1;
  for (const std::size_t count : {1U, 100U, 30'000U, 400'000U}) {
    for (const std::uint64_t different : {1U, 2U, 1'000U, 1'000'000'000U}) {
      SCOPED_TRACE(count);
      expect_same(make_rows(count, different, seed++));
    }
  }
}

TEST(Collapse, in_batches_is_what_it_is_at_once_and_others_are_joined_with_none) {
  const Rows rows = make_rows(60'000, 20'000, 5);
  std::vector<std::uint32_t> expected_of_row(rows.size);
  const auto expected = collapse(rows.runs, expected_of_row);
  const std::vector<CountedIdentity> others{{expected.front().identity, 3, 0, 0}, {expected.back().identity, 4, 0, 0}};
  for (const std::size_t blocks_a_batch : {1U, 3U, 1'000U}) {
    Collapser collapser(rows.size);
    std::vector<std::uint32_t> of_row(rows.size), of_other(others.size());
    std::size_t row = 0;
    for (std::size_t b = 0; b < rows.runs.size(); b += blocks_a_batch) {
      const auto batch = std::span(rows.runs).subspan(b, std::min(blocks_a_batch, rows.runs.size() - b));
      std::size_t count = 0;
      for (const IdentityRun& run : batch) count += run.identities.size();
      collapser.add(batch, std::span(of_row).subspan(row, count));
      row += count;
    }
    const auto found = collapser.finish(others, of_other);
    collapser.resolve(of_row);
    ASSERT_EQ(found.size(), expected.size() + others.size());
    for (std::size_t i = 0; i < rows.size; ++i) ASSERT_EQ(found[of_row[i]], expected[expected_of_row[i]]) << i;
    for (std::size_t i = 0; i < others.size(); ++i) EXPECT_EQ(found[of_other[i]], others[i]);
    EXPECT_TRUE(std::is_sorted(found.begin(), found.end(), [](const CountedIdentity& a, const CountedIdentity& b) {
      return shard_of(linkage_key(a.identity)) < shard_of(linkage_key(b.identity));
    }));
  }
}

TEST(Collapse, keeps_the_providers_of_the_rows_and_never_takes_them_for_a_difference) {
  const std::vector<Identity> rows(4, Identity{7ULL << 28, 5ULL << 14});
  const std::vector<ProviderPlace> places{1, 0, 64, 1};
  const IdentityRun run{rows, 3, places};
  std::vector<std::uint32_t> of_row(rows.size());
  const auto found = collapse(std::span(&run, 1), of_row);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0], (CountedIdentity{rows[0], 4, 8, provider_set(1) | provider_set(64)}));
}

TEST(Collapse, joins_rows_that_stand_together_however_many_they_are) {
  // Patient by patient, as a practice sends them: rows of one identity, of one provider and then of another, and some
  // patients again later.
  Rows rows;
  for (const std::size_t longest : {1U, 3U, 127U, 128U, 129U, 1'000U}) {
    std::vector<Identity>& block = rows.blocks.emplace_back();
    std::vector<ProviderPlace>& places = rows.providers.emplace_back();
    for (std::uint64_t patient = 0; patient < 60; ++patient) {
      block.insert(block.end(), longest, Identity{patient % 50 << 28, patient % 50 << 14});
      places.insert(places.end(), longest - longest / 3, 2);
      places.insert(places.end(), longest / 3, static_cast<ProviderPlace>(patient % 3 * 32));
    }
    rows.size += block.size();
  }
  for (std::size_t b = 0; b < rows.blocks.size(); ++b) {
    rows.runs.push_back({rows.blocks[b], static_cast<std::uint32_t>(b / 2), rows.providers[b]});
  }
  expect_same(rows);
}

TEST(Collapse, of_nothing_is_nothing) {
  EXPECT_TRUE(collapse({}, {}).empty());
  const IdentityRun empty;
  EXPECT_TRUE(collapse(std::span(&empty, 1), {}).empty());
}

TEST(Collapse, is_the_same_on_any_number_of_threads) {
  const Rows rows = make_rows(300'000, 50'000, 7);
  std::vector<std::uint32_t> expected_of_row(rows.size);
  RawVector<CountedIdentity> expected;
  for (const int threads : {1, 2, 4}) {
    const ThreadLimit limit(threads);
    std::vector<std::uint32_t> of_row(rows.size);
    const auto found = collapse(rows.runs, of_row);
    if (threads == 1) {
      expected = found;
      expected_of_row = of_row;
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(of_row, expected_of_row);
  }
}

}  // namespace
}  // namespace ligature
