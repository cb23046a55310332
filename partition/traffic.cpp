#include "partition/traffic.hpp"

#include <array>
#include <charconv>
#include <ctime>

#include <fcntl.h>
#include <unistd.h>

#include "engine/trace.hpp"

namespace ligature {

namespace {

int nested = 0;

std::uint64_t cpu_of_this_thread() noexcept {
  std::timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// How long this thread was ready to run and had no CPU: the second number of its schedstat; 0 where there is none.
std::uint64_t queued_of_this_thread() noexcept {
  static const int file = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  std::array<char, 96> text{};
  const ssize_t length = file < 0 ? 0 : ::pread(file, text.data(), text.size(), 0);
  if (length <= 0) return 0;
  const char* const end = text.data() + length;
  const char* at = text.data();
  while (at != end && *at != ' ') ++at;
  std::uint64_t queued = 0;
  if (at != end) std::from_chars(at + 1, end, queued);
  return queued;
}

}  // namespace

Traffic& traffic() noexcept {
  static Traffic of_this_process;
  return of_this_process;
}

Waiting::Waiting(const char* call) noexcept : call_(call) {
  if (nested++ > 0) return;
  begin_ = trace_clock();
  cpu_begin_ = cpu_of_this_thread();
  queue_begin_ = queued_of_this_thread();
}

Waiting::~Waiting() {
  if (--nested > 0) return;
  const std::uint64_t end = trace_clock();
  Traffic& total = traffic();
  ++total.waits;
  total.wait_nanoseconds += end - begin_;
  total.wait_cpu_nanoseconds += cpu_of_this_thread() - cpu_begin_;
  total.wait_queue_nanoseconds += queued_of_this_thread() - queue_begin_;
  if (Trace& trace = Trace::of_this_process(); trace.on()) trace.add(call_, begin_, end);
}

}  // namespace ligature
