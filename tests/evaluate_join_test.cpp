// Scoring, the input: files of the truth in blocks, and the join of rows with their truth, on any number of ranks.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "io/files.hpp"
#include "io/secure_index.hpp"
#include "jobs/evaluate/join.hpp"
#include "jobs/evaluate/truth.hpp"
#include "partition/communicator.hpp"
#include "tests/evaluate_fixture.hpp"

namespace ligature {
namespace {

// --- Join

IndexItem index_item(const std::string& id, std::uint64_t found, std::uint64_t dataset = 0) {
  return {record_key("", id), found, dataset};
}
TruthItem truth_item(const std::string& id, std::uint64_t person, std::uint32_t errors = 0) {
  return {record_key("", id), person, errors, 0, 0};
}

struct JoinResult {
  std::vector<LabelledRow> rows;
  JoinCounts counts;
};

JoinResult join(std::vector<IndexItem> index, std::vector<TruthItem> truth) {
  JoinResult result;
  join_items(index, truth, result.rows, result.counts);
  return result;
}

TEST(Join, nothing_joins_nothing) {
  EXPECT_TRUE(join({}, {}).rows.empty());
  EXPECT_EQ(join({index_item("a", 1)}, {}).counts.index_without_truth, 1U);
  EXPECT_EQ(join({}, {truth_item("a", 1)}).counts.truth_without_index, 1U);
}

TEST(Join, rows_meet_their_truth_by_record_id) {
  const JoinResult result = join({index_item("a", 1), index_item("b", 2, 1), index_item("x", 3)},
                                 {truth_item("b", 20, 3), truth_item("a", 10), truth_item("y", 30)});
  ASSERT_EQ(result.rows.size(), 2U);
  EXPECT_EQ(result.counts.joined, 2U);
  EXPECT_EQ(result.counts.index_without_truth, 1U);
  EXPECT_EQ(result.counts.truth_without_index, 1U);
  for (const LabelledRow& row : result.rows) {
    EXPECT_EQ(row.truth, row.found * 10);
    EXPECT_EQ(row.errors, row.found == 2 ? 3U : 0U);
    EXPECT_EQ(row.dataset, row.found == 2 ? 1U : 0U);
  }
}

TEST(Join, a_record_id_twice_in_the_index_joins_twice_and_is_counted) {
  const JoinResult result = join({index_item("a", 1), index_item("a", 2)}, {truth_item("a", 10)});
  EXPECT_EQ(result.counts.joined, 2U);
  EXPECT_EQ(result.counts.index_repeated, 1U);
}

TEST(Join, a_record_id_twice_in_the_truth_counts_once_if_it_names_one_person) {
  const JoinResult result = join({index_item("a", 1)}, {truth_item("a", 10, 1), truth_item("a", 10, 2)});
  ASSERT_EQ(result.rows.size(), 1U);
  EXPECT_EQ(result.rows.front().errors, 3U);
  EXPECT_EQ(result.counts.truth_repeated, 1U);
  EXPECT_EQ(result.counts.index_in_conflict, 0U);
}

TEST(Join, a_row_takes_the_birth_group_and_the_groups_of_its_truth) {
  TruthItem item = truth_item("a", 10, 1);
  item.birth_group = 77;
  item.groups = 5;
  const JoinResult result = join({index_item("a", 1, 2)}, {item, truth_item("a", 10)});
  ASSERT_EQ(result.rows.size(), 1U);
  EXPECT_EQ(result.rows.front().birth_group, 77U);
  EXPECT_EQ(result.rows.front().truth_groups, 5U);
  EXPECT_EQ(result.rows.front().dataset, 2U);
}

TEST(Join, a_record_id_that_the_truth_gives_to_two_persons_is_left_out) {
  const JoinResult result =
      join({index_item("a", 1), index_item("b", 2)}, {truth_item("a", 10), truth_item("a", 11), truth_item("b", 20)});
  EXPECT_EQ(result.rows.size(), 1U);
  EXPECT_EQ(result.counts.index_in_conflict, 1U);
  EXPECT_EQ(result.counts.joined, 1U);
}

TEST(Join, a_dataset_and_a_record_id_do_not_run_together) {
  EXPECT_NE(record_key("gp", "1"), record_key("g", "p1"));
  EXPECT_NE(record_key("gp", "1"), record_key("", "gp1"));
}

// --- Truth files

std::vector<std::string> all_rows(const TruthFiles& truth, int ranks, std::uint64_t block_bytes) {
  std::vector<std::string> rows;
  for (int rank = 0; rank < ranks; ++rank) {
    for (const TruthBlock& block : truth_blocks(truth, rank, ranks, block_bytes)) {
      read_truth_block(truth, block, [&](const TruthRow& row) {
        rows.push_back(std::string(row.record_id) + "/" + std::string(row.person_id) + "/" + std::string(row.dataset) +
                       "/" + std::string(row.errors) + "/" + std::string(row.birth_group));
        for (const std::string_view group : row.groups) rows.back() += "/" + std::string(group);
      });
    }
  }
  return rows;
}

TEST(Truth, every_row_is_read_once_wherever_blocks_end) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    std::string text =
        "\xEF\xBB\xBF"
        "person_id,note,record_id,errors" +
        end;
    std::vector<std::string> expected;
    for (std::uint64_t i = 0; i < 25; ++i) {
      const std::string id = numbered("R", i * i * i);
      text += numbered("P", i % 7) + ",\"a, \"\"quoted\"\" note\"," + id + ",x|y" + (i == 24 ? "" : end);
      expected.push_back(id + "/P" + std::to_string(i % 7) + "//x|y/");
    }
    const TruthFiles truth = find_truth({folder.write("truth.csv", text)});
    EXPECT_FALSE(truth.has_dataset);
    for (const std::uint64_t block_bytes : {1U, 2U, 3U, 7U, 38U, 1000U, 100'000U}) {
      for (const int ranks : {1, 2, 5}) EXPECT_EQ(all_rows(truth, ranks, block_bytes), expected) << block_bytes;
    }
  }
}

TEST(Truth, groups_of_all_files_are_in_one_order_and_empty_where_a_file_has_none) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  const TruthFiles truth =
      find_truth({folder.write("one.csv", "record_id,group_b,person_id,birth_group,group_a\nr1,x,P1,B1,\"y, z\"\n"),
                  folder.write("two.csv", "group_a,record_id,person_id\nq,r2,P2\n"),
                  folder.write("three.csv", "person_id,record_id\nP3,r3\n")});
  EXPECT_TRUE(truth.has_birth_group);
  EXPECT_EQ(truth.groups, (std::vector<std::string>{"group_a", "group_b"}));
  EXPECT_EQ(all_rows(truth, 2, 100), (std::vector<std::string>{"r1/P1///B1/y, z/x", "r2/P2////q/", "r3/P3/////"}));
}

