// Bytes that are wiped before their memory is given back: keys, and whatever is as secret as they are.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace ligature {

// Overwrites memory in a way that the compiler does not leave out.
void wipe(void* data, std::size_t bytes) noexcept;

template <typename T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <typename U>
  explicit WipingAllocator(const WipingAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* data, std::size_t count) noexcept {
    wipe(data, count * sizeof(T));
    std::allocator<T>().deallocate(data, count);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) noexcept { return true; }
};

// Every copy of it, and what a growing one leaves behind, is wiped.
using SecretBytes = std::vector<std::byte, WipingAllocator<std::byte>>;

}  // namespace ligature
