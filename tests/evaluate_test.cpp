// Scoring: pair counts against every pair listed, the join of rows with their truth, and the job on any number of
// ranks.
#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/manifest.hpp"
#include "io/secure_index.hpp"
#include "jobs/evaluate/join.hpp"
#include "jobs/evaluate/metrics.hpp"
#include "jobs/evaluate/truth.hpp"
#include "jobs/jobs.hpp"
#include "jobs/synth/random.hpp"
#include "partition/communicator.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {
namespace {

using synthetic::Random;
using synthetic::Subject;

// "r7".  (Appending: g++ 12 warns of an overlap that is not there in numbered("r", 7).)
std::string numbered(std::string name, std::uint64_t number) {
  return name.append(std::to_string(number));
}

// --- Metrics

constexpr std::size_t kDatasets = 3, kKinds = 2;

Tally tally_of(std::vector<LabelledRow> rows) {
  Tally tally(kDatasets, kKinds);
  tally_found(rows, tally);
  tally_truth(rows, tally);
  return tally;
}

// The same figures from a list of all pairs.
struct Listed {
  Quality all, clean;
  std::array<std::array<Quality, kDatasets>, kDatasets> between;  // [smaller][larger]
  std::array<Quality, kDatasets> touching;
  std::array<Quality, kKinds> with_error;
  std::uint64_t exactly_right = 0, split = 0, mixed = 0;
};

Listed list_pairs(const std::vector<LabelledRow>& rows) {
  Listed listed;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const LabelledRow& a = rows[i];
      const LabelledRow& b = rows[j];
      const auto count = [&](Quality& quality) {
        const bool found = a.found == b.found, truth = a.truth == b.truth;
        quality.found += found ? 1U : 0U;
        quality.truth += truth ? 1U : 0U;
        quality.agreed += found && truth ? 1U : 0U;
      };
      count(listed.all);
      if ((a.errors | b.errors) == 0) count(listed.clean);
      count(listed.between[std::min(a.dataset, b.dataset)][std::max(a.dataset, b.dataset)]);
      count(listed.touching[a.dataset]);
      if (a.dataset != b.dataset) count(listed.touching[b.dataset]);
      for (std::size_t kind = 0; kind < kKinds; ++kind) {
        if ((((a.errors | b.errors) >> kind) & 1U) != 0) count(listed.with_error[kind]);
      }
    }
  }
  std::map<std::uint64_t, std::multiset<std::uint64_t>> rows_of_truth, rows_of_found;
  std::map<std::uint64_t, std::set<std::uint64_t>> found_of_truth, truth_of_found;
  for (const LabelledRow& row : rows) {
    found_of_truth[row.truth].insert(row.found);
    truth_of_found[row.found].insert(row.truth);
  }
  for (const auto& [truth, found] : found_of_truth) {
    if (found.size() > 1) {
      ++listed.split;
    } else if (truth_of_found[*found.begin()].size() == 1) {
      ++listed.exactly_right;
    }
  }
  for (const auto& [found, truth] : truth_of_found) listed.mixed += truth.size() > 1 ? 1U : 0U;
  return listed;
}

void expect_pairs(const Quality& expected, std::uint64_t agreed, std::uint64_t found, std::uint64_t truth) {
  EXPECT_EQ(expected.agreed, agreed);
  EXPECT_EQ(expected.found, found);
  EXPECT_EQ(expected.truth, truth);
}

TEST(Metrics, pair_counts_equal_those_of_all_pairs_listed) {
  for (std::uint64_t trial = 0; trial < 60; ++trial) {
    const Random random(11, Subject::row, trial);
    const std::uint32_t count = random.below(0, 40), persons = 1 + random.below(1, 12);
    std::vector<LabelledRow> rows;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t at = 10 + 8 * i;
      rows.push_back({random.below(at, persons), random.below(at + 1, persons), random.below(at + 2, 4),
                      static_cast<std::uint16_t>(random.below(at + 3, kDatasets)), 0});
    }
    const Listed listed = list_pairs(rows);
    const Tally tally = tally_of(rows);
    expect_pairs(listed.all, tally.agreed.all(), tally.found.all(), tally.truth.all());
    expect_pairs(listed.clean, tally.agreed.clean(), tally.found.clean(), tally.truth.clean());
    for (std::size_t a = 0; a < kDatasets; ++a) {
      expect_pairs(listed.touching[a], tally.agreed.touching(a), tally.found.touching(a), tally.truth.touching(a));
      for (std::size_t b = a; b < kDatasets; ++b) {
        expect_pairs(listed.between[a][b], tally.agreed.between(b, a), tally.found.between(a, b),
                     tally.truth.between(a, b));
      }
    }
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      expect_pairs(listed.with_error[kind], tally.agreed.with_error(kind), tally.found.with_error(kind),
                   tally.truth.with_error(kind));
    }
    EXPECT_EQ(tally.persons.rows, rows.size());
    EXPECT_EQ(tally.persons.exactly_right, listed.exactly_right);
    EXPECT_EQ(tally.persons.split, listed.split);
    EXPECT_EQ(tally.persons.mixed, listed.mixed);
  }
}

