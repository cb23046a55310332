// Releases: what an agreement names goes out and nothing else; what must be refused is refused and leaves nothing; the
// same bytes on any number of ranks.  The failures of real programmes are set up here and caught.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/sha256.hpp"
#include "io/audit_log.hpp"
#include "io/dataset_reader.hpp"
#include "io/files.hpp"
#include "io/key_file.hpp"
#include "jobs/jobs.hpp"
#include "jobs/verify/checks.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// A CSV file without quotes, header and all.
Rows read_csv(const std::filesystem::path& path) {
  Rows rows;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    rows.emplace_back();
    std::istringstream fields(line + ",");
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
  }
  return rows;
}

std::vector<std::string> column(const Rows& rows, const std::string& name) {
  const auto at = std::find(rows.front().begin(), rows.front().end(), name) - rows.front().begin();
  std::vector<std::string> values;
  for (std::size_t r = 1; r < rows.size(); ++r) values.push_back(rows[r].at(static_cast<std::size_t>(at)));
  return values;
}

// An agreement's lines, of which a test changes one.
class Text {
 public:
  explicit Text(const std::string& text) : text_(text) {}
  Text& set(const std::string& key, const std::string& value) {
    const std::size_t begin = text_.find("\n" + key + " ") + 1;
    const std::size_t end = text_.find('\n', begin) + 1;
    text_.replace(begin, end - begin, value.empty() ? "" : key + " = " + value + "\n");
    return *this;
  }
  Text& add(const std::string& lines) {
    text_ += lines;
    return *this;
  }
  [[nodiscard]] std::string str() const { return text_; }

 private:
  std::string text_;
};

const Text kExtract(R"([agreement]
id = "A-1"
recipient = "University of Leeds"
recipient_type = "researcher"
purpose = "asthma"
legal_basis = "section-261"
start = 2000-01-01
expiry = 2070-01-01
form = "extract"
format = "csv"
key = "a.key"
rules = "k-anonymity v1"
k = 2
[persons]
columns = ["sex"]
[[dataset]]
name = "gp"
columns = ["row_id", "event_date", "code"]
dates = "month"
)");

const Text kAggregate(R"([agreement]
id = "T-1"
recipient = "University of Leeds"
recipient_type = "researcher"
purpose = "asthma"
legal_basis = "section-261"
start = 2000-01-01
expiry = 2070-01-01
form = "aggregate"
rules = "suppress-1-5 v1"
)");

// A finished run, a job file that names it, and some customers.
class ReleaseJob : public testing::Test {
 protected:
  ReleaseJob() {
    job_.path = folder_.path() / "job.toml";
    job_.secure = run_.secure;
    job_.publish = run_.publish;
    job_.customers = folder_.path() / "customers.csv";
    job_.release_folder = folder_.path() / "releases";
    on_root([&] {
      make_key_file(folder_.path() / "main.key");
      make_key_file(folder_.path() / "a.key");
      make_key_file(folder_.path() / "b.key");
      write_file_durably(*job_.customers,
                         "recipient,recipient_type,purpose\nUniversity of Leeds,researcher,asthma\n"
                         "Acme Ltd,company,trials\nPublic Health,commissioner,outbreak\n",
                         0600);
    });
    run_.manifest.key_id = Pseudonymiser(load_key_file(folder_.path() / "main.key")).key_id();
    run_.write(world_);
  }

