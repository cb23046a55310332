// A vector whose new elements have no value until they are written: for many items that are all written before any is
// read, whose initial values would be one more pass over memory.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace ligature {

template <typename T>
struct WithoutInitialValue : std::allocator<T> {
  WithoutInitialValue() = default;
  template <typename U>
  WithoutInitialValue(const WithoutInitialValue<U>&) noexcept {}
  template <typename U>
  struct rebind {
    using other = WithoutInitialValue<U>;
  };
  template <typename U>
  void construct(U*) noexcept {
    static_assert(std::is_trivially_copyable_v<U> && std::is_trivially_destructible_v<U>);
  }
  template <typename U, typename... Args>
  void construct(U* place, Args&&... args) {
    std::construct_at(place, std::forward<Args>(args)...);
  }
};

template <typename T>
using RawVector = std::vector<T, WithoutInitialValue<T>>;

}  // namespace ligature
