// A release is of one finished run whose files are its own, by one job at a time, and leaves folders as they should be.
// What a crash, a restored backup or an edit may have done to them is set up here.
#include <filesystem>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "io/audit_log.hpp"
#include "io/files.hpp"
#include "io/run_lock.hpp"
#include "jobs/jobs.hpp"
#include "jobs/run_account.hpp"
#include "tests/release_fixture.hpp"

namespace ligature {
namespace {

namespace fs = std::filesystem;

// With identifiers, and without regard to objections: no claims are read.
const Text kIdentifiable = Text(kExtract)
                               .set("recipient", "\"Public Health\"")
                               .set("recipient_type", "\"commissioner\"")
                               .set("purpose", "\"outbreak\"")
                               .set("legal_basis", "\"regulation-3\"")
                               .set("form", "\"identifiable\"")
                               .set("rules", "")
                               .set("k", "")
                               .add("[identifiers]\ncolumns = [\"nhs_number\"]\n");

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777U;
}

class ReleaseOfRun : public ReleaseJob {
 protected:
  ReleaseOfRun() {
    // verify finds the folder of releases by the job file.
    on_root([&] {
      write_file_durably(job_.path,
                         "[job]\nname = \"tiny\"\nsecure = \"secure\"\npublish = \"publish\"\nkey = \"main.key\"\n"
                         "[[extract]]\ndataset = \"gp\"\nfiles = [\"gp.csv\"]\n"
                         "[extract.columns]\nnhs_number = \"nhs_number\"\n[release]\nfolder = \"releases\"\n",
                         0600);
      run_.manifest.job_file = job_.path.string();
      write_manifest(run_.manifest);
    });
  }
  // Writes `to` in the place of `from` in a text, in one file or more.
  void replace(const std::string& from, const std::string& to, const std::vector<fs::path>& paths) {
    on_root([&] {
      for (const fs::path& path : paths) {
        std::string text = read_small_file(path);
        ASSERT_NE(text.find(from), std::string::npos);
        write_file_durably(path, text.replace(text.find(from), from.size(), to), 0600);
      }
    });
  }
};

TEST_F(ReleaseOfRun, while_another_job_is_at_work_it_is_refused_and_the_register_can_be_read) {
  std::optional<RunLock> lock;
  on_root([&] { lock.emplace(run_.secure); });
  const std::string log = read_small_file(run_.secure / kAuditFile);
  expect_refused(kExtract, "another run is at work", kExitFailed);
  EXPECT_EQ(read_small_file(run_.secure / kAuditFile), log);
  EXPECT_EQ(violations("audit log is one unbroken chain"), 0U);
  testing::internal::CaptureStdout();
  EXPECT_EQ(print_register(world_, job_), kExitDone);
  testing::internal::GetCapturedStdout();
  on_root([&] { lock.reset(); });
  make(kExtract);
  on_root([&] { EXPECT_TRUE(RunLock(run_.secure).is_held()); });  // given back
}

TEST_F(ReleaseOfRun, while_another_run_releases_to_the_folder_it_is_refused_and_what_is_being_made_stays) {
  const std::filesystem::path theirs = *job_.release_folder / "A-1-7.partial";
  std::optional<RunLock> lock;
  on_root([&] {
    std::filesystem::create_directories(theirs);
    lock = RunLock::of_folder(*job_.release_folder);
  });
  expect_refused(kExtract, "another run publishes to " + job_.release_folder->string(), kExitFailed);
  EXPECT_TRUE(std::filesystem::exists(theirs));
  on_root([&] { lock.reset(); });
  make(kExtract);
  on_root([&] { EXPECT_TRUE(RunLock::of_folder(*job_.release_folder).is_held()); });  // given back
}

TEST_F(ReleaseOfRun, another_runs_dataset_is_refused) {
  TinyRun other(folder_.path() / "other", 299);
  other.manifest.key_id = run_.manifest.key_id;
  other.write(world_);
  const fs::path dataset = run_.publish / kDatasetFile;
  on_root([&] {
    fs::rename(dataset, folder_.path() / "kept.h5");
    fs::copy_file(other.publish / kDatasetFile, dataset);
  });
  for (const Text& text : {kExtract, kIdentifiable}) expect_refused(text, "but another run's", kExitFailed);
  on_root([&] { fs::rename(folder_.path() / "kept.h5", dataset); });
  make(kExtract);
}

TEST_F(ReleaseOfRun, another_runs_identity_records_are_refused) {
  TinyRun other(folder_.path() / "other", 299);
  other.write(world_);
  on_root([&] {
    fs::rename(run_.secure / "identities", folder_.path() / "identities");
    fs::copy(other.secure / "identities", run_.secure / "identities");
  });
  expect_refused(kIdentifiable, "another run's than the manifest", kExitFailed);
  EXPECT_EQ(violations("identity records are whole"), static_cast<std::uint64_t>(world_.size()));
}

TEST_F(ReleaseOfRun, the_ledger_is_not_switched_off_by_an_edit_of_the_manifest) {
  const fs::path published = run_.publish / kManifestFile, kept = run_.secure / kManifestFile;
  on_root([&] {
    write_file_durably(run_.secure / "objections.csv", "nhs_number,kind,date\n", 0600);
    run_.manifest.consent.ledger_version = std::string(32, 'a');
    write_manifest(run_.manifest);
    append_audit(run_.secure, {"rebuild",
                               {{"run_id", run_.manifest.run_id},
                                {"content_digest", run_.manifest.content_digest}}});  // as earlier builds did
    append_audit(run_.secure, making_of(run_.manifest));
  });
  expect_refused(kExtract, "is not the ledger of objections", kExitFailed);
  replace(std::string(32, 'a'), "", {published});
  expect_refused(kExtract, "is not the manifest that the run wrote", kExitFailed);
  replace(std::string(32, 'a'), "", {kept});
  expect_refused(kExtract, "does not have the making of this run", kExitFailed);
  EXPECT_EQ(violations("audit log has the making of this run"), 1U);
}

TEST_F(ReleaseOfRun, an_entry_of_an_earlier_build_is_the_making_of_its_run) {
  on_root([&] {
    for (const char* name : {"audit.log", "audit.head"}) fs::remove(run_.secure / name);
    append_audit(run_.secure,
                 {"rebuild", {{"run_id", run_.manifest.run_id}, {"content_digest", run_.manifest.content_digest}}});
  });
  EXPECT_NE(make(kExtract), "");
  EXPECT_EQ(violations("audit log has the making of this run"), 0U);
}

TEST_F(ReleaseOfRun, what_a_crash_left_is_named_by_verify_and_removed_by_the_next_release_of_the_agreement) {
  const std::string check = "no release was left unfinished";
  const fs::path identities = run_.secure / "releases/A-2-1.partial",
                 extract = folder_.path() / "releases/A-1-7.partial",
                 other = folder_.path() / "releases/A-1-1-1.partial";  // of an agreement A-1-1
  EXPECT_EQ(violations(check), 0U);
  on_root([&] {
    for (const fs::path& path : {identities, extract, other}) {
      fs::create_directories(path);
      write_file_durably(path / "identities.csv", "pseudonym,nhs_number\n", 0600);
    }
  });
  EXPECT_EQ(violations(check), 3U);
  make(kExtract);
  EXPECT_FALSE(fs::exists(extract));
  EXPECT_TRUE(fs::exists(other));
  EXPECT_EQ(violations(check), 2U);
  make(Text(kIdentifiable)
           .set("id", "\"A-2\"")
           .set("key", "\"b.key\"")
           .set("recipient", "\"University of Leeds\"")
           .set("recipient_type", "\"researcher\"")
           .set("purpose", "\"asthma\"")
           .set("legal_basis", "\"section-251\""));
  EXPECT_FALSE(fs::exists(identities));
  EXPECT_EQ(violations(check), 1U);
}

TEST_F(ReleaseOfRun, releases_that_are_still_there_must_be_what_went_out) {
  const std::string check = "releases that are still there are what went out";
  const fs::path made = make(kExtract);
  EXPECT_EQ(violations(check), 0U);
  const std::string persons = read_small_file(made / "persons.csv"), digests = read_small_file(made / "digests.txt");
  const auto put = [&](const char* name, const std::string& text) {
    on_root([&] { write_file_durably(made / name, text, 0600); });
  };
  put("persons.csv", persons + "1\n");
  EXPECT_EQ(violations(check), 1U);
  on_root([&] { fs::remove(made / "persons.csv"); });
  EXPECT_EQ(violations(check), 1U);
  put("persons.csv", persons);
  put("digests.txt", digests + digests);
  EXPECT_EQ(violations(check), 1U);
  put("digests.txt", digests);
  EXPECT_EQ(violations(check), 0U);
  put("identities.csv", "pseudonym,nhs_number\n");
  EXPECT_EQ(violations(check), 1U);
}

TEST_F(ReleaseOfRun, a_shared_folder_of_releases_keeps_its_mode_and_what_is_in_it_is_private) {
  on_root([&] {
    fs::create_directories(*job_.release_folder);
    fs::permissions(*job_.release_folder, fs::perms(0775));
  });
  const fs::path made = make(kExtract);
  EXPECT_EQ(mode_of(*job_.release_folder), 0775U);
  EXPECT_EQ(mode_of(made), 0700U);
}

TEST_F(ReleaseOfRun, a_secure_folder_that_others_may_enter_is_closed_before_anything_is_put_there) {
  const auto open = [&] { on_root([&] { fs::permissions(run_.secure, fs::perms(0777)); }); };
  open();
  make(kIdentifiable);
  EXPECT_EQ(mode_of(run_.secure), 0700U);
  EXPECT_EQ(mode_of(run_.secure / "releases"), 0700U);
  open();
  EXPECT_EQ(export_index(world_, {run_.publish, folder_.path() / "index.csv", false}), kExitDone);
  EXPECT_EQ(mode_of(run_.secure), 0700U);
  open();
  testing::internal::CaptureStdout();
  EXPECT_EQ(explain(world_, {run_.publish, {run_.datasets[0].events[0].row_id}, false, std::nullopt}), kExitDone);
  testing::internal::GetCapturedStdout();
  EXPECT_EQ(mode_of(run_.secure), 0700U);
}

}  // namespace
}  // namespace ligature
