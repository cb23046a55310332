// What a person sees: figures, tables, log lines, and a live line on a terminal only.
#include "io/progress.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "io/placement.hpp"

namespace ligature {
namespace {

TEST(Figures, thousands_are_parted_by_commas) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(with_commas(std::numeric_limits<std::uint64_t>::max()), "18,446,744,073,709,551,615");
}

TEST(Figures, bytes_have_binary_units) {
  EXPECT_EQ(human_bytes(0), "0 bytes");
  EXPECT_EQ(human_bytes(1023), "1023 bytes");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(std::uint64_t{1536} << 20), "1.5 GiB");
  EXPECT_EQ(human_bytes((std::uint64_t{1} << 30) - 1), "1.0 GiB");
  EXPECT_EQ(human_bytes(std::numeric_limits<std::uint64_t>::max()), "16.0 EiB");
}

TEST(Figures, rates_have_decimal_prefixes) {
  EXPECT_EQ(human_rate(1.2e6, "rows"), "1.2 M rows/s");
  EXPECT_EQ(human_rate(950, "rows"), "950 rows/s");
  EXPECT_EQ(human_rate(12.34, "files"), "12.3 files/s");
  EXPECT_EQ(human_rate(999'600, "pairs"), "1.0 M pairs/s");
  EXPECT_EQ(human_rate(345'678'901, "bytes"), "346 MB/s");
  EXPECT_EQ(human_rate(0, "rows"), "0 rows/s");
  EXPECT_EQ(human_rate(std::numeric_limits<double>::quiet_NaN(), "rows"), "0 rows/s");
}

TEST(Figures, durations_grow_from_seconds_to_hours) {
  EXPECT_EQ(human_seconds(0.9876), "0.99 s");
  EXPECT_EQ(human_seconds(34.12), "34.1 s");
  EXPECT_EQ(human_seconds(125), "2 min 5 s");
  EXPECT_EQ(human_seconds(7199.9), "2 h 0 min");
  EXPECT_EQ(human_seconds(90'000), "25 h 0 min");
  EXPECT_EQ(human_seconds(-1), "0.00 s");
  EXPECT_FALSE(human_seconds(std::numeric_limits<double>::infinity()).empty());
}

TEST(Table, columns_are_aligned) {
  EXPECT_EQ(text_table({{"stage", "rows", "seconds"}, {"intake", "1,234", "0.5"}, {"pairs", "7"}}),
            "stage    rows  seconds\n"
            "------  -----  -------\n"
            "intake  1,234      0.5\n"
            "pairs       7\n");
}

TEST(Table, an_empty_one_has_no_lines) {
  EXPECT_EQ(text_table({}), "");
  EXPECT_EQ(text_table({{"a", "b"}}, false), "a  b\n");
}

TEST(Table, accents_take_one_column) {
  EXPECT_EQ(text_table({{"caf\xC3\xA9", "1"}, {"teas", "2"}}, false), "caf\xC3\xA9  1\nteas  2\n");
}

TEST(Progress, a_line_has_share_amount_rate_and_time_left) {
  EXPECT_EQ(progress_line("intake", 250'000'000, 1'000'000'000, "bytes", 2.0),
            "intake  25 %  250 of 1,000 MB, 125 MB/s, 6.00 s left");
  EXPECT_EQ(progress_line("pairs", 30, 0, "groups", 10), "pairs  30 groups, 3 groups/s");
  EXPECT_EQ(progress_line("pairs", 0, 10, "groups", 0), "pairs   0 %  0 of 10 groups, 0 groups/s");
}

TEST(Progress, more_than_the_total_is_shown_as_all_of_it) {
  EXPECT_EQ(progress_line("pairs", 20, 10, "groups", 10), "pairs 100 %  10 of 10 groups, 2 groups/s, 0.00 s left");
}

TEST(Log, rank_0_alone_writes_one_line_to_standard_error) {
  const Communicator world = Communicator::world();
  ::testing::internal::CaptureStderr();
  log_info(world, "rows read {} %s");
  log_warning(world, "ranks share CPUs");
  const std::string text = ::testing::internal::GetCapturedStderr();
  if (world.is_root()) {
    // "HH:MM:SS ": eight characters and a blank before the message, which is never taken for a format.
    EXPECT_EQ(text.find(" rows read {} %s\n"), 8U) << text;
    EXPECT_NE(text.find(" warning: ranks share CPUs\n"), std::string::npos) << text;
  } else {
    EXPECT_EQ(text, "");
  }
}

TEST(Progress, a_short_stage_is_silent_where_there_is_no_terminal) {
  const Communicator world = Communicator::world();
  ::testing::internal::CaptureStderr();
  {
    Progress progress(world, "intake", 100, "rows");
    progress.add(100);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

// Standard error joined to a terminal of our own, and what it shows.
class Terminal {
 public:
  Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_GE(master_, 0);
    EXPECT_EQ(::grantpt(master_), 0);
    EXPECT_EQ(::unlockpt(master_), 0);
    const int slave = ::open(::ptsname(master_), O_RDWR | O_NOCTTY);
    EXPECT_GE(slave, 0);
    std::fflush(stderr);
    saved_ = ::dup(STDERR_FILENO);
    ::dup2(slave, STDERR_FILENO);
    ::close(slave);
  }
  ~Terminal() {
    restore();
    ::close(master_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  std::string shown() {
    std::string text;
    std::array<char, 4096> buffer{};
    pollfd ready{master_, POLLIN, 0};
    while (::poll(&ready, 1, 100) == 1 && (ready.revents & POLLIN) != 0) {
      const ssize_t got = ::read(master_, buffer.data(), buffer.size());
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
  }

 private:
  void restore() {
    std::fflush(stderr);
    ::dup2(saved_, STDERR_FILENO);
    ::close(saved_);
  }
  int master_;
  int saved_ = -1;
};

TEST(Progress, a_terminal_shows_a_live_line_that_log_lines_and_the_end_wipe) {
  const Communicator world = Communicator::world();
  std::string shown;
  {
    Terminal terminal;
    {
      Progress progress(world, "intake", 1000, "rows");
      std::this_thread::sleep_for(std::chrono::milliseconds(250));
      progress.add(500);
      progress.add(1);  // too soon after the last line to be shown
      log_info(world, "half way");
      std::this_thread::sleep_for(std::chrono::milliseconds(250));
      progress.add(1);
    }
    shown = terminal.shown();
  }
  if (!world.is_root()) {
    EXPECT_EQ(shown, "");
    return;
  }
  EXPECT_EQ(shown.find("\r\x1b[Kintake  50 %  500 of 1,000 rows"), 0U) << shown;
  EXPECT_EQ(shown.find("501 of 1,000"), std::string::npos) << shown;
  const std::size_t log_line = shown.find(" half way\r\n");
  ASSERT_NE(log_line, std::string::npos) << shown;
  EXPECT_EQ(shown.rfind("\r\x1b[K", log_line), log_line - 12) << shown;  // wiped, then HH:MM:SS
  EXPECT_NE(shown.find("502 of 1,000", log_line), std::string::npos) << shown;
  EXPECT_EQ(shown.substr(shown.size() - 4), "\r\x1b[K") << shown;
}

TEST(Placement, the_ranks_of_a_host_share_its_cpus) {
  const Communicator world = Communicator::world();
  const Placement placement = examine_placement(world);
  EXPECT_EQ(placement.ranks, world.size());
  EXPECT_GE(placement.hosts, 1);
  EXPECT_GE(placement.rank_cpus, 1);
  EXPECT_LE(placement.rank_cpus, placement.covered_cpus);
  EXPECT_LE(placement.covered_cpus, placement.usable_cpus);
  EXPECT_GE(placement.fair_threads, 1);
  EXPECT_LE(placement.fair_threads, placement.usable_cpus);
  EXPECT_NE(describe(placement).find(" rank"), std::string::npos);
}

TEST(Placement, ranks_bound_to_few_cores_are_warned_of) {
  Placement bound;
  bound.ranks = bound.ranks_on_host = 2;
  bound.usable_cpus = 64;
  bound.covered_cpus = 2;
  bound.rank_cpus = 1;
  const std::string warning = placement_warning(bound, 1);
  EXPECT_NE(warning.find("62 of 64 CPUs are idle"), std::string::npos) << warning;
  EXPECT_NE(warning.find("slot:PE=32"), std::string::npos) << warning;
}

TEST(Placement, more_threads_than_cpus_are_warned_of) {
  Placement shared;
  shared.ranks = shared.ranks_on_host = 4;
  shared.usable_cpus = shared.covered_cpus = shared.rank_cpus = 8;
  EXPECT_EQ(placement_warning(shared, 2), "");
  EXPECT_NE(placement_warning(shared, 8).find("set job.threads to 2"), std::string::npos);
  EXPECT_NE(placement_warning(shared, 9).find("9 threads a rank on 8 CPU(s)"), std::string::npos);
  shared.ranks = shared.ranks_on_host = 16;
  EXPECT_NE(placement_warning(shared, 1).find("run fewer ranks"), std::string::npos);
}

}  // namespace
}  // namespace ligature
