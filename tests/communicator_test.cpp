// Collectives: every rank gets the same, in rank order, whatever the length; failures are everyone's.
#include "partition/communicator.hpp"

#include <utility>

#include <gtest/gtest.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

class CommunicatorTest : public testing::Test {
 protected:
  const Communicator world_ = Communicator::world();
  const std::uint64_t rank_ = static_cast<std::uint64_t>(world_.rank());
  const std::uint64_t ranks_ = static_cast<std::uint64_t>(world_.size());
};

std::vector<std::byte> bytes_of(std::uint64_t rank, std::size_t length) {
  std::vector<std::byte> bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>((i * 7 + i / 251 + rank * 31) & 0xFF);
  return bytes;
}

TEST_F(CommunicatorTest, SumsAreExactAbove32Bits) {
  std::vector<std::uint64_t> values = {rank_, std::uint64_t{1} << 40, 0};
  world_.sum(values);
  EXPECT_EQ(values, (std::vector<std::uint64_t>{ranks_ * (ranks_ - 1) / 2, ranks_ << 40, 0}));
  EXPECT_EQ(world_.sum((std::uint64_t{1} << 33) + 1), (ranks_ << 33) + ranks_);
}

TEST_F(CommunicatorTest, SumOfNothingIsNothing) {
  std::vector<std::uint64_t> values;
  world_.sum(values);
  EXPECT_TRUE(values.empty());
}

TEST_F(CommunicatorTest, SumsOfMoreThanOnePieceAddEveryElement) {
  std::vector<std::uint64_t> values(2 * kMebibyte + 3);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i + rank_;
  world_.sum(values);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < values.size(); ++i) wrong += values[i] != ranks_ * i + ranks_ * (ranks_ - 1) / 2;
  EXPECT_EQ(wrong, 0U);
}

TEST_F(CommunicatorTest, ExtremesAreThoseOfAllRanks) {
  EXPECT_EQ(world_.max(rank_ + 5), ranks_ + 4);
  EXPECT_EQ(world_.min(rank_ + 5), 5U);
  EXPECT_EQ(world_.max(-1.5 - static_cast<double>(rank_)), -1.5);
}

TEST_F(CommunicatorTest, AnyIsTrueIfOneRankSaysSo) {
  EXPECT_FALSE(world_.any(false));
  EXPECT_TRUE(world_.any(rank_ + 1 == ranks_));
}

TEST_F(CommunicatorTest, TheExclusiveSumLeavesOutThisRankAndThoseAfterIt) {
  EXPECT_EQ(world_.exclusive_sum(rank_ + 1), rank_ * (rank_ + 1) / 2);
}

TEST_F(CommunicatorTest, GatheredValuesAreInRankOrder) {
  const std::vector<std::uint64_t> values = world_.all_gather(rank_ * rank_);
  ASSERT_EQ(values.size(), ranks_);
  for (std::uint64_t r = 0; r < ranks_; ++r) EXPECT_EQ(values[r], r * r);
}

TEST_F(CommunicatorTest, GatheredListsOfUnequalLengthAreInRankOrder) {
  const std::vector<std::uint32_t> mine(rank_, static_cast<std::uint32_t>(rank_));  // rank 0 has none
  const std::vector<std::uint32_t> all = world_.all_gather(std::span<const std::uint32_t>(mine));
  std::vector<std::uint32_t> expected;
  for (std::uint32_t r = 0; r < ranks_; ++r) expected.insert(expected.end(), r, r);
  EXPECT_EQ(all, expected);
}

TEST_F(CommunicatorTest, GatheringOnTheRootWantsRecordsOfOneSize) {
  const std::vector<std::uint32_t> same(3, static_cast<std::uint32_t>(rank_));
  EXPECT_EQ(world_.gather(std::span<const std::uint32_t>(same)).size(), rank_ == 0 ? 3 * ranks_ : 0);
  const std::vector<std::uint32_t> uneven(rank_ + 1);
  if (ranks_ == 1) return;
  EXPECT_THROW(static_cast<void>(world_.gather(std::span<const std::uint32_t>(uneven))), Error);
}

