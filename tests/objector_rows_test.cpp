// What becomes of an objector's rows between intake and publication, and what is held against the last run.  Sources:
// the lost objections of 2015 to 2018, found by a jump in counts; the national data quality measures (coverage).
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "io/local_key_reader.hpp"
#include "io/row_id_reader.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/coverage.hpp"
#include "jobs/rebuild/objector_search.hpp"
#include "jobs/rebuild/reconciliation.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kObjector = 4'010'232'137ULL, kOther = 9'434'765'919ULL;

Identity numbered(std::uint64_t nhs) {
  IdentityFields fields;
  fields.nhs = {nhs, NhsStatus::valid};
  return pack(fields);
}

// Two blocks of three rows of one dataset with a provider and a code.
class StoredRows : public testing::Test {
 protected:
  StoredRows() {
    inputs_.files = {{"a.csv", 0, 0, Compression::none, 0}};
    DatasetSchema schema;
    schema.name = "gp";
    schema.fields = {{"provider", PayloadField::Role::provider, ColumnType::category, 0, 4},
                     {"code", PayloadField::Role::kept, ColumnType::category, 4, 4}};
    schema.payload_bytes = 8;
    schema.has_row_id = true;
    inputs_.datasets = {schema};
    intake_.files.resize(1);
  }
  void add(RowStore& rows, const std::string& ids, const std::vector<std::uint64_t>& numbers,
           const std::vector<DayNumber>& days, const std::vector<std::string>& codes) {
    RowBlock block;
    block.dictionaries = {{"P1"}, codes};
    block.providers.resize(1);
    for (std::uint32_t i = 0; i < numbers.size(); ++i) {
      block.identities.push_back(numbered(numbers[i]));
      block.extracted.push_back(days[i]);
      block.local_keys.push_back(100 + i);
      block.row_ids.push_back(ids[i]);
      block.row_id_end.push_back(i + 1);
      const std::uint32_t payload[2] = {0, i % static_cast<std::uint32_t>(codes.size())};
      const auto* bytes = reinterpret_cast<const std::byte*>(payload);
      block.payload.insert(block.payload.end(), bytes, bytes + sizeof payload);
      ++block.providers[0].rows;
    }
    intake_.files[0].counts.read += numbers.size();
    intake_.files[0].counts.kept += numbers.size();
    rows.add(std::move(block));
  }
  static std::string ids_of(RowStore& rows) {
    std::string ids;
    std::uint64_t expected = 0;
    RowIdReader reader(rows, {});
    RowIdUnpacker unpacker;
    while (const auto block = reader.next()) {
      reader.for_each(*block, unpacker, [&](std::uint64_t first, std::span<const std::string_view> batch) {
        EXPECT_EQ(first, expected);
        expected += batch.size();
        for (const std::string_view id : batch) ids += id;
      });
    }
    EXPECT_EQ(expected, rows.rows());
    return ids;
  }

  Communicator world_ = Communicator::world();
  SharedFolder folder_{world_};
  Inputs inputs_;
  IntakeReport intake_;
};

