// Work on many items over the threads of one rank.  parallel.cpp and sort_items.hpp alone include oneTBB: what goes
// there are references to functions, so that its templates are compiled once and not with every loop of the program.
//
// Blocks depend on the count and the grain alone, never on the number of threads, and partial results are combined in
// block order: the same answer on any number of threads.  Under ThreadSanitizer (LIGATURE_THREAD_SANITIZER) the same
// functions run on plain threads, since an uninstrumented TBB hides real races and reports false ones.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace ligature {

// How many threads the functions below use on this rank.
[[nodiscard]] int num_threads() noexcept;

// Limits this process to a number of threads while it lives; 0 leaves the default (the CPUs that the rank may use).
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  struct Previous;
  std::unique_ptr<Previous> previous_;
};

// A reference to a function of an index, which has to outlive it.
template <typename Result>
class IndexFunction {
 public:
  template <typename Function>
  explicit IndexFunction(const Function& function)
      : function_(&function), call_([](const void* called, std::size_t index) -> Result {
          return (*static_cast<const Function*>(called))(index);
        }) {}
  Result operator()(std::size_t index) const { return call_(function_, index); }

 private:
  const void* function_;
  Result (*call_)(const void*, std::size_t);
};

// Runs task(i) for every i of [0, count).
void run_tasks(std::size_t count, IndexFunction<void> task);

// Runs body(begin, end) for every block of at most grain items of [0, count).  An exception of any body ends the work
// early and is rethrown; of several, one.  REQUIRES: grain > 0.
template <typename Body>
void for_blocks(std::size_t count, std::size_t grain, const Body& body) {
  const auto run_block = [&](std::size_t block) {
    const std::size_t begin = block * grain;
    body(begin, begin + std::min(grain, count - begin));  // no sum can pass count, and so overflow
  };
  run_tasks(count == 0 ? 0 : (count - 1) / grain + 1, IndexFunction<void>(run_block));
}

// The sum of what count(begin, end) gives for each block, as for_blocks has them.
template <typename Count>
std::uint64_t sum_blocks(std::size_t items, std::size_t grain, const Count& count) {
  std::atomic<std::uint64_t> sum = 0;
  for_blocks(items, grain, [&](std::size_t begin, std::size_t end) { sum += count(begin, end); });
  return sum;
}

// Runs body(item) for every item of [0, count), one task an item: for items of very different cost.
template <typename Body>
void for_each_item(std::size_t count, const Body& body) {
  run_tasks(count, IndexFunction<void>(body));
}

// A pipeline: produce() gives the next item or std::nullopt, transform(item) runs on many threads, consume(result) sees
// the results in the order of production.  produce and consume each run one call at a time, but on any thread (so they
// must not call MPI).  At most in_flight items exist at once: memory is bounded however fast they are produced.  An
// exception of any of the three ends the pipeline early and is rethrown.
template <typename Produce, typename Transform, typename Consume>
void ordered_pipeline(std::size_t in_flight, const Produce& produce, const Transform& transform,
                      const Consume& consume);

// One pointer a thread, null at first.
class ThreadPointers {
 public:
  ThreadPointers();
  ~ThreadPointers();
  ThreadPointers(const ThreadPointers&) = delete;
  ThreadPointers& operator=(const ThreadPointers&) = delete;
  // That of the calling thread.
  [[nodiscard]] void*& local();
  // Visits those of all threads; not while others call local().
  void for_each(const std::function<void(void*)>& visit) const;

 private:
  struct Table;
  std::unique_ptr<Table> table_;
};

// One value a thread; combine or visit them after the parallel work.
template <typename T>
class PerThread;

}  // namespace ligature

#include "engine/parallel_impl.hpp"
