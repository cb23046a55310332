// Quality screens over ranks: the same counts and the same list on any number of them, and through a whole rebuild.
#include "jobs/rebuild/event_screens.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "io/dataset_reader.hpp"
#include "io/files.hpp"
#include "io/secure_index.hpp"
#include "jobs/explain/explanation.hpp"
#include "jobs/jobs.hpp"
#include "jobs/rebuild/secure_files.hpp"
#include "partition/shard_map.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

// Persons whose history follows from their number, over the ranks as a rebuild lays them out.
class Collected : public testing::Test {
 protected:
  static constexpr std::size_t kPersons = 70'000;  // more than are looked at in one go
  static constexpr std::size_t kIdentitiesOfLargest = 3;

  Collected() {
    Rows people;
    for (std::uint64_t p = 0; p < kPersons; ++p) {
      Person person;
      person.pseudonym = {linkage_key(p), p};
      person.datasets = p % 3 == 0 ? 3U : 1U;
      person.rows = p % 3 == 0 ? 3 : 2;
      person.birth_year = 1990;
      person.id_type = p % 10 == 0 ? IdType::ambiguous : IdType::nhs_number;
      people.emplace_back(person, p);
    }
    people[17].first.rows = 5000;
    std::sort(people.begin(), people.end(),
              [](const auto& a, const auto& b) { return a.first.pseudonym < b.first.pseudonym; });
    const ShardMap map(world_.size());
    persons_.first_row_of_rank = {0};
    std::size_t row = 0;
    for (int rank = 0; rank < world_.size(); ++rank) {
      for (; row < people.size() && map.owner(shard_of(people[row].first.pseudonym.high)) == rank; ++row) {
        if (rank != world_.rank()) continue;
        persons_.owned.push_back(people[row].first);
        numbers_.push_back(people[row].second);
      }
      persons_.first_row_of_rank.push_back(row);
    }
    persons_.first_row = persons_.first_row_of_rank[static_cast<std::size_t>(world_.rank())];
    // Identities are anywhere, and those of one person on several ranks.
    for (std::size_t p = 0; p < people.size(); ++p) {
      const std::uint64_t identities = people[p].second == 17 ? kIdentitiesOfLargest : 1;
      for (std::uint64_t i = 0; i < identities; ++i) {
        if ((p + i) % static_cast<std::uint64_t>(world_.size()) == static_cast<std::uint64_t>(world_.rank())) {
          persons_.of_owned.push_back(p);
        }
      }
    }
  }

  using Rows = std::vector<std::pair<Person, std::uint64_t>>;
  const Communicator world_ = Communicator::world();
  Persons persons_;
  std::vector<std::uint64_t> numbers_;  // of the owned persons
};