  template <typename Step>
  void on_root(const Step& step) const {
    if (world_.is_root()) step();
    world_.barrier();
  }
  // Collective.  Releases under an agreement; the folder that was made.
  std::filesystem::path make(const Communicator& comm, const Text& text) {
    const std::filesystem::path path = folder_.path() / "agreement.toml";
    if (comm.is_root()) write_file_durably(path, text.str(), 0600);
    comm.barrier();
    testing::internal::CaptureStdout();
    const int code = release(comm, job_, path);
    std::string said = testing::internal::GetCapturedStdout();
    EXPECT_EQ(code, kExitDone);
    comm.broadcast(said);
    const std::size_t begin = said.find("  /", said.find('\n')), end = said.find(" in ", begin);
    return said.substr(begin + 2, end - begin - 2);
  }
  std::filesystem::path make(const Text& text) { return make(world_, text); }
  // Collective.  What a release is refused with; it must leave no output.
  std::string refusal(const Text& text, int exit_code = kExitWrongUse) {
    const std::vector<std::string> before = releases();
    std::string said;
    try {
      make(text);
    } catch (const Error& error) {
      testing::internal::GetCapturedStdout();
      said = error.what();
      EXPECT_EQ(error.exit_code(), exit_code) << said;
    }
    world_.barrier();
    EXPECT_EQ(releases(), before);
    return said;
  }
  void expect_refused(const Text& text, const std::string& why, int exit_code = kExitWrongUse) {
    const std::string said = refusal(text, exit_code);
    EXPECT_NE(said.find(why), std::string::npos) << "said: " << said << "\nnot: " << why;
  }
  [[nodiscard]] std::vector<std::string> releases() const {
    std::vector<std::string> names;
    for (const std::filesystem::path& base : {folder_.path() / "releases", run_.secure / "releases"}) {
      if (!std::filesystem::exists(base)) continue;
      for (const auto& entry : std::filesystem::directory_iterator(base)) names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  [[nodiscard]] Pseudonymiser pseudonymiser(const char* key) const {
    return Pseudonymiser(load_key_file(folder_.path() / key));
  }
  // The new name of a person of the run.
  [[nodiscard]] std::string new_name(const char* key, std::size_t person) const {
    Pseudonymiser names(load_key_file(folder_.path() / key));
    Pseudonym name;
    names.name(std::span<const Pseudonym>(&run_.persons[person].pseudonym, 1), std::span(&name, 1));
    return hex(name);
  }
  void write_objections(const std::string& rows) {
    on_root([&] { write_file_durably(folder_.path() / "optout.csv", "nhs_number,kind,date\n" + rows, 0600); });
    job_.consent.objections = {(folder_.path() / "optout.csv").string()};
  }
  // The result of a check of verify.
  std::uint64_t violations(const std::string& name) {
    RunFiles files(run_.publish);
    for (const Check& check : verify_run(world_, files)) {
      if (check.name == name) return check.violations;
    }
    ADD_FAILURE() << "no check " << name;
    return 0;
  }

  Communicator world_ = Communicator::world();
  SharedFolder folder_{world_};
  TinyRun run_{folder_.path()};
  JobFile job_;
};

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

TEST_F(ReleaseJob, the_same_customer_is_refused_a_second_basis) {
  // Somebody who has a file with the objectors and one without can tell who objected: so it once happened.
  make(kExtract);
  expect_refused(Text(kExtract).set("id", "\"A-9\"").set("key", "\"b.key\"").set("legal_basis", "\"regulation-3\""),
                 "comparing the two would tell who objected");
  expect_refused(Text(kExtract).set("legal_basis", "\"court-order\""), "comparing the two would tell who objected");
}

TEST_F(ReleaseJob, with_and_without_objectors_no_name_is_the_same_though_the_log_knows_of_neither) {
  // Two runs with a log each: what one of them gave is not in the other's.
  const Text exempt = Text(kExtract).set("id", "\"A-9\"").set("legal_basis", "\"regulation-3\"");
  const Rows applied = read_csv(make(kExtract) / "persons.csv");
  on_root([&] {
    std::filesystem::remove(run_.secure / "audit.log");
    const Manifest& run = run_.manifest;
    append_audit(run_.secure, {"rebuild", {{"run_id", run.run_id}, {"content_digest", run.content_digest}}});
  });
  const Rows not_applied = read_csv(make(exempt) / "persons.csv");
  ASSERT_EQ(applied.size(), not_applied.size());
  std::set<std::string> names;
  for (const auto* rows : {&applied, &not_applied}) {
    for (std::size_t i = 1; i < rows->size(); ++i) names.insert((*rows)[i].front());
  }
  EXPECT_EQ(names.size(), 2 * (applied.size() - 1));
}

TEST_F(ReleaseJob, a_key_that_would_let_two_files_be_joined_is_refused) {
  expect_refused(Text(kExtract).set("key", "\"main.key\""), "its key is the key of the dataset");
  std::string reason;
  read_audit_log(run_.secure, [&](const AuditEntry& entry) { reason = entry.action + ": " + entry.text("reason"); });
  EXPECT_NE(reason.find("refused: "), std::string::npos);
  EXPECT_NE(reason.find("its key is the key of the dataset"), std::string::npos);
  make(kExtract);
  expect_refused(Text(kExtract)
                     .set("id", "\"A-2\"")
                     .set("recipient", "\"Acme Ltd\"")
                     .set("recipient_type", "\"company\"")
                     .set("purpose", "\"trials\""),
                 "its key is that of agreement A-1");
  expect_refused(
      Text(kExtract).set("recipient", "\"Acme Ltd\"").set("recipient_type", "\"company\"").set("purpose", "\"trials\""),
      "agreement A-1 is with University of Leeds");
  on_root([&] { append_audit(run_.secure, {"rebuild", {{"key_id", pseudonymiser("b.key").key_id()}}}); });
  expect_refused(Text(kExtract).set("key", "\"b.key\""), "its key was the key of a dataset");
}

TEST_F(ReleaseJob, without_the_log_or_the_ledger_of_the_run_it_is_refused) {
  const std::string log = read_small_file(run_.secure / kAuditFile);
  for (const std::string& other : {std::string(), std::string("not a log"), log.substr(0, log.size() - 30)}) {
    on_root([&] { write_file_durably(run_.secure / kAuditFile, other, 0600); });
    expect_refused(kExtract, "does not have the making of this run", kExitFailed);
    EXPECT_EQ(violations("audit log has the making of this run"), 1U);
  }
  on_root([&] { write_file_durably(run_.secure / kAuditFile, log, 0600); });
  EXPECT_EQ(violations("audit log has the making of this run"), 0U);

  // The run's ledger has what was coded in rows: who takes an entry out would have that person released.
  const std::string who = std::to_string(tiny_nhs_number(3)),
                    ledger = "nhs_number,kind,date\n" + who + ",type2,2014-01-01\n";
  on_root([&] {
    write_file_durably(run_.secure / "objections.csv", ledger, 0600);
    run_.manifest.consent.ledger_version =
        hex(ObjectionLedger({{tiny_nhs_number(3), *day_number({2014, 1, 1}), ObjectionKind::type2, false}}).version());
    write_manifest(run_.manifest);
  });
  const std::string check = "ledger of objections is what the run was made with";
  EXPECT_EQ(violations(check), 0U);
  make(kExtract);
  on_root([&] { write_file_durably(run_.secure / "objections.csv", "nhs_number,kind,date\n", 0600); });
  const std::string said = refusal(kExtract, kExitFailed);
  EXPECT_NE(said.find("is not the ledger of objections"), std::string::npos) << said;
  EXPECT_EQ(said.find(who), std::string::npos);
  EXPECT_EQ(violations(check), 1U);
}

TEST_F(ReleaseJob, a_key_file_that_others_can_read_or_that_is_too_short_is_refused) {
  on_root([&] { std::filesystem::permissions(folder_.path() / "a.key", std::filesystem::perms(0640)); });
  expect_refused(kExtract, "chmod 600");
  on_root([&] { write_file_durably(folder_.path() / "a.key", std::string(31, 'k'), 0600); });
  expect_refused(kExtract, "must hold 32 to 4096 random bytes");
  expect_refused(Text(kExtract).set("key", "\"none.key\""), "no such key file");
  expect_refused(Text(kExtract).set("key", "\"publish/a.key\""), "the key must not lie in");
}

TEST_F(ReleaseJob, below_k_it_is_refused_and_what_was_measured_is_in_the_log) {
  // 1/11 of 300 persons are of sex 9, and 1/3 of the others of each of 0, 1 and 2.
  std::map<int, std::uint64_t> classes;
  for (const TinyPerson& person : run_.persons) ++classes[person.sex];
  std::uint64_t smallest = run_.persons.size();
  for (const auto& [sex, count] : classes) smallest = std::min(smallest, count);
  expect_refused(Text(kExtract).set("k", std::to_string(smallest + 1)), "the rarest holds " + std::to_string(smallest),
                 kExitLimit);
  std::optional<AuditEntry> last;
  read_audit_log(run_.secure, [&](const AuditEntry& entry) { last = entry; });
  ASSERT_TRUE(last);
  EXPECT_EQ(last->action, "refused");
  EXPECT_EQ(last->number("smallest_class"), smallest);
  EXPECT_EQ(last->number("classes"), classes.size());
  EXPECT_EQ(last->number("persons_below_k"), smallest);
  EXPECT_NE(make(Text(kExtract).set("k", std::to_string(smallest))), "");
}

TEST_F(ReleaseJob, without_a_register_or_for_nobody_or_over_a_broken_log_it_is_refused) {
  expect_refused(Text(kExtract).add("[cohort]\nborn_from = 2060\n"), "no person fits the agreement's cohort");
  expect_refused(Text(kExtract).add("[cohort]\nareas = [\"ZZ9\"]\n"), "there is no area 'ZZ9'");
  expect_refused(Text(kExtract).set("expiry", "2014-01-01"), "the agreement expired on 2014-01-01");
  expect_refused(Text(kExtract).set("start", "2069-01-01"), "the agreement starts on 2069-01-01 only");
  make(kExtract);
  const std::string log = read_small_file(run_.secure / kAuditFile);
  on_root([&] {
    std::string changed = log;
    changed[log.find("University")] = 'V';
    write_file_durably(run_.secure / kAuditFile, changed + log, 0600);
  });
  expect_refused(kExtract, "audit log, line", kExitFailed);
  on_root([&] { write_file_durably(run_.secure / kAuditFile, log, 0600); });
  job_.customers.reset();
  expect_refused(kExtract, "nothing can be released without a register");
  job_.customers = folder_.path() / "customers.csv";
  job_.release_folder.reset();
  expect_refused(kExtract, "'folder' in [release] must say");
}

TEST_F(ReleaseJob, every_release_is_in_the_log_before_it_has_a_name_and_in_the_public_register) {
  const std::filesystem::path made = make(kExtract);
  std::optional<AuditEntry> entry;
  read_audit_log(run_.secure, [&](const AuditEntry& last) { entry = last; });
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->action, "release");
  EXPECT_EQ(entry->text("agreement"), "A-1");
  EXPECT_EQ(entry->text("content_digest"), run_.manifest.content_digest);
  EXPECT_EQ(entry->text("key_id"), pseudonymiser("a.key").key_id());
  EXPECT_EQ(entry->number("persons"), run_.persons.size());
  EXPECT_EQ(entry->text("output_sha256"), hex(sha256(read_small_file(made / "digests.txt"))));
  EXPECT_NE(read_small_file(made / "release.json").find(entry->hash), std::string::npos);
  testing::internal::CaptureStdout();
  EXPECT_EQ(print_register(world_, job_), kExitDone);
  const std::string said = testing::internal::GetCapturedStdout();
  if (world_.is_root()) {
    EXPECT_NE(said.find(",A-1,1,University of Leeds,researcher,asthma,section-261,2000-01-01,2070-01-01,extract"),
              std::string::npos)
        << said;
    EXPECT_EQ(said.find(entry->text("key_id")), std::string::npos);
  }
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

TEST_F(ReleaseJob, tables_that_would_give_back_what_others_hide_are_refused) {
  expect_refused(Text(kAggregate)
                     .add("[[table]]\nname = \"a\"\ncount = \"persons\"\ndimensions = [\"age_band\"]\n"
                          "[[table]]\nname = \"b\"\ncount = \"persons\"\ndimensions = [\"year_of_birth\"]\n"),
                 "not both");
  expect_refused(Text(kAggregate)
                     .add("[[table]]\nname = \"a\"\ncount = \"events\"\ndataset = \"gp\"\ndimensions = "
                          "[\"event_date\"]\ndates = \"month\"\n[[table]]\nname = \"b\"\ncount = \"events\"\n"
                          "dataset = \"gp\"\ndimensions = [\"event_date\"]\ndates = \"year\"\n"),
                 "by month in one table and by year in another");
}

TEST_F(ReleaseJob, verify_finds_a_changed_log_and_changed_inputs) {
  const std::filesystem::path input = folder_.path() / "gp.csv";
  const std::string bytes = "record_id\n" + std::string(9'000'000, 'x') + "\n";  // two blocks
  on_root([&] {
    write_file_durably(input, bytes, 0600);
    const std::size_t block = std::size_t{8} << 20;
    const auto all = std::as_bytes(std::span(bytes));
    const std::array<Digest, 2> blocks = {digest(all.first(block)), digest(all.subspan(block))};
    Manifest manifest = run_.manifest;
    manifest.files[0].path = input.string();
    manifest.files[0].bytes = bytes.size();
    manifest.file_reports[0].digest = digest(std::as_bytes(std::span(blocks)));
    write_manifest(manifest);
    append_audit(run_.secure, {"rebuild", {{"persons", std::uint64_t{1}}}});
  });
  const std::string chain = "audit log is one unbroken chain", inputs = "inputs that are still there are what was read";
  EXPECT_EQ(violations(chain), 0U);
  EXPECT_EQ(violations(inputs), 0U);
  on_root([&] {
    std::string changed = bytes;
    changed[8'500'000] = 'y';
    write_file_durably(input, changed, 0600);
    std::string log = read_small_file(run_.secure / kAuditFile);
    log[log.find("\"persons\":1") + 10] = '2';
    write_file_durably(run_.secure / kAuditFile, log + log, 0600);
  });
  EXPECT_EQ(violations(chain), 1U);
  EXPECT_EQ(violations(inputs), 1U);
  on_root([&] { write_file_durably(input, bytes + "more\n", 0600); });
  EXPECT_EQ(violations(inputs), 1U);
}

TEST(Keys, are_made_once_for_their_owner_alone_and_named_by_an_id) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const std::filesystem::path path = folder.path() / "a.key";
  testing::internal::CaptureStdout();
  EXPECT_EQ(new_key(world, path), kExitDone);
  const std::string made = testing::internal::GetCapturedStdout();
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(status.st_size, 32);
  const auto exit_code = [&](const std::filesystem::path& file) {
    try {
      return new_key(world, file);
    } catch (const Error& error) {
      return error.exit_code();
    }
  };
  EXPECT_EQ(exit_code(path), kExitWrongUse);  // no key is ever written over
  testing::internal::CaptureStdout();
  EXPECT_EQ(show_key_id(world, path), kExitDone);
  const std::string shown = testing::internal::GetCapturedStdout();
  EXPECT_EQ(shown, made);
  if (world.is_root()) {
    EXPECT_EQ(shown.size(), 17U);
    const SecretBytes key = load_key_file(path);
    std::string digits;
    for (const std::byte b : key) {
      constexpr const char* kHex = "0123456789abcdef";
      digits += kHex[std::to_integer<int>(b >> 4)];
      digits += kHex[std::to_integer<int>(b & std::byte{15})];
    }
    EXPECT_EQ(digits.find(shown.substr(0, 16)), std::string::npos);
  }
  EXPECT_EQ(exit_code(folder.path() / "none" / "b.key"), kExitWrongUse);
}

}  // namespace
}  // namespace ligature
