// Bodies of the longer templates of parallel.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef LIGATURE_THREAD_SANITIZER
#include <map>
#endif

namespace ligature {

template <typename Produce, typename Transform, typename Consume>
void ordered_pipeline(std::size_t in_flight, const Produce& produce, const Transform& transform,
                      const Consume& consume) {
  using Item = typename std::invoke_result_t<const Produce&>::value_type;
  using Result = std::invoke_result_t<const Transform&, Item>;
#ifdef LIGATURE_THREAD_SANITIZER
  for (bool more = true; more;) {
    std::vector<Item> items;
    while (items.size() < std::max<std::size_t>(in_flight, 1)) {
      std::optional<Item> item = produce();
      if (!item) {
        more = false;
        break;
      }
      items.push_back(std::move(*item));
    }
    std::vector<std::optional<Result>> results(items.size());
    for_each_item(items.size(), [&](std::size_t i) { results[i].emplace(transform(std::move(items[i]))); });
    for (auto& result : results) consume(std::move(*result));
  }
#else
  // The items stay in a ring of slots and only pointers travel: TBB forgets whatever waits between stages when an
  // exception ends the pipeline.  Results are consumed in order, so item n finds the slot of item n - ring free.
  struct Slot {
    std::optional<Item> item;
    std::optional<Result> result;
  };
  std::vector<Slot> ring(std::max<std::size_t>(in_flight, 1));
  std::size_t produced = 0;
  tbb::parallel_pipeline(
      ring.size(),
      tbb::make_filter<void, Slot*>(tbb::filter_mode::serial_in_order, [&](tbb::flow_control& control) -> Slot* {
        Slot& slot = ring[produced++ % ring.size()];
        std::optional<Item> item = produce();
        if (!item) {
          control.stop();
          return nullptr;
        }
        slot.item.emplace(std::move(*item));
        return &slot;
      }) & tbb::make_filter<Slot*, Slot*>(tbb::filter_mode::parallel, [&](Slot* slot) {
        const TraceTask traced;
        slot->result.emplace(transform(std::move(*slot->item)));
        slot->item.reset();
        return slot;
      }) & tbb::make_filter<Slot*, void>(tbb::filter_mode::serial_in_order, [&](Slot* slot) {
        consume(std::move(*slot->result));
        slot->result.reset();
      }));
#endif
}

#ifdef LIGATURE_THREAD_SANITIZER
template <typename T>
class PerThread {
 public:
  T& local() {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<T>& slot = values_[std::this_thread::get_id()];
    if (!slot) slot = std::make_unique<T>();
    return *slot;
  }
  template <typename Visit>
  void for_each(const Visit& visit) {
    for (auto& [id, value] : values_) visit(*value);
  }

 private:
  std::mutex mutex_;
  std::map<std::thread::id, std::unique_ptr<T>> values_;
};
#else
template <typename T>
class PerThread {
 public:
  T& local() { return values_.local(); }
  template <typename Visit>
  void for_each(const Visit& visit) {
    for (T& value : values_) visit(value);
  }

 private:
  tbb::enumerable_thread_specific<T> values_;
};
#endif

}  // namespace ligature
