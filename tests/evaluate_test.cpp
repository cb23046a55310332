// Scoring, the job: its report on a small run against figures from every pair and row, on any number of ranks.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "jobs/evaluate/report.hpp"
#include "jobs/jobs.hpp"
#include "partition/communicator.hpp"
#include "tests/evaluate_fixture.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

struct Row {
  std::size_t person = 0;  // found
  std::size_t dataset = 0;
  std::string id, truth, errors;
};

// The rows of a small run with a truth of their own: some persons are split, some merged, some rows not in the truth.
std::vector<Row> rows_of(TinyRun& run) {
  std::vector<Row> rows;
  for (std::size_t d = 0; d < run.datasets.size(); ++d) {
    for (std::size_t e = 0; e < run.datasets[d].events.size(); ++e) {
      TinyEvent& event = run.datasets[d].events[e];
      event.row_id = numbered("r", e);  // the same in both datasets
      const std::uint64_t person = event.person;
      Row row{person, d, event.row_id, numbered("P", person), e % 10 == 0 ? "moved" : ""};
      if (person % 20 == 3) row.truth = numbered("P", person + 1);              // merged with the next
      if (person % 20 == 7) row.truth += e % 2 == 0 ? "a" : "b";                // two persons in one
      if (person % 20 == 11 && d == 1) row.truth = numbered("P", person + 20);  // rows of another
      if (e % 50 == 49) row.truth.clear();
      rows.push_back(row);
    }
  }
  return rows;
}

std::string truth_text(const TinyRun& run, const std::vector<Row>& rows) {
  std::string text = "record_id,person_id,dataset,errors,birth_group,group_ward\n";
  for (const Row& row : rows) {
    if (row.truth.empty()) continue;
    text += row.id + "," + row.truth + "," + run.datasets[row.dataset].name + "," + row.errors + "," +
            (row.person % 20 == 7 ? numbered("B", row.person) : "") + "," + (row.truth.size() > 3 ? "long" : "short") +
            "\n";
  }
  return text + "elsewhere,P1,gp,moved,,short\n";
}

// Collective.  The run's report as JSON; on rank 0 alone.
nlohmann::json evaluate_run(const Communicator& world, const Folder& folder, const std::filesystem::path& publish,
                            const std::string& truth) {
  const std::filesystem::path report = folder.path() / "report.json";
  EXPECT_EQ(evaluate(world, {publish, {truth}, report}), kExitDone);
  world.barrier();
  return world.is_root() ? nlohmann::json::parse(read_small_file(report)) : nlohmann::json();
}

TEST(Evaluate, the_report_has_the_figures_of_all_pairs_and_rows_listed) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  TinyRun run(folder.path());
  std::vector<Row> rows = rows_of(run);
  run.write(world);
  const auto json = evaluate_run(world, folder, run.publish, folder.write("truth.csv", truth_text(run, rows)));
  if (!world.is_root()) return;
  const std::size_t all_rows = rows.size();
  std::erase_if(rows, [](const Row& row) { return row.truth.empty(); });

  std::uint64_t agreed = 0, found = 0, true_pairs = 0, moved = 0, born_together = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const bool same_found = rows[i].person == rows[j].person, same_truth = rows[i].truth == rows[j].truth;
      found += same_found ? 1U : 0U;
      true_pairs += same_truth ? 1U : 0U;
      agreed += same_found && same_truth ? 1U : 0U;
      moved += same_truth && !(rows[i].errors.empty() && rows[j].errors.empty()) ? 1U : 0U;
      born_together += same_found && !same_truth && rows[i].person % 20 == 7 ? 1U : 0U;
    }
  }
  EXPECT_EQ(json["pairs"]["right_pairs"], agreed);
  EXPECT_EQ(json["pairs"]["found_pairs"], found);
  EXPECT_EQ(json["pairs"]["true_pairs"], true_pairs);
  EXPECT_EQ(json["by_error"]["moved"]["true_pairs"], moved);
  EXPECT_EQ(json["rows"]["kept"], all_rows);
  EXPECT_EQ(json["rows"]["scored"], rows.size());
  EXPECT_EQ(json["rows"]["without_truth"], all_rows - rows.size());
  EXPECT_EQ(json["rows"]["truth_not_kept"], 1);
  EXPECT_EQ(json["by_dataset_pair"].size(), 3U);
  EXPECT_GT(born_together, 0U);
  EXPECT_EQ(json["multiple_births"]["sibling_pairs"], born_together);

  // By group: rows and found persons by what the dataset publishes of them.
  std::map<std::string, std::uint64_t> rows_of_decade, rows_of_area, rows_of_ward;
  std::map<std::string, std::set<std::size_t>> persons_of_gender;
  const auto known = [](bool is_known, std::string name) { return is_known ? name : std::string(kNotKnown); };
  for (const Row& row : rows) {
    const TinyPerson& person = run.persons[row.person];
    ++rows_of_decade[known(person.year_of_birth != 0, std::to_string(person.year_of_birth / 10) + "0s")];
    ++rows_of_area[known(person.area != 255, person.area == 3 ? "YO" : "LS")];  // LS1, LS2, LS27, YO10
    ++rows_of_ward[row.truth.size() > 3 ? "long" : "short"];
    const std::array<std::string, 3> genders = {std::string(kNotKnown), "male", "female"};
    persons_of_gender[person.sex == 9 ? "not specified" : genders[person.sex]].insert(row.person);
  }
  const auto expect_rows = [&](const char* grouping, const std::map<std::string, std::uint64_t>& expected) {
    EXPECT_EQ(json["by_group"][grouping].size(), expected.size()) << grouping;
    for (const auto& [group, count] : expected) EXPECT_EQ(json["by_group"][grouping][group]["rows"], count) << group;
  };
  expect_rows("birth_decade", rows_of_decade);
  expect_rows("area", rows_of_area);
  expect_rows("group_ward", rows_of_ward);
  EXPECT_GT(rows_of_decade.size(), 5U);
  for (const auto& [group, persons] : persons_of_gender) {
    EXPECT_EQ(json["by_group"]["gender"][group]["found_persons"], persons.size()) << group;
  }

  // Each grouping divides all rows, and what is wrong with them.
  for (const auto& [name, groups] : json["by_group"].items()) {
    std::uint64_t sum = 0, missed = 0, false_rows = 0;
    for (const auto& group : groups) {
      sum += group["rows"].get<std::uint64_t>();
      missed += group["missed_rows"].get<std::uint64_t>();
      false_rows += group["false_rows"].get<std::uint64_t>();
    }
    EXPECT_EQ(sum, rows.size()) << name;
    EXPECT_EQ(missed, json["row_rates"]["missed_rows"]) << name;
    EXPECT_EQ(false_rows, json["row_rates"]["false_rows"]) << name;
  }
  EXPECT_GT(json["row_rates"]["missed_rows"], 0);
  EXPECT_GT(json["row_rates"]["false_rows"], 0);
}

