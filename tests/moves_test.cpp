// Records at a new address through a whole rebuild: whom the people who moved with them lead to, whom not, and that
// ranks do not show.
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/date.hpp"
#include "engine/nhs_number.hpp"
#include "engine/postcode.hpp"
#include "io/files.hpp"
#include "io/identity_records.hpp"
#include "io/manifest.hpp"
#include "io/secure_index.hpp"
#include "jobs/jobs.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

struct Outcome {
  std::map<std::string, std::uint64_t> person;  // row of its person in /persons
  std::map<std::string, LinkKind> kind;
  std::map<std::string, std::uint8_t> notes;  // Provenance::Note
  Manifest manifest;
  [[nodiscard]] bool together(const std::string& a, const std::string& b) const { return person.at(a) == person.at(b); }
};

constexpr std::size_t kHouseholds = 150;

// A valid NHS number, none of a batch with another.
std::string number(std::size_t index) {
  std::uint64_t nhs = 4'000'000'000 + 1'000 * index;
  while (!nhs_check_digit_ok(nhs)) ++nhs;
  return std::to_string(nhs);
}

// Household h is known at two postcodes.
std::string home(std::size_t h) {
  return postcode_text(tiny_postcode(h));
}
// In another area, so that the postcodes themselves have nothing in common.
std::string new_home(std::size_t h) {
  return "YO" + postcode_text(tiny_postcode(1000 + h)).substr(2);
}
// No two people of a household share a birthday, nor do those who are looked for.
std::string birthday(std::size_t h, std::size_t member) {
  return iso_date(static_cast<DayNumber>(12'000 + 97 * h + 13 * member));
}

class Moves : public testing::Test {
 protected:
  // Of each household one to four move and are seen at both addresses with their numbers; one more has a number at home
  // alone.
  Moves() {
    for (std::size_t h = 0; h < kHouseholds; ++h) {
      for (std::size_t member = 0; member <= h % 4; ++member) {
        add("gp", h, member, true, home(h));
        add("ip", h, member, true, new_home(h));
      }
      add("gp", h, 9, true, home(h));
    }
    // One of the birthdays that are looked for is another's as well, so that it says little by itself.
    rows_["gp"] += "namesake," + number(80'001) + "," + birthday(7, 9) + ",M1 1AE,2,P\n";
  }

  static std::string name(const std::string& dataset, std::size_t h, std::size_t member) {
    return dataset + std::to_string(h) + "-" + std::to_string(member);
  }

  void add(const std::string& dataset, std::size_t h, std::size_t member, bool with_number, const std::string& postcode,
           const std::string& provider = "P") {
    const std::string nhs = with_number ? number(10 * h + member) : "";
    rows_[dataset] += name(dataset, h, member) + "," + nhs + "," + birthday(h, member) + "," + postcode + "," +
                      (h % 2 == 0 ? "1" : "2") + "," + provider + "\n";
  }

  // Collective.
  Outcome rebuilt(const Communicator& comm, const std::vector<std::string>& overrides = {},
                  const RebuildOptions& options = {}) {
    const SharedFolder folder(comm);
    if (comm.is_root()) {
      std::string job = "[job]\nsecure = \"secure\"\npublish = \"publish\"\nkey = \"test.key\"\nas_at = 2014-04-01\n";
      for (const auto& [dataset, rows] : rows_) {
        write_file_durably(folder.path() / (dataset + ".csv"), "id,nhs,birth,postcode,sex,provider\n" + rows, 0600);
        job += "[[extract]]\ndataset = \"" + dataset + "\"\nfiles = \"" + dataset +
               ".csv\"\ncolumns = { row_id = \"id\", nhs_number = \"nhs\", date_of_birth = \"birth\", "
               "postcode = \"postcode\", gender = \"sex\"" +
               (with_providers_ ? ", provider = \"provider\"" : "") + " }\n";
      }
      write_file_durably(folder.path() / "test.key", "a key of these tests: 32 bytes.. ", 0600);
      write_file_durably(folder.path() / "job.toml", job, 0600);
    }
    comm.barrier();
    const JobFile job = load_job_file(folder.path() / "job.toml", overrides);
    EXPECT_EQ(rebuild(comm, job, options), kExitDone);
    Outcome outcome;
    outcome.manifest = read_manifest(job.publish);
    read_secure_index(job.secure, 0, 1, [&](const IndexRow& row) {
      outcome.person.emplace(row.row_id, row.person);
      const Provenance provenance = read_identity_record(job.secure, row.identity).provenance;
      outcome.kind.emplace(row.row_id, provenance.kind);
      outcome.notes.emplace(row.row_id, provenance.notes);
    });
    comm.barrier();
    return outcome;
  }

  const Communicator world_ = Communicator::world();
  std::map<std::string, std::string> rows_;
  bool with_providers_ = false;
};

TEST_F(Moves, record_without_a_number_follows_its_household) {
  add("ip", 7, 9, false, new_home(7));
  const Outcome with = rebuilt(world_);
  EXPECT_TRUE(with.together("gp7-9", "ip7-9"));
  EXPECT_EQ(with.kind.at("ip7-9"), LinkKind::moved);
  EXPECT_EQ(with.kind.at("gp7-9"), LinkKind::same_number);
  const Outcome without = rebuilt(world_, {"model.moves=false"});
  EXPECT_FALSE(without.together("gp7-9", "ip7-9"));
}

TEST_F(Moves, record_with_the_number_of_somebody_else_follows_its_household) {
  rows_["ip"] += "wrong," + number(10 * 50) + "," + birthday(7, 9) + "," + new_home(7) + ",2,P\n";
  const Outcome outcome = rebuilt(world_);
  EXPECT_TRUE(outcome.together("gp7-9", "wrong"));
  EXPECT_FALSE(outcome.together("gp50-0", "wrong"));
}

TEST_F(Moves, nobody_follows_a_household_that_is_not_his) {
  add("ip", 7, 9, false, new_home(11));
  const Outcome outcome = rebuilt(world_);
  EXPECT_FALSE(outcome.together("gp7-9", "ip7-9"));
}

TEST_F(Moves, who_is_found_where_he_is_recorded_looks_nowhere_else) {
  // Another of that birthday lives where it was recorded.
  rows_["gp"] += "other," + number(90'001) + "," + birthday(7, 9) + "," + new_home(7) + ",2,P\n";
  add("ip", 7, 9, false, new_home(7));
  const Outcome outcome = rebuilt(world_);
  EXPECT_TRUE(outcome.together("ip7-9", "other"));
  EXPECT_FALSE(outcome.together("ip7-9", "gp7-9"));
}

TEST_F(Moves, two_of_one_birthday_at_home_leave_it_open) {
  rows_["gp"] += "other," + number(90'001) + "," + birthday(7, 9) + "," + home(7) + ",2,P\n";
  add("ip", 7, 9, false, new_home(7));
  const Outcome outcome = rebuilt(world_);
  EXPECT_FALSE(outcome.together("ip7-9", "other"));
  EXPECT_FALSE(outcome.together("ip7-9", "gp7-9"));
  EXPECT_EQ(outcome.kind.at("ip7-9"), LinkKind::apart);
}

TEST_F(Moves, every_move_is_counted_once) {
  const MoveCounts moves = rebuilt(world_).manifest.moves;
  // Each household's numbers: 1 to 4 of two addresses and two records, and one of one address and one record.
  std::uint64_t movers = 0, alone = 0, with_one = 0, with_several = 0;
  for (std::size_t h = 0; h < kHouseholds; ++h) {
    const std::uint64_t here = 1 + h % 4;
    movers += here;
    alone += here == 1 ? 2 : 0;
    with_one += here == 2 ? 4 : 0;
    with_several += here > 2 ? 2 * here : 0;
  }
  EXPECT_EQ(moves.held_out[1].records, 0U);
  EXPECT_EQ(moves.held_out[0].records, 2 * movers);
  EXPECT_EQ(moves.persons[0], kHouseholds + 1);
  EXPECT_EQ(moves.persons[1], movers);
  EXPECT_EQ(moves.persons[2], 0U);
  EXPECT_EQ(moves.held_out[0].alone[0][0], alone);
  EXPECT_EQ(moves.held_out[0].alone[0][1], with_one);
  EXPECT_EQ(moves.held_out[0].alone[0][2], with_several);
}

TEST_F(Moves, company_is_counted_by_what_the_provider_knows) {
  with_providers_ = true;
  const MoveCounts moves = rebuilt(world_).manifest.moves;
  EXPECT_EQ(moves.held_out[0].records, 0U);
  // All of a household are at one practice at home and known to one hospital at the new address.
  std::uint64_t with_one = 0, with_several = 0;
  for (std::size_t h = 0; h < kHouseholds; ++h) {
    with_one += h % 4 == 1 ? 4U : 0U;
    with_several += h % 4 > 1 ? 2 * (1 + h % 4) : 0;
  }
  EXPECT_EQ(moves.held_out[1].alone[0][company_class(1, true)], with_one);
  EXPECT_EQ(moves.held_out[1].alone[0][company_class(2, true)], with_several);
  EXPECT_EQ(moves.held_out[1].alone[0][company_class(2, false)], 0U);
}

TEST_F(Moves, record_follows_those_whom_its_provider_knows) {
  with_providers_ = true;
  add("ip", 7, 9, false, new_home(7));
  add("ip", 11, 9, false, new_home(11), "another");
  rows_["gp"] += "namesake11," + number(80'011) + "," + birthday(11, 9) + ",M1 1AE,2,P\n";
  const Outcome outcome = rebuilt(world_);
  EXPECT_TRUE(outcome.together("gp7-9", "ip7-9"));
  EXPECT_EQ(outcome.notes.at("ip7-9"), Provenance::company_known);
  // Here whoever moved is known to one hospital at the new address: a row of another hospital is of somebody else.
  EXPECT_FALSE(outcome.together("gp11-9", "ip11-9"));
  EXPECT_TRUE(rebuilt(world_, {"model.providers=false"}).together("gp11-9", "ip11-9"));
}

TEST_F(Moves, row_of_one_practice_is_nobodys_whom_another_practice_has) {
  with_providers_ = true;
  // Numbers with two rows at their practice, as many as it takes to learn that nobody has two practices.
  for (std::size_t h = 0; h < kHouseholds; ++h) {
    for (const char* again : {"a", "b"}) {
      rows_["gp"] += "gp" + std::to_string(h) + again + "," + number(200'000 + h) + "," + birthday(h, 5) + "," +
                     home(h) + ",1," + (h % 2 == 0 ? "P" : "Q") + "\n";
    }
  }
  for (const std::size_t h : {20U, 21U}) {
    rows_["gp"] += "row" + std::to_string(h) + ",," + birthday(h, 5) + "," + home(h) + ",1,P\n";
  }
  const Outcome outcome = rebuilt(world_);
  EXPECT_LT(outcome.manifest.model.several_providers[0], 0.01);
  EXPECT_TRUE(outcome.together("row20", "gp20a"));
  EXPECT_FALSE(outcome.together("row21", "gp21a"));
  EXPECT_EQ(outcome.notes.at("row21"), Provenance::other_provider);
  EXPECT_TRUE(rebuilt(world_, {"model.providers=false"}).together("row21", "gp21a"));
}

TEST_F(Moves, ranks_do_not_show) {
  with_providers_ = true;
  for (std::size_t h = 0; h < kHouseholds; h += 5) add("ip", h, 9, false, new_home(h));
  const Outcome together = rebuilt(world_);
  EXPECT_GT(together.manifest.passes.back().edges, 20U);
  const Communicator alone = world_.split(world_.rank());
  const Outcome by_itself = rebuilt(alone);
  EXPECT_EQ(together.manifest.content_digest, by_itself.manifest.content_digest);
  EXPECT_EQ(together.kind, by_itself.kind);
  EXPECT_EQ(together.notes, by_itself.notes);
}

// As of a nation, of which no rank can bring together all at once.
TEST_F(Moves, rounds_do_not_show) {
  with_providers_ = true;
  for (std::size_t h = 0; h < kHouseholds; h += 5) add("ip", h, 9, false, new_home(h));
  const Outcome at_once = rebuilt(world_);
  EXPECT_GT(at_once.manifest.passes.back().edges, 20U);
  RebuildOptions options;
  options.identities_per_round = 50;
  const Outcome in_rounds = rebuilt(world_, {}, options);
  EXPECT_EQ(at_once.manifest.content_digest, in_rounds.manifest.content_digest);
  EXPECT_EQ(at_once.kind, in_rounds.kind);
  EXPECT_EQ(at_once.notes, in_rounds.notes);
}

}  // namespace
}  // namespace ligature
