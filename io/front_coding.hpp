// Numbers and texts in few bytes.
//
// A number is LEB128: seven bits a byte, the least first, the top bit set in all but the last (DWARF 5, section 7.6). A
// text is how many bytes it shares with the text before it, how many more it has, and those: record ids count upwards,
// so that of most only the last digits are left (front coding: Witten, Moffat and Bell, Managing Gigabytes,
// section 4.1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ligature {

inline void put_number(std::vector<std::byte>& bytes, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<std::byte>((value & 0x7F) | 0x80));
  bytes.push_back(static_cast<std::byte>(value));
}

// Takes a number off the front of bytes; false if there is none, or one beyond 64 bits.
inline bool take_number(std::span<const std::byte>& bytes, std::uint64_t& value) noexcept {
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

// before: the text before this one, empty at the start; becomes this one.
inline void put_text(std::vector<std::byte>& bytes, std::string_view text, std::string& before) {
  const auto parting = std::mismatch(before.begin(), before.end(), text.begin(), text.end()).second;
  const auto shared = static_cast<std::size_t>(parting - text.begin());
  put_number(bytes, shared);
  put_number(bytes, text.size() - shared);
  const auto rest = std::as_bytes(std::span(text).subspan(shared));
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  before.assign(text);
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
