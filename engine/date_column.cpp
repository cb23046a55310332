// Dates of a column, many rows side by side in SIMD lanes chosen at run time (Highway).
//
// The usual spellings are gathered as words of eight characters, YYYYMMDD; lanes then tell whether they are digits and
// reckon the day.  What is none of these spellings is left to parse_date, the plain reference.
#include <array>

#include "engine/column_chunk.hpp"
#include "engine/date.hpp"
#include "engine/date_characters.hpp"

#ifndef LIGATURE_DATE_COLUMN
#define LIGATURE_DATE_COLUMN
namespace ligature {

struct DateChunk {
  std::array<std::uint64_t, kChunkRows> characters;  // the first lowest; 0 for no usual spelling
  std::array<std::uint64_t, kChunkRows> day;
};

}  // namespace ligature
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/date_column.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "engine/simd_targets.hpp"
#include "engine/word_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace ligature {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

std::uint64_t read_days(DateChunk&, std::size_t) {
  return 0;
}

#else

// The years that day numbers reach, in which only 1900 is divided by four and no leap year.
constexpr std::uint64_t kFirstYear = 1895, kLastYear = 2074, kLastDay = 65'535;

// Days up to the last of February of a year, months counted from 3 to 14 (see days_from_march_of_year_0 in date.cpp),
// and a number that makes 1 January 1895 day 1.
constexpr std::uint64_t kYear = 1461, kMonth = 979, kMonthOffset = 2919;
constexpr std::uint64_t kBeforeDayOne = 1461 * (kFirstYear - 1) / 4 + (kMonth * 13 - kMonthOffset) / 32;

// The highest bit is set where x is not from least to most.  REQUIRES: all are below 2^63.
HWY_INLINE WordVector outside(WordVector x, WordVector least, WordVector most) {
  return hn::Or(hn::Sub(x, least), hn::Sub(most, x));
}

// Returns a bit for each row whose characters are digits; the day of others means nothing.
std::uint64_t read_days(DateChunk& chunk, std::size_t rows) {
  const Words d;
  std::uint64_t read = 0;
  for (std::size_t i = 0; i < rows; i += hn::Lanes(d)) {
    const WordVector characters = hn::LoadU(d, &chunk.characters[i]), pairs = pairs_of(digits_of(characters));
    const WordVector low = set(0xFFFF);
    const WordVector year = hn::Add(times(hn::And(pairs, low), 100), hn::And(hn::ShiftRight<16>(pairs), low));
    const WordVector month = hn::And(hn::ShiftRight<32>(pairs), low), day = hn::ShiftRight<48>(pairs);

    const WordVector before_march = hn::ShiftRight<63>(hn::Sub(month, set(3)));  // 1 or 0
    const WordVector years = hn::Sub(year, before_march), months = hn::Add(month, times(before_march, 12));
    const WordVector no_leap_day = hn::ShiftRight<63>(hn::Sub(set(1899), years));  // 29 February 1900 was none
    WordVector number = hn::Add(hn::ShiftRight<2>(times(years, kYear)),
                                hn::ShiftRight<5>(hn::Sub(times(months, kMonth), set(kMonthOffset))));
    number = hn::Sub(hn::Add(number, day), hn::Add(set(kBeforeDayOne), no_leap_day));

    const auto is_leap = hn::AndNot(hn::Eq(year, set(1900)), hn::Eq(hn::And(year, set(3)), set(0)));
    const WordVector of_february = hn::IfThenElse(is_leap, set(29), set(28));
    const WordVector odd = hn::And(hn::Add(month, hn::ShiftRight<3>(month)), set(1));  // Jan, Mar, ..., Jul, Aug, Oct
    const WordVector days = hn::IfThenElse(hn::Eq(month, set(2)), of_february, hn::Add(set(30), odd));

    const WordVector wrong =
        hn::Or(hn::Or(outside(day, set(1), days), outside(month, set(1), set(12))),
               hn::Or(outside(year, set(kFirstYear), set(kLastYear)), hn::Sub(set(kLastDay), number)));
    hn::StoreU(hn::AndNot(hn::Sub(set(0), hn::ShiftRight<63>(wrong)), number), d, &chunk.day[i]);
    read |= bits_of(hn::Eq(not_digits(characters), set(0))) << i;
  }
  return read;
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ligature
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ligature {

HWY_EXPORT(read_days);

void parse_days(std::span<const std::string_view> texts, std::span<DayNumber> days) {
  ensure_simd_targets();
  read_in_chunks<DateChunk>(
      texts, days,
      [](std::string_view text, DateChunk& chunk, std::size_t row) { chunk.characters[row] = year_month_day(text); },
      HWY_DYNAMIC_DISPATCH(read_days),
      [](const DateChunk& chunk, std::size_t row) { return static_cast<DayNumber>(chunk.day[row]); },
      [](std::string_view text) {
        const std::optional<CivilDate> date = parse_date(text);
        return date ? day_number(*date).value_or(kMissingDay) : kMissingDay;
      });
}

}  // namespace ligature
#endif
