// Local patient ids through a whole rebuild: who is linked by them, who is not, and that ranks do not show.
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "engine/nhs_number.hpp"
#include "io/files.hpp"
#include "io/identity_records.hpp"
#include "io/manifest.hpp"
#include "io/secure_index.hpp"
#include "jobs/jobs.hpp"
#include "jobs/reckoning.hpp"
#include "tests/sanitized.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

// A valid NHS number for each person, none next to another.
std::string nhs(std::size_t person) {
  return std::to_string(tiny_nhs_number(20 * person));
}

// What a rebuild said of each row, by row id.
struct Outcome {
  std::map<std::string, std::uint64_t> person;
  std::map<std::string, LinkKind> kind;
  std::map<std::string, std::uint8_t> notes;  // Provenance::Note
  Manifest manifest;

  [[nodiscard]] bool together(const std::string& a, const std::string& b) const { return person.at(a) == person.at(b); }
  [[nodiscard]] std::size_t persons() const {
    std::set<std::uint64_t> all;
    for (const auto& [row, pseudonym] : person) all.insert(pseudonym);
    return all.size();
  }
};

class LocalIds : public testing::Test {
 protected:
  // rows: record_id,trust,local,nhs,birth,postcode,sex.
  void add(const std::string& row, const std::string& extracted = "2014-04-01") {
    rows_ += row + "," + extracted + "\n";
  }

  // Collective.  Rebuilds the rows under a communicator.
  Outcome rebuilt(const Communicator& comm, const std::vector<std::string>& overrides = {}) {
    const SharedFolder folder(comm);
    if (comm.is_root()) {
      write_file_durably(folder.path() / "rows.csv", "id,trust,local,nhs,birth,postcode,sex,extracted\n" + rows_, 0600);
      write_file_durably(folder.path() / "objections.csv", "nhs_number,kind,date\n" + objections_, 0600);
      write_file_durably(folder.path() / "test.key", "a key of these tests: 32 bytes.. ", 0600);
    }
    comm.barrier();
    const std::string text = R"([job]
secure = "secure"
publish = "publish"
key = "test.key"
as_at = 2014-04-01
[[extract]]
dataset = "ip"
files = "rows.csv"
columns = { row_id = "id", provider = "trust", local_id = "local", nhs_number = "nhs", date_of_birth = "birth", postcode = "postcode", gender = "sex", extracted = "extracted" }
[consent]
objections = ["objections.csv"]
)";
    if (comm.is_root()) write_file_durably(folder.path() / "job.toml", text, 0600);
    comm.barrier();
    const JobFile job = load_job_file(folder.path() / "job.toml", overrides);
    EXPECT_EQ(rebuild(comm, job), kExitDone);
    Outcome outcome;
    outcome.manifest = read_manifest(job.publish);
    read_secure_index(job.secure, 0, 1, [&](const IndexRow& row) {
      outcome.person.emplace(row.row_id, row.person);
      const Provenance provenance = read_identity_record(job.secure, row.identity).provenance;
      outcome.kind.emplace(row.row_id, provenance.kind);
      outcome.notes.emplace(row.row_id, provenance.notes);
    });
    return outcome;
  }
  Outcome rebuilt(const std::vector<std::string>& overrides = {}) { return rebuilt(world_, overrides); }

  const Communicator world_ = Communicator::world();
  std::string rows_, objections_;
};

TEST_F(LocalIds, row_without_a_number_after_a_move_is_linked_by_the_same_providers_id_alone) {
  add("home,T1,L1," + nhs(0) + ",1970-03-04,LS1 4AP,1");
  add("moved,T1, l1 ,,1970-03-04,M1 1AE,1");
  add("elsewhere,T2,L1,,1970-03-04,CF10 1EP,1");
  const Outcome with = rebuilt();
  EXPECT_TRUE(with.together("home", "moved"));
  EXPECT_FALSE(with.together("home", "elsewhere"));
  EXPECT_EQ(with.kind.at("moved"), LinkKind::local_id);
  EXPECT_EQ(with.kind.at("home"), LinkKind::same_number);
  EXPECT_EQ(with.kind.at("elsewhere"), LinkKind::alone);
  EXPECT_EQ(with.manifest.local_ids.ids, 2U);
  EXPECT_EQ(with.manifest.passes.back().name, "local_id");
  EXPECT_EQ(with.manifest.passes.back().edges, 1U);

  const Outcome without = rebuilt({"model.use_local_id=false"});
  EXPECT_FALSE(without.together("home", "moved"));
  EXPECT_EQ(without.manifest.passes.back().name, "moves");
}