TEST(Truth, a_header_alone_has_no_rows) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  const TruthFiles truth = find_truth({folder.write("truth.csv", "record_id,person_id\n")});
  EXPECT_TRUE(all_rows(truth, 2, 100).empty());
}

TEST(Truth, wrong_files_are_refused_with_their_name) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  const auto message_of = [](const auto& action) {
    try {
      action();
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto header_message = [&](const std::string& text) {
    const std::string path = folder.write("wrong.csv", text);
    return message_of([&] { find_truth({path}); });
  };
  EXPECT_NE(header_message("").find("wrong.csv"), std::string::npos);
  EXPECT_NE(header_message("record_id,persona\n").find("person_id"), std::string::npos);
  EXPECT_NE(header_message("record_id,record_id,person_id\n").find("twice"), std::string::npos);
  EXPECT_NE(message_of([&] { find_truth({(folder.path() / "no*.csv").string()}); }).find("no*.csv"), std::string::npos);
  // A file without a header begins with somebody's identifiers.
  const std::string headless =
      message_of([&] { find_truth({folder.write("headless.csv", "9434765919,person,12 Mar 1970\n")}); });
  EXPECT_NE(headless.find("headless.csv"), std::string::npos);
  EXPECT_EQ(headless.find("9434765919"), std::string::npos) << headless;
  EXPECT_EQ(headless.find("12 Mar"), std::string::npos) << headless;

  const std::string with = folder.write("with.csv", "record_id,person_id,dataset\n");
  const std::string without = folder.write("without.csv", "record_id,person_id\n");
  EXPECT_NE(message_of([&] { find_truth({with, without}); }).find("dataset"), std::string::npos);

  for (const std::string bad : {"a\n", "a,b,c\n", "\"a,b\n", "a,\"b\"c\n", "a,\"b\nc\"\n"}) {
    const TruthFiles truth = find_truth({folder.write("rows.csv", "record_id,person_id\nx,y\n" + bad)});
    EXPECT_NE(message_of([&] { all_rows(truth, 1, 1000); }).find("rows.csv: the row at byte 24"), std::string::npos)
        << bad;
  }
}

// --- The join over ranks

// 600 rows in two datasets whose record ids repeat between them; person i / 3, with every 50th row misplaced.
struct Row {
  std::uint32_t dataset;
  std::string id;
  std::uint64_t person;
  std::string truth;  // empty: not in the truth
  std::string errors;
};

constexpr std::uint64_t kPersons = 201;

std::vector<Row> example_rows() {
  std::vector<Row> rows;
  for (std::uint64_t i = 0; i < 600; ++i) {
    const std::uint64_t person = i % 50 == 49 ? i / 3 + 1 : i / 3;
    rows.push_back({static_cast<std::uint32_t>(i % 2), numbered("r", i / 2), person,
                    i % 100 == 7 ? "" : numbered("P", i / 3),
                    i % 10 == 0   ? "moved"
                    : i % 25 == 0 ? "moved|missing"
                                  : ""});
  }
  return rows;
}

std::string example_truth(const std::vector<Row>& rows, const std::vector<std::string>& datasets) {
  std::string text = "record_id,person_id,dataset,errors\n";
  for (const Row& row : rows) {
    if (!row.truth.empty()) text += row.id + "," + row.truth + "," + datasets[row.dataset] + "," + row.errors + "\n";
  }
  return text + "elsewhere,P1,gp,moved\n";
}

void write_index(const Communicator& comm, const std::filesystem::path& secure, const std::vector<Row>& rows) {
  if (comm.is_root()) make_private_directory(secure);
  comm.barrier();
  SecureIndexWriter writer(secure, comm.rank());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<int>(i * static_cast<std::size_t>(comm.size()) / rows.size()) != comm.rank()) continue;
    IndexRow row;
    row.dataset = rows[i].dataset;
    row.row_id = rows[i].id;
    row.person = rows[i].person;
    writer.add(row);
  }
  writer.finish(comm);
  comm.barrier();
}

