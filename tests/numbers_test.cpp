// The linkage rules through a whole rebuild, on small extracts made by hand: whose a number is, what is no evidence,
// which misspelt numbers are found, who stays apart; and that ranks do not show.
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/identity_records.hpp"
#include "io/manifest.hpp"
#include "io/secure_index.hpp"
#include "jobs/jobs.hpp"
#include "tests/identity_maker.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

// A valid NHS number for each person, none next to another.
std::string nhs(std::size_t person) {
  return std::to_string(number_of_stem(1'000 * person));
}

// The same with one digit wrong.
std::string misspelt(const std::string& number) {
  std::string wrong = number;
  wrong[4] = wrong[4] == '9' ? '0' : static_cast<char>(wrong[4] + 1);
  return wrong;
}

std::string birth_of(std::size_t person) {
  return std::to_string(1930 + person % 71) + "-0" + std::to_string(1 + person % 9) + "-" +
         std::to_string(10 + person % 19);
}

// Far from each other in spelling, and from those that the cases name.
std::string postcode_of(std::size_t person) {
  const std::string letters = "ABDEFGHJLNPQRSTUWXYZ";
  std::string text = "YO" + std::to_string(1 + person / 400 % 9) + " " + std::to_string(person % 10);
  text += letters[person / 10 % 20];
  text += letters[person / 200 % 20];
  return text;
}

// What a rebuild said of each row, by row id.
struct Outcome {
  std::map<std::string, std::uint64_t> person;
  std::map<std::string, LinkKind> kind;
  std::map<std::string, std::uint8_t> flags;
  Manifest manifest;

  [[nodiscard]] bool together(const std::string& a, const std::string& b) const { return person.at(a) == person.at(b); }
  [[nodiscard]] bool is_flagged(const std::string& row, Evidence::Flag flag) const {
    return (flags.at(row) & flag) != 0;
  }
};

class Numbers : public testing::Test {
 protected:
  // Two hundred people without errors, with a row in either extract: who the others are seen against.
  Numbers() {
    for (std::size_t p = 1'000; p < 1'200; ++p) {
      for (const char* dataset : {"gp", "ae"}) {
        add(dataset, dataset + std::to_string(p), nhs(p), birth_of(p), postcode_of(p), p % 2 == 0 ? "1" : "2");
      }
    }
  }

  void add(const std::string& dataset, const std::string& id, const std::string& number, const std::string& birth,
           const std::string& postcode, const std::string& sex, const std::string& provider = "") {
    rows_[dataset] += id + "," + number + "," + birth + "," + postcode + "," + sex + "," + provider + "\n";
  }
  // A row in both extracts: <id>-gp and <id>-ae.
  void add_known(const std::string& id, const std::string& number, const std::string& birth,
                 const std::string& postcode, const std::string& sex) {
    add("gp", id + "-gp", number, birth, postcode, sex);
    add("ae", id + "-ae", number, birth, postcode, sex);
  }

  // Collective.  Rebuilds the rows under a communicator.
  Outcome rebuilt(const Communicator& comm, const std::vector<std::string>& overrides = {}) {
    const SharedFolder folder(comm);
    if (comm.is_root()) {
      for (const auto& [dataset, rows] : rows_) {
        write_file_durably(folder.path() / (dataset + ".csv"), "id,nhs,birth,postcode,sex,provider\n" + rows, 0600);
      }
      write_file_durably(folder.path() / "superseded.csv", "old_nhs_number,new_nhs_number\n" + superseded_, 0600);
      write_file_durably(folder.path() / "test.key", "a key of these tests: 32 bytes.. ", 0600);
      std::string text =
          "[job]\nsecure = \"secure\"\npublish = \"publish\"\nkey = \"test.key\"\nas_at = 2014-04-01\n"
          "[reference]\nsuperseded = \"superseded.csv\"\n";
      for (const auto& [dataset, rows] : rows_) {
        text += "[[extract]]\ndataset = \"" + dataset + "\"\nfiles = \"" + dataset +
                ".csv\"\ncolumns = { row_id = \"id\", nhs_number = \"nhs\", date_of_birth = \"birth\", "
                "postcode = \"postcode\", gender = \"sex\", provider = \"provider\" }\n";
      }
      write_file_durably(folder.path() / "job.toml", text, 0600);
    }
    comm.barrier();
    const JobFile job = load_job_file(folder.path() / "job.toml", overrides);
    EXPECT_EQ(rebuild(comm, job), kExitDone);
    Outcome outcome;
    outcome.manifest = read_manifest(job.publish);
    read_secure_index(job.secure, 0, 1, [&](const IndexRow& row) {
      const IdentityRecord record = read_identity_record(job.secure, row.identity);
      outcome.person.emplace(row.row_id, row.person);
      outcome.kind.emplace(row.row_id, record.provenance.kind);
      outcome.flags.emplace(row.row_id, record.evidence.flags);
    });
    return outcome;
  }

  // Collective.  By all ranks; and by one, which must come to the same.
  Outcome rebuilt() {
    Outcome by_all = rebuilt(world_);
    const Communicator alone = world_.split(world_.rank());
    if (world_.is_root() && world_.size() > 1) {
      const Outcome by_one = rebuilt(alone);
      EXPECT_EQ(by_one.manifest.content_digest, by_all.manifest.content_digest);
      EXPECT_EQ(by_one.person, by_all.person);
      EXPECT_EQ(by_one.kind, by_all.kind);
      EXPECT_EQ(by_one.flags, by_all.flags);
    }
    world_.barrier();
    return by_all;
  }

  const Communicator world_ = Communicator::world();
  std::map<std::string, std::string> rows_;
  std::string superseded_;
};

TEST_F(Numbers, row_with_the_number_of_another_goes_to_its_own_person_by_the_rest) {
  add_known("anna", nhs(1), "1950-02-03", "LS1 4AP", "2");
  add_known("john", nhs(2), "1971-11-23", "M1 1AE", "1");
  add("ae", "anna-wrong", nhs(2), "1950-02-03", "LS1 4AP", "2");
  const Outcome found = rebuilt();
  EXPECT_TRUE(found.together("anna-wrong", "anna-gp"));
  EXPECT_TRUE(found.together("anna-gp", "anna-ae"));
  EXPECT_TRUE(found.together("john-gp", "john-ae"));
  EXPECT_FALSE(found.together("anna-wrong", "john-gp"));
  EXPECT_TRUE(found.is_flagged("anna-wrong", Evidence::number_disowned));
  EXPECT_FALSE(found.is_flagged("john-gp", Evidence::number_disowned));
  EXPECT_EQ(found.kind.at("anna-wrong"), LinkKind::other_identifiers);
  EXPECT_EQ(found.manifest.numbers.contested, 1U);
  EXPECT_EQ(found.manifest.numbers.rows_disowned, 1U);
}

TEST_F(Numbers, baby_under_its_mothers_number_is_not_its_mother_and_is_itself_where_it_is_known) {
  add_known("mother", nhs(1), "1985-03-02", "LS1 4AP", "2");
  add_known("baby", nhs(2), "2014-01-20", "LS1 4AP", "1");
  add("ae", "baby-at-birth", nhs(1), "2014-01-20", "LS1 4AP", "1");
  add_known("other-mother", nhs(3), "1986-07-08", "M1 1AE", "2");
  // A boy: of a girl so small a file could not tell whether she is her mother with a wrong date of birth.
  add("ae", "unknown-baby", nhs(3), "2014-02-11", "M1 1AE", "1");
  const Outcome found = rebuilt();
  EXPECT_TRUE(found.together("baby-at-birth", "baby-gp"));
  EXPECT_FALSE(found.together("baby-at-birth", "mother-gp"));
  EXPECT_TRUE(found.together("mother-gp", "mother-ae"));
  EXPECT_FALSE(found.together("unknown-baby", "other-mother-gp"));
  EXPECT_TRUE(found.is_flagged("unknown-baby", Evidence::number_disowned));
  EXPECT_EQ(found.kind.at("unknown-baby"), LinkKind::alone);
  // Both are one record each, and the number names only her whose it is.
  const std::vector<std::uint64_t>& persons = found.manifest.persons_by_id_type;
  EXPECT_EQ(persons[static_cast<std::size_t>(IdType::contested)], 1U);
  EXPECT_EQ(persons[static_cast<std::size_t>(IdType::nhs_number)], found.manifest.persons - 1);
}

TEST_F(Numbers, record_with_an_odd_birthday_goes_back_to_its_number_if_it_fits_nobody_else) {
  add_known("anna", nhs(1), "1950-02-03", "LS1 4AP", "2");
  add("ae", "anna-odd", nhs(1), "1950-11-28", "LS1 4AP", "2");
  const Outcome found = rebuilt();
  EXPECT_TRUE(found.together("anna-odd", "anna-gp"));
}

TEST_F(Numbers, record_that_fits_nobody_else_is_not_its_numbers_if_it_has_no_postcode_to_be_found_by) {
  // Numbers are often wrong here.
  for (std::size_t p = 2'000; p < 2'120; ++p) {
    add_known("known" + std::to_string(p), nhs(p), birth_of(p), postcode_of(p), "1");
    add("ae", "taken" + std::to_string(p), nhs(p), "2001-12-3" + std::to_string(p % 2), postcode_of(p + 250), "2");
  }
  for (const std::string who : {"anna", "jane"}) {
    const std::string number = nhs(who == "anna" ? 1 : 2), postcode = who == "anna" ? "LS1 4AP" : "M1 1AE";
    add_known(who, number, "1950-02-03", postcode, "2");
    add("ae", who + "-odd", number, "1950-12-03", who == "anna" ? postcode : "", "2");
  }
  const Outcome found = rebuilt();
  EXPECT_TRUE(found.together("anna-odd", "anna-gp"));
  EXPECT_FALSE(found.together("jane-odd", "jane-gp"));
  EXPECT_TRUE(found.is_flagged("jane-odd", Evidence::number_disowned));
}

TEST_F(Numbers, record_with_an_odd_birthday_is_another_persons_if_its_provider_knows_the_owner) {
  // What the file shows: a person's dates differ between practice and hospital, and never within a hospital; but there
  // others are taken for him.
  for (std::size_t p = 2'000; p < 2'060; ++p) {
    std::string mistyped = birth_of(p);
    mistyped.back() = mistyped.back() == '9' ? '0' : static_cast<char>(mistyped.back() + 1);
    add("gp", "right" + std::to_string(p), nhs(p), birth_of(p), postcode_of(p), "1", "P");
    add("ae", "typed" + std::to_string(p), nhs(p), mistyped, postcode_of(p), "1", "H");
  }
  for (std::size_t p = 2'100; p < 2'130; ++p) {
    add("gp", "known" + std::to_string(p), nhs(p), birth_of(p), postcode_of(p), "1", "P");
    add("ae", "there" + std::to_string(p), nhs(p), birth_of(p), postcode_of(p), "1", "H");
    add("ae", "taken" + std::to_string(p), nhs(p), "2001-12-3" + std::to_string(p % 2), postcode_of(p + 250), "2", "H");
  }
  for (const std::string who : {"anna", "jane"}) {
    const std::string number = nhs(who == "anna" ? 1 : 2), postcode = who == "anna" ? "LS1 4AP" : "M1 1AE";
    add("gp", who + "-gp", number, "1950-02-03", postcode, "2", "P");
    add("ae", who + "-ae", number, "1950-02-03", postcode, "2", "H");
    add("ae", who + "-odd", number, "1961-11-28", postcode, "2", who == "anna" ? "elsewhere" : "H");
  }
  const Outcome found = rebuilt();
  EXPECT_LT(found.manifest.model.provider_shared_by_one, 0.2);
  EXPECT_GT(found.manifest.model.provider_shared_by_two, 0.7);
  EXPECT_TRUE(found.together("anna-odd", "anna-gp"));
  EXPECT_FALSE(found.together("jane-odd", "jane-gp"));
  const Outcome without = rebuilt(world_, {"model.providers=false"});
  EXPECT_EQ(without.manifest.model.provider_shared_by_one, without.manifest.model.provider_shared_by_two);
  EXPECT_EQ(without.together("anna-odd", "anna-gp"), without.together("jane-odd", "jane-gp"));
}

TEST_F(Numbers, date_of_birth_that_a_system_writes_for_everybody_is_found_and_is_no_evidence) {
  for (std::size_t p = 0; p < 60; ++p) {
    const std::string id = "p" + std::to_string(p);
    add("gp", id + "-gp", nhs(p), birth_of(p), postcode_of(p), p % 2 == 0 ? "1" : "2");
    add("ae", id + "-ae", nhs(p), "1965-05-15", postcode_of(p), p % 2 == 0 ? "1" : "2");
  }
  // Two people of one house of whom the system knows no more.
  add("ae", "one", "", "1965-05-15", "LS1 4AP", "1");
  add("gp", "other", "", "1965-05-15", "LS1 4AP", "1");
  add("ae", "plain-one", "", "1965-05-16", "M1 1AE", "1");
  add("gp", "plain-other", "", "1965-05-16", "M1 1AE", "1");
  const Outcome found = rebuilt();
  EXPECT_EQ(found.manifest.numbers.default_births, 1U);
  EXPECT_TRUE(found.is_flagged("p7-ae", Evidence::birth_default));
  EXPECT_FALSE(found.is_flagged("p7-gp", Evidence::birth_default));
  EXPECT_FALSE(found.is_flagged("plain-one", Evidence::birth_default));
  for (std::size_t p = 0; p < 60; ++p) {
    const std::string id = "p" + std::to_string(p);
    EXPECT_TRUE(found.together(id + "-gp", id + "-ae")) << "the number is enough";
  }
  EXPECT_TRUE(found.together("plain-one", "plain-other"));
}

TEST_F(Numbers, number_that_a_system_writes_for_everybody_is_nobodys_and_its_rows_find_their_own_persons) {
  for (std::size_t p = 0; p < 8; ++p) {
    const std::string id = "p" + std::to_string(p), sex = p % 2 == 0 ? "1" : "2";
    add_known(id, nhs(p), birth_of(7 * p), postcode_of(41 * p), sex);
    add("ae", id + "-default", nhs(500), birth_of(7 * p), postcode_of(41 * p), sex);
  }
  add("ae", "nobody", nhs(500), "1999-09-09", "LS1 4AP", "1");
  const Outcome found = rebuilt();
  EXPECT_EQ(found.manifest.numbers.default_numbers, 1U);
  EXPECT_EQ(found.manifest.numbers.rows_default, 9U);
  for (std::size_t p = 0; p < 8; ++p) {
    const std::string id = "p" + std::to_string(p);
    EXPECT_TRUE(found.together(id + "-default", id + "-gp")) << id;
    EXPECT_TRUE(found.is_flagged(id + "-default", Evidence::number_default));
  }
  EXPECT_EQ(found.kind.at("nobody"), LinkKind::alone);
}

TEST_F(Numbers, misspelt_number_is_found_though_neither_birthday_nor_postcode_is_spelt_right) {
  add_known("anna", nhs(1), "1950-02-03", "LS1 4AP", "2");
  const std::string wrong = misspelt(nhs(1));
  ASSERT_FALSE(nhs_check_digit_ok(std::stoull(wrong)));
  add("ae", "anna-misspelt", wrong, "1950-02-08", "LS1 4AR", "2");
  add("ae", "stranger", misspelt(nhs(1'000)), "1999-09-09", "CF10 1EP", "1");
  const Outcome found = rebuilt();
  EXPECT_TRUE(found.together("anna-misspelt", "anna-gp"));
  EXPECT_EQ(found.kind.at("stranger"), LinkKind::alone) << "a number near to another's is not enough";
  const Outcome without = rebuilt(world_, {"model.near_numbers=false"});
  EXPECT_FALSE(without.together("anna-misspelt", "anna-gp"));
}

TEST_F(Numbers, twins_stay_apart_and_a_row_that_fits_both_stays_with_neither) {
  add_known("kim", nhs(1), "2004-05-06", "LS1 4AP", "2");
  add_known("sam", nhs(2), "2004-05-06", "LS1 4AP", "2");
  add("ae", "either", "", "2004-05-06", "LS1 4AP", "2");
  add_known("tom", nhs(3), "1990-10-11", "M1 1AE", "1");
  add_known("tess", nhs(4), "1990-10-11", "M1 1AE", "2");
  add("ae", "tess-too", "", "1990-10-11", "M1 1AE", "2");
  const Outcome found = rebuilt();
  EXPECT_TRUE(found.together("kim-gp", "kim-ae"));
  EXPECT_TRUE(found.together("sam-gp", "sam-ae"));
  EXPECT_FALSE(found.together("kim-gp", "sam-gp"));
  EXPECT_FALSE(found.together("either", "kim-gp"));
  EXPECT_FALSE(found.together("either", "sam-gp"));
  EXPECT_EQ(found.kind.at("either"), LinkKind::apart);
  EXPECT_TRUE(found.together("tess-too", "tess-gp")) << "the gender says which twin";
  EXPECT_FALSE(found.together("tom-gp", "tess-gp"));
}

TEST_F(Numbers, equal_rows_that_fit_both_twins_are_not_put_to_each_other_either) {
  add_known("kim", nhs(1), "2004-05-06", "LS1 4AP", "2");
  add_known("sam", nhs(2), "2004-05-06", "LS1 4AP", "2");
  add_known("either", "", "2004-05-06", "LS1 4AP", "2");
  add("ae", "another", "", "2004-05-06", "LS1 4AP", "2");
  add("ae", "sent-twice", "", "2004-05-06", "LS1 4AP", "2");
  add("ae", "sent-twice", "", "2004-05-06", "LS1 4AP", "2");
  const Outcome found = rebuilt();
  std::set<std::uint64_t> persons;
  for (const char* row : {"kim-gp", "sam-gp", "either-gp", "either-ae", "another", "sent-twice"}) {
    persons.insert(found.person.at(row));
  }
  EXPECT_EQ(persons.size(), 6U);
  EXPECT_EQ(found.manifest.rows_apart, 3U);
  EXPECT_EQ(found.manifest.persons_by_id_type[static_cast<std::size_t>(IdType::ambiguous)], 4U)
      << "a row sent twice is one";
  EXPECT_EQ(found.manifest.persons, 200U + 2U + 4U);
}

TEST_F(Numbers, row_of_a_twin_under_the_other_twins_number_is_not_the_other_twins) {
  add_known("kim", nhs(1), "2004-05-06", "LS1 4AP", "1");
  add_known("sam", nhs(2), "2004-05-06", "LS1 4AP", "2");
  add("ae", "sam-wrong", nhs(1), "2004-05-06", "LS1 4AP", "2");
  const Outcome found = rebuilt();
  EXPECT_FALSE(found.together("kim-gp", "sam-gp")) << "whatever becomes of the row";
}

TEST_F(Numbers, superseded_numbers_are_followed_to_the_current_one_however_many_there_were) {
  superseded_ = nhs(1) + "," + nhs(2) + "\n" + nhs(2) + "," + nhs(3) + "\n";
  add("gp", "first", nhs(1), "1950-02-03", "LS1 4AP", "2");
  add("ae", "second", nhs(2), "1950-02-03", "M1 1AE", "2");
  add("gp", "third", nhs(3), "1950-03-02", "CF10 1EP", "2");
  add_known("next", nhs(4), "1950-02-03", "CF10 1EP", "2");
  const Outcome found = rebuilt();
  EXPECT_TRUE(found.together("first", "second"));
  EXPECT_TRUE(found.together("second", "third"));
  EXPECT_FALSE(found.together("first", "next-gp"));
  EXPECT_EQ(found.manifest.rows.nhs_superseded, 2U);
}

TEST_F(Numbers, a_row_that_fits_one_of_two_twins_is_neithers_wherever_it_is_recorded) {
  const std::uint64_t number = number_of_stem(300'010);
  const std::string first = std::to_string(number);
  const std::string second = std::to_string(number_of_stem(number / 10 - 600'000'000 + 1));
  add_known("first", first, "1999-05-07", "LS1 4AP", "1");
  add_known("second", second, "1999-05-07", "LS1 4AP", "1");
  add_known("moved", first, "1999-05-07", "LS2 9JT", "1");
  add("ae", "row", "", "1999-05-07", "LS2 9JT", "1");
  const Outcome outcome = rebuilt();
  EXPECT_TRUE(outcome.together("first-gp", "moved-ae"));
  EXPECT_FALSE(outcome.together("first-gp", "second-gp"));
  EXPECT_TRUE(outcome.is_flagged("first-gp", Evidence::twin_male));
  EXPECT_FALSE(outcome.is_flagged("first-gp", Evidence::twin_female));
  EXPECT_TRUE(outcome.is_flagged("second-gp", Evidence::twin_male));
  EXPECT_EQ(outcome.kind.at("row"), LinkKind::apart);
  const Outcome without = rebuilt(world_, {"model.twins=false"});
  EXPECT_TRUE(without.together("row", "moved-gp"));
}

}  // namespace
}  // namespace ligature
