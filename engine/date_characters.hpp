// The characters of a date in one of the usual spellings, brought into one order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/field_text.hpp"

namespace ligature {

inline constexpr std::array<std::string_view, 12> kMonthNames = {"january",   "february", "march",    "april",
                                                                 "may",       "june",     "july",     "august",
                                                                 "september", "october",  "november", "december"};

// English months by the second and third letters of their short names, which tell them apart in this way.
struct Month {
  std::uint32_t letters = 0;  // lower case, the first lowest
  std::uint32_t digits = 0;   // "01".."12", the first lowest
};

constexpr std::size_t month_slot(std::uint32_t letters) noexcept {
  return ((letters >> 8) + (letters >> 16)) & 31;
}

constexpr std::array<Month, 32> months_by_letters() {
  std::array<Month, 32> table{};
  for (std::size_t i = 0; i < kMonthNames.size(); ++i) {
    const auto letter = [&](std::size_t at) { return static_cast<std::uint32_t>(kMonthNames[i][at]); };
    const auto number = static_cast<std::uint32_t>(i + 1);
    const std::uint32_t letters = letter(0) | letter(1) << 8 | letter(2) << 16;
    table[month_slot(letters)] = {letters, ('0' + number / 10) | ('0' + number % 10) << 8};
  }
  return table;
}

inline constexpr std::array<Month, 32> kMonthsByLetters = months_by_letters();

// The eight characters YYYYMMDD, as a word, of a date in one of the usual spellings; anything that is not eight digits
// if it has none of them.
[[gnu::always_inline]] inline std::uint64_t year_month_day(std::string_view text) noexcept {
  constexpr std::uint64_t kMonthMask = 0xFFFFULL << 32, kDayMask = 0xFFFFULL << 48;
  const char* const t = text.data();
  if (text.size() == 10) {
    const std::uint64_t first = load_eight(t), last = load_eight(t + 2);
    if (t[4] == t[7] && (t[4] == '-' || t[4] == '/')) {  // 1970-12-31
      return (first & 0xFFFFFFFFULL) | (first >> 8 & kMonthMask) | (last & kDayMask);
    }
    if (t[2] == t[5] && (t[2] == '/' || t[2] == '-' || t[2] == '.')) {  // 31/12/1970
      return last >> 32 | (first << 8 & kMonthMask) | first << 48;
    }
  } else if (text.size() == 11 && t[2] == t[6] && (t[2] == '-' || t[2] == ' ' || t[2] == '/')) {  // 31-Dec-1970
    const std::uint64_t first = load_eight(t), last = load_eight(t + 3);
    const std::uint32_t letters = (static_cast<std::uint32_t>(last) | 0x20202020U) & 0xFFFFFFU;
    const Month& month = kMonthsByLetters[month_slot(letters)];
    if (month.letters == letters) return last >> 32 | static_cast<std::uint64_t>(month.digits) << 32 | first << 48;
  } else if (text.size() == 8) {  // 19701231
    return load_eight(t);
  }
  return 0;
}

}  // namespace ligature
