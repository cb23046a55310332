// What communication costs this rank: the bytes that its data takes, and how long it waits in MPI.
//
// Bytes are those that this rank hands to a call and gets from it, as the program sees them; how an algorithm inside
// MPI multiplies them is not seen.  MPI is called from the main thread alone, so plain counters do.
#pragma once

#include <cstdint>

namespace ligature {

struct Traffic {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t waits = 0;                   // calls that may block
  std::uint64_t wait_nanoseconds = 0;        // in them, by the clock on the wall
  std::uint64_t wait_cpu_nanoseconds = 0;    // of that, with a CPU: MPI polls while it waits
  std::uint64_t wait_queue_nanoseconds = 0;  // of that, ready to poll, while others had the CPU
};

// Of this process, since it began.  Main thread only.
Traffic& traffic() noexcept;

// Its life is time spent waiting in MPI.  Of nested ones the outermost counts.  Main thread only.
class Waiting {
 public:
  // call: of static life; what a trace shows.
  explicit Waiting(const char* call) noexcept;
  ~Waiting();
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  const char* call_;
  std::uint64_t begin_ = 0, cpu_begin_ = 0, queue_begin_ = 0;
};

}  // namespace ligature