TEST_F(Collected, sums_are_the_same_on_any_number_of_ranks) {
  const SharedFolder folder(world_);
  if (world_.is_root()) std::filesystem::create_directories(folder.path() / "scratch");
  world_.barrier();
  JobFile job;
  job.secure = folder.path();
  Inputs inputs;
  for (const std::string name : {"deaths", "ip"}) {
    DatasetSchema schema;
    schema.name = name;
    schema.fields = {{"event_date", PayloadField::Role::event_date, ColumnType::date, 0, 2}};
    schema.payload_bytes = 2;
    inputs.datasets.push_back(schema);
    Extract& extract = job.extracts.emplace_back();
    extract.dataset = name;
  }
  job.extracts[0].screens.push_back({ScreenKind::death, "", {}, "", ""});
  SpoolBudget budget(1 << 20);  // less than the events take: some go to disk
  EventScreens screens(job, inputs, {}, persons_, budget);
  EXPECT_FALSE(screens.compares_rows(0));

  // Dataset 0: everybody dies on day 40000, and one in seven is seen ten days later in dataset 1.
  for (std::uint32_t dataset = 0; dataset < 2; ++dataset) {
    std::vector<std::byte> events;
    EventScreens::Taken taken;
    for (std::uint32_t person = 0; person < numbers_.size(); ++person) {
      const DayNumber on = static_cast<DayNumber>(dataset == 0 ? 40000 : 40010);
      std::vector<std::uint32_t> rows;
      if (dataset == 0 || numbers_[person] % 7 == 0) {
        const auto bytes = std::as_bytes(std::span(&on, 1));
        rows.push_back(static_cast<std::uint32_t>(events.size() / sizeof on));
        events.insert(events.end(), bytes.begin(), bytes.end());
      }
      screens.examine(dataset, {events, sizeof on, 0, person, rows}, taken);
    }
    screens.keep(dataset, taken);
  }
  persons_.largest = largest_persons(world_, persons_);
  const ScreenReport report = screens.finish(world_);
  const ScreenCount& after_death = report.screens[static_cast<std::size_t>(Screen::event_after_death)];
  EXPECT_TRUE(after_death.evaluated);
  EXPECT_EQ(after_death.persons, kPersons / 7);
  EXPECT_EQ(after_death.examined, kPersons);
  EXPECT_FALSE(report.screens[static_cast<std::size_t>(Screen::two_births)].evaluated);
  EXPECT_EQ(report.rows_of_kind[static_cast<std::size_t>(ScreenKind::death)], kPersons);
  EXPECT_EQ(report.persons_by_rows, (std::array<std::uint64_t, kRowClasses>{0, kPersons - 1, 0, 0, 1}));
  EXPECT_EQ(report.datasets, (std::vector<std::string>{"deaths", "ip"}));
  constexpr std::uint64_t kBoth = (kPersons + 2) / 3;
  EXPECT_EQ(report.shared, (std::vector<std::uint64_t>{kPersons, kBoth, kBoth, kBoth}));
  EXPECT_EQ(report.residual_persons, kPersons / 10);
  EXPECT_EQ(report.residual_ids_repeated, 0U);
  ASSERT_EQ(report.largest.size(), 10U);
  EXPECT_EQ(report.largest[0].rows, 5000U);
  EXPECT_EQ(report.largest[0].identities, kIdentitiesOfLargest);
  EXPECT_EQ(report.largest[9].rows, 3U);
  EXPECT_EQ(report.largest[9].identities, 1U);
  // A line a person concerned, in order of pseudonym.
  const std::string list = read_small_file(unnamed_list(folder.path() / "screens.csv"));
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 1 + kPersons / 7);
}

TEST_F(Collected, pseudonym_given_twice_is_counted) {
  for (std::size_t p = 0; p + 1 < persons_.owned.size(); p += 1000) {
    persons_.owned[p + 1].pseudonym = persons_.owned[p].pseudonym;
    persons_.owned[p].id_type = persons_.owned[p + 1].id_type = IdType::other;
  }
  const std::uint64_t expected = world_.sum(2 * ((persons_.owned.size() + 998) / 1000));
  const SharedFolder folder(world_);
  JobFile job;
  job.secure = folder.path();
  SpoolBudget budget(0);
  EventScreens screens(job, {}, {}, persons_, budget);
  const ScreenReport report = screens.finish(world_);
  EXPECT_EQ(report.residual_ids_repeated, expected);
  EXPECT_FALSE(report.screens[static_cast<std::size_t>(Screen::event_before_birth)].evaluated) << "there are no dates";
}

constexpr char kJob[] = R"([job]
secure = "secure"
publish = "publish"
key = "test.key"
as_at = 2014-04-01
[publish]
event_date = "year"
[[extract]]
dataset = "ip"
files = "ip.csv"
columns = { row_id = "id", provider = "trust", nhs_number = "nhs", date_of_birth = "birth", postcode = "postcode", gender = "sex", event_date = "on" }
keep = [{ column = "code" }, { column = "left", type = "date" }]
)";

// Through a whole rebuild.
class ScreenedRun : public testing::Test {
 protected:
  struct Outcome {
    std::string list;                                     // secure/screens.csv
    std::map<std::string, std::set<std::string>> of_row;  // screens of the row's person
    std::string content;
  };

