// A record of what each thread did when, for a timeline of the run (io/trace_file.hpp writes it for Perfetto).
//
// Off unless start() was called: a task then costs one load and one branch.  The size is bounded by forgetting short
// tasks: when the record is full, its shorter half goes, and what is shorter still is no longer kept.  The record of a
// run of any length thus has the tasks that decided how long it took.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ligature {

// Times are of the steady clock, in nanoseconds.
struct TraceEvent {
  const char* name = "";     // of static life
  std::uint32_t thread = 0;  // 0 is the first that recorded, in a job the main thread
  std::uint64_t begin = 0, end = 0;
  [[nodiscard]] std::uint64_t length() const noexcept { return end - begin; }
};

std::uint64_t trace_clock() noexcept;

// A record of at most `limit` events.  Thread-safe; the program has one, for its threads are its own.
class Trace {
 public:
  static Trace& of_this_process();
  // Begins to record, with nothing recorded.  limit: at least 2.
  void start(std::size_t limit);
  // Ends recording and hands over the events in the order of their begin.
  std::vector<TraceEvent> stop();
  [[nodiscard]] bool on() const noexcept { return on_.load(std::memory_order_relaxed); }
  // Records what the calling thread did, unless it is too short to keep.
  void add(const char* name, std::uint64_t begin, std::uint64_t end);
  // The name of tasks from now on: what the main thread is at.
  void name_tasks(const char* name) noexcept { task_name_.store(name, std::memory_order_relaxed); }
  [[nodiscard]] const char* task_name() const noexcept { return task_name_.load(std::memory_order_relaxed); }

 private:
  struct Record;
  static Record& record();
  std::atomic<bool> on_{false};
  std::atomic<const char*> task_name_{"task"};
};

// Records its own life as a task.
class TraceTask {
 public:
  TraceTask() noexcept : begin_(Trace::of_this_process().on() ? trace_clock() : 0) {}
  ~TraceTask() {
    if (begin_ != 0) Trace::of_this_process().add(Trace::of_this_process().task_name(), begin_, trace_clock());
  }
  TraceTask(const TraceTask&) = delete;
  TraceTask& operator=(const TraceTask&) = delete;

 private:
  std::uint64_t begin_;
};

}  // namespace ligature
