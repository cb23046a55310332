// Work on many items over the threads of one rank.  The only include of oneTBB.
//
// Blocks depend on the count and the grain alone, never on the number of threads, and partial results are combined in
// block order: the same answer on any number of threads.  Under ThreadSanitizer (LIGATURE_THREAD_SANITIZER) the same
// functions run on plain threads, since an uninstrumented TBB hides real races and reports false ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "engine/trace.hpp"

#ifdef LIGATURE_THREAD_SANITIZER
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#else
#include <tbb/blocked_range.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/parallel_sort.h>
#include <tbb/task_arena.h>
#endif

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
#ifdef LIGATURE_THREAD_SANITIZER
  int previous_;
#else
  std::optional<tbb::global_control> control_;
#endif
};

// Runs body(begin, end) for every block of at most grain items of [0, count).  An exception of any body ends the work
// early and is rethrown; of several, one.  REQUIRES: grain > 0.
template <typename Body>
void for_blocks(std::size_t count, std::size_t grain, const Body& body) {
  const std::size_t blocks = count == 0 ? 0 : (count - 1) / grain + 1;
  const auto run_block = [&](std::size_t block) {
    const TraceTask traced;
    const std::size_t begin = block * grain;
    body(begin, begin + std::min(grain, count - begin));  // no sum can pass count, and so overflow
  };
#ifdef LIGATURE_THREAD_SANITIZER
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  auto work = [&] {
    for (std::size_t block = next++; block < blocks; block = next++) {
      try {
        run_block(block);
      } catch (...) {
        next = blocks;  // the other threads stop after their block
        const std::lock_guard lock(failure_mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int t = 1; t < num_threads(); ++t) threads.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
#else
  tbb::parallel_for(std::size_t{0}, blocks, run_block);
#endif
}

// Runs body(item) for every item of [0, count), one task an item: for items of very different cost.
template <typename Body>
void for_each_item(std::size_t count, const Body& body) {
  for_blocks(count, 1, [&](std::size_t begin, std::size_t) { body(begin); });
}

// Sorts by a strict total order (no two items equal under it unless identical): the result is then unique.
template <typename Iterator, typename Less>
void sort_items(Iterator first, Iterator last, const Less& less) {
#ifdef LIGATURE_THREAD_SANITIZER
  std::sort(first, last, less);
#else
  tbb::parallel_sort(first, last, less);
#endif
}

// A pipeline: produce() gives the next item or std::nullopt, transform(item) runs on many threads, consume(result) sees
// the results in the order of production.  produce and consume each run one call at a time, but on any thread (so they
// must not call MPI).  At most in_flight items exist at once: memory is bounded however fast they are produced.  An
// exception of any of the three ends the pipeline early and is rethrown.
template <typename Produce, typename Transform, typename Consume>
void ordered_pipeline(std::size_t in_flight, const Produce& produce, const Transform& transform,
                      const Consume& consume);

// One value a thread; combine or visit them after the parallel work.
template <typename T>
class PerThread;

}  // namespace ligature

#include "engine/parallel_impl.hpp"
