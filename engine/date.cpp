// Day numbers by C. Neri and L. Schneider, "Euclidean affine functions and their application to calendar algorithms",
// Software: Practice and Experience 53(4), 2023.
#include "engine/date.hpp"

#include <array>
#include <cstddef>

#include "engine/date_characters.hpp"
#include "engine/field_text.hpp"

namespace ligature {

namespace {

constexpr std::int64_t kLastDay = 65'535;

// Days from 0000-03-01, for a calendar date from year 1 to 9999.  January and February count with the year before.
constexpr std::uint32_t days_from_march_of_year_0(const CivilDate& date) noexcept {
  const bool before_march = date.month <= 2;
  const std::uint32_t year = static_cast<std::uint32_t>(date.year) - (before_march ? 1 : 0);
  const std::uint32_t month = static_cast<std::uint32_t>(date.month) + (before_march ? 12 : 0);
  const std::uint32_t century = year / 100;
  return 1461 * year / 4 - century + century / 4 + (979 * month - 2919) / 32 + static_cast<std::uint32_t>(date.day) - 1;
}

// Day 1 is 1895-01-01, so day 0 lies one before it.
constexpr std::uint32_t kDayZero = days_from_march_of_year_0({1895, 1, 1}) - 1;

constexpr bool is_leap_year(int year) noexcept {
  return (year % 100 != 0 ? year % 4 : year % 16) == 0;
}

// A reader of a field from left to right.  A step that does not fit leaves it failed.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : text_(text) {}

  [[nodiscard]] bool at_end() const noexcept { return text_.empty(); }
  [[nodiscard]] char next() const noexcept { return text_.empty() ? '\0' : text_.front(); }

