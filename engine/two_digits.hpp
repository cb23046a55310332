// The numbers below 100 as two characters, the first in the high byte: half the divisions of a digit at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ligature {

inline constexpr std::array<std::uint16_t, 100> kTwoDigits = [] {
  std::array<std::uint16_t, 100> table{};
  for (std::size_t n = 0; n < table.size(); ++n) table[n] = static_cast<std::uint16_t>(0x3030 + (n / 10 << 8) + n % 10);
  return table;
}();

}  // namespace ligature
