// The small jobs on a finished run: the index as CSV, and the content digest.
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/error.hpp"
#include "engine/evidence.hpp"
#include "io/audit_log.hpp"
#include "io/file_digest.hpp"
#include "io/files.hpp"
#include "io/secure_index.hpp"
#include "jobs/jobs.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

// A finished run that all ranks made together.
class ExportIndex : public testing::Test {
 protected:
  ExportIndex() { run_.write(world_); }

  Communicator world_ = Communicator::world();
  SharedFolder folder_{world_};
  TinyRun run_{folder_.path()};
};
using DigestRun = ExportIndex;

// The line that a row should be, by the letter of RFC 4180.
std::string line_of(const std::string& dataset, const std::string& row_id, const Pseudonym& person) {
  const bool quoted = row_id.find_first_of("\",\n\r") != std::string::npos;
  std::string line = dataset + ',';
  if (quoted) line += '"';
  for (const char c : row_id) line.append(c == '"' ? 2 : 1, c);
  if (quoted) line += '"';
  return line + ',' + hex(person) + '\n';
}

TEST_F(ExportIndex, has_one_line_a_kept_row_in_input_order) {
  const std::filesystem::path out = folder_.path() / "index.csv";
  EXPECT_EQ(export_index(world_, {run_.publish, out}), kExitDone);
  std::string expected = "dataset,row_id,person\n";
  for (const TinyDataset& dataset : run_.datasets) {
    for (const TinyEvent& event : dataset.events) {
      expected += line_of(dataset.name, event.row_id, run_.persons[event.person].pseudonym);
    }
  }
  EXPECT_EQ(read_small_file(out), expected);
  std::vector<AuditEntry> entries;
  read_audit_log(run_.secure, [&](const AuditEntry& entry) { entries.push_back(entry); });
  ASSERT_EQ(entries.size(), 2U);  // the making of the run is the first
  EXPECT_EQ(entries[1].action, "export");
  EXPECT_EQ(entries[1].text("content_digest"), run_.manifest.content_digest);
  EXPECT_EQ(entries[1].text("output_sha256"), hex(file_digest(world_, out)));
}

TEST_F(ExportIndex, says_on_demand_how_each_row_came_to_its_person) {
  const SharedFolder folder(world_);
  TinyRun run(folder.path());
  run.persons[0].provenance = {7, -1536, kNoRival, LinkKind::returned, MatchRank::r1b, 0, 0, 0};
  run.persons[1].provenance = {1, 5 * kWeightPerBit / 2, 1, LinkKind::apart, MatchRank::unranked, 0, 0, 0};
  run.persons[2].provenance = {2, 99, kNoRival, LinkKind::one_time, MatchRank::unmatched, 0, 0, 0};
  run.persons[3].flags = Evidence::number_disowned | Evidence::birth_default;
  run.write(world_);
  const std::filesystem::path out = folder.path() / "index.csv";
  EXPECT_EQ(export_index(world_, {run.publish, out, true}), kExitDone);
  std::string expected = "dataset,row_id,person,how,rank,weight_bits,lead_bits,flags\n";
  for (const TinyDataset& dataset : run.datasets) {
    for (const TinyEvent& event : dataset.events) {
      std::string line = line_of(dataset.name, event.row_id, run.persons[event.person].pseudonym);
      line.pop_back();
      line += event.person == 0   ? ",returned,1B,-1.500,,"
              : event.person == 1 ? ",apart,unranked,2.500,0.001,"
              : event.person == 2 ? ",one_time,unmatched,,,"
              : event.person == 3 ? ",alone,unmatched,,,number_disowned birth_default"
                                  : ",alone,unmatched,,,";
      expected += line + '\n';
    }
  }
  EXPECT_EQ(read_small_file(out), expected);
}

TEST_F(ExportIndex, row_of_an_identity_that_the_run_has_not_ends_it_only_where_it_is_asked_for) {
  const SharedFolder folder(world_);
  TinyRun run(folder.path());
  run.write(world_);
  SecureIndexWriter index(run.secure, world_.rank());
  if (world_.rank() == world_.size() - 1) index.add({0, "r", {}, 300});
  index.finish(world_);
  EXPECT_EQ(export_index(world_, {run.publish, folder.path() / "index.csv"}), kExitDone);
  EXPECT_THROW(export_index(world_, {run.publish, folder.path() / "more.csv", true}), Error);
}

TEST_F(ExportIndex, is_for_its_owner_alone_and_leaves_nothing_beside_it) {
  const std::filesystem::path out = folder_.path() / "index.csv";
  if (world_.is_root()) write_file_durably(out, "an earlier export that is longer than nothing", 0644);
  world_.barrier();
  export_index(world_, {folder_.path(), out});
  struct stat status {};
  ASSERT_EQ(::stat(out.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "index.csv.partial"));
  EXPECT_TRUE(read_small_file(out).starts_with("dataset,row_id,person\n"));
}

TEST_F(ExportIndex, is_refused_anywhere_in_the_publish_folder) {
  if (world_.is_root()) {
    std::filesystem::create_directory(run_.publish / "inner");
    std::filesystem::create_directory_symlink(run_.publish / "inner", folder_.path() / "link");
  }
  world_.barrier();
  for (const std::filesystem::path& out :
       {run_.publish / "index.csv", run_.publish / "inner/index.csv", folder_.path() / "link/index.csv",
        folder_.path() / "secure/../publish/index.csv"}) {
    EXPECT_THROW(export_index(world_, {run_.publish, out}), UsageError) << out;
    EXPECT_FALSE(std::filesystem::exists(out)) << out;
  }
}

TEST_F(ExportIndex, place_that_is_no_file_is_a_wrong_use) {
  EXPECT_THROW(export_index(world_, {run_.publish, folder_.path()}), UsageError);
  EXPECT_THROW(export_index(world_, {run_.publish, folder_.path() / "nowhere/index.csv"}), UsageError);
}

TEST_F(ExportIndex, damaged_index_ends_it_on_every_rank) {
  world_.barrier();
  if (world_.is_root()) {
    const std::string_view damage = "?????";
    File::open_update(run_.secure / "index/part-00000").write_at(60, std::as_bytes(std::span(damage)));
  }
  world_.barrier();
  EXPECT_THROW(export_index(world_, {run_.publish, folder_.path() / "index.csv"}), Error);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "index.csv"));
}

TEST_F(DigestRun, prints_the_digest_of_the_content_on_one_line) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(digest_run(world_, run_.secure), kExitDone);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), world_.is_root() ? run_.manifest.content_digest + "\n" : "");
}

TEST_F(DigestRun, changed_content_is_an_error_on_every_rank) {
  world_.barrier();
  if (world_.is_root()) {
    const std::string bytes = read_small_file(run_.publish / kDatasetFile);
    const std::string pseudonym = hex(run_.persons[100].pseudonym);
    const std::string_view changed = pseudonym[20] == '0' ? "1" : "0";
    File::open_update(run_.publish / kDatasetFile)
        .write_at(bytes.find(pseudonym) + 20, std::as_bytes(std::span(changed)));
  }
  world_.barrier();
  EXPECT_THROW(digest_run(world_, run_.publish), Error);
}

}  // namespace
}  // namespace ligature
