// Things whose memory is used again, since memory that is touched for the first time is slow.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

namespace ligature {

// Thread-safe.
template <typename T>
class Recycled {
 public:
  // One that was given back, or a new one.
  T take() {
    const std::lock_guard lock(mutex_);
    if (spare_.empty()) return T();
    T thing = std::move(spare_.back());
    spare_.pop_back();
    return thing;
  }
  void give_back(T&& thing) {
    const std::lock_guard lock(mutex_);
    spare_.push_back(std::move(thing));
  }

 private:
  std::mutex mutex_;
  std::vector<T> spare_;
};

}  // namespace ligature
