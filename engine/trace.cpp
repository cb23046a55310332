#include "engine/trace.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

namespace ligature {

namespace {

constexpr std::uint64_t kShortestKept = 50'000;  // nanoseconds, until the record is full

std::uint32_t number_of_this_thread() {
  static std::atomic<std::uint32_t> next{0};
  thread_local const std::uint32_t number = next++;
  return number;
}

}  // namespace

struct Trace::Record {
  std::mutex mutex;
  std::vector<TraceEvent> events;
  std::size_t limit = 0;
  std::atomic<std::uint64_t> shortest{kShortestKept};
};

std::uint64_t trace_clock() noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

Trace& Trace::of_this_process() {
  static Trace trace;
  return trace;
}

Trace::Record& Trace::record() {
  static Record record;
  return record;
}

void Trace::start(std::size_t limit) {
  static_cast<void>(number_of_this_thread());
  Record& kept = record();
  const std::lock_guard lock(kept.mutex);
  kept.events.clear();
  kept.limit = limit;
  kept.shortest = kShortestKept;
  on_ = true;
}

std::vector<TraceEvent> Trace::stop() {
  on_ = false;
  Record& kept = record();
  const std::lock_guard lock(kept.mutex);
  std::vector<TraceEvent> events = std::exchange(kept.events, {});
  std::stable_sort(events.begin(), events.end(),
                   [](const TraceEvent& a, const TraceEvent& b) { return a.begin < b.begin; });
  return events;
}

void Trace::add(const char* name, std::uint64_t begin, std::uint64_t end) {
  Record& kept = record();
  const TraceEvent event{name, number_of_this_thread(), begin, end};
  if (event.length() < kept.shortest.load(std::memory_order_relaxed)) return;
  const std::lock_guard lock(kept.mutex);
  if (kept.events.size() >= kept.limit) {
    const std::size_t half = kept.limit / 2;
    const auto last_kept = kept.events.begin() + static_cast<std::ptrdiff_t>(half - 1);
    std::nth_element(kept.events.begin(), last_kept, kept.events.end(),
                     [](const TraceEvent& a, const TraceEvent& b) { return a.length() > b.length(); });
    kept.shortest = last_kept->length();
    kept.events.resize(half);
  }
  if (event.length() >= kept.shortest) kept.events.push_back(event);
}

}  // namespace ligature