TEST_F(LocalIds, row_with_the_id_of_another_person_is_not_linked) {
  add("owner,T1,L2," + nhs(0) + ",1950-01-02,LS2 7EA,2");
  add("stranger,T1,L2,,1988-09-10,YO10 5DD,1");
  const Outcome outcome = rebuilt();
  EXPECT_FALSE(outcome.together("owner", "stranger"));
  EXPECT_EQ(outcome.manifest.local_ids.reused_ids, 1U);
}

TEST_F(LocalIds, rows_that_nothing_else_tells_apart_are_linked_by_it) {
  add("known,T1,L3," + nhs(0) + ",1970-03-04,LS1 4AP,1");
  add("nameless,T1,L3,,,,1");
  add("first,T1,L4,,,M1 1AE,2");
  add("second,T1,L4,,,,2");
  add("filler,T1,UNKNOWN,,,M1 1AE,2");
  add("nobody,T1,,,,M1 1AE,2");
  const Outcome outcome = rebuilt();
  EXPECT_TRUE(outcome.together("known", "nameless"));
  EXPECT_EQ(outcome.kind.at("nameless"), LinkKind::local_id);
  EXPECT_TRUE(outcome.together("first", "second"));
  EXPECT_EQ(outcome.kind.at("filler"), LinkKind::one_time);
  EXPECT_EQ(outcome.persons(), 4U);
  // Named by its number although the other row's identity may come first; two rows are not a row that nothing links.
  const auto& types = outcome.manifest.persons_by_id_type;
  EXPECT_EQ(types[static_cast<std::size_t>(IdType::nhs_number)], 1U);
  EXPECT_EQ(types[static_cast<std::size_t>(IdType::other)], 1U);
  EXPECT_EQ(types[static_cast<std::size_t>(IdType::one_time)], 2U);
}

TEST_F(LocalIds, equal_rows_that_fit_both_twins_stay_together_under_one_id_and_apart_under_two) {
  add("kim,T1,K1," + nhs(0) + ",2004-05-06,LS1 4AP,2");
  add("sam,T1,S1," + nhs(1) + ",2004-05-06,LS1 4AP,2");
  add("visit1,T2,V1,,2004-05-06,LS1 4AP,2");
  add("visit2,T2,V1,,2004-05-06,LS1 4AP,2");
  add("visit3,T2,V2,,2004-05-06,LS1 4AP,2");
  add("visit4,T2,,,2004-05-06,LS1 4AP,2");
  const Outcome outcome = rebuilt();
  EXPECT_EQ(outcome.persons(), 5U);
  EXPECT_TRUE(outcome.together("visit1", "visit2"));
  EXPECT_FALSE(outcome.together("visit1", "visit3"));
  EXPECT_FALSE(outcome.together("visit3", "visit4"));
}

