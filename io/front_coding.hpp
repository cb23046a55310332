// Numbers and texts in few bytes.
//
// A number is LEB128: seven bits a byte, the least first, the top bit set in all but the last (DWARF 5, section 7.6). A
// text is how many bytes it shares with the text before it, how many more it has, and those: record ids count upwards,
// so that of most only the last digits are left (front coding: Witten, Moffat and Bell, Managing Gigabytes,
// section 4.1).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace ligature {

inline constexpr std::size_t kMostNumberBytes = 10;

// The most bytes that a text of so many takes.
constexpr std::size_t most_text_bytes(std::size_t size) noexcept {
  return 2 * kMostNumberBytes + size;
}

// Puts a number at `at`, where there is room for kMostNumberBytes; returns where it ends.
inline std::byte* put_number(std::byte* at, std::uint64_t value) noexcept {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<std::byte>((value & 0x7F) | 0x80);
  *at++ = static_cast<std::byte>(value);
  return at;
}

// Takes a number off the front of bytes; false if there is none, or one beyond 64 bits.
inline bool take_number(std::span<const std::byte>& bytes, std::uint64_t& value) noexcept {
  if (!bytes.empty() && bytes.front() < std::byte{0x80}) {  // as most are
    value = static_cast<std::uint64_t>(bytes.front());
    bytes = bytes.subspan(1);
    return true;
  }
  value = 0;
  for (unsigned i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<std::uint64_t>(bytes[i]);
    if (i == 9 && byte > 1) return false;
    value |= (byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      bytes = bytes.subspan(i + 1);
      return true;
    }
  }
  return false;
}

// How many bytes two texts begin with in common.
inline std::size_t shared_bytes(std::string_view a, std::string_view b) noexcept {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t shared = 0;
  for (; shared + sizeof(std::uint64_t) <= most; shared += sizeof(std::uint64_t)) {
    std::uint64_t word_a = 0, word_b = 0;
    std::memcpy(&word_a, a.data() + shared, sizeof word_a);
    std::memcpy(&word_b, b.data() + shared, sizeof word_b);
    if (word_a != word_b) return shared + static_cast<std::size_t>(std::countr_zero(word_a ^ word_b)) / 8;
  }
  while (shared < most && a[shared] == b[shared]) ++shared;
  return shared;
}

// Puts a text at `at`, where there is room for most_text_bytes; returns where it ends.  before: the text before this
// one, empty at the start.
inline std::byte* put_text(std::byte* at, std::string_view text, std::string_view before) noexcept {
  const std::size_t shared = shared_bytes(text, before), rest = text.size() - shared;
  at = put_number(put_number(at, shared), rest);
  const char* const from = text.data() + shared;
  if (rest < sizeof(std::uint64_t)) {
    for (std::size_t i = 0; i < rest; ++i) at[i] = static_cast<std::byte>(from[i]);
  } else {
    std::memcpy(at, from, rest);
  }
  return at + rest;
}

// text: the one before, and then the one that was taken off the front of bytes; false if there is none.
inline bool take_text(std::span<const std::byte>& bytes, std::string& text) {
  std::uint64_t shared = 0, rest = 0;
  if (!take_number(bytes, shared) || !take_number(bytes, rest)) return false;
  if (shared > text.size() || rest > bytes.size()) return false;
  text.resize(shared);
  text.append(reinterpret_cast<const char*>(bytes.data()), rest);
  bytes = bytes.subspan(rest);
  return true;
}

}  // namespace ligature