  Outcome rebuilt(const Communicator& comm) {
    const SharedFolder folder(comm);
    if (comm.is_root()) {
      const std::string header = "id,trust,nhs,birth,postcode,sex,on,code,left\n";
      write_file_durably(folder.path() / "ip.csv", header + rows_, 0600);
      write_file_durably(folder.path() / "test.key", "a key of these tests: 32 bytes.. ", 0600);
      write_file_durably(folder.path() / "job.toml", std::string(kJob) + R"([[extract.screen]]
kind = "birth"
column = "code"
values = "Z38"
[[extract.screen]]
kind = "death"
column = "code"
values = ["R99", "never seen"]
[[extract.screen]]
kind = "admission"
column = "code"
values = "stay"
until = "left"
)",
                         0600);
    }
    comm.barrier();
    const JobFile job = load_job_file(folder.path() / "job.toml");
    EXPECT_EQ(rebuild(comm, job), kExitDone);
    Outcome outcome;
    outcome.list = read_small_file(job.secure / "screens.csv");
    outcome.content = read_manifest(job.publish).content_digest;
    std::map<std::string, std::set<std::string>> of_person;
    for (std::size_t at = outcome.list.find('\n') + 1; at < outcome.list.size();) {
      const std::size_t end = outcome.list.find('\n', at);
      of_person[outcome.list.substr(at, 32)].insert(outcome.list.substr(at + 33, end - at - 33));
      at = end + 1;
    }
    const DatasetReader dataset(job.publish / kDatasetFile);
    read_secure_index(job.secure, 0, 1, [&](const IndexRow& row) {
      outcome.of_row[std::string(row.row_id)] = of_person[pseudonym_text(dataset, row.person)];
    });
    return outcome;
  }

  // rest: on,code,left.
  void add(const std::string& id, std::size_t person, const std::string& trust, const std::string& rest) {
    rows_ +=
        id + "," + trust + "," + std::to_string(tiny_nhs_number(20 * person)) + ",1970-03-04,LS1 4AP,2," + rest + "\n";
  }

  const Communicator world_ = Communicator::world();
  std::string rows_;
};

TEST_F(ScreenedRun, names_the_persons_by_exact_dates_although_only_years_are_published) {
  add("dies", 1, "T1", "2013-03-01,R99,");
  add("seen on the third day", 1, "T1", "2013-03-04,I10,");
  add("dies too", 2, "T1", "2013-03-01,R99,");
  add("seen on the fourth day", 2, "T1", "2013-03-05,I10,");
  add("in one place", 3, "T1", "2013-04-01,stay,2013-04-20");
  add("and in another", 3, "T2", "2013-04-10,stay,2013-04-11");
  add("transferred", 4, "T1", "2013-04-01,stay,2013-04-10");
  add("from the first", 4, "T2", "2013-04-10,stay,2013-04-11");
  add("born", 5, "T1", "2013-05-01,Z38,");
  add("sent twice", 5, "T1", "2013-05-01,Z38,");
  add("before birth", 6, "T1", "1968-12-31,I10,");
  for (std::size_t p = 10; p < 200; ++p)
    add("p" + std::to_string(p), p, "T" + std::to_string(p % 9), "2013-01-01,I10,");
  const Outcome outcome = rebuilt(world_);
  using Names = std::set<std::string>;
  EXPECT_EQ(outcome.of_row.at("seen on the third day"), Names());
  EXPECT_EQ(outcome.of_row.at("seen on the fourth day"), Names{"event_after_death"});
  EXPECT_EQ(outcome.of_row.at("and in another"), Names{"simultaneous_admissions"});
  EXPECT_EQ(outcome.of_row.at("from the first"), Names());
  EXPECT_EQ(outcome.of_row.at("sent twice"), Names{"late_birth"}) << "one baby, of somebody born in 1970";
  EXPECT_EQ(outcome.of_row.at("before birth"), Names{"event_before_birth"});
  EXPECT_EQ(std::count(outcome.list.begin(), outcome.list.end(), '\n'), 5);

  const Outcome alone = rebuilt(world_.split(world_.rank()));
  EXPECT_EQ(alone.list, outcome.list);
  EXPECT_EQ(alone.content, outcome.content);
}

TEST_F(ScreenedRun, twins_under_one_number_are_two_babies) {
  const std::string nhs = std::to_string(tiny_nhs_number(3));
  rows_ += "first,T1," + nhs + ",2013-05-01,LS1 4AP,1,2013-05-01,Z38,\n";
  rows_ += "second,T1," + nhs + ",2013-05-01,LS1 4AQ,1,2013-05-01,Z38,\n";
  const Outcome outcome = rebuilt(world_);
  EXPECT_EQ(outcome.of_row.at("first"), std::set<std::string>{"multiple_births"});
}

}  // namespace
}  // namespace ligature