TEST_F(CommunicatorTest, GatheringMoreThanOnePieceKeepsEveryByte) {
  const auto length = [](std::uint64_t r) { return r == 1 ? 0 : 9 * kMebibyte + r; };
  const std::vector<std::byte> all = world_.all_gather_bytes(bytes_of(rank_, length(rank_)));
  std::vector<std::byte> expected;
  for (std::uint64_t r = 0; r < ranks_; ++r) {
    const std::vector<std::byte> part = bytes_of(r, length(r));
    expected.insert(expected.end(), part.begin(), part.end());
  }
  EXPECT_TRUE(all == expected);
}

TEST_F(CommunicatorTest, BroadcastReplacesWhatTheOthersHold) {
  const int last = world_.size() - 1;
  std::string text = world_.rank() == last ? "extract 7" : "something longer than that";
  world_.broadcast(text, last);
  EXPECT_EQ(text, "extract 7");
  std::string empty = world_.is_root() ? "" : "not empty";
  world_.broadcast(empty);
  EXPECT_EQ(empty, "");
}

TEST_F(CommunicatorTest, BroadcastOfMoreThanOnePieceKeepsEveryByte) {
  const std::size_t length = 33 * kMebibyte + 1;
  std::vector<std::byte> bytes;
  if (world_.is_root()) bytes = bytes_of(5, length);
  world_.broadcast(bytes);
  EXPECT_TRUE(bytes == bytes_of(5, length));
}

TEST_F(CommunicatorTest, BroadcastValueTakesTheRootsValue) {
  int value = world_.rank();
  world_.broadcast_value(value, world_.size() - 1);
  EXPECT_EQ(value, world_.size() - 1);
}

TEST_F(CommunicatorTest, AgreementWithoutAProblemReturns) {
  EXPECT_NO_THROW(world_.agree(std::nullopt));
}

TEST_F(CommunicatorTest, AllRanksThrowTheProblemOfTheLowestRankThatHasOne) {
  const std::uint64_t lowest = ranks_ / 2;
  std::optional<std::string> problem;
  if (rank_ >= lowest) problem = "extract " + std::to_string(rank_) + " cannot be read";
  try {
    world_.agree(problem, rank_ == lowest ? kExitLimit : kExitFailed);
    ADD_FAILURE() << "agree returned";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "extract " + std::to_string(lowest) + " cannot be read");
    EXPECT_EQ(error.exit_code(), kExitLimit);
  }
}

TEST_F(CommunicatorTest, AnEmptyMessageIsAProblemToo) {
  std::optional<std::string> problem;
  if (rank_ + 1 == ranks_) problem = "";
  EXPECT_THROW(world_.agree(problem), Error);
}

TEST_F(CommunicatorTest, SplitGroupsRanksByColourInTheirOrder) {
  const Communicator half = world_.split(world_.rank() % 2);
  EXPECT_EQ(half.rank(), world_.rank() / 2);
  EXPECT_EQ(half.size(), (world_.size() + 1 - world_.rank() % 2) / 2);
  const std::vector<std::uint64_t> members = half.all_gather(rank_);
  for (std::size_t i = 0; i < members.size(); ++i) EXPECT_EQ(members[i], 2 * i + rank_ % 2);
}

TEST_F(CommunicatorTest, AMovedCommunicatorStillWorks) {
  Communicator half = world_.split(0);
  const Communicator moved = std::move(half);
  EXPECT_EQ(moved.sum(std::uint64_t{1}), ranks_);
}

TEST_F(CommunicatorTest, AFailingMpiCallThrowsAndNamesTheCall) {
  const std::byte nothing{};
  try {
    check_mpi(MPI_Send(&nothing, 1, MPI_BYTE, world_.size(), 0, world_.handle()), "MPI_Send");
    ADD_FAILURE() << "a message to a rank that does not exist was sent";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("MPI_Send"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ligature