TEST(JoinWithTruth, gives_the_same_rows_for_any_ranks_and_any_number_of_passes) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  const std::vector<std::string> datasets = {"gp", "ae"};
  const std::vector<Row> rows = example_rows();
  write_index(world, folder.path() / "secure", rows);
  const TruthFiles truth = find_truth({folder.write("truth.csv", example_truth(rows, datasets))});
  EXPECT_TRUE(truth.has_dataset);
  for (const std::uint64_t items_at_once : {1'000'000U, 100U, 37U}) {
    const JoinedRows joined =
        join_with_truth(world, folder.path() / "secure", datasets, kPersons, truth, items_at_once);
    EXPECT_EQ(joined.error_kinds, (std::vector<std::string>{"missing", "moved"}));
    const JoinCounts expected{600, 595, 594, 6, 1, 0, 0, 0};
    EXPECT_EQ(joined.counts, expected);
    std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> of_person;  // (found, dataset and errors)
    for (const LabelledRow& row : world.all_gather(std::span<const LabelledRow>(joined.rows))) {
      ++of_person[{row.found, row.dataset * 4U + row.errors}];
    }
    std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> expected_of_person;
    for (const Row& row : rows) {
      if (row.truth.empty()) continue;
      const std::uint32_t errors = row.errors == "moved" ? 2U : row.errors.empty() ? 0U : 3U;
      ++expected_of_person[{row.person, row.dataset * 4U + errors}];
    }
    EXPECT_EQ(of_person, expected_of_person);
  }
}

