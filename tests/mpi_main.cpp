// The main of every multi-rank test: one MpiEnvironment for all tests of the binary, and one verdict for all ranks.
//
// Rank 0 prints as GoogleTest does; the other ranks print their failures only, each line led by the rank.  An exception
// that no test expects ends the job at once: the other ranks may be waiting for this one in a collective call.
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "partition/communicator.hpp"

namespace {

class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : prefix_("[rank " + std::to_string(rank) + "] ") {}

  void OnTestStart(const testing::TestInfo& test) override {
    test_ = std::string(test.test_suite_name()) + "." + test.name();
  }

  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::ostringstream text;
    text << prefix_ << "failure in " << test_ << "\n";
    if (result.file_name() != nullptr) text << prefix_ << result.file_name() << ":" << result.line_number() << "\n";
    std::istringstream lines(result.message());
    for (std::string line; std::getline(lines, line);) text << prefix_ << line << "\n";
    std::fputs(text.str().c_str(), stdout);
    std::fflush(stdout);
  }

 private:
  std::string prefix_, test_;
};

void print_failures_only(int rank) {
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  delete listeners.Release(listeners.default_xml_generator());  // one report file, rank 0's
  listeners.Append(new FailurePrinter(rank));
}

}  // namespace

int main(int argc, char** argv) {
  const ligature::MpiEnvironment environment(argc, argv);
  try {
    testing::InitGoogleTest(&argc, argv);
    // A caught exception would be one failed test on this rank and an endless wait on the others.
    GTEST_FLAG_SET(catch_exceptions, false);
    const ligature::Communicator world = ligature::Communicator::world();
    if (!world.is_root()) print_failures_only(world.rank());
    const bool failed = RUN_ALL_TESTS() != 0;
    return world.any(failed) ? ligature::kExitFailed : ligature::kExitDone;
  } catch (const std::exception& failure) {
    const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string where =
        test == nullptr ? "outside a test" : std::string(test->test_suite_name()) + "." + test->name();
    ligature::abort_job("exception in " + where + ": " + failure.what(), ligature::kExitFailed);
  } catch (...) {
    ligature::abort_job("an exception of unknown type in a test", ligature::kExitFailed);
  }
}
