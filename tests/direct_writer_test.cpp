// Writes past the page cache: the bytes are those of plain writes, whatever their ends, sizes and order.
#include "io/direct_writer.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/direct_stream.hpp"

namespace ligature {
namespace {

class DirectWriterTest : public testing::TestWithParam<WriteStrategy> {
 protected:
  DirectWriterTest() : path_(testing::TempDir() + "direct_writer_test." + std::to_string(::getpid())) {
    file_ = File::create(path_, 0600);
  }
  ~DirectWriterTest() override { std::filesystem::remove(path_); }

  std::vector<std::byte> read() const {
    std::vector<std::byte> bytes(file_.size());
    file_.read_exactly_at(0, bytes);
    return bytes;
  }

  std::filesystem::path path_;
  File file_;
};

std::vector<std::byte> random_bytes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// Cut at random places, and at the edges of blocks and pieces; written from several threads.
TEST_P(DirectWriterTest, writes_of_any_ends_make_the_file_that_they_should) {
  const std::vector<std::byte> expected = random_bytes(3 * DirectWriter::kPieceBytes + 12'345, 1);
  std::mt19937_64 random(2);
  std::vector<std::size_t> cuts{0, 1, 4095, 4096, 4097, 8192, DirectWriter::kPieceBytes - 1, expected.size()};
  for (int i = 0; i < 50; ++i) cuts.push_back(random() % expected.size());
  for (int i = 0; i < 50; ++i) cuts.push_back(random() % 100'000);
  std::sort(cuts.begin(), cuts.end());
  {
    DirectWriter writer(file_, GetParam());
    for_each_item(cuts.size() - 1, [&](std::size_t i) {
      const std::size_t cut = cuts.size() - 2 - i;
      std::vector<std::byte> bytes(expected.begin() + static_cast<std::ptrdiff_t>(cuts[cut]),
                                   expected.begin() + static_cast<std::ptrdiff_t>(cuts[cut + 1]));
      writer.write_at(cuts[cut], bytes);
      std::fill(bytes.begin(), bytes.end(), std::byte{0});  // they were taken over
    });
    writer.finish();
  }
  EXPECT_TRUE(read() == expected);
}

// From where the bytes lie, at the place in a page that they have in the file or at another; each is let go once.
TEST_P(DirectWriterTest, bytes_that_stay_where_they_are_make_the_file_that_they_should) {
  const std::vector<std::byte> expected = random_bytes(3 * DirectWriter::kPieceBytes + 12'345, 3);
  std::vector<std::size_t> cuts{0, 1, 4095, 4096, 4097, 8192, 100'000, DirectWriter::kPieceBytes, expected.size()};
  for (const std::size_t shift : {std::size_t{0}, std::size_t{8}}) {
    const std::shared_ptr<std::byte> room(
        static_cast<std::byte*>(::operator new (expected.size() + shift, std::align_val_t{DirectWriter::kBlockBytes})),
        DirectWriter::FreeBuffer());
    std::copy(expected.begin(), expected.end(), room.get() + shift);
    DirectWriter writer(file_, GetParam());
    for_each_item(cuts.size() - 1, [&](std::size_t c) {
      writer.write_from(cuts[c], std::span(room.get() + shift + cuts[c], cuts[c + 1] - cuts[c]), room);
    });
    writer.finish();
    EXPECT_TRUE(read() == expected);
    EXPECT_EQ(room.use_count(), 1);
  }
}

// Pieces, blocks and single bytes; and a start behind a header.
TEST_P(DirectWriterTest, a_stream_of_any_sizes_makes_the_file_that_it_should) {
  constexpr std::size_t kHeader = DirectWriter::kBlockBytes;
  for (const std::size_t tail : {std::size_t{0}, std::size_t{1}, DirectWriter::kBlockBytes, std::size_t{12'345}}) {
    const std::vector<std::byte> expected = random_bytes(2 * DirectWriter::kPieceBytes + tail, 4);
    DirectWriter writer(file_, GetParam());
    DirectStream stream(writer, kHeader);
    std::size_t sizes[]{1, 4095, 4096, 100'000, DirectWriter::kPieceBytes + 1, 0}, next = 0;
    for (std::span<const std::byte> left = expected; !left.empty();) {
      const std::size_t size = std::min(left.size(), sizes[next++ % std::size(sizes)]);
      stream.add(left.first(size));
      left = left.subspan(size);
    }
    EXPECT_EQ(stream.end(), kHeader + expected.size());
    stream.flush();
    writer.write_at(0, random_bytes(kHeader, 5));
    writer.finish();
    std::vector<std::byte> bytes(expected.size());
    file_.read_exactly_at(kHeader, bytes);
    EXPECT_TRUE(bytes == expected);
    bytes.resize(kHeader);
    file_.read_exactly_at(0, bytes);
    EXPECT_TRUE(bytes == random_bytes(kHeader, 5));
  }
}

TEST_P(DirectWriterTest, more_than_may_be_under_way_waits_for_room) {
  const std::vector<std::byte> piece = random_bytes(DirectWriter::kPieceBytes, 3);
  constexpr std::size_t kWrites = 3 * DirectWriter::kPieces;
  DirectWriter writer(file_, GetParam());
  for (std::size_t i = 0; i < kWrites; ++i) writer.write_at(i * piece.size(), piece);
  writer.finish();
  const std::vector<std::byte> bytes = read();
  ASSERT_EQ(bytes.size(), kWrites * piece.size());
  for (std::size_t i = 0; i < kWrites; ++i) {
    EXPECT_EQ(std::memcmp(bytes.data() + i * piece.size(), piece.data(), piece.size()), 0);
  }
}

// The writes fail on the thread, once the file is as long as it may be: what they meet must reach the caller.
TEST_P(DirectWriterTest, a_write_that_fails_is_reported_at_the_end_or_before) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit low = before;
  low.rlim_cur = DirectWriter::kPieceBytes;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const std::vector<std::byte> bytes(DirectWriter::kPieceBytes);
  const auto write_too_much = [&] {
    DirectWriter writer(file_, GetParam());
    for (std::size_t i = 0; i < 3 * DirectWriter::kPieces; ++i) writer.write_at(i * bytes.size(), bytes);
    writer.finish();
  };
  EXPECT_THROW(write_too_much(), Error);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
}

INSTANTIATE_TEST_SUITE_P(Strategies, DirectWriterTest, testing::Values(WriteStrategy::direct, WriteStrategy::buffered),
                         [](const auto& strategy) {
                           return strategy.param == WriteStrategy::direct ? "direct" : "buffered";
                         });

TEST(DirectWriter, works_where_the_file_system_has_no_direct_writes) {
  // The kernel's own memory file systems: some have O_DIRECT, some have not.  The bytes are right on all.
  const std::filesystem::path path = "/dev/shm/direct_writer_test." + std::to_string(::getpid());
  std::ofstream probe(path);
  if (!probe) GTEST_SKIP() << "no /dev/shm";
  const File file = File::open_update(path);
  const std::vector<std::byte> expected = random_bytes(100'000, 5);
  DirectWriter writer(file, WriteStrategy::direct);
  writer.write_at(0, expected);
  writer.finish();
  std::vector<std::byte> bytes(expected.size());
  file.read_exactly_at(0, bytes);
  EXPECT_TRUE(bytes == expected);
  std::filesystem::remove(path);
}

TEST(DirectWriter, the_strategy_is_what_the_environment_says) {
  ::unsetenv("LIGATURE_WRITES");
  EXPECT_EQ(write_strategy(), WriteStrategy::direct);
  ::setenv("LIGATURE_WRITES", "buffered", 1);
  EXPECT_EQ(write_strategy(), WriteStrategy::buffered);
  ::setenv("LIGATURE_WRITES", "fast", 1);
  EXPECT_THROW(write_strategy(), UsageError);
  ::unsetenv("LIGATURE_WRITES");
}

}  // namespace
}  // namespace ligature
