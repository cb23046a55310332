// Extracts read ahead: the pieces are those of the files, whether they come from the page cache, past it, or by turns,
// and what is wrong with a file is said when its turn has come.
#include "io/read_ahead.hpp"

#include <algorithm>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

enum class Kept { cached, evicted, by_turns };

class ReadAheadTest : public testing::TestWithParam<Kept> {
 protected:
  ReadAheadTest() : folder_(testing::TempDir() + "read_ahead_test." + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
  }
  ~ReadAheadTest() override { std::filesystem::remove_all(folder_); }

  // A file of random bytes, in the page cache as far as the test's parameter says.
  std::string make(const std::string& name, std::size_t bytes) {
    std::mt19937_64 random(bytes);
    std::vector<std::byte> content(bytes);
    for (std::byte& byte : content) byte = static_cast<std::byte>(random());
    const File file = File::create(folder_ / name, 0600);
    file.write_at(0, content);
    file.sync();
    constexpr std::size_t kEvery = 64 << 10;
    for (std::size_t at = 0; GetParam() != Kept::cached && at < bytes; at += kEvery) {
      if (GetParam() == Kept::by_turns && at / kEvery % 2 == 1) continue;
      ::posix_fadvise(file.descriptor(), static_cast<off_t>(at), kEvery, POSIX_FADV_DONTNEED);
    }
    contents_.push_back(std::move(content));
    return file.path();
  }

  // Reads all parts and compares them with what was written.
  void expect_whole(const std::vector<ReadAhead::Part>& parts, std::size_t piece_bytes) {
    Recycled<PieceBuffer> buffers;
    ReadAhead ahead(parts, piece_bytes, buffers);
    for (std::size_t p = 0; p < parts.size(); ++p) {
      for (std::uint64_t at = parts[p].begin; at < parts[p].end; at += piece_bytes) {
        const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes, parts[p].end - at));
        PieceBuffer piece = ahead.next();
        EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(piece.get(), bytes)),
                                       std::span(contents_[p]).subspan(at, bytes)))
            << "part " << p << " at " << at;
        buffers.give_back(std::move(piece));
      }
    }
  }

  std::filesystem::path folder_;
  std::vector<std::vector<std::byte>> contents_;
};

TEST_P(ReadAheadTest, the_pieces_are_those_of_the_files) {
  const std::string one = make("one", 1'000'003), two = make("two", 4096), three = make("three", 1),
                    four = make("four", 700'000);
  const std::vector<ReadAhead::Part> parts{
      {one, 0, 1'000'003}, {two, 0, 4096}, {three, 0, 1}, {four, 131'072, 700'000}};
  for (const std::size_t piece_bytes : {std::size_t{65'536}, std::size_t{4096}, std::size_t{10'000}}) {
    expect_whole(parts, piece_bytes);
  }
}

// Pieces that nobody asks for are dropped, under way or not.
TEST_P(ReadAheadTest, reading_may_end_early) {
  const std::string path = make("file", 1'000'000);
  Recycled<PieceBuffer> buffers;
  ReadAhead ahead({{path, 0, 1'000'000}}, 65'536, buffers);
  EXPECT_NE(ahead.next(), nullptr);
}

TEST_P(ReadAheadTest, a_file_that_is_gone_or_short_fails_in_its_turn) {
  const std::string good = make("good", 65'536), cut = make("cut", 100'000);
  std::filesystem::resize_file(cut, 80'000);
  Recycled<PieceBuffer> buffers;
  const auto expect_named = [](ReadAhead& ahead, const std::string& path) {
    try {
      ahead.next();
      FAIL() << "a piece that is not there was read";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    }
  };
  ReadAhead missing({{good, 0, 65'536}, {good + "-not", 0, 10}}, 65'536, buffers);
  EXPECT_NE(missing.next(), nullptr);
  expect_named(missing, good + "-not");
  ReadAhead shorter({{cut, 0, 100'000}}, 65'536, buffers);
  EXPECT_NE(shorter.next(), nullptr);
  expect_named(shorter, cut);
}

std::string kept_name(const testing::TestParamInfo<Kept>& kept) {
  switch (kept.param) {
    case Kept::cached:
      return "cached";
    case Kept::evicted:
      return "evicted";
    case Kept::by_turns:
      break;
  }
  return "by_turns";
}

INSTANTIATE_TEST_SUITE_P(kept, ReadAheadTest, testing::Values(Kept::cached, Kept::evicted, Kept::by_turns), kept_name);

}  // namespace
}  // namespace ligature
