// The account of releases: the log that every one is in, what verify finds when it or the inputs were changed, and the
// keys that names are made with.
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/linkage_key.hpp"
#include "engine/sha256.hpp"
#include "io/audit_log.hpp"
#include "io/files.hpp"
#include "io/key_file.hpp"
#include "jobs/jobs.hpp"
#include "jobs/run_account.hpp"
#include "tests/release_fixture.hpp"

namespace ligature {
namespace {

TEST_F(ReleaseJob, without_the_log_or_the_ledger_of_the_run_it_is_refused) {
  const std::string log = read_small_file(run_.secure / kAuditFile),
                    head = read_small_file(run_.secure / kAuditHeadFile);
  for (const std::string& other : {std::string(), std::string("not a log"), log.substr(0, log.size() - 30)}) {
    on_root([&] { write_file_durably(run_.secure / kAuditFile, other, 0600); });
    expect_refused(kExtract, "its end was cut off", kExitFailed);
    EXPECT_EQ(violations("audit log is one unbroken chain"), 1U);
    on_root([&] { std::filesystem::remove(run_.secure / kAuditHeadFile); });
    expect_refused(kExtract, "does not have the making of this run", kExitFailed);
    EXPECT_EQ(violations("audit log has the making of this run"), 1U);
    on_root([&] { write_file_durably(run_.secure / kAuditHeadFile, head, 0600); });
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
    append_audit(run_.secure, making_of(run_.manifest));
  });
  const std::string check = "ledger of objections is what the run was made with";
  EXPECT_EQ(violations(check), 0U);
  make(kExtract);
  on_root([&] { write_file_durably(run_.secure / "objections.csv", "nhs_number,kind,date\n", 0600); });
  const std::string said = refusal(kExtract, kExitFailed);
  EXPECT_NE(said.find("is not the ledger of objections"), std::string::npos) << said;
  EXPECT_EQ(said.find(who), std::string::npos);
  EXPECT_EQ(violations(check), 1U);
  on_root([&] { std::filesystem::remove(run_.secure / "objections.csv"); });
  expect_refused(kExtract, "is missing", kExitFailed);
  EXPECT_EQ(violations(check), 1U);
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

TEST_F(ReleaseJob, a_log_whose_end_was_cut_off_with_its_head_does_not_have_the_releases_that_are_there) {
  const std::string log = read_small_file(run_.secure / kAuditFile),
                    head = read_small_file(run_.secure / kAuditHeadFile);
  const std::string chain = "audit log is one unbroken chain", held = "audit log has the releases that are still there";
  const auto cut_off = [&](bool with_head) {
    on_root([&] {
      write_file_durably(run_.secure / kAuditFile, log, 0600);
      if (with_head) write_file_durably(run_.secure / kAuditHeadFile, head, 0600);
    });
  };
  const Text another = Text(kExtract).set("id", "\"A-8\"").set("key", "\"b.key\"");
  make(kExtract);
  EXPECT_EQ(violations(chain), 0U);
  EXPECT_EQ(violations(held), 0U);
  cut_off(false);  // the last line is gone, and the chain is whole
  expect_refused(another, "its end was cut off", kExitFailed);
  EXPECT_EQ(violations(chain), 1U);
  cut_off(true);
  expect_refused(another, "does not have the release", kExitFailed);
  EXPECT_EQ(violations(chain), 0U);
  // What was handed over and taken away, nobody can see here.
  on_root([&] { std::filesystem::rename(folder_.path() / "releases", folder_.path() / "handed-over"); });
  EXPECT_NE(make(another), "");
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
