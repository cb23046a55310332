// Calendar dates as 16-bit day numbers, and the spellings of a date that are found in extracts.
//
// Day 1 is 1895-01-01, the earliest date of birth that national linkage accepts (HES validity rule); day 0 is
// "missing"; the last day is 65535, 2074-06-05.  Two bytes a date is what makes an identity fit in sixteen.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ligature {

using DayNumber = std::uint16_t;
inline constexpr DayNumber kMissingDay = 0;

struct CivilDate {
  int year = 0;
  int month = 0;  // 1..12
  int day = 0;    // 1..31
  friend bool operator==(const CivilDate&, const CivilDate&) = default;
};

// True for a date of the Gregorian calendar.
bool is_calendar_date(const CivilDate& date) noexcept;

// The day number of a calendar date, or nullopt before 1895-01-01, after 2074-06-05 or off the calendar.
std::optional<DayNumber> day_number(const CivilDate& date) noexcept;

// The calendar date of a day number.  REQUIRES: day != kMissingDay.
CivilDate civil_date(DayNumber day) noexcept;

// The year of a day number.  REQUIRES: day != kMissingDay.
//
// From 1 March 1900 on every fourth year is a leap year and 1461 days are four years; before it, the day that 1900 did
// not have is counted.
constexpr int year_of(DayNumber day) noexcept {
  constexpr std::uint32_t kFirstYear = 1892;  // a leap year: 1096 days before day 1
  constexpr std::uint32_t kMarch1900 = 1886;  // 31 December 1894 being day 0
  const std::uint32_t days = day + 1095U + (day < kMarch1900 ? 0 : 1);
  return static_cast<int>(kFirstYear + 4 * days / 1461);
}

// Reads the date spellings found in the wild: 1970-12-31, 1970/12/31, 31/12/1970, 31-12-1970, 31.12.1970, 19701231,
// 31-Dec-1970, 31 Dec 1970, 31 December 1970, 31DEC1970, each optionally followed by a time ("T00:00:00", " 00:00").
// Day comes before month (British order).  Two-digit years are refused: they are ambiguous for a date of birth.
// Returns nullopt for anything else.  The result may be off the calendar or out of range: see day_number.
std::optional<CivilDate> parse_date(std::string_view text) noexcept;

// The day numbers of a column of dates, as many days as texts: day_number of parse_date, kMissingDay where either has
// none.  Throws as ensure_simd_targets does.
void parse_days(std::span<const std::string_view> texts, std::span<DayNumber> days);

// How exactly a date is kept or given away: a month and a year are their first day.
enum class DatePrecision : std::uint8_t { day, month, year };
DayNumber coarsened(DayNumber day, DatePrecision precision) noexcept;

// "YYYY-MM-DD".  REQUIRES: day != kMissingDay.
std::string iso_date(DayNumber day);

}  // namespace ligature