TEST(JoinWithTruth, knows_the_combinations_of_groups_that_occur_on_any_rank) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  write_index(world, folder.path() / "secure", example_rows());
  std::string text = "record_id,person_id,group_sex,group_ward,birth_group\n";
  for (std::uint64_t i = 0; i < 300; ++i) {
    text += numbered("r", i) + ",P," + (i % 2 == 0 ? "F" : "") + "," + numbered("w", i % 3) + "," +
            (i % 100 == 0 ? "B1" : "") + "\n";
  }
  const TruthFiles truth = find_truth({folder.write("truth.csv", text)});
  const JoinedRows joined = join_with_truth(world, folder.path() / "secure", {"gp", "ae"}, kPersons, truth);
  EXPECT_EQ(joined.groups.names, (std::vector<std::string>{"group_sex", "group_ward"}));
  const std::vector<std::vector<std::string>> expected = {{"", "w0"},  {"", "w1"},  {"", "w2"},
                                                          {"F", "w0"}, {"F", "w1"}, {"F", "w2"}};
  EXPECT_EQ(joined.groups.combinations, expected);
  std::map<std::uint16_t, std::uint64_t> rows_of_combination;
  std::uint64_t born_together = 0;
  for (const LabelledRow& row : world.all_gather(std::span<const LabelledRow>(joined.rows))) {
    ++rows_of_combination[row.truth_groups];
    born_together += row.birth_group != 0 ? 1U : 0U;
  }
  for (std::uint16_t combination = 0; combination < 6; ++combination) {
    EXPECT_EQ(rows_of_combination[combination], 100U) << combination;  // 50 record ids, each in both datasets
  }
  EXPECT_EQ(born_together, 6U);
}

TEST(JoinWithTruth, refuses_more_combinations_of_groups_than_a_report_can_use) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  write_index(world, folder.path() / "secure", example_rows());
  std::string text = "record_id,person_id,group_x\n";
  for (std::uint64_t i = 0; i <= kMaxCombinations; ++i) text += numbered("r", i) + ",P," + std::to_string(i) + "\n";
  const TruthFiles truth = find_truth({folder.write("truth.csv", text)});
  EXPECT_THROW(join_with_truth(world, folder.path() / "secure", {"gp", "ae"}, kPersons, truth), Error);
}

TEST(JoinWithTruth, refuses_more_kinds_of_error_than_it_can_tell_apart) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  write_index(world, folder.path() / "secure", example_rows());
  std::string text = "record_id,person_id,errors\n";
  for (std::uint64_t i = 0; i < 40; ++i) text += numbered("r", i) + ",P," + numbered("kind", i) + "\n";
  const TruthFiles truth = find_truth({folder.write("truth.csv", text)});
  try {
    join_with_truth(world, folder.path() / "secure", {"gp", "ae"}, kPersons, truth);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {  // the same on every rank
    EXPECT_EQ(error.exit_code(), kExitWrongUse);
    EXPECT_NE(std::string(error.what()).find("truth.csv"), std::string::npos);
  }
}

TEST(JoinWithTruth, a_broken_row_of_the_truth_stops_all_ranks) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  write_index(world, folder.path() / "secure", example_rows());
  const TruthFiles truth = find_truth({folder.write("truth.csv", "record_id,person_id\nr1,P1\nr2\n")});
  try {
    join_with_truth(world, folder.path() / "secure", {"gp", "ae"}, kPersons, truth);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {  // the same on every rank
    EXPECT_EQ(error.exit_code(), kExitWrongUse);
    EXPECT_NE(std::string(error.what()).find("truth.csv"), std::string::npos);
  }
}

}  // namespace
}  // namespace ligature
