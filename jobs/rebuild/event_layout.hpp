// An event on its way to its person: the person's place on its rank, then the payload with the exact date, then, if the
// quality screens ask for it, the number of its identity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ligature {

inline constexpr std::size_t kEventPersonBytes = sizeof(std::uint32_t);

template <typename T>
T load_from(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename T>
void store_to(std::byte* at, T value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

// Copies few bytes in two parts that may overlap.  REQUIRES: to and from do not.
inline void copy_few(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
  const auto copy = [&]<std::size_t kPart>() {
    std::memcpy(to, from, kPart);
    std::memcpy(to + bytes - kPart, from + bytes - kPart, kPart);
  };
  if (bytes > 32) {
    std::memcpy(to, from, bytes);
  } else if (bytes > 16) {
    copy.template operator()<16>();
  } else if (bytes >= 8) {
    copy.template operator()<8>();
  } else if (bytes >= 4) {
    copy.template operator()<4>();
  } else {
    for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i];
  }
}

}  // namespace ligature
