#include "engine/parallel.hpp"

namespace ligature {

#ifdef LIGATURE_THREAD_SANITIZER

namespace {
std::atomic<int> thread_count{4};
}

int num_threads() noexcept {
  return thread_count;
}

ThreadLimit::ThreadLimit(int threads) : previous_(thread_count) {
  if (threads > 0) thread_count = threads;
}

ThreadLimit::~ThreadLimit() {
  thread_count = previous_;
}

#else

int num_threads() noexcept {
  return static_cast<int>(std::min(tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism),
                                   static_cast<std::size_t>(tbb::this_task_arena::max_concurrency())));
}

ThreadLimit::ThreadLimit(int threads) {
  if (threads > 0) control_.emplace(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(threads));
}

ThreadLimit::~ThreadLimit() = default;

#endif

}  // namespace ligature
