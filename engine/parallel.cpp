#include "engine/parallel.hpp"

#include "engine/trace.hpp"

#ifdef LIGATURE_THREAD_SANITIZER
#include <atomic>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <vector>
#else
#include <tbb/enumerable_thread_specific.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_pipeline.h>
#include <tbb/task_arena.h>
#endif

namespace ligature {

#ifdef LIGATURE_THREAD_SANITIZER

namespace {
std::atomic<int> thread_count{4};
}

int num_threads() noexcept {
  return thread_count;
}

struct ThreadLimit::Previous {
  int threads;
};

ThreadLimit::ThreadLimit(int threads) : previous_(new Previous{thread_count}) {
  if (threads > 0) thread_count = threads;
}

ThreadLimit::~ThreadLimit() {
  thread_count = previous_->threads;
}

void run_tasks(std::size_t count, IndexFunction<void> task) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        const TraceTask traced;
        task(i);
      } catch (...) {
        next = count;  // the other threads stop after their task
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
}

void run_pipeline(std::size_t slots, IndexFunction<bool> produce, IndexFunction<void> transform,
                  IndexFunction<void> consume) {
  for (bool more = true; more;) {
    std::size_t items = 0;
    while (items < slots && (more = produce(items))) ++items;
    run_tasks(items, transform);
    for (std::size_t slot = 0; slot < items; ++slot) consume(slot);
  }
}

struct ThreadPointers::Table {
  std::mutex mutex;
  std::map<std::thread::id, void*> pointers;
};

void*& ThreadPointers::local() {
  const std::lock_guard lock(table_->mutex);
  return table_->pointers[std::this_thread::get_id()];
}

void ThreadPointers::for_each(const std::function<void(void*)>& visit) const {
  for (const auto& [id, pointer] : table_->pointers) visit(pointer);
}

#else

int num_threads() noexcept {
  return static_cast<int>(std::min(tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism),
                                   static_cast<std::size_t>(tbb::this_task_arena::max_concurrency())));
}

struct ThreadLimit::Previous {
  explicit Previous(std::size_t threads) : control(tbb::global_control::max_allowed_parallelism, threads) {}
  tbb::global_control control;  // gives the limit before it back
};

ThreadLimit::ThreadLimit(int threads) {
  if (threads > 0) previous_ = std::make_unique<Previous>(static_cast<std::size_t>(threads));
}

ThreadLimit::~ThreadLimit() = default;

void run_tasks(std::size_t count, IndexFunction<void> task) {
  tbb::parallel_for(std::size_t{0}, count, [&](std::size_t i) {
    const TraceTask traced;
    task(i);
  });
}

void run_pipeline(std::size_t slots, IndexFunction<bool> produce, IndexFunction<void> transform,
                  IndexFunction<void> consume) {
  std::size_t produced = 0;
  tbb::parallel_pipeline(
      slots, tbb::make_filter<void, std::size_t>(tbb::filter_mode::serial_in_order, [&](tbb::flow_control& control) {
               const std::size_t slot = produced++ % slots;
               if (!produce(slot)) control.stop();
               return slot;
             }) & tbb::make_filter<std::size_t, std::size_t>(tbb::filter_mode::parallel, [&](std::size_t slot) {
               const TraceTask traced;
               transform(slot);
               return slot;
             }) & tbb::make_filter<std::size_t, void>(tbb::filter_mode::serial_in_order, [&](std::size_t slot) {
               consume(slot);
             }));
}

struct ThreadPointers::Table {
  tbb::enumerable_thread_specific<void*> pointers{nullptr};
};

void*& ThreadPointers::local() {
  return table_->pointers.local();
}

void ThreadPointers::for_each(const std::function<void(void*)>& visit) const {
  for (void* const pointer : table_->pointers) visit(pointer);
}

#endif

ThreadPointers::ThreadPointers() : table_(std::make_unique<Table>()) {}
ThreadPointers::~ThreadPointers() = default;

}  // namespace ligature
