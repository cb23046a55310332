// Spools and parked vectors give back what they were given, whether or not it had to wait on scratch, and leave nothing
// there.
#include "io/spool.hpp"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/parked.hpp"

namespace ligature {
namespace {

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() : scratch_(std::filesystem::temp_directory_path() / ("spool_test-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(scratch_);
  }
  ~SpoolTest() override { std::filesystem::remove_all(scratch_); }

  static std::vector<std::byte> bytes(std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
    return bytes;
  }

  std::filesystem::path scratch_;
};

TEST_F(SpoolTest, WhatWasAppendedComesBackFromMemoryAndScratch) {
  const std::vector<std::byte> written = bytes((std::size_t{5} << 20) / 2 + 17);
  for (const std::uint64_t budget : {0ULL, 1ULL << 20, 2ULL << 20, 8ULL << 20}) {
    for (const bool settles : {false, true}) {
      SpoolBudget shared(budget);
      Spool spool(scratch_, shared, settles ? Spool::kPageBytes : 2 * Spool::kPageBytes);
      for (std::size_t begin = 0; begin < written.size(); begin += 99'991) {
        spool.append(std::span(written).subspan(begin, std::min<std::size_t>(99'991, written.size() - begin)));
        // In the middle too: what is appended after it follows what was there.
        if (settles && begin % 2 == 0) spool.settle();
      }
      if (settles) spool.settle();
      EXPECT_EQ(spool.size(), written.size());
      for (int time = 0; time < 2; ++time, spool.rewind()) {
        std::vector<std::byte> read(written.size());
        const std::span<std::byte> all(read);
        spool.read(all.first(12'345));
        spool.read(all.subspan(12'345));
        EXPECT_EQ(read, written) << budget << settles;
        EXPECT_THROW(spool.read(all.first(1)), Error);
      }
      EXPECT_TRUE(std::filesystem::is_empty(scratch_)) << "its file has a name";
    }
  }
}

TEST_F(SpoolTest, SeveralThreadsFillSpoolsOfOneBudgetAndReadAnyPlace) {
  constexpr std::size_t kSpools = 8;
  const std::vector<std::byte> written = bytes((std::size_t{3} << 20) / 2 + 5);
  SpoolBudget budget(7 << 20);
  std::vector<Spool> spools;
  for (std::size_t s = 0; s < kSpools; ++s) spools.emplace_back(scratch_, budget);
  for_each_item(kSpools, [&](std::size_t s) {
    for (std::size_t begin = 0; begin < written.size(); begin += 70'001) {
      spools[s].append(std::span(written).subspan(begin, std::min<std::size_t>(70'001, written.size() - begin)));
    }
    spools[s].settle();
  });
  EXPECT_FALSE(budget.take(std::uint64_t{1} << 20)) << "all of it is in use";
  for_each_item(4 * kSpools, [&](std::size_t i) {
    const std::size_t position = i * 50'021, size = std::min<std::size_t>(400'000, written.size() - position);
    std::vector<std::byte> read(size);
    spools[i % kSpools].read_at(position, read);
    EXPECT_TRUE(std::ranges::equal(read, std::span(written).subspan(position, size))) << i;
  });
  std::vector<std::byte> more(2);
  EXPECT_THROW(spools[0].read_at(written.size() - 1, more), Error);
  EXPECT_THROW(spools[0].read_at(written.size() + 1, std::span(more).first(0)), Error);
}

TEST_F(SpoolTest, ClearedItGivesItsBudgetBackAndBeginsAnew) {
  SpoolBudget budget(1 << 20);
  Spool spool(scratch_, budget);
  const std::vector<std::byte> written = bytes(3 << 20);
  spool.append(written);
  spool.settle();
  EXPECT_FALSE(budget.take(1 << 20));
  spool.clear();
  EXPECT_EQ(spool.size(), 0U);
  EXPECT_TRUE(budget.take(1 << 20));
  budget.give_back(1 << 20);
  spool.settle();  // nothing waits
  spool.append(std::span(written).first(100));
  std::vector<std::byte> read(100);
  spool.read(read);
  EXPECT_TRUE(std::equal(read.begin(), read.end(), written.begin()));
}

TEST_F(SpoolTest, AParkedVectorIsEmptyUntilItIsBroughtBack) {
  std::vector<std::uint64_t> numbers(300'001);
  std::iota(numbers.begin(), numbers.end(), 7);
  const std::vector<std::uint64_t> expected = numbers;
  Parked<std::uint64_t> parked(scratch_, numbers);
  EXPECT_EQ(numbers.capacity(), 0U) << "its memory is not given back";
  EXPECT_TRUE(std::filesystem::is_empty(scratch_));
  parked.bring_back(numbers);
  EXPECT_EQ(numbers, expected);
  parked.bring_back(numbers);  // once more is no harm
  EXPECT_EQ(numbers, expected);
}

TEST_F(SpoolTest, WithoutScratchAVectorStaysWhereItIs) {
  std::vector<int> numbers{1, 2, 3};
  const int* const place = numbers.data();
  Parked<int> parked(std::nullopt, numbers);
  EXPECT_EQ(numbers.data(), place);
  parked.bring_back(numbers);
  EXPECT_EQ(numbers, (std::vector<int>{1, 2, 3}));
  std::vector<int> none;
  Parked<int> empty(scratch_, none);
  empty.bring_back(none);
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace ligature
