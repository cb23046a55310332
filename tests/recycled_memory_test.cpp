// Large blocks of the program's operator new: used again, joined, and never handed out twice.
#include "engine/recycled_memory.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

// Off under sanitizers, and where the system gives no such range of addresses.
bool recycles() {
  const std::vector<std::byte> block(kLargeBlock);
  return recycled_memory().in_use != 0;
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
  EXPECT_LT(recycled_memory().touched, std::uint64_t{256} << 20);
}

TEST(RecycledMemory, joins_neighbours_that_are_free) {
  if (!recycles()) GTEST_SKIP() << "operator new is the library's here";
  std::vector<std::unique_ptr<std::vector<std::byte>>> blocks;
  for (int i = 0; i < 64; ++i) blocks.push_back(std::make_unique<std::vector<std::byte>>(std::size_t{1} << 20));
  const std::uint64_t touched = recycled_memory().touched;
  for (std::size_t i = 0; i < blocks.size(); i += 2) blocks[i].reset();
  for (std::size_t i = 1; i < blocks.size(); i += 2) blocks[i].reset();
  const std::vector<std::byte> whole(std::size_t{64} << 20);
  EXPECT_EQ(recycled_memory().touched, touched);
}

TEST(RecycledMemory, blocks_keep_their_bytes_whatever_is_freed_around_them) {
  std::mt19937_64 random(3);
  struct Block {
    std::vector<std::uint64_t> words;
    std::uint64_t value = 0;
  };
  std::vector<Block> blocks;
  for (int i = 0; i < 400; ++i) {
    if (blocks.size() > 20) {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      const Block& gone = blocks.back();
      ASSERT_TRUE(std::all_of(gone.words.begin(), gone.words.end(), [&](std::uint64_t w) { return w == gone.value; }));
      blocks.pop_back();
    }
    const std::uint64_t value = random();
    blocks.push_back({std::vector<std::uint64_t>(random() % 200'000, value), value});
  }
}

}  // namespace
}  // namespace ligature