  bool skip(char c) noexcept {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool skip_spaces() noexcept {
    bool skipped = false;
    while (const std::size_t length = space_length(text_)) {
      text_.remove_prefix(length);
      skipped = true;
    }
    return skipped;
  }

  // Reads all digits that follow, at most nine; their count is 0 where none or too many follow.
  struct Number {
    std::size_t digits = 0;
    int value = 0;
  };
  Number number() noexcept {
    Number result;
    while (!text_.empty() && digit_value(text_.front()) < 10) {
      if (result.digits == 9) return {};
      result.value = result.value * 10 + static_cast<int>(digit_value(text_.front()));
      ++result.digits;
      text_.remove_prefix(1);
    }
    return result;
  }

  std::string_view letters() noexcept {
    std::size_t count = 0;
    while (count < text_.size() && is_letter(text_[count])) ++count;
    const std::string_view word = text_.substr(0, count);
    text_.remove_prefix(count);
    return word;
  }

 private:
  std::string_view text_;
};

// 1..12 for an English month's name, its first three letters, or "sept"; else 0.
int month_of(std::string_view word) noexcept {
  for (std::size_t i = 0; i < kMonthNames.size(); ++i) {
    if (equals_ignoring_case(word, kMonthNames[i]) || equals_ignoring_case(word, kMonthNames[i].substr(0, 3))) {
      return static_cast<int>(i) + 1;
    }
  }
  return equals_ignoring_case(word, "sept") ? 9 : 0;
}

// Reads "Z", "+01", "+0100" or "+01:00", if one stands there.
bool read_zone(Scanner& scanner) noexcept {
  if (scanner.skip('Z') || scanner.skip('z')) return true;
  if (!scanner.skip('+') && !scanner.skip('-')) return true;
  const Scanner::Number offset = scanner.number();
  if (offset.digits == 4) return offset.value / 100 <= 14 && offset.value % 100 <= 59;
  if (offset.digits != 2 || offset.value > 14) return false;
  if (!scanner.skip(':')) return true;
  const Scanner::Number minutes = scanner.number();
  return minutes.digits == 2 && minutes.value <= 59;
}

// Reads "00:00", "0:00:00", "00:00:00.000", "0000" or "000000", each optionally with AM or PM and a zone.
bool read_clock(Scanner& scanner) noexcept {
  const Scanner::Number hour = scanner.number();
  if (hour.digits == 4 || hour.digits == 6) {
    const int seconds = hour.digits == 6 ? hour.value % 100 : 0;
    const int hhmm = hour.digits == 6 ? hour.value / 100 : hour.value;
    if (hhmm / 100 > 24 || hhmm % 100 > 59 || seconds > 60) return false;
  } else {
    if (hour.digits == 0 || hour.digits > 2 || hour.value > 24 || !scanner.skip(':')) return false;
    const Scanner::Number minute = scanner.number();
    if (minute.digits != 2 || minute.value > 59) return false;
    if (scanner.skip(':')) {
      const Scanner::Number second = scanner.number();
      if (second.digits != 2 || second.value > 60) return false;
    }
  }
  if ((scanner.skip('.') || scanner.skip(',')) && scanner.number().digits == 0) return false;
  scanner.skip_spaces();
  const char half = lower_case(scanner.next());
  if (half == 'a' || half == 'p') {
    const std::string_view word = scanner.letters();
    if (!equals_ignoring_case(word, "am") && !equals_ignoring_case(word, "pm")) return false;
    scanner.skip_spaces();
  }
  return read_zone(scanner);
}

// True if nothing, or only a time of day, is left.  The time never moves the date: a midnight of British Summer Time
// written in UTC cannot be told from an ordinary 23:00, so the date stands as it is written.
bool ends_or_time_follows(Scanner scanner) noexcept {
  if (scanner.at_end()) return true;
  // SAS writes a colon between date and time.
  if (!scanner.skip('T') && !scanner.skip('t') && !scanner.skip(':') && !scanner.skip_spaces()) return false;
  return read_clock(scanner) && scanner.at_end();
}

// The separator between parts: one of -/. or a run of spaces, given as ' '; '\0' if the parts touch.
char read_separator(Scanner& scanner) noexcept {
  for (const char c : {'-', '/', '.'}) {
    if (scanner.skip(c)) return c;
  }
  return scanner.skip_spaces() ? ' ' : '\0';
}

// Any of the spellings, part by part.
std::optional<CivilDate> scan_date(std::string_view text) noexcept {
  Scanner scanner(text);
  CivilDate date;
  const Scanner::Number first = scanner.number();
  if (first.digits == 8) {
    date = {first.value / 10'000, first.value / 100 % 100, first.value % 100};
  } else if (first.digits == 4) {
    const char separator = read_separator(scanner);
    if (separator == '\0' || separator == ' ') return std::nullopt;
    const Scanner::Number month = scanner.number();
    if (month.digits == 0 || month.digits > 2 || !scanner.skip(separator)) return std::nullopt;
    const Scanner::Number day = scanner.number();
    if (day.digits == 0 || day.digits > 2) return std::nullopt;
    date = {first.value, month.value, day.value};
  } else if (first.digits == 1 || first.digits == 2) {
    const char separator = read_separator(scanner);
    int month = 0;
    if (is_letter(scanner.next())) {
      month = month_of(scanner.letters());
    } else {
      if (separator == '\0' || separator == ' ') return std::nullopt;
      const Scanner::Number number = scanner.number();
      if (number.digits == 1 || number.digits == 2) month = number.value;
    }
    if (month == 0 || read_separator(scanner) != separator) return std::nullopt;
    const Scanner::Number year = scanner.number();
    if (year.digits != 4) return std::nullopt;
    date = {year.value, month, first.value};
  } else {
    return std::nullopt;
  }
  if (!ends_or_time_follows(scanner)) return std::nullopt;
  return date;
}

constexpr bool is_calendar(const CivilDate& date) noexcept {
  constexpr std::array<std::uint8_t, 13> kDays = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (date.year < 1 || date.year > 9999 || date.month < 1 || date.month > 12 || date.day < 1) return false;
  const int days = kDays[static_cast<std::size_t>(date.month)];
  return date.day <= days + (date.month == 2 && is_leap_year(date.year) ? 1 : 0);
}

// REQUIRES: are_eight_digits(word).
inline CivilDate date_of_digits(std::uint64_t word) noexcept {
  word &= 0x0F0F0F0F0F0F0F0FULL;
  word = word * 10 + (word >> 8);  // pairs of digits, one in every other byte
  const auto pair = [&](int place) { return static_cast<int>(word >> (16 * place) & 0xFF); };
  return {pair(0) * 100 + pair(1), pair(2), pair(3)};
}

}  // namespace

bool is_calendar_date(const CivilDate& date) noexcept {
  return is_calendar(date);
}

std::optional<DayNumber> day_number(const CivilDate& date) noexcept {
  if (!is_calendar_date(date)) return std::nullopt;
  const std::int64_t day = static_cast<std::int64_t>(days_from_march_of_year_0(date)) - kDayZero;
  if (day < 1 || day > kLastDay) return std::nullopt;
  return static_cast<DayNumber>(day);
}

CivilDate civil_date(DayNumber day) noexcept {
  const std::uint32_t days = day + kDayZero;
  const std::uint32_t century = (4 * days + 3) / 146'097;
  const std::uint32_t day_of_century = (4 * days + 3) % 146'097 / 4;
  const std::uint64_t scaled = 2'939'745ULL * (4 * day_of_century + 3);
  const auto year_of_century = static_cast<std::uint32_t>(scaled >> 32);
  const std::uint32_t day_of_year = static_cast<std::uint32_t>(scaled) / 2'939'745 / 4;
  const std::uint32_t month_and_day = 2141 * day_of_year + 197'913;
  const bool next_year = day_of_year >= 306;
  return {static_cast<int>(100 * century + year_of_century) + (next_year ? 1 : 0),
          static_cast<int>(month_and_day >> 16) - (next_year ? 12 : 0),
          static_cast<int>((month_and_day & 0xFFFF) / 2141) + 1};
}

std::optional<CivilDate> parse_date(std::string_view text) noexcept {
  const std::uint64_t digits = year_month_day(text);
  return are_eight_digits(digits) ? date_of_digits(digits) : scan_date(trimmed(text));
}

DayNumber coarsened(DayNumber day, DatePrecision precision) noexcept {
  if (day == kMissingDay || precision == DatePrecision::day) return day;
  CivilDate date = civil_date(day);
  date.day = 1;
  if (precision == DatePrecision::year) date.month = 1;
  return day_number(date).value_or(kMissingDay);
}

std::string iso_date(DayNumber day) {
  const CivilDate date = civil_date(day);
  std::string text(10, '-');
  const auto put = [&](std::size_t place, std::size_t width, int value) {
    for (std::size_t i = width; i-- > 0; value /= 10) text[place + i] = static_cast<char>('0' + value % 10);
  };
  put(0, 4, date.year);
  put(5, 2, date.month);
  put(8, 2, date.day);
  return text;
}

}  // namespace ligature
