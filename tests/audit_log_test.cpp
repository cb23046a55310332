// The audit log: every change to it is noticed, whatever a crash leaves of it is accounted for, and nothing in it is
// lost when jobs write at once.
#include "io/audit_log.hpp"

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {
namespace {

class AuditLog : public testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / kAuditFile; }
  [[nodiscard]] std::string text() const {
    std::ifstream in(file(), std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  [[nodiscard]] std::string read_head() const { return read_small_file(folder_.path() / kAuditHeadFile); }
  // As if the head were not there: what the chain alone tells.
  void forget_head() const { std::filesystem::remove(folder_.path() / kAuditHeadFile); }
  void write(const std::string& text) const { std::ofstream(file(), std::ios::binary) << text; }
  void append_entries(int count) const {
    for (int i = 0; i < count; ++i) {
      append_audit(folder_.path(), {"release", {{"agreement", "A-" + std::to_string(i)}, {"rows", std::uint64_t(i)}}});
    }
  }
  [[nodiscard]] AuditChain read() const { return read_audit_log(folder_.path(), {}); }
  // What the reader says of a log; empty if it is whole.
  [[nodiscard]] std::string fault() const {
    try {
      static_cast<void>(read());
      return {};
    } catch (const Error& error) {
      return error.what();
    }
  }

  const Communicator world_ = Communicator::world();
  const SharedFolder folder_{world_};
};

TEST_F(AuditLog, an_entry_says_who_when_and_what) {
  const std::string hash = append_audit(
      folder_.path(), {"export", {{"output", std::string("in, \"dex\"\n.csv")}, {"rows", std::uint64_t{7}}}});
  std::vector<AuditEntry> entries;
  const AuditChain chain = read_audit_log(folder_.path(), [&](const AuditEntry& entry) { entries.push_back(entry); });
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].sequence, 1U);
  EXPECT_EQ(entries[0].uid, ::geteuid());
  EXPECT_FALSE(entries[0].user.empty());
  EXPECT_EQ(entries[0].when.size(), 20U);
  EXPECT_EQ(entries[0].action, "export");
  EXPECT_EQ(entries[0].text("output"), "in, \"dex\"\n.csv");
  EXPECT_EQ(entries[0].number("rows"), 7U);
  EXPECT_EQ(entries[0].hash, hash);
  EXPECT_EQ(entries[0].previous, std::string(64, '0'));
  EXPECT_EQ(chain.head, hash);
}

TEST_F(AuditLog, is_its_owners_alone) {
  append_entries(1);
  struct stat status {};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(AuditLog, a_log_that_is_not_there_is_empty) {
  EXPECT_EQ(read().entries, 0U);
  EXPECT_EQ(read().head, std::string(64, '0'));
}

TEST_F(AuditLog, an_end_that_was_cut_off_is_noticed_and_not_written_over) {
  append_entries(4);
  const std::string whole = text();
  std::size_t end = whole.size();
  for (int kept = 3; kept >= 0; --kept) {
    end = kept == 0 ? 0 : whole.rfind('\n', end - 2) + 1;
    for (const std::size_t size : {end, end + 20}) {  // between lines, and within one
      write(whole.substr(0, size));
      EXPECT_NE(fault().find("cut off"), std::string::npos) << kept;
      EXPECT_THROW(check_audit_end(folder_.path()), Error);
      EXPECT_THROW(append_entries(1), Error);
      EXPECT_EQ(text(), whole.substr(0, size));
    }
  }
  std::filesystem::remove(file());
  EXPECT_NE(fault().find("entry 4"), std::string::npos);
  EXPECT_THROW(append_entries(1), Error);
  // One of as many entries that somebody else made.
  const std::string head = read_head();
  std::filesystem::remove(file());
  std::filesystem::remove(folder_.path() / kAuditHeadFile);
  for (int i = 0; i < 5; ++i) append_audit(folder_.path(), {"export", {{"rows", std::uint64_t(i)}}});
  std::ofstream(folder_.path() / kAuditHeadFile) << head;
  EXPECT_NE(fault(), "");
  EXPECT_THROW(append_entries(1), Error);
  std::ofstream(folder_.path() / kAuditHeadFile) << "4 x";
  EXPECT_NE(fault().find("not the head"), std::string::npos);
}

TEST_F(AuditLog, what_a_crash_wrote_before_its_head_is_no_fault) {
  append_entries(2);
  const std::string head = read_head();
  append_entries(2);
  std::ofstream(folder_.path() / kAuditHeadFile) << head;
  EXPECT_EQ(fault(), "");
  append_entries(1);
  EXPECT_EQ(read().entries, 5U);
  EXPECT_EQ(read_head(), "5 " + read().head + "\n");
  std::filesystem::remove(folder_.path() / kAuditHeadFile);  // a log of an earlier build has none
  append_entries(1);
  EXPECT_EQ(read_head(), "6 " + read().head + "\n");
}

TEST_F(AuditLog, any_changed_byte_is_noticed) {
  append_entries(3);
  const std::string whole = text();
  EXPECT_EQ(read().entries, 3U);
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    write(changed);
    const std::string said = fault();
    // What is wrong at the end is left to the next entry to account for; everything before it is a fault.
    const bool noticed = !said.empty() || read().torn_bytes > 0;
    EXPECT_TRUE(noticed) << "byte " << at;
  }
}