TEST(Metrics, no_rows_have_no_pairs_and_nothing_wrong) {
  const Tally tally = tally_of({});
  EXPECT_EQ(tally.truth.all(), 0U);
  EXPECT_EQ(tally.persons.true_persons, 0U);
  EXPECT_EQ(Quality{}.precision(), 1.0);
  EXPECT_EQ(Quality{}.recall(), 1.0);
  EXPECT_EQ(Quality{}.f1(), 1.0);
}

TEST(Metrics, everything_in_one_person_has_full_recall_and_little_precision) {
  std::vector<LabelledRow> rows;
  for (std::uint64_t i = 0; i < 10; ++i) rows.push_back({7, i / 2, 0, 0, 0});
  const Tally tally = tally_of(rows);
  const Quality quality{tally.agreed.all(), tally.found.all(), tally.truth.all()};
  EXPECT_EQ(quality.recall(), 1.0);
  EXPECT_DOUBLE_EQ(quality.precision(), 5.0 / 45);
  EXPECT_DOUBLE_EQ(quality.f1(), 2 * 5.0 / (45 + 5));
  EXPECT_EQ(tally.persons.exactly_right, 0U);
  EXPECT_EQ(tally.persons.mixed, 1U);
}

TEST(Metrics, a_group_of_a_hundred_thousand_rows_is_counted_without_listing_pairs) {
  const std::vector<LabelledRow> rows(100'000, LabelledRow{1, 2, 1, 2, 0});
  const Tally tally = tally_of(rows);
  EXPECT_EQ(tally.truth.all(), std::uint64_t{100'000} * 99'999 / 2);
  EXPECT_EQ(tally.agreed.with_error(0), tally.truth.all());
  EXPECT_EQ(tally.persons.exactly_right, 1U);
}

// --- Join

IndexItem index_item(const std::string& id, std::uint64_t found, std::uint64_t dataset = 0) {
  return {record_key("", id), found, dataset};
}
TruthItem truth_item(const std::string& id, std::uint64_t person, std::uint64_t errors = 0) {
  return {record_key("", id), person, errors};
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

// A shared folder with files in it.
class Folder : public SharedFolder {
 public:
  explicit Folder(const Communicator& comm) : SharedFolder(comm), comm_(comm) {}

  // Collective.  Written by rank 0, there for all afterwards.
  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const {
    comm_.barrier();
    if (comm_.is_root()) write_file_durably(path() / name, text, 0600);
    comm_.barrier();
    return (path() / name).string();
  }

 private:
  const Communicator& comm_;
};

std::vector<std::string> all_rows(const TruthFiles& truth, int ranks, std::uint64_t block_bytes) {
  std::vector<std::string> rows;
  for (int rank = 0; rank < ranks; ++rank) {
    for (const TruthBlock& block : truth_blocks(truth, rank, ranks, block_bytes)) {
      read_truth_block(truth, block, [&](const TruthRow& row) {
        rows.push_back(std::string(row.record_id) + "/" + std::string(row.person_id) + "/" + std::string(row.dataset) +
                       "/" + std::string(row.errors));
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
      expected.push_back(id + "/P" + std::to_string(i % 7) + "//x|y");
    }
    const TruthFiles truth = find_truth({folder.write("truth.csv", text)});
    EXPECT_FALSE(truth.has_dataset);
    for (const std::uint64_t block_bytes : {1U, 2U, 3U, 7U, 38U, 1000U, 100'000U}) {
      for (const int ranks : {1, 2, 5}) EXPECT_EQ(all_rows(truth, ranks, block_bytes), expected) << block_bytes;
    }
  }
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

  const std::string with = folder.write("with.csv", "record_id,person_id,dataset\n");
  const std::string without = folder.write("without.csv", "record_id,person_id\n");
  EXPECT_NE(message_of([&] { find_truth({with, without}); }).find("dataset"), std::string::npos);

  for (const std::string bad : {"a\n", "a,b,c\n", "\"a,b\n", "a,\"b\"c\n"}) {
    const TruthFiles truth = find_truth({folder.write("rows.csv", "record_id,person_id\nx,y\n" + bad)});
    EXPECT_NE(message_of([&] { all_rows(truth, 1, 1000); }).find("rows.csv: the row at byte 24"), std::string::npos)
        << bad;
  }
}

// --- The join and the job over ranks

// A run of 600 rows in two datasets whose record ids repeat between them; person i / 3, with every 50th row misplaced.
struct Row {
  std::uint32_t dataset;
  std::string id;
  Pseudonym person;
  std::string truth;  // empty: not in the truth
  std::string errors;
};

std::vector<Row> example_rows() {
  std::vector<Row> rows;
  for (std::uint64_t i = 0; i < 600; ++i) {
    const std::uint64_t person = i % 50 == 49 ? i / 3 + 1 : i / 3;
    rows.push_back({static_cast<std::uint32_t>(i % 2), numbered("r", i / 2), Pseudonym{linkage_key(person), person},
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
    writer.add({rows[i].dataset, rows[i].id, rows[i].person});
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
    const JoinedRows joined = join_with_truth(world, folder.path() / "secure", datasets, truth, items_at_once);
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
      ++expected_of_person[{row.person.high, row.dataset * 4U + errors}];
    }
    EXPECT_EQ(of_person, expected_of_person);
  }
}

TEST(JoinWithTruth, refuses_more_kinds_of_error_than_it_can_tell_apart) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  write_index(world, folder.path() / "secure", example_rows());
  std::string text = "record_id,person_id,errors\n";
  for (std::uint64_t i = 0; i < 40; ++i) text += numbered("r", i) + ",P," + numbered("kind", i) + "\n";
  const TruthFiles truth = find_truth({folder.write("truth.csv", text)});
  try {
    join_with_truth(world, folder.path() / "secure", {"gp", "ae"}, truth);
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
    join_with_truth(world, folder.path() / "secure", {"gp", "ae"}, truth);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {  // the same on every rank
    EXPECT_EQ(error.exit_code(), kExitWrongUse);
    EXPECT_NE(std::string(error.what()).find("truth.csv"), std::string::npos);
  }
}

// The figures of the example from its list of pairs.
TEST(Evaluate, the_report_has_the_figures_of_all_pairs_listed) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  const std::vector<std::string> datasets = {"gp", "ae"};
  const std::vector<Row> rows = example_rows();
  Manifest manifest;
  manifest.secure = (folder.path() / "secure").string();
  manifest.publish = (folder.path() / "publish").string();
  for (const std::string& name : datasets) manifest.datasets.push_back({name, 300});
  write_index(world, manifest.secure, rows);
  if (world.is_root()) {
    std::filesystem::create_directories(manifest.publish);
    write_manifest(manifest);
  }
  const std::string truth = folder.write("truth.csv", example_truth(rows, datasets));
  const std::filesystem::path report = folder.path() / "report.json";
  EXPECT_EQ(evaluate(world, {manifest.publish, {truth}, report}), kExitDone);
  world.barrier();
  if (!world.is_root()) return;

  std::uint64_t agreed = 0, found = 0, true_pairs = 0, moved = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (rows[i].truth.empty() || rows[j].truth.empty()) continue;
      const bool same_found = rows[i].person == rows[j].person, same_truth = rows[i].truth == rows[j].truth;
      found += same_found ? 1U : 0U;
      true_pairs += same_truth ? 1U : 0U;
      agreed += same_found && same_truth ? 1U : 0U;
      const bool is_moved = rows[i].errors.starts_with("moved") || rows[j].errors.starts_with("moved");
      moved += same_truth && is_moved ? 1U : 0U;
    }
  }
  const auto json = nlohmann::json::parse(read_small_file(report));
  EXPECT_EQ(json["pairs"]["right_pairs"], agreed);
  EXPECT_EQ(json["pairs"]["found_pairs"], found);
  EXPECT_EQ(json["pairs"]["true_pairs"], true_pairs);
  EXPECT_EQ(json["by_error"]["moved"]["true_pairs"], moved);
  EXPECT_EQ(json["rows"]["scored"], 594);
  EXPECT_EQ(json["rows"]["without_truth"], 6);
  EXPECT_EQ(json["rows"]["truth_not_kept"], 1);
  EXPECT_EQ(json["by_dataset_pair"].size(), 3U);
}

TEST(Evaluate, a_truth_that_meets_no_row_is_an_error) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  Manifest manifest;
  manifest.secure = (folder.path() / "secure").string();
  manifest.publish = (folder.path() / "publish").string();
  manifest.datasets = {{"gp", 300}, {"ae", 300}};
  write_index(world, manifest.secure, example_rows());
  if (world.is_root()) {
    std::filesystem::create_directories(manifest.publish);
    write_manifest(manifest);
  }
  const std::string truth = folder.write("truth.csv", "record_id,person_id,dataset\nr1,P1,GP\n");
  EXPECT_THROW(evaluate(world, {manifest.publish, {truth}, std::nullopt}), UsageError);
}

}  // namespace
}  // namespace ligature
