#include "io/background.hpp"

#include <atomic>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

namespace ligature {
namespace {

TEST(Background, does_its_step_while_the_caller_goes_on) {
  std::atomic<bool> may_end = false;
  std::thread::id of_step;
  Background background;
  background.run([&] {
    of_step = std::this_thread::get_id();
    may_end.wait(false);
  });
  may_end = true;  // a step of this thread would wait for it for ever
  may_end.notify_all();
  background.wait();
  EXPECT_NE(of_step, std::this_thread::get_id());
}

TEST(Background, does_one_step_after_the_other) {
  int done = 0;  // plain: two steps at once would be a race, which the thread sanitizer sees
  Background background;
  for (int step = 0; step < 100; ++step) {
    background.run([&done, step] {
      EXPECT_EQ(done, step);
      ++done;
    });
  }
  background.wait();
  EXPECT_EQ(done, 100);
}

TEST(Background, tells_the_next_who_asks_what_a_step_met) {
  Background background;
  background.run([] { throw std::runtime_error("the disk is full"); });
  EXPECT_THROW(background.run([] { FAIL() << "nothing is done after a failure"; }), std::runtime_error);
  EXPECT_NO_THROW(background.wait()) << "it is told once";
}

TEST(Background, waits_for_its_step_at_the_end_of_its_life) {
  std::atomic<bool> done = false;
  {
    Background background;
    background.run([&] {
      std::this_thread::yield();
      done = true;
    });
  }
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace ligature
