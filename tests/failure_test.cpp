// Whether all ranks failed or one alone: what decides between one message in good order and an abort.
#include "partition/failure.hpp"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace ligature {
namespace {

constexpr std::chrono::seconds kLong{60};
constexpr std::chrono::milliseconds kShort{20};

TEST(Failure, of_all_ranks_is_known_to_all) {
  const Communicator world = Communicator::world();
  FailureAgreement agreement(world);
  EXPECT_TRUE(agreement.all_failed(kLong));
}

TEST(Failure, of_the_last_rank_alone_is_not_of_all) {
  const Communicator world = Communicator::world();
  FailureAgreement agreement(world);
  if (world.rank() == world.size() - 1) {
    EXPECT_EQ(agreement.all_failed(kShort), world.size() == 1);
  }
  world.barrier();  // the other ranks are at work until here
  EXPECT_TRUE(agreement.all_failed(kLong));
}

TEST(Failure, other_collectives_go_on_beside_it) {
  const Communicator world = Communicator::world();
  FailureAgreement agreement(world);
  if (world.is_root()) {
    EXPECT_EQ(agreement.all_failed(kShort), world.size() == 1);
  }
  EXPECT_EQ(world.sum(std::uint64_t{1}), static_cast<std::uint64_t>(world.size()));
  EXPECT_TRUE(agreement.all_failed(kLong));
}

TEST(Failure, one_message_of_all_ranks_is_printed_by_rank_0) {
  const Communicator world = Communicator::world();
  FailureAgreement agreement(world);
  EXPECT_TRUE(agreement.all_failed(kLong));
  EXPECT_EQ(agreement.should_print("job.toml:1:1: no extract"), world.is_root());
  EXPECT_EQ(agreement.should_print(""), world.is_root());
  EXPECT_EQ(agreement.should_print(std::string(1 << 20, 'x')), world.is_root());
}

TEST(Failure, different_messages_are_all_printed) {
  const Communicator world = Communicator::world();
  FailureAgreement agreement(world);
  EXPECT_TRUE(agreement.all_failed(kLong));
  EXPECT_TRUE(agreement.should_print("rank " + std::to_string(world.rank())));
  EXPECT_TRUE(agreement.should_print(std::string(static_cast<std::size_t>(world.rank()) + 1, 'x')));
}

}  // namespace
}  // namespace ligature
