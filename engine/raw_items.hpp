// Room for many items that are all written before any is read: a vector, or an array of items whose members have
// initial values, would write all of it once more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>

namespace ligature {

template <typename T>
class RawItems {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
  static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);

 public:
  RawItems() = default;
  // room: that the block has at least, in items.
  explicit RawItems(std::size_t count, std::size_t room = 0)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(std::max(count, room) * sizeof(T))), count_(count) {}
  [[nodiscard]] T* data() noexcept { return reinterpret_cast<T*>(bytes_.get()); }
  [[nodiscard]] const T* data() const noexcept { return reinterpret_cast<const T*>(bytes_.get()); }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  T& operator[](std::size_t i) noexcept { return data()[i]; }
  const T& operator[](std::size_t i) const noexcept { return data()[i]; }
  [[nodiscard]] std::span<const T> all() const noexcept { return {data(), count_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t count_ = 0;
};

}  // namespace ligature
