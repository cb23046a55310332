// Releases that are refused, and leave nothing: a second basis, a key that joins, too few people, no register.  The
// failures of real programmes are set up here and caught.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "engine/date.hpp"
#include "engine/legal_basis.hpp"
#include "engine/linkage_key.hpp"
#include "engine/sha256.hpp"
#include "io/audit_log.hpp"
#include "io/files.hpp"
#include "jobs/release/admission.hpp"
#include "tests/release_fixture.hpp"

namespace ligature {
namespace {

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
    std::filesystem::remove(run_.secure / "audit.head");
    std::filesystem::rename(folder_.path() / "releases", folder_.path() / "handed-over");
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

TEST_F(ReleaseJob, a_changed_agreement_is_a_new_one_and_needs_an_id_and_a_key_of_its_own) {
  // Two extracts under one key are joined by their names, and hold together what k was not measured on.
  const std::string why = "what was released under agreement A-1 before had other terms";
  on_root([&] {
    write_file_durably(folder_.path() / "areas.csv", "outward,area\nLS1,Leeds\n", 0600);
    write_file_durably(folder_.path() / "purposes.csv",
                       read_small_file(*job_.customers) + "University of Leeds,researcher,asthma and more\n", 0600);
  });
  const Text looked_up = Text(kExtract).set("columns", "[\"sex\"]\narea_lookup = \"areas.csv\"");
  make(looked_up);
  const Text changes[] = {
      Text(looked_up).set("columns", "[\"age_band\"]"),
      Text(looked_up).set("columns", "[\"sex\"]\nage_band = 15"),
      Text(looked_up).set("k", "3"),
      Text(looked_up).set("key", "\"b.key\""),
      Text(looked_up).set("dates", "\"day\""),
      Text(looked_up).add("[[dataset]]\nname = \"ae\"\ncolumns = [\"row_id\"]\n"),
      Text(looked_up).add("[cohort]\nborn_from = 1930\n"),
      Text(looked_up).set("area_lookup", ""),
  };
  for (const Text& changed : changes) expect_refused(changed, why);
  on_root([&] { write_file_durably(folder_.path() / "areas.csv", "outward,area\nLS1,York\n", 0600); });
  expect_refused(looked_up, why);
  EXPECT_NE(last_entry().text("reason").find(why), std::string::npos);
  on_root([&] { write_file_durably(folder_.path() / "areas.csv", "outward,area\nLS1,Leeds\n", 0600); });

  // It may be extended, used for more, and written in another format.
  job_.customers = folder_.path() / "purposes.csv";
  make(Text(looked_up)
           .set("start", "2001-01-01")
           .set("expiry", "2071-01-01")
           .set("purpose", "\"asthma and more\"")
           .set("format", "\"hdf5\""));
  expect_refused(Text(looked_up).set("k", "3"), why);
  make(Text(looked_up).set("k", "3").set("id", "\"A-2\"").set("key", "\"b.key\""));
}

TEST_F(ReleaseJob, tables_of_one_agreement_are_of_one_cohort_and_rule) {
  // A year more or less is one year's births, each cell of it however small.
  const Text tables = Text(kAggregate)
                          .add(
                              "[cohort]\nborn_from = 1930\n[[table]]\nname = \"sexes\"\ncount = \"persons\"\n"
                              "dimensions = [\"sex\"]\n");
  make(tables);
  make(tables);
  const std::string why = "what was released under agreement T-1 before had other terms";
  expect_refused(Text(tables).set("born_from", "1931"), why);
  expect_refused(Text(tables).set("rules", "\"hes-2018 v1\""), why);
  expect_refused(Text(tables).set("dimensions", "[\"sex\", \"age_band\"]"), why);
  make(Text(tables).set("born_from", "1931").set("id", "\"T-2\""));
}

TEST_F(ReleaseJob, of_an_entry_without_its_terms_the_text_of_the_agreement_is_asked) {
  // As builds before this one wrote them.
  const Text tables =
      Text(kAggregate).add("[[table]]\nname = \"sexes\"\ncount = \"persons\"\ndimensions = [\"sex\"]\n");
  on_root([&] {
    append_audit(run_.secure, {"release",
                               {{"agreement", std::string("T-1")},
                                {"recipient", std::string("University of Leeds")},
                                {"objections", std::string("applied")},
                                {"agreement_sha256", hex(sha256(tables.str()))}}});
  });
  make(tables);
  expect_refused(Text(tables).set("expiry", "2071-01-01"), "before had other terms (entry 2 of the audit log)");
}

TEST_F(ReleaseJob, a_clock_that_is_behind_neither_lifts_objections_nor_revives_an_agreement) {
  make(kExtract);
  Terms terms;
  terms.agreement.id = "A-9";
  terms.agreement.recipient = "University of Leeds";
  terms.agreement.legal_basis = legal_bases().data();
  const auto said_on = [&](DayNumber today) {
    terms.today = today;
    try {
      admit_release(run_.secure, terms, run_.manifest, job_.release_folder);
    } catch (const Error& error) {
      return std::to_string(error.exit_code()) + ": " + error.what();
    }
    return std::string();
  };
  const auto today = day_number(*parse_date(last_entry().when)).value();
  EXPECT_EQ(said_on(today), "");
  EXPECT_EQ(said_on(static_cast<DayNumber>(today + 400)), "");
  for (const DayNumber back : {static_cast<DayNumber>(today - 1), DayNumber{1}, kMissingDay}) {
    EXPECT_EQ(said_on(back).find("1: the clock is behind the "), 0U) << said_on(back);
  }
  EXPECT_NE(said_on(static_cast<DayNumber>(today - 1)).find("audit log's latest entry"), std::string::npos);
  on_root([&] {
    run_.manifest.started_utc = "2070-01-01T00:00:00Z";
    write_manifest(run_.manifest);
  });
  expect_refused(kExtract, "the clock is behind the start of the run", kExitFailed);
}

TEST_F(ReleaseJob, every_refusal_of_an_agreement_that_could_be_read_is_in_the_log) {
  const auto expect_logged = [&](const Text& text, const std::string& why, const std::string& id) {
    expect_refused(text, why);
    const AuditEntry last = last_entry();
    EXPECT_EQ(last.action, "refused");
    EXPECT_NE(last.text("reason").find(why), std::string::npos) << last.text("reason");
    EXPECT_EQ(last.text("agreement_sha256"), hex(sha256(text.str())));
    EXPECT_EQ(last.text("agreement"), id);
  };
  const Text tables = Text(kAggregate).add("[[table]]\nname = \"a\"\ncount = \"persons\"\ndimensions = ");
  // Found as it is read, when it has no id yet.
  expect_logged(Text(kExtract).set("expiry", "2014-01-01"), "the agreement expired on 2014-01-01", "");
  expect_logged(Text(kExtract).set("recipient", "\"University of Leed\""), "is not on the register", "");
  expect_logged(Text(kExtract).set("purpose", "\"marketing\""), "is not a purpose", "");
  expect_logged(Text(kExtract).set("columns", "[\"postcode\"]"), "'columns' in [persons]", "");
  expect_logged(Text("[agreement\n"), "agreement.toml:1:", "");
  // Found as it is settled, and as it is carried out.
  expect_logged(Text(kExtract).set("key", "\"none.key\""), "no such key file", "A-1");
  expect_logged(Text(kExtract).set("key", "\"main.key\""), "its key is the key of the dataset", "A-1");
  expect_logged(Text(kExtract).add("[cohort]\nborn_from = 2060\n"), "no person fits the agreement's cohort", "A-1");
  expect_logged(Text(tables).add("[\"age_band\", \"year_of_birth\"]\n"), "not both", "T-1");
  job_.customers.reset();
  expect_logged(kExtract, "nothing can be released without a register", "");
  EXPECT_EQ(violations("audit log is one unbroken chain"), 0U);
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

}  // namespace
}  // namespace ligature