TEST_F(LocalIds, rows_that_one_provider_has_under_two_ids_are_of_two_people) {
  // Nobody with a number has two ids of one provider.
  for (std::size_t p = 100; p < 900; ++p) {
    for (const char* row : {"a", "b", "c"}) {
      add("known" + std::to_string(p) + row + ",T1,P" + std::to_string(p) + "," + nhs(p) + "," +
          std::to_string(1930 + p % 71) + "-0" + std::to_string(1 + p % 9) + "-" + std::to_string(10 + p % 19) +
          ",YO1 " + std::to_string(p % 10) + "AA,1");
    }
  }
  add("owner,T1,A1," + nhs(0) + ",1994-04-25,LS1 4AP,2");
  add("moved1,T1,A1,,1994-04-25,M1 1AE,2");
  add("moved2,T1,A2,,1994-04-25,M1 1AE,2");
  add("hall1,T1,B1,,1993-10-02,B23 1ZZ,2");
  add("hall2,T1,B2,,1993-10-02,B23 1ZZ,2");
  add("visit1,T1,C1,,1961-07-08,CF10 1EP,2");
  add("visit2,T1,C1,,1961-07-08,CF10 1EP,2");
  // What fits somebody whom its provider has under another id is not of that person.
  add("resident,T1,D1," + nhs(1) + ",1955-01-09,LS6 2QH,1");
  add("namesake,T1,D2,,1955-01-09,LS6 2QH,1");
  add("neighbour,T1,E1," + nhs(2) + ",1957-02-11,LS6 2QH,1");
  add("unregistered,T1,,,1957-02-11,LS6 2QH,1");
  const Outcome outcome = rebuilt();
  EXPECT_FALSE(outcome.together("resident", "namesake"));
  EXPECT_EQ(outcome.notes.at("namesake"), Provenance::other_patient);
  EXPECT_TRUE(outcome.together("neighbour", "unregistered"));
  EXPECT_LT(outcome.manifest.model.several_patients, 1.0 / 32);
  EXPECT_FALSE(outcome.together("moved1", "moved2"));
  EXPECT_FALSE(outcome.together("owner", "moved1"));
  EXPECT_EQ(outcome.kind.at("moved1"), LinkKind::apart);
  EXPECT_FALSE(outcome.together("hall1", "hall2"));
  EXPECT_TRUE(outcome.together("visit1", "visit2"));
  const Outcome without = rebuilt({"model.providers=false"});
  EXPECT_TRUE(without.together("resident", "namesake"));
  EXPECT_TRUE(without.together("owner", "moved1"));
  EXPECT_TRUE(without.together("hall1", "hall2"));
}

TEST_F(LocalIds, equal_rows_stay_one_persons_where_people_have_several_ids_of_a_provider) {
  for (std::size_t p = 100; p < unless_sanitized(900U, 400U); ++p) {
    for (const char* row : {"a", "b", "c"}) {
      add("known" + std::to_string(p) + row + ",T1,P" + std::to_string(p) + row + "," + nhs(p) + ",1961-07-08,YO1 " +
          std::to_string(p % 10) + "AA,1");
    }
  }
  add("hall1,T1,B1,,1993-10-02,B23 1ZZ,2");
  add("hall2,T1,B2,,1993-10-02,B23 1ZZ,2");
  EXPECT_TRUE(rebuilt().together("hall1", "hall2"));
}

TEST_F(LocalIds, id_that_is_written_for_everybody_links_nobody) {
  constexpr std::size_t kPeople = 40;
  for (std::size_t p = 0; p < kPeople; ++p) {
    const std::string day = std::to_string(1940 + p) + "-0" + std::to_string(1 + p % 9) + "-17";
    add("p" + std::to_string(p) + ",T1,TEMP1," + nhs(p) + "," + day + ",LS1 4AP,1");
    add("n" + std::to_string(p) + ",T1,TEMP1,,,,1");
  }
  const Outcome outcome = rebuilt();
  EXPECT_EQ(outcome.persons(), 2 * kPeople);
  EXPECT_EQ(outcome.manifest.local_ids.ids, 1U);
  EXPECT_EQ(outcome.manifest.local_ids.default_ids, 1U);
  EXPECT_EQ(outcome.manifest.passes.back().edges, 0U);
  EXPECT_EQ(outcome.manifest.passes.back().pairs_compared, 0U);
}

// So many rows that they are counted, and few of them sent, before they come together.
TEST_F(LocalIds, flood_of_one_id_links_nobody_and_takes_no_other_id_with_it) {
  constexpr std::size_t kPeople = 5'000;
  std::uint64_t number = 5'000'000'000;
  for (std::size_t p = 0; p < kPeople; ++p) {
    for (number += 200; !nhs_check_digit_ok(number);) ++number;
    const std::string rest = ",19" + std::to_string(10 + p % 90) + "-0" + std::to_string(1 + p % 9) + "-17,LS1 4AP,1";
    add("p" + std::to_string(p) + ",T1,TEMP1," + std::to_string(number) + rest);
  }
  for (std::size_t p = 0; p < 100; ++p) {
    const std::string id = ",T1,L" + std::to_string(p) + ",";
    add("with" + std::to_string(p) + id + nhs(p) + ",1970-03-05,YO" + std::to_string(10 + p % 80) + " 1AA,1");
    add("without" + std::to_string(p) + id + ",1970-03-05,,1");
  }
  const Outcome outcome = rebuilt();
  EXPECT_EQ(outcome.manifest.local_ids.ids, 101U);
  EXPECT_EQ(outcome.manifest.local_ids.default_ids, 1U);
  EXPECT_EQ(outcome.manifest.passes.back().edges, 100U);
  EXPECT_EQ(outcome.persons(), kPeople + 100);
  EXPECT_TRUE(outcome.together("with42", "without42"));
}

