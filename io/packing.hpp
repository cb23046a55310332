// Values one after the other as bytes, and back: what pieces of a checkpoint are made of.
//
// A number stands as it is in memory (little-endian); an array after the number of its items.  Reading never goes
// beyond the bytes, whatever they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/error.hpp"

namespace ligature {

class Packer {
 public:
  template <typename T>
  void value(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    put(&value, sizeof value);
  }
  template <typename T>
  void array(std::span<const T> items) {
    static_assert(std::is_trivially_copyable_v<T>);
    value(std::uint64_t{items.size()});
    put(items.data(), items.size_bytes());
  }
  template <typename T>
  void array(const std::vector<T>& items) {
    array(std::span<const T>(items));
  }
  void text(std::string_view text) {
    value(std::uint64_t{text.size()});
    put(text.data(), text.size());
  }
  void texts(const std::vector<std::string>& texts) {
    value(std::uint64_t{texts.size()});
    for (const std::string& item : texts) text(item);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }
  void clear() noexcept { bytes_.clear(); }  // keeps the memory

 private:
  void put(const void* data, std::size_t size) {
    const auto* const begin = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), begin, begin + size);
  }
  std::vector<std::byte> bytes_;
};

// Throws Error where the bytes cannot be what is asked for.
class Unpacker {
 public:
  explicit Unpacker(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  [[nodiscard]] T value() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    take(&value, 1, sizeof value);
    return value;
  }
  template <typename T>
  void array(std::vector<T>& items) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto count = value<std::uint64_t>();
    if (count > bytes_.size() / sizeof(T)) wrong();
    items.resize(count);
    take(items.data(), count, sizeof(T));
  }
  [[nodiscard]] std::string text() {
    const auto count = value<std::uint64_t>();
    if (count > bytes_.size()) wrong();
    std::string text(count, '\0');
    take(text.data(), count, 1);
    return text;
  }
  void texts(std::vector<std::string>& texts) {
    const auto count = value<std::uint64_t>();
    if (count > bytes_.size() / sizeof(std::uint64_t)) wrong();
    texts.clear();
    texts.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) texts.push_back(text());
  }
  // Ends the reading: nothing may be left.
  void finish() const {
    if (!bytes_.empty()) wrong();
  }
  [[noreturn]] static void wrong() { throw Error("a piece of the checkpoint is not what it should be"); }

 private:
  void take(void* to, std::size_t count, std::size_t size) {
    if (count > bytes_.size() / size) wrong();
    if (count > 0) std::memcpy(to, bytes_.data(), count * size);
    bytes_ = bytes_.subspan(count * size);
  }
  std::span<const std::byte> bytes_;
};

}  // namespace ligature