TEST(Evaluate, a_run_that_is_right_has_no_error_anywhere) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  TinyRun run(folder.path());
  std::vector<Row> rows = rows_of(run);
  for (Row& row : rows) row.truth = numbered("P", row.person);
  run.write(world);
  const auto json = evaluate_run(world, folder, run.publish, folder.write("truth.csv", truth_text(run, rows)));
  if (!world.is_root()) return;
  EXPECT_EQ(json["persons"]["exactly_right"], run.persons.size());
  for (const char* const measure : {"pairs", "b_cubed", "clusters"}) {
    for (const char* const figure : {"precision", "recall", "f1"}) EXPECT_EQ(json[measure][figure], 1.0) << measure;
  }
  EXPECT_EQ(json["row_rates"]["missed_match_rate"], 0.0);
  EXPECT_EQ(json["row_rates"]["false_match_rate"], 0.0);
  EXPECT_EQ(json["links"]["missed_links"], 0);
  EXPECT_EQ(json["links"]["false_links"], 0);
  EXPECT_EQ(json["downstream"]["persons"]["relative_bias"], 0.0);
  EXPECT_TRUE(json["by_group"]["gender"]["male"]["missed_ratio"].is_null());
}

TEST(Evaluate, a_truth_without_births_errors_and_groups_leaves_those_figures_out) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  TinyRun run(folder.path(), 20);
  std::vector<Row> rows = rows_of(run);
  run.write(world);
  std::string text = "record_id,person_id,dataset\n";
  for (const Row& row : rows) text += row.id + ",P," + run.datasets[row.dataset].name + "\n";
  const auto json = evaluate_run(world, folder, run.publish, folder.write("truth.csv", text));
  if (!world.is_root()) return;
  EXPECT_TRUE(json["multiple_births"].is_null());
  EXPECT_TRUE(json["by_error"].empty());
  EXPECT_EQ(json["by_group"].size(), 5U);
  EXPECT_EQ(json["persons"]["split"], 1);
}

TEST(Evaluate, an_index_that_names_a_person_unknown_to_the_dataset_is_an_error) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  TinyRun run(folder.path(), 50);
  std::vector<Row> rows = rows_of(run);
  for (Row& row : rows) row.truth = "P";
  run.first_row_person = run.persons.size();
  run.write(world);
  const std::string truth = folder.write("truth.csv", truth_text(run, rows));
  EXPECT_THROW(evaluate(world, {run.publish, {truth}, std::nullopt}), Error);
}

TEST(Evaluate, a_truth_that_meets_no_row_is_an_error) {
  const Communicator world = Communicator::world();
  const Folder folder(world);
  TinyRun run(folder.path(), 50);
  run.write(world);
  const std::string truth = folder.write("truth.csv", "record_id,person_id,dataset\nr1,P1,GP\n");
  EXPECT_THROW(evaluate(world, {run.publish, {truth}, std::nullopt}), UsageError);
}

}  // namespace
}  // namespace ligature
