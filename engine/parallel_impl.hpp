// Bodies of the longer templates of parallel.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/cache_line.hpp"

namespace ligature {

// The pipeline over a ring of slots: item n lies in slot n % slots, whose results are consumed in order, so it is free.
// produce(slot) tells whether there was another item.
void run_pipeline(std::size_t slots, IndexFunction<bool> produce, IndexFunction<void> transform,
                  IndexFunction<void> consume);

template <typename Produce, typename Transform, typename Consume>
void ordered_pipeline(std::size_t in_flight, const Produce& produce, const Transform& transform,
                      const Consume& consume) {
  using Item = typename std::invoke_result_t<const Produce&>::value_type;
  using Result = std::invoke_result_t<const Transform&, Item>;
  // The items stay here and only their places travel: TBB forgets whatever waits between stages when an exception ends
  // the pipeline.
  struct Slot {
    std::optional<Item> item;
    std::optional<Result> result;
  };
  std::vector<Slot> ring(std::max<std::size_t>(in_flight, 1));
  const auto produce_into = [&](std::size_t slot) {
    std::optional<Item> item = produce();
    if (item) ring[slot].item.emplace(std::move(*item));
    return item.has_value();
  };
  const auto transform_in = [&](std::size_t slot) {
    ring[slot].result.emplace(transform(std::move(*ring[slot].item)));
    ring[slot].item.reset();
  };
  const auto consume_from = [&](std::size_t slot) {
    consume(std::move(*ring[slot].result));
    ring[slot].result.reset();
  };
  run_pipeline(ring.size(), IndexFunction<bool>(produce_into), IndexFunction<void>(transform_in),
               IndexFunction<void>(consume_from));
}

template <typename T>
class PerThread {
 public:
  PerThread() = default;
  PerThread(const PerThread&) = delete;
  PerThread& operator=(const PerThread&) = delete;
  ~PerThread() {
    values_.for_each([](void* value) { delete static_cast<Value*>(value); });
  }
  T& local() {
    void*& value = values_.local();
    if (value == nullptr) value = new Value();
    return static_cast<Value*>(value)->value;
  }
  template <typename Visit>
  void for_each(const Visit& visit) {
    values_.for_each([&](void* value) {
      if (value != nullptr) visit(static_cast<Value*>(value)->value);
    });
  }

 private:
  // Not in one line of the cache with what another thread writes.
  struct alignas(kLineBytes) Value {
    T value{};
  };
  ThreadPointers values_;
};

}  // namespace ligature
