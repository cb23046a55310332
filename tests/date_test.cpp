// Dates.  Sources: HES validity rule (date of birth from 1895-01-01); ISO 8601; British day-month-year order; SAS,
// Excel and SQL Server exports for the spellings.  The calendar is checked against std::chrono, which uses another
// algorithm.
#include "engine/date.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/every_target.hpp"

namespace ligature {
namespace {

std::chrono::year_month_day chrono_date(const CivilDate& date) {
  return std::chrono::year{date.year} / std::chrono::month{static_cast<unsigned>(date.month)} /
         std::chrono::day{static_cast<unsigned>(date.day)};
}

// "1970-12-31", "off calendar" or "not a date".
std::string read(std::string_view text) {
  const std::optional<CivilDate> date = parse_date(text);
  if (!date) return "not a date";
  const std::optional<DayNumber> day = day_number(*date);
  return day ? iso_date(*day) : is_calendar_date(*date) ? "out of range" : "off calendar";
}

TEST(Date, every_day_number_is_the_day_that_chrono_counts) {
  const std::chrono::sys_days day_zero = chrono_date({1894, 12, 31});
  for (int day = 1; day <= 65'535; ++day) {
    const CivilDate date = civil_date(static_cast<DayNumber>(day));
    ASSERT_EQ(std::chrono::sys_days(chrono_date(date)), day_zero + std::chrono::days(day)) << day;
    ASSERT_TRUE(is_calendar_date(date)) << day;
    ASSERT_EQ(year_of(static_cast<DayNumber>(day)), date.year) << day;
    ASSERT_EQ(day_number(date), static_cast<DayNumber>(day));
  }
}

TEST(Date, the_range_starts_in_1895_and_ends_in_2074) {
  EXPECT_EQ(day_number({1895, 1, 1}), DayNumber{1});
  EXPECT_EQ(day_number({1894, 12, 31}), std::nullopt);
  EXPECT_EQ(day_number({2074, 6, 5}), DayNumber{65'535});
  EXPECT_EQ(day_number({2074, 6, 6}), std::nullopt);
  EXPECT_EQ(day_number({1, 1, 1}), std::nullopt);
  EXPECT_EQ(day_number({9999, 12, 31}), std::nullopt);
}

TEST(Date, the_calendar_is_the_one_of_chrono) {
  for (int year = 1; year <= 9999; year += year == 1899 || year == 1999 ? 1 : 7) {
    for (int month = 0; month <= 13; ++month) {
      for (int day = 0; day <= 32; ++day) {
        const CivilDate date{year, month, day};
        ASSERT_EQ(is_calendar_date(date), chrono_date(date).ok()) << year << ' ' << month << ' ' << day;
      }
    }
  }
  EXPECT_TRUE(is_calendar_date({2000, 2, 29}));
  EXPECT_FALSE(is_calendar_date({1900, 2, 29}));
}

TEST(Date, parts_out_of_all_bounds_are_off_the_calendar) {
  constexpr int kLeast = std::numeric_limits<int>::min();
  constexpr int kGreatest = std::numeric_limits<int>::max();
  for (const int extreme : {kLeast, -1, 0, kGreatest}) {
    EXPECT_FALSE(is_calendar_date({extreme, 1, 1})) << extreme;
    EXPECT_FALSE(is_calendar_date({2000, extreme, 1})) << extreme;
    EXPECT_FALSE(is_calendar_date({2000, 1, extreme})) << extreme;
    EXPECT_EQ(day_number({extreme, extreme, extreme}), std::nullopt);
  }
  EXPECT_FALSE(is_calendar_date({10'000, 1, 1}));
}

TEST(Date, every_spelling_of_a_date_reads_the_same) {
  for (const std::string_view text :
       {"1970-12-31", "1970/12/31", "1970.12.31", "31/12/1970", "31-12-1970", "31.12.1970", "19701231", "31-Dec-1970",
        "31 Dec 1970", "31DEC1970", "31/dec/1970", "31 December 1970", "31-DECEMBER-1970", "31december1970",
        " 1970-12-31 ", "\t31/12/1970", "31  Dec  1970", "1970-12-31\u00A0"}) {
    EXPECT_EQ(read(text), "1970-12-31") << text;
  }
  for (const std::string_view text : {"1970-03-05", "05/03/1970", "5/3/1970", "05-3-1970", "5.03.1970", "1970-3-5",
                                      "5 Mar 1970", "05MAR1970", "5mar1970", "19700305"}) {
    EXPECT_EQ(read(text), "1970-03-05") << text;
  }
}

TEST(Date, day_comes_before_month) {
  EXPECT_EQ(read("04/03/2001"), "2001-03-04");
}

TEST(Date, a_time_may_follow_and_never_moves_the_date) {
  for (const std::string_view date :
       {"1970-12-31", "31/12/1970", "19701231", "31-Dec-1970", "31 December 1970", "31DEC1970"}) {
    for (const std::string_view time :
         {"T00:00:00", " 00:00", " 00:00:00", "T00:00:00Z", "T23:00:00Z", "T23:30:00.000+01:00", " 00:00:00.0000000",
          " 0:00", " 12:00:00 AM", " 11:59PM", "T000000", "T0000", ":00:00:00", "  23:59:59", "T24:00:00", "t10:20z",
          " 10:20:30 +0100", "T10:20-05"}) {
      EXPECT_EQ(read(std::string(date) + std::string(time)), "1970-12-31") << date << time;
    }
  }
}

TEST(Date, what_follows_must_be_a_time) {
  for (const std::string_view tail : {"x",
                                      "T",
                                      " x",
                                      "T1",
                                      "T25:00",
                                      "T10:60",
                                      "T10:2",
                                      "T10:20:61",
                                      "T10:20:3",
                                      "T10:20.",
                                      "T10:20 XM",
                                      "T10:20 AMX",
                                      "T10:20+1",
                                      "T10:20+15:00",
                                      "T10:20+01:60",
                                      "T10:20+01:0",
                                      "T10:20ZZ",
                                      "00:00",
                                      "T2561",
                                      "T102061",
                                      "T12345",
                                      "-",
                                      "/",
                                      "1"}) {
    EXPECT_EQ(read("1970-12-31" + std::string(tail)), "not a date") << tail;
  }
}

TEST(Date, two_digit_years_are_refused) {
  for (const std::string_view text : {"31/12/70", "70-12-31", "31-Dec-70", "31DEC70", "311270", "31/12/0070 "}) {
    EXPECT_NE(read(text), "1970-12-31") << text;
    EXPECT_NE(read(text), "2070-12-31") << text;
  }
  EXPECT_EQ(parse_date("31/12/70"), std::nullopt);
}

TEST(Date, anything_else_is_not_a_date) {
  for (const std::string_view text : {"",
                                      " ",
                                      "-",
                                      "unknown",
                                      "1970",
                                      "1970-12",
                                      "1970-12-",
                                      "1970--12-31",
                                      "1970-12/31",
                                      "31/12-1970",
                                      "31-Dec 1970",
                                      "31Dec-1970",
                                      "31 12 1970",
                                      "1970 12 31",
                                      "12-1970-31",
                                      "31/Dek/1970",
                                      "31-D-1970",
                                      "Dec 31 1970",
                                      "31st Dec 1970",
                                      "1970-1２-31",
                                      "+1970-12-31",
                                      "0x7B2-12-31",
                                      "197-12-31",
                                      "19701-12-31",
                                      "1970-123-1",
                                      "1970-1-123",
                                      "123/1/1970",
                                      "1970123",
                                      "197012311",
                                      "1970-12-3l",
                                      "O1/01/1970",
                                      "31//1970"}) {
    EXPECT_EQ(read(text), "not a date") << text;
  }
  EXPECT_EQ(parse_date(std::string_view("1970-12-31\0", 11)), std::nullopt);
  EXPECT_EQ(parse_date(std::string_view("1970\00012-31", 10)), std::nullopt);
  EXPECT_EQ(parse_date(std::string(1'000'000, '1')), std::nullopt);
  EXPECT_EQ(parse_date("12345678901234567890"), std::nullopt);
}

TEST(Date, a_spelling_may_name_a_day_that_does_not_exist) {
  for (const std::string_view text : {"1970-02-29", "1970-13-01", "1970-00-10", "31/04/1970", "00/00/0000", "99999999",
                                      "31121970", "31-Feb-1970", "1970-12-00"}) {
    EXPECT_EQ(read(text), "off calendar") << text;
  }
  EXPECT_EQ(read("1800-01-01"), "out of range");
  EXPECT_EQ(read("2999-12-31"), "out of range");
}

TEST(Date, every_month_is_known_by_its_name_and_its_first_three_letters) {
  const std::vector<std::string> months = {"January", "February", "March",     "April",   "May",      "June",
                                           "July",    "August",   "September", "October", "November", "December"};
  for (std::size_t i = 0; i < months.size(); ++i) {
    const int month = static_cast<int>(i) + 1;
    EXPECT_EQ(parse_date("1 " + months[i] + " 2000"), (CivilDate{2000, month, 1}));
    EXPECT_EQ(parse_date("1-" + months[i].substr(0, 3) + "-2000"), (CivilDate{2000, month, 1}));
  }
  EXPECT_EQ(parse_date("1 Sept 2000"), (CivilDate{2000, 9, 1}));
  EXPECT_EQ(parse_date("1 Ja 2000"), std::nullopt);
  EXPECT_EQ(parse_date("1 Janu 2000"), std::nullopt);
}

TEST(Date, printing_a_date_and_reading_it_gives_it_back) {
  for (int day = 1; day <= 65'535; day += 13) {
    const auto number = static_cast<DayNumber>(day);
    ASSERT_EQ(day_number(*parse_date(iso_date(number))), number);
  }
  EXPECT_EQ(iso_date(1), "1895-01-01");
}

// Texts of digits and separators in the places of the usual spellings, most of them a character away from a date.
std::string nearly_a_date(std::mt19937& random) {
  static const std::vector<std::string> forms = {"1970-12-31",  "1896/02/29", "31/12/1970",  "29-02-1900",
                                                 "01.03.2074",  "19701231",   "14-Aug-1991", "07 sep 2014",
                                                 "30/FEB/1999", "9999-12-31"};
  std::string text = forms[random() % forms.size()];
  for (char& c : text) {
    if (c >= '0' && c <= '9' && random() % 4 == 0) c = static_cast<char>('0' + random() % 10);
  }
  if (random() % 2 == 0) text[random() % text.size()] = "0123456789-/. Jun\xC2"[random() % 18];
  return text;
}

DayNumber day_of(const std::string& text) {
  const std::optional<CivilDate> date = parse_date(text);
  return date ? day_number(*date).value_or(kMissingDay) : kMissingDay;
}

TEST(Date, usual_spellings_read_as_they_do_part_by_part) {
  std::mt19937 random(1970);
  for (int i = 0; i < 300'000; ++i) {
    const std::string text = nearly_a_date(random);
    ASSERT_EQ(day_of(text), day_of("   " + text)) << text;  // spaces in front lead past the usual spellings
  }
}

TEST(Date, a_column_of_dates_reads_as_each_date_does) {
  std::mt19937 random(1895);
  std::vector<std::string> texts(10'000);
  std::generate(texts.begin(), texts.end(), [&] { return nearly_a_date(random); });
  for (int day = 1; day <= 65'535; ++day) texts.push_back(iso_date(static_cast<DayNumber>(day)));
  texts.insert(texts.end(), {"", "1894-12-31", "2074-06-06", "2074-06-05", "1970-12-31T00:00"});
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<DayNumber> days(texts.size());
  on_every_target([&](const char* target) {
    parse_days(views, days);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(days[i], day_of(texts[i])) << target << ": " << texts[i];
      // Spaces in front lead past the characters that a column and a single date are read by alike.
      ASSERT_EQ(days[i], day_of("   " + texts[i])) << target << ": " << texts[i];
    }
  });
}

}  // namespace
}  // namespace ligature
