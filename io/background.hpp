// A step that is done on a thread of its own while the caller goes on: mostly one that waits for a disk.
#pragma once

#include <functional>
#include <future>
#include <utility>

namespace ligature {

// One step at a time.  At the end of its life it waits, and what the step met is lost: call wait() before.
class Background {
 public:
  // Waits for the step before.  step: must not call MPI, and what it uses must last.  Throws what that one threw.
  void run(std::function<void()> step) {
    wait();
    step_ = std::async(std::launch::async, std::move(step));
  }
  // Throws what the last step threw.
  void wait() {
    if (step_.valid()) step_.get();
  }

 private:
  std::future<void> step_;
};

}  // namespace ligature