TEST_F(StoredRows, collapse_as_they_come_to_what_they_collapse_to_at_the_end) {
  for (const std::uint64_t rows_a_batch : {1U, 4U, 1'000U}) {
    RowStore rows(inputs_, folder_.path(), 1 << 20, 100);
    rows.collapse_as_added(9, rows_a_batch);
    add(rows, "abc", {1, 2, 1}, {10, 20, 30}, {"x"});
    add(rows, "def", {2, 3, 1}, {40, 50, 60}, {"x"});
    add(rows, "ghi", {4, 4, 4}, {40, 50, 60}, {"x"});
    if (rows_a_batch == 1) {
      EXPECT_TRUE(rows.blocks()[2].identities.empty());
    }
    std::vector<std::uint32_t> of_row;
    const auto different = rows.collapse({}, {}, of_row);
    ASSERT_EQ(different.size(), 4U);
    std::vector<std::uint64_t> numbers, counts;
    for (const std::uint32_t local : of_row) {
      numbers.push_back(different[local].identity.valid_nhs());
      counts.push_back(different[local].rows);
    }
    EXPECT_EQ(numbers, (std::vector<std::uint64_t>{1, 2, 1, 2, 3, 1, 4, 4, 4}));
    EXPECT_EQ(counts, (std::vector<std::uint64_t>{3, 2, 3, 2, 1, 3, 3, 3, 3}));
    EXPECT_EQ(ids_of(rows), "abcdefghi");
  }
}

TEST_F(StoredRows, on_scratch_count_for_no_value_once_they_are_dropped) {
  RowStore rows(inputs_, folder_.path(), 0, 100);
  add(rows, "abc", {1, 2, 3}, {10, 20, 30}, {"x", "y", "z"});
  add(rows, "def", {4, 5, 6}, {40, 50, 60}, {"y", "w", "x"});
  rows.settle();
  const LocalDictionary& codes = rows.dictionaries()[0][1];
  const auto rows_by_value = [&] {
    std::map<std::string, std::uint64_t> result;
    for (std::uint32_t c = 0; c < codes.values().size(); ++c) result[codes.values()[c]] = codes.rows(c);
    return result;
  };
  EXPECT_EQ(rows_by_value(), (std::map<std::string, std::uint64_t>{{"w", 1}, {"x", 2}, {"y", 2}, {"z", 1}}));
  rows.drop(std::vector<std::uint32_t>{1, 4});
  EXPECT_EQ(rows_by_value(), (std::map<std::string, std::uint64_t>{{"w", 0}, {"x", 2}, {"y", 1}, {"z", 1}}));
  rows.drop(std::vector<std::uint32_t>{1, 2});  // by their places now
  EXPECT_EQ(rows_by_value(), (std::map<std::string, std::uint64_t>{{"w", 0}, {"x", 2}, {"y", 0}, {"z", 0}}));
  for (std::uint32_t c = 0; c < codes.values().size(); ++c) EXPECT_EQ(codes.is_used(c), codes.values()[c] == "x");
}

TEST_F(StoredRows, are_gone_from_everything_once_they_are_dropped) {
  RowStore rows(inputs_, folder_.path(), 1 << 20, 100);
  add(rows, "abc", {1, 2, 3}, {10, 20, 30}, {"x", "y", "z"});
  add(rows, "def", {4, 5, 6}, {40, 50, 60}, {"x"});
  rows.drop(std::vector<std::uint32_t>{1, 5});
  EXPECT_EQ(ids_of(rows), "acde");
  rows.drop(std::vector<std::uint32_t>{0, 2});  // by their places now
  EXPECT_EQ(ids_of(rows), "ce");
  std::vector<DayNumber> days;
  rows.for_each_extracted([&](const StoredBlock& block, std::span<const DayNumber> of_block) {
    EXPECT_EQ(of_block.size(), block.rows);
    EXPECT_EQ(block.identities.size(), block.rows);
    days.insert(days.end(), of_block.begin(), of_block.end());
  });
  EXPECT_EQ(days, (std::vector<DayNumber>{30, 50}));
  std::vector<std::uint64_t> keys;
  LocalKeyReader reader(rows);
  while (const auto block = reader.next()) keys.insert(keys.end(), block->keys.begin(), block->keys.end());
  EXPECT_EQ(keys, (std::vector<std::uint64_t>{102, 101}));
  std::vector<std::byte> payload;
  rows.read_payload(rows.blocks()[0], payload);
  ASSERT_EQ(payload.size(), 8U);
  std::uint32_t code = 0;
  std::memcpy(&code, payload.data() + 4, 4);
  const LocalDictionary& codes = rows.dictionaries()[0][1];
  EXPECT_EQ(codes.values()[code], "z");
  for (std::uint32_t c = 0; c < codes.values().size(); ++c) EXPECT_EQ(codes.is_used(c), codes.values()[c] != "y");
  EXPECT_EQ(rows.dictionaries()[0][0].rows(0), 2U);
}

TEST_F(StoredRows, have_their_ids_passed_over_where_nobody_asks) {
  for (const std::uint64_t memory : {std::uint64_t{1} << 20, std::uint64_t{0}}) {
    RowStore rows(inputs_, folder_.path(), memory, 100);
    add(rows, "abc", {1, 2, 3}, {10, 20, 30}, {"x"});
    add(rows, "def", {4, 5, 6}, {40, 50, 60}, {"x"});
    add(rows, "ghi", {7, 8, 9}, {40, 50, 60}, {"x"});
    rows.settle();
    rows.drop(std::vector<std::uint32_t>{0, 6});
    std::string ids;
    RowIdReader reader(rows, {});
    RowIdUnpacker unpacker;
    while (const auto block = reader.next([](const StoredBlock& stored) { return stored.first_row == 5; })) {
      reader.for_each(*block, unpacker, [&](std::uint64_t first, std::span<const std::string_view> batch) {
        EXPECT_EQ(first, 5U);
        for (const std::string_view id : batch) ids += id;
      });
    }
    EXPECT_EQ(ids, "hi");
  }
}

TEST_F(StoredRows, that_the_whole_ledger_bars_leave_their_identifiers_and_no_more) {
  RowStore rows(inputs_, folder_.path(), 1 << 20, 100);
  add(rows, "abc", {kObjector, kOther, kObjector}, {10, 20, 30}, {"x"});
  const ObjectionLedger ledger({{kObjector, 20, ObjectionKind::type1, false}});
  bar_rows(world_, ledger, AfterOptOut::keep_earlier, rows, intake_);
  EXPECT_EQ(ids_of(rows), "ab");
  ASSERT_EQ(rows.barred().size(), 1U);
  EXPECT_EQ(rows.barred()[0].identity, numbered(kObjector));
  EXPECT_EQ(rows.barred()[0].local_key, 102U);
  const auto ranks = static_cast<std::uint64_t>(world_.size());  // each has such a row
  EXPECT_EQ(intake_.files[0].counts.opted_out, ranks);
  EXPECT_EQ(intake_.files[0].counts.kept, 3 - ranks);
  EXPECT_EQ(intake_.files[0].counts.opted_out_by_linkage, 0U);
}

TEST(CountOfObjections, that_falls_to_none_or_jumps_is_noticed) {
  using enum CountChange;
  EXPECT_EQ(judge_change(1, 0, 10), zero) << "however few there were, and whatever the bound";
  EXPECT_EQ(judge_change(0, 0, 0.5), none);
  EXPECT_EQ(judge_change(100, 150, 0.5), none);
  EXPECT_EQ(judge_change(100, 151, 0.5), jump);
  EXPECT_EQ(judge_change(100, 49, 0.5), jump);
  EXPECT_EQ(judge_change(4, 14, 0.5), none) << "ten persons are few";
  EXPECT_EQ(judge_change(0, 150'000, 0.5), jump) << "objections that were never passed on until now";
}

TEST(Provider, is_judged_by_rows_and_dates) {
  using enum ProviderStatus;
  EXPECT_EQ(judge_provider(0, 100, kMissingDay, 1'000, 0.5, 31), silent);
  EXPECT_EQ(judge_provider(49, 100, 990, 1'000, 0.5, 31), partial);
  EXPECT_EQ(judge_provider(50, 100, 990, 1'000, 0.5, 31), sent);
  EXPECT_EQ(judge_provider(50, std::nullopt, 969, 1'000, 0.5, 31), sent);
  EXPECT_EQ(judge_provider(50, std::nullopt, 968, 1'000, 0.5, 31), late);
  EXPECT_EQ(judge_provider(50, std::nullopt, kMissingDay, 1'000, 0.5, 31), sent) << "no date is known";
}

TEST(StandingObjections, are_counted_by_person_at_each_practice_and_supplier) {
  const Communicator world = Communicator::world();
  LedgerEntries entries;  // every rank has read the same
  entries.practice_names = {"", "A1", "A2"};
  const auto add = [&](std::uint64_t nhs, DayNumber date, ObjectionKind kind, bool withdrawn, std::uint32_t practice) {
    entries.preferences.push_back({nhs, date, kind, withdrawn});
    entries.places.push_back({0, entries.places.size() + 2});
    entries.practices.push_back(practice);
  };
  add(kObjector, 100, ObjectionKind::type1, false, 1);
  add(kObjector, 110, ObjectionKind::type1, false, 1);
  add(kObjector, 120, ObjectionKind::type1, false, 2);
  add(kOther, 100, ObjectionKind::type1, false, 2);
  add(kOther, 200, ObjectionKind::type1, true, 2);
  add(kOther, 100, ObjectionKind::type2, false, 0);
  const ObjectionLedger ledger(entries.preferences);
  CountsByCode counts = count_standing(world, entries, ledger, {{"A1", "North"}, {"A2", "North"}});
  using Counts = StandingCounts;
  EXPECT_EQ((counts[{"all", ""}]), (Counts{1, 1, 0}));
  EXPECT_EQ((counts[{"practice", "A1"}]), (Counts{1, 0, 0}));
  EXPECT_EQ((counts[{"practice", "A2"}]), (Counts{1, 0, 0})) << "the other has opted in again";
  EXPECT_EQ((counts[{"practice", ""}]), (Counts{0, 1, 0}));
  EXPECT_EQ((counts[{"supplier", "North"}]), (Counts{1, 0, 0})) << "one person, two practices";
}

}  // namespace
}  // namespace ligature
