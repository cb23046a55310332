// Files that reach the disk later: what one of them meets is told to who waits for them.
#include "io/later_syncs.hpp"

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

class LaterSyncsTest : public ::testing::Test {
 protected:
  LaterSyncsTest()
      : folder_(std::filesystem::temp_directory_path() / ("later_syncs_test-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~LaterSyncsTest() override { std::filesystem::remove_all(folder_); }

  File written(const std::string& name) {
    File file = File::create(folder_ / name, 0600);
    file.write_at(0, std::as_bytes(std::span("whole")));
    return file;
  }
  // A pipe, which cannot be synced.
  static File hopeless() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    ::close(ends[0]);
    return File::adopt(ends[1], "hopeless");
  }

  std::filesystem::path folder_;
};

TEST_F(LaterSyncsTest, waits_for_all_and_then_for_none) {
  LaterSyncs syncs;
  for (const char* name : {"a", "b", "c"}) syncs.add(written(name));
  EXPECT_NO_THROW(syncs.wait());
  EXPECT_NO_THROW(syncs.wait());
  EXPECT_EQ(std::filesystem::file_size(folder_ / "c"), sizeof "whole");
}

TEST_F(LaterSyncsTest, tells_what_one_of_them_met) {
  LaterSyncs syncs;
  syncs.add(written("a"));
  syncs.add(hopeless());
  syncs.add(written("b"));
  EXPECT_THROW(syncs.wait(), Error);
  EXPECT_NO_THROW(syncs.wait()) << "it is told once";
}

TEST_F(LaterSyncsTest, at_the_end_of_its_life_no_file_is_under_way) {
  File good = written("a"), bad = hopeless();
  const std::array<int, 2> descriptors{good.descriptor(), bad.descriptor()};
  {
    LaterSyncs syncs;
    syncs.add(std::move(good));
    syncs.add(std::move(bad));
  }
  for (const int descriptor : descriptors) EXPECT_EQ(::fcntl(descriptor, F_GETFD), -1) << "it is still open";
}

}  // namespace
}  // namespace ligature
