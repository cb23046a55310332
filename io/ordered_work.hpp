// Work on items that come one after the other, on many threads, whose results are taken in order.
#pragma once

#include <memory>
#include <utility>

#include "engine/parallel.hpp"
#include "io/recycled.hpp"

namespace ligature {

// next() gives the next item or std::nullopt; work(worker, item) runs on many threads; take(worker) sees what it left
// in the worker, in the order of the items, one call at a time.  A worker's memory is used again: work finds it as take
// left it.  At most two items a thread are there at once.  None of the three may call MPI.
template <typename Worker, typename Next, typename Work, typename Take>
void ordered_work(const Next& next, const Work& work, const Take& take) {
  Recycled<std::unique_ptr<Worker>> workers;
  ordered_pipeline(
      2 * static_cast<std::size_t>(num_threads()), next,
      [&](auto&& item) {
        std::unique_ptr<Worker> worker = workers.take();
        if (!worker) worker = std::make_unique<Worker>();
        work(*worker, std::move(item));
        return worker;
      },
      [&](std::unique_ptr<Worker>&& worker) {
        take(*worker);
        workers.give_back(std::move(worker));
      });
}

}  // namespace ligature
