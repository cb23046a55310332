// Releases: what an agreement names goes out and nothing else; the same bytes on any number of ranks.  What is refused
// and what is written down are in the other files of this program.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/consent.hpp"
#include "engine/linkage_key.hpp"
#include "io/audit_log.hpp"
#include "io/dataset_reader.hpp"
#include "io/files.hpp"
#include "jobs/run_account.hpp"
#include "tests/release_fixture.hpp"

namespace ligature {
namespace {

TEST_F(ReleaseJob, an_extract_holds_what_the_agreement_names_and_nothing_else) {
  const std::filesystem::path made = make(kExtract);
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(made)) files.insert(entry.path().filename().string());
  EXPECT_EQ(files, (std::set<std::string>{"persons.csv", "events_gp.csv", "release.json", "digests.txt"}));
  const Rows persons = read_csv(made / "persons.csv"), events = read_csv(made / "events_gp.csv");
  EXPECT_EQ(persons.front(), (std::vector<std::string>{"pseudonym", "sex"}));
  EXPECT_EQ(events.front(), (std::vector<std::string>{"pseudonym", "row_id", "event_date", "code"}));

  // Every person once, in the order of the new names, with its own sex.
  std::map<std::string, std::string> sexes;
  for (std::size_t p = 0; p < run_.persons.size(); ++p)
    sexes[new_name("a.key", p)] = std::to_string(run_.persons[p].sex);
  ASSERT_EQ(persons.size(), run_.persons.size() + 1);
  auto next = sexes.begin();
  for (std::size_t r = 1; r < persons.size(); ++r, ++next) {
    EXPECT_EQ(persons[r][0], next->first);
    EXPECT_EQ(persons[r][1], next->second);
  }
  // Every event of each person, with the month of its date.
  std::multiset<std::vector<std::string>> expected, found;
  for (const TinyEvent& event : run_.datasets[0].events) {
    const std::string date = event.date == 0 ? "" : iso_date(event.date).substr(0, 7);
    const std::string code = event.code == 255 ? "" : run_.datasets[0].codes[event.code];
    if (code.find(',') == std::string::npos) expected.insert({new_name("a.key", event.person), date, code});
  }
  std::set<std::string> row_ids;
  for (std::size_t r = 1; r < events.size(); ++r) {
    row_ids.insert(events[r][1]);
    if (events[r].size() == 4) found.insert({events[r][0], events[r][2], events[r][3]});
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(row_ids.size(), run_.datasets[0].events.size());
}

TEST_F(ReleaseJob, is_its_owners_alone_until_it_is_handed_over) {
  const std::filesystem::path made = make(kExtract);
  struct stat status {};
  ASSERT_EQ(::stat(made.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
  for (const auto& entry : std::filesystem::directory_iterator(made)) {
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U) << entry.path();
  }
}

// The places of the same persons in two orders; their rank correlation.
double correlation(const std::vector<std::size_t>& a, const std::vector<std::size_t>& b) {
  const auto n = static_cast<double>(a.size());
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    squares += difference * difference;
  }
  return 1 - 6 * squares / (n * (n * n - 1));
}

TEST_F(ReleaseJob, files_of_two_customers_cannot_be_joined_by_name_row_or_order) {
  const std::filesystem::path one = make(kExtract);
  const std::filesystem::path other = make(Text(kExtract)
                                               .set("id", "\"A-2\"")
                                               .set("recipient", "\"Acme Ltd\"")
                                               .set("recipient_type", "\"company\"")
                                               .set("purpose", "\"trials\"")
                                               .set("key", "\"b.key\""));
  std::set<std::string> names;
  std::size_t values = 0;
  for (const std::filesystem::path& made : {one, other}) {
    const Rows persons = read_csv(made / "persons.csv"), events = read_csv(made / "events_gp.csv");
    for (const auto& ids : {column(persons, "pseudonym"), column(events, "row_id")}) {
      names.insert(ids.begin(), ids.end());
      values += ids.size();
    }
  }
  for (const TinyPerson& person : run_.persons) {
    names.insert(hex(person.pseudonym));
    ++values;
  }
  EXPECT_EQ(names.size(), values) << "a name of one file, or of the dataset, is in another";

  const auto places = [&](const char* key) {
    std::vector<std::string> order;
    for (std::size_t p = 0; p < run_.persons.size(); ++p) order.push_back(new_name(key, p));
    std::vector<std::string> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<std::size_t> at;
    for (const std::string& name : order) {
      at.push_back(static_cast<std::size_t>(std::lower_bound(sorted.begin(), sorted.end(), name) - sorted.begin()));
    }
    return at;
  };
  std::vector<std::size_t> main(run_.persons.size());
  std::iota(main.begin(), main.end(), 0);
  // Of 300 persons in random order the correlation is within 0.25 but once in 60,000 keys.
  EXPECT_LT(std::abs(correlation(places("a.key"), places("b.key"))), 0.25);
  EXPECT_LT(std::abs(correlation(places("a.key"), main)), 0.25);
}

TEST_F(ReleaseJob, events_of_a_person_do_not_keep_the_order_of_their_dates) {
  const Rows events = read_csv(make(Text(kExtract).set("dates", "\"day\"")) / "events_gp.csv");
  std::size_t ascending = 0, pairs = 0;
  for (std::size_t r = 2; r < events.size(); ++r) {
    if (events[r][0] != events[r - 1][0] || events[r][2] == events[r - 1][2]) continue;
    ++pairs;
    ascending += events[r][2] > events[r - 1][2];
  }
  EXPECT_GT(pairs, 300U);
  EXPECT_LT(ascending * 10, pairs * 7);
  EXPECT_GT(ascending * 10, pairs * 3);
}

TEST_F(ReleaseJob, same_bytes_on_one_rank_as_on_many_and_in_many_rounds) {
  for (const char* format : {"\"csv\"", "\"hdf5\""}) {
    const std::filesystem::path together = make(Text(kExtract).set("format", format));
    const std::string digests = read_small_file(together / "digests.txt");
    job_.memory = 20'000;  // several rounds
    EXPECT_EQ(read_small_file(make(Text(kExtract).set("format", format)) / "digests.txt"), digests);
    job_.memory = 0;
    const Communicator alone = world_.split(world_.is_root() ? 0 : 1);
    std::string digests_alone = digests;
    if (world_.is_root())
      digests_alone = read_small_file(make(alone, Text(kExtract).set("format", format)) / "digests.txt");
    world_.barrier();
    EXPECT_EQ(digests_alone, digests) << format;
  }
}

TEST_F(ReleaseJob, hdf5_says_the_same_as_csv_with_only_the_categories_that_occur) {
  // Without row ids: they are text among events, which the dataset itself has not.
  Text wide = Text(kExtract).add("[cohort]\nareas = [\"LS1\", \"YO10\"]\n").set("columns", "[\"sex\", \"area\"]");
  wide = Text(wide.str().replace(wide.str().find("\"row_id\", "), 10, ""));
  const Rows csv = read_csv(make(wide) / "persons.csv");
  const DatasetReader h5(make(Text(wide).set("format", "\"hdf5\"")) / "dataset.h5");
  EXPECT_EQ(h5.dictionary("/dictionaries/area").values, (std::vector<std::string>{"LS1", "YO10"}));
  std::vector<std::uint64_t> sexes, areas, offsets, persons;
  const std::size_t count = csv.size() - 1;
  h5.read_unsigned(h5.column("/persons/sex"), {0, count}, sexes);
  h5.read_unsigned(h5.column("/persons/area"), {0, count}, areas);
  h5.read_unsigned(h5.column("/events/gp/offsets"), {0, count + 1}, offsets);
  h5.read_unsigned(h5.column("/events/gp/person"), {0, offsets.back()}, persons);
  std::string names(count * 32, '\0');
  h5.read(h5.column("/persons/pseudonym"), 0, std::as_writable_bytes(std::span(names)));
  for (std::size_t p = 0; p < count; ++p) {
    EXPECT_EQ(names.substr(32 * p, 32), csv[p + 1][0]);
    EXPECT_EQ(std::to_string(sexes[p]), csv[p + 1][1]);
    EXPECT_EQ(h5.dictionary("/dictionaries/area").values[areas[p]], csv[p + 1][2]);
    for (std::uint64_t row = offsets[p]; row < offsets[p + 1]; ++row) EXPECT_EQ(persons[row], p);
  }
  EXPECT_FALSE(h5.find("/persons/year_of_birth"));
  EXPECT_FALSE(h5.find("/events/gp/amount"));
  EXPECT_FALSE(h5.find("/events/ae/person"));
}

TEST_F(ReleaseJob, whoever_objects_today_is_left_out_wherever_the_dataset_has_them) {
  std::size_t objector = 0;
  while (run_.persons[objector].identity.valid_nhs() == 0) ++objector;
  const std::string nhs = std::to_string(run_.persons[objector].identity.valid_nhs());
  const std::string name = new_name("a.key", objector);
  const auto is_there = [&](const std::filesystem::path& made) {
    const std::vector<std::string> names = column(read_csv(made / "persons.csv"), "pseudonym");
    const std::vector<std::string> events = column(read_csv(made / "events_gp.csv"), "pseudonym");
    const bool person = std::find(names.begin(), names.end(), name) != names.end();
    EXPECT_EQ(std::find(events.begin(), events.end(), name) != events.end(), person);
    return person;
  };
  EXPECT_TRUE(is_there(make(kExtract)));
  write_objections(nhs + ",type2,2014-01-01\n");
  EXPECT_FALSE(is_there(make(kExtract)));
  write_objections(nhs + ",ndoo,2018-06-01\n");
  EXPECT_FALSE(is_there(make(kExtract)));
  write_objections(nhs + ",type2,2014-01-01\n" + nhs + ",type2-withdrawn,2014-02-01\n");
  EXPECT_TRUE(is_there(make(kExtract)));
  write_objections(nhs + ",type2,2014-01-01\n");
  const Text exempt = Text(kExtract)
                          .set("id", "\"A-3\"")
                          .set("recipient", "\"Public Health\"")
                          .set("recipient_type", "\"commissioner\"")
                          .set("purpose", "\"outbreak\"")
                          .set("legal_basis", "\"regulation-3\"")
                          .set("key", "\"b.key\"");
  EXPECT_NE(new_name("b.key", objector), name);
  EXPECT_EQ(read_csv(make(exempt) / "persons.csv").size(), run_.persons.size() + 1);
}

TEST_F(ReleaseJob, an_objection_reaches_its_person_though_the_number_was_replaced_since_the_run) {
  std::size_t objector = 0;
  while (run_.persons[objector].identity.valid_nhs() == 0) ++objector;
  const std::string nhs = std::to_string(run_.persons[objector].identity.valid_nhs());
  const std::string other = std::to_string(tiny_nhs_number(900));
  job_.superseded = folder_.path() / "superseded.csv";
  const auto left_out = [&](const std::string& objections, const std::string& replaced) {
    write_objections(objections);
    on_root([&] { write_file_durably(*job_.superseded, "old_nhs_number,new_nhs_number\n" + replaced, 0600); });
    const std::vector<std::string> names = column(read_csv(make(kExtract) / "persons.csv"), "pseudonym");
    return std::find(names.begin(), names.end(), new_name("a.key", objector)) == names.end();
  };
  const std::string stands = ",type2,2014-01-01\n", withdrawn = ",type2-withdrawn,2014-02-01\n";
  for (const std::string& replaced : {nhs + "," + other + "\n", other + "," + nhs + "\n"}) {
    EXPECT_TRUE(left_out(nhs + stands, replaced));
    EXPECT_TRUE(left_out(other + stands, replaced));
    EXPECT_FALSE(left_out(nhs + stands + other + withdrawn, replaced));
  }
  EXPECT_FALSE(left_out(other + stands, ""));
  // So does one of the run's own ledger, which has the number that was current then.
  on_root([&] {
    write_file_durably(run_.secure / "objections.csv", "nhs_number,kind,date\n" + nhs + stands, 0600);
    run_.manifest.consent.ledger_version =
        hex(ObjectionLedger({{std::stoull(nhs), *day_number({2014, 1, 1}), ObjectionKind::type2, false}}).version());
    write_manifest(run_.manifest);
    append_audit(run_.secure, making_of(run_.manifest));
  });
  EXPECT_TRUE(left_out("", nhs + "," + other + "\n"));
}

TEST_F(ReleaseJob, identifiers_go_out_only_under_secure_and_only_those_agreed) {
  const Text text = Text(kExtract)
                        .set("recipient", "\"Public Health\"")
                        .set("recipient_type", "\"commissioner\"")
                        .set("purpose", "\"outbreak\"")
                        .set("legal_basis", "\"section-251\"")
                        .set("form", "\"identifiable\"")
                        .set("rules", "")
                        .set("k", "")
                        .add("[identifiers]\ncolumns = [\"nhs_number\", \"date_of_birth\"]\n");
  const std::filesystem::path made = make(text);
  EXPECT_EQ(made.parent_path(), run_.secure / "releases");
  const Rows rows = read_csv(made / "identities.csv");
  EXPECT_EQ(rows.front(), (std::vector<std::string>{"pseudonym", "nhs_number", "date_of_birth"}));
  std::set<std::vector<std::string>> expected;
  for (std::size_t p = 0; p < run_.persons.size(); ++p) {
    const Identity& identity = run_.persons[p].identity;
    const std::uint64_t nhs = identity.valid_nhs();
    expected.insert({new_name("a.key", p), nhs == 0 ? "" : std::to_string(nhs), iso_date(identity.date_of_birth())});
  }
  EXPECT_TRUE(std::is_sorted(rows.begin() + 1, rows.end()));
  EXPECT_EQ((std::set<std::vector<std::string>>(rows.begin() + 1, rows.end())), expected);
  struct stat status {};
  ASSERT_EQ(::stat((made / "identities.csv").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(ReleaseJob, a_table_counts_what_it_says_and_hides_what_the_rules_hide) {
  const std::string tables =
      "[[table]]\nname = \"areas\"\ncount = \"persons\"\ndimensions = [\"area\", \"sex\"]\n"
      "[[table]]\nname = \"codes\"\ncount = \"events\"\ndataset = \"gp\"\ndimensions = [\"code\", "
      "\"event_date\"]\ndates = "
      "\"year\"\n[[table]]\nname = \"attenders\"\ncount = \"persons\"\ndataset = \"ae\"\ndimensions = [\"sex\"]\n";
  const std::filesystem::path made = make(Text(kAggregate).add(tables));
  const std::map<int, std::string> sexes = {{0, "Not known"}, {1, "Male"}, {2, "Female"}, {9, "Not specified"}};
  std::map<std::vector<std::string>, std::uint64_t> areas, attenders;
  std::set<std::size_t> at_ae;
  for (const TinyEvent& event : run_.datasets[1].events) at_ae.insert(event.person);
  for (std::size_t p = 0; p < run_.persons.size(); ++p) {
    const TinyPerson& person = run_.persons[p];
    const std::string area = person.area == 255 ? "Not known" : run_.areas[person.area], sex = sexes.at(person.sex);
    for (const std::string& a : {area, std::string("Total")}) {
      for (const std::string& s : {sex, std::string("Total")}) ++areas[{a, s}];
    }
    if (at_ae.count(p) > 0) {
      ++attenders[{sex}];
      ++attenders[{"Total"}];
    }
  }
  const auto expect_counts = [](const Rows& rows, const std::map<std::vector<std::string>, std::uint64_t>& counts) {
    std::size_t shown = 0;
    for (std::size_t r = 1; r < rows.size(); ++r) {
      const std::vector<std::string> key(rows[r].begin(), rows[r].end() - 1);
      const auto found = counts.find(key);
      const std::uint64_t value = found == counts.end() ? 0 : found->second;
      if (rows[r].back() == "*") continue;
      EXPECT_EQ(rows[r].back(), std::to_string(value));
      EXPECT_TRUE(value == 0 || value > 5) << value;
      ++shown;
    }
    EXPECT_GT(shown, rows.size() / 2);
  };
  const Rows area_rows = read_csv(made / "areas.csv"), attender_rows = read_csv(made / "attenders.csv");
  EXPECT_EQ(area_rows.front(), (std::vector<std::string>{"area", "sex", "persons"}));
  EXPECT_EQ(area_rows.size(), 1U + 6 * 5);
  expect_counts(area_rows, areas);
  EXPECT_EQ(attender_rows.size(), 1U + 5);
  expect_counts(attender_rows, attenders);
  EXPECT_EQ(read_csv(made / "codes.csv").front(), (std::vector<std::string>{"code", "event_date", "events"}));

  // The same on one rank.
  const std::string digests = read_small_file(made / "digests.txt");
  const Communicator alone = world_.split(world_.is_root() ? 0 : 1);
  if (world_.is_root()) {
    EXPECT_EQ(read_small_file(make(alone, Text(kAggregate).add(tables)) / "digests.txt"), digests);
  }
  world_.barrier();
}

}  // namespace
}  // namespace ligature