TEST_F(AuditLog, a_line_taken_out_put_in_or_moved_is_noticed) {
  append_entries(3);
  const std::string whole = text();
  const std::size_t one = whole.find('\n') + 1, two = whole.find('\n', one) + 1;
  const std::string first = whole.substr(0, one), second = whole.substr(one, two - one), third = whole.substr(two);
  for (const std::string& changed : {second + third, first + third, first + first + second + third,
                                     second + first + third, first + second + second + third,
                                     first + "{\"sequence\":2}\n" + second + third, first + "\n" + second + third}) {
    write(changed);
    EXPECT_NE(fault(), "") << changed;
  }
  EXPECT_NE(fault().find("line "), std::string::npos);
}

TEST_F(AuditLog, a_line_that_a_crash_cut_short_is_never_an_entry_and_is_accounted_for_by_the_next) {
  append_entries(2);
  const std::string whole = text();
  const std::size_t second = whole.find('\n') + 1;
  for (std::size_t kept = second + 1; kept < whole.size(); kept += 11) {
    write(whole.substr(0, kept));
    forget_head();
    EXPECT_EQ(read().entries, 1U);
    EXPECT_EQ(read().torn_bytes, kept - second);
    append_entries(1);
    EXPECT_EQ(fault(), "") << kept;
    EXPECT_EQ(read().torn_bytes, 0U);
    EXPECT_EQ(read().torn_lines, 1U);
    EXPECT_EQ(read().entries, 3U);  // the first, the account of the torn line, and the new one
  }
}

TEST_F(AuditLog, a_crash_while_a_torn_line_is_accounted_for_is_accounted_for_as_well) {
  append_entries(1);
  const std::string first = text();
  for (const std::string& torn : std::vector<std::string>{"{\"sequence\":2,\"wh", "{\"seq\n{\"sequence\":2", "\n",
                                                          "\n\n", "x\n", std::string(1, '\0'), ""}) {
    write(first + torn);
    forget_head();
    append_entries(1);
    EXPECT_EQ(fault(), "") << torn;
    EXPECT_EQ(read().torn_lines, torn.empty() ? 0U : 1U);
  }
}

TEST_F(AuditLog, what_accounts_for_a_torn_line_accounts_for_no_other) {
  append_entries(1);
  const std::string first = text();
  write(first + "{\"sequence\":2,");
  forget_head();
  append_entries(1);
  const std::string whole = text();
  std::string changed = whole;
  changed.replace(first.size(), 3, "{'s");
  write(changed);
  EXPECT_NE(fault(), "");
  write(first + whole.substr(whole.find('\n', first.size()) + 1));  // the torn line taken out
  EXPECT_NE(fault(), "");
}

TEST_F(AuditLog, a_file_that_is_no_log_of_this_user_is_not_written_to) {
  std::filesystem::create_symlink("/etc/hostname", file());
  EXPECT_THROW(append_entries(1), Error);
  std::filesystem::remove(file());
  std::filesystem::create_directory(file());
  EXPECT_THROW(append_entries(1), Error);
}

TEST_F(AuditLog, a_log_that_does_not_end_with_an_entry_is_not_continued) {
  append_entries(1);
  write(text() + std::string(3U << 20, 'x'));
  EXPECT_THROW(append_entries(1), Error);
  EXPECT_NE(fault(), "");
}

TEST_F(AuditLog, members_of_its_own_cannot_be_given) {
  EXPECT_THROW(append_audit(folder_.path(), {"release", {{"hash", std::string("0")}}}), Error);
  EXPECT_FALSE(std::filesystem::exists(file()) && read().entries > 0);
}

TEST_F(AuditLog, jobs_that_write_at_once_wait_for_each_other) {
  constexpr int kWriters = 4, kEntries = 25;
  std::vector<pid_t> writers;
  for (int w = 0; w < kWriters; ++w) {
    const pid_t writer = ::fork();
    if (writer == 0) {
      bool wrote = true;
      try {
        append_entries(kEntries);
      } catch (...) {
        wrote = false;
      }
      ::_exit(wrote ? 0 : 1);
    }
    writers.push_back(writer);
  }
  for (const pid_t writer : writers) {
    int status = -1;
    ::waitpid(writer, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(read().entries, static_cast<std::uint64_t>(kWriters * kEntries));
}

TEST_F(AuditLog, reads_the_same_in_pieces_of_any_size) {
  append_entries(4);
  const std::string whole = text();
  for (const std::size_t piece : {std::size_t{1}, std::size_t{13}, whole.size()}) {
    AuditReader reader({});
    for (std::size_t at = 0; at < whole.size(); at += piece) reader.add(std::string_view(whole).substr(at, piece));
    EXPECT_EQ(reader.finish().entries, 4U);
    EXPECT_EQ(reader.finish().head, read().head);
  }
}

}  // namespace
}  // namespace ligature