TEST_F(LocalIds, barred_rows_count_the_same_for_any_number_of_ranks_though_kept_rows_have_their_identities_too) {
  // An id of a kept row that fits an objector best, of whom only barred rows are left, and of another's rows, some of
  // which are barred too.
  const auto objectors_row_is_found = [&](const Communicator& comm, std::size_t barred_alone) {
    rows_.clear();
    const auto postcode = [](std::size_t p) { return std::to_string(p / 10) + " " + std::to_string(p % 10) + "AA,1"; };
    for (std::size_t p = 0; p < 24; ++p) {
      const std::string row = ",T1,L1," + nhs(0) + ",1970-03-04,LS" + postcode(10 + p);
      add("kept" + std::to_string(p) + row, "2012-01-01");
      if (p < 5) add("barred" + std::to_string(p) + row, "2014-01-01");
    }
    for (std::size_t p = 0; p < barred_alone; ++p) {
      add("gone" + std::to_string(p) + ",T1,L1," + nhs(1) + ",1970-03-05,YO" + postcode(10 + p), "2013-01-01");
    }
    add("unnumbered,T1,L1,,1970-03-05,,1", "2013-01-01");
    objections_ = nhs(0) + ",type1,2013-06-01\n" + nhs(1) + ",type1,2011-01-01\n";
    return !rebuilt(comm).person.contains("unnumbered");
  };
  const Communicator alone = world_.split(world_.rank());
  // 32 identities in all are compared, one more is an id that is nobody's.
  for (const std::size_t barred_alone : {7U, 8U, 10U}) {
    EXPECT_EQ(objectors_row_is_found(world_, barred_alone), barred_alone == 7) << barred_alone;
    if (world_.is_root()) {
      EXPECT_EQ(objectors_row_is_found(alone, barred_alone), barred_alone == 7) << barred_alone;
    }
    world_.barrier();
  }
}

TEST_F(LocalIds, outcome_is_the_same_for_any_number_of_ranks_and_in_scratch_files) {
  // People of three trusts with rows of every kind, some of whom share an id.
  for (std::size_t p = 0; p < 300; ++p) {
    const std::string id = std::to_string(p), trust = "T" + std::to_string(p % 3);
    const std::string birth =
        std::to_string(1930 + p % 80) + "-0" + std::to_string(1 + p % 7) + "-1" + std::to_string(p % 10);
    const std::string local = trust + ",L" + std::to_string(p / 3 % 97) + "x";
    add("a" + id + "," + local + "," + nhs(p) + "," + birth + ",LS1 4AP,1");
    add("b" + id + "," + local + ",," + birth + ",M1 1AE,1");
    if (p % 3 == 0) add("c" + id + "," + local + ",,,,1");
    if (p % 50 == 0) add("d" + id + "," + trust + ",TEMP1,,," + "LS1 4AP,2");
  }
  const Outcome by_all = rebuilt();
  EXPECT_GT(by_all.manifest.passes.back().edges, 300U);
  const auto least = static_cast<std::uint64_t>(least_memory({}, world_.size(), 1)) + (1U << 20);
  EXPECT_EQ(rebuilt({"job.memory=" + std::to_string(least)}).manifest.content_digest, by_all.manifest.content_digest);
  const Communicator alone = world_.split(world_.rank());
  if (world_.is_root()) {
    const Outcome by_one = rebuilt(alone);
    EXPECT_EQ(by_one.manifest.content_digest, by_all.manifest.content_digest);
    EXPECT_EQ(by_one.kind, by_all.kind);
    EXPECT_EQ(by_one.manifest.passes.back().pairs_compared, by_all.manifest.passes.back().pairs_compared);
    EXPECT_EQ(by_one.manifest.passes.back().identities, by_all.manifest.passes.back().identities);
    EXPECT_EQ(by_one.manifest.local_ids.reused_ids, by_all.manifest.local_ids.reused_ids);
  }
  world_.barrier();
}

}  // namespace
}  // namespace ligature
