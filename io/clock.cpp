#include "io/clock.hpp"

#include <ctime>

namespace ligature {

namespace {

std::tm utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  return utc;
}

}  // namespace

std::string utc_now() {
  const std::tm utc = utc_time();
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

DayNumber utc_today() {
  const std::tm utc = utc_time();
  return day_number({utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday}).value_or(kMissingDay);
}

}  // namespace ligature
