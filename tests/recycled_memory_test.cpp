// Large blocks of the program's operator new: used again, joined, and never handed out twice.
#include "engine/recycled_memory.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/sanitized.hpp"

namespace ligature {
namespace {

// Off under sanitizers, and where the system gives no such range of addresses.
bool recycles() {
  const std::vector<std::byte> block(kLargeBlock);
  return recycled_memory().in_use != 0;
}

// Linux can since 5.7.
bool can_move_pages() {
  constexpr std::size_t kBytes = std::size_t{64} << 10;
  void* const from = ::mmap(nullptr, 2 * kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (from == MAP_FAILED) return false;
  void* const to = static_cast<std::byte*>(from) + kBytes;
  const bool moved = ::mremap(from, kBytes, kBytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) != MAP_FAILED;
  ::munmap(from, 2 * kBytes);
  return moved;
}

TEST(RecycledMemory, gives_a_freed_block_again_without_touching_more) {
  if (!recycles()) GTEST_SKIP() << "operator new is the library's here";
  const std::uint64_t before = recycled_memory().in_use;
  for (int i = 0; i < 100; ++i) {
    const std::vector<std::byte> block(std::size_t{64} << 20);
    EXPECT_GE(recycled_memory().in_use, before + block.size());
  }
  EXPECT_EQ(recycled_memory().in_use, before);
  EXPECT_GE(recycled_memory().handed_out, std::uint64_t{6'400} << 20);
  EXPECT_LT(recycled_memory().held, std::uint64_t{256} << 20);
}

TEST(RecycledMemory, joins_neighbours_that_are_free) {
  if (!recycles()) GTEST_SKIP() << "operator new is the library's here";
  std::vector<std::unique_ptr<std::vector<std::byte>>> blocks;
  for (int i = 0; i < 64; ++i) blocks.push_back(std::make_unique<std::vector<std::byte>>(std::size_t{1} << 20));
  const std::uint64_t held = recycled_memory().held;
  for (std::size_t i = 0; i < blocks.size(); i += 2) blocks[i].reset();
  for (std::size_t i = 1; i < blocks.size(); i += 2) blocks[i].reset();
  const std::vector<std::byte> whole(std::size_t{64} << 20);
  EXPECT_EQ(recycled_memory().held, held);
}

TEST(RecycledMemory, moves_free_pages_under_a_block_that_fits_in_no_free_range) {
  if (!can_move_pages()) GTEST_SKIP() << "the system cannot";
  if (!recycles()) GTEST_SKIP() << "operator new is the library's here";
  constexpr std::size_t kMebibyte = std::size_t{1} << 20;
  std::vector<std::vector<std::byte>> stay;
  {
    std::vector<std::vector<std::byte>> go;
    for (int i = 0; i < 8; ++i) {
      go.emplace_back(24 * kMebibyte, std::byte{1});
      stay.emplace_back(2 * kMebibyte, std::byte{2});
    }
  }
  const std::uint64_t held = recycled_memory().held;
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const std::vector<std::byte> whole(8 * 22 * kMebibyte, std::byte{3});
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LE(recycled_memory().held, held + 4 * kMebibyte);
  EXPECT_LT(after.ru_minflt - before.ru_minflt, 22) << "its pages were touched for the first time";
  EXPECT_EQ(static_cast<std::size_t>(std::count(whole.begin(), whole.end(), std::byte{3})), whole.size());
  for (const std::vector<std::byte>& block : stay) {
    EXPECT_TRUE(std::all_of(block.begin(), block.end(), [](std::byte b) { return b == std::byte{2}; }));
  }
}

TEST(RecycledMemory, gives_back_pages_that_no_block_fits_in) {
  if (!recycles()) GTEST_SKIP() << "operator new is the library's here";
  // Blocks that stay are between free ranges, each too small for the next larger ones.
  std::vector<std::vector<std::byte>> stay;
  for (std::size_t mebibytes = 8; mebibytes <= 64; mebibytes += 4) {
    std::vector<std::vector<std::byte>> go;
    for (int i = 0; i < 8; ++i) {
      go.emplace_back(mebibytes << 20, std::byte{1});
      stay.emplace_back(std::size_t{1} << 20, std::byte{2});
    }
  }
  const RecycledMemory memory = recycled_memory();
  EXPECT_LE(memory.held, memory.most_in_use + memory.most_in_use / 16 + (std::size_t{130} << 20));
  for (const std::vector<std::byte>& block : stay) {
    EXPECT_TRUE(std::all_of(block.begin(), block.end(), [](std::byte b) { return b == std::byte{2}; }));
  }
}

TEST(RecycledMemory, holds_no_more_free_pages_than_it_is_told) {
  if (!recycles()) GTEST_SKIP() << "operator new is the library's here";
  constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20, kHugePage = 2 * kMebibyte;
  { const std::vector<std::byte> large(300 * kMebibyte); }
  EXPECT_GE(recycled_memory().held, 300 * kMebibyte);
  const std::uint64_t bound = recycled_memory().in_use + 40 * kMebibyte;
  keep_large_blocks_within(bound, false);
  EXPECT_LE(recycled_memory().held, bound + kHugePage);
  std::vector<std::vector<std::byte>> stay;
  for (int i = 0; i < 20; ++i) {
    { const std::vector<std::byte> passing((5 + static_cast<std::size_t>(i)) * kMebibyte); }
    stay.emplace_back(kMebibyte, std::byte{3});
    // What is in use is held in any case: by blocks of whole megabytes, so in at most a page more each.
    EXPECT_LE(recycled_memory().held, bound + kHugePage);
  }
  for (const std::vector<std::byte>& block : stay)
    EXPECT_EQ(std::count(block.begin(), block.end(), std::byte{3}), kMebibyte);
  keep_large_blocks_within(UINT64_MAX, false);
}

TEST(RecycledMemory, blocks_keep_their_bytes_whatever_is_freed_around_them) {
  std::mt19937_64 random(3);
  struct Block {
    std::vector<std::uint64_t> words;
    std::uint64_t value = 0;
  };
  std::vector<Block> blocks;
  for (int i = 0; i < unless_sanitized(400, 60); ++i) {
    if (blocks.size() > 20) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      const Block& gone = blocks.back();
      ASSERT_TRUE(std::all_of(gone.words.begin(), gone.words.end(), [&](std::uint64_t w) { return w == gone.value; }));
      blocks.pop_back();
    }
    const std::uint64_t value = random();
    blocks.push_back({std::vector<std::uint64_t>(random() % (i % 4 == 0 ? 4'000'000 : 200'000), value), value});
  }
}

// The last, for it raises the most that was in use.
TEST(RecycledMemory, hands_out_tens_of_thousands_of_blocks) {
  if (!recycles()) GTEST_SKIP() << "operator new is the library's here";
  constexpr std::size_t kBlocks = 30'000;
  const std::uint64_t before = recycled_memory().in_use;
  std::vector<void*> blocks;
  blocks.reserve(kBlocks);
  // Their pages are not touched.
  for (std::size_t b = 0; b < kBlocks; ++b) blocks.push_back(::operator new(kLargeBlock));
  EXPECT_GE(recycled_memory().in_use, before + kBlocks * kLargeBlock) << "all at once";
  // Every other one first, so that as many free ranges are known.
  for (std::size_t b = 0; b < kBlocks; b += 2) ::operator delete(blocks[b]);
  for (std::size_t b = 1; b < kBlocks; b += 2) ::operator delete(blocks[b]);
  blocks = {};
  EXPECT_EQ(recycled_memory().in_use, before);
}

}  // namespace
}  // namespace ligature
