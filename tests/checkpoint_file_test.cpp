// A checkpoint's file says no to every byte that is not as it was written, and to every place where it may end.
#include "io/checkpoint_file.hpp"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ligature {
namespace {

class CheckpointFileTest : public testing::Test {
 protected:
  CheckpointFileTest() : path_(testing::TempDir() + "checkpoint_file_test." + std::to_string(::getpid())) {}
  ~CheckpointFileTest() override { std::filesystem::remove(path_); }

  std::vector<std::byte> bytes() const {
    const File file = File::open_read(path_);
    std::vector<std::byte> bytes(file.size());
    file.read_exactly_at(0, bytes);
    return bytes;
  }
  void replace(std::span<const std::byte> bytes) const { File::create(path_, 0600).write_at(0, bytes); }
  // True if all of it reads without an error.
  bool is_whole(const std::optional<CheckpointFileId>& id = {}) const {
    try {
      const CheckpointFileReader reader(path_, id);
      std::vector<std::byte> piece;
      for (std::size_t p = 0; p < reader.pieces().size(); ++p) reader.read(p, piece);
      return true;
    } catch (const DamagedCheckpoint&) {
      return false;
    }
  }

  std::filesystem::path path_;
};

std::vector<std::byte> random_bytes(std::size_t count, std::mt19937_64& random) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST_F(CheckpointFileTest, pieces_of_any_size_come_back_as_they_were) {
  std::mt19937_64 random(1);
  std::vector<std::vector<std::byte>> pieces;
  for (const std::size_t size : {0UL, 1UL, 4095UL, 4096UL, 4097UL, 5'000'000UL, 3UL, 4'194'304UL, 77UL}) {
    pieces.push_back(random_bytes(size, random));
  }
  CheckpointFileWriter writer(path_);
  writer.add(9, 1, pieces[5]);
  writer.restart();  // forgotten
  for (std::size_t p = 0; p < pieces.size(); ++p) writer.add(p % 3, p, pieces[p]);
  const CheckpointFileId id = writer.finish();
  EXPECT_EQ(id.bytes, bytes().size());
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);

  const CheckpointFileReader reader(path_, id);
  ASSERT_EQ(reader.pieces().size(), pieces.size());
  std::vector<std::byte> piece;
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    EXPECT_EQ(reader.pieces()[p].kind, p % 3);
    EXPECT_EQ(reader.pieces()[p].items, p);
    reader.read(p, piece);
    EXPECT_EQ(piece, pieces[p]);
  }
}

TEST_F(CheckpointFileTest, every_flipped_byte_and_every_early_end_is_noticed) {
  std::mt19937_64 random(2);
  CheckpointFileWriter writer(path_);
  for (const std::size_t size : {100UL, 0UL, 1'000UL}) writer.add(size, 1, random_bytes(size, random));
  writer.finish();
  const std::vector<std::byte> whole = bytes();
  ASSERT_TRUE(is_whole());
  std::vector<std::byte> changed = whole;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    changed[at] ^= static_cast<std::byte>(1U << random() % 8);
    replace(changed);
    EXPECT_FALSE(is_whole()) << "byte " << at;
    changed[at] = whole[at];
  }
  for (std::size_t length = 0; length < whole.size(); ++length) {
    replace(std::span(whole).first(length));
    EXPECT_FALSE(is_whole()) << "length " << length;
  }
  changed.push_back(std::byte{0});
  replace(changed);
  EXPECT_FALSE(is_whole()) << "a byte too many";
}

TEST_F(CheckpointFileTest, a_whole_file_of_another_run_is_not_taken_for_this_one) {
  std::mt19937_64 random(3);
  const std::vector<std::byte> first = random_bytes(50, random), second = random_bytes(50, random);
  CheckpointFileWriter writer(path_);
  writer.add(0, 1, first);
  const CheckpointFileId id = writer.finish();
  EXPECT_TRUE(is_whole(id));
  CheckpointFileWriter other(path_);
  other.add(0, 1, second);
  other.finish();
  EXPECT_TRUE(is_whole());
  EXPECT_FALSE(is_whole(id));
}

}  // namespace
}  // namespace ligature
