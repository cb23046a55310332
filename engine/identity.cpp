#include "engine/identity.hpp"

#include <algorithm>
#include <array>

namespace ligature {

namespace {

constexpr int kPlaceholderShift = 23;
constexpr std::uint64_t kNhsMask = (1ULL << 34) - 1;
constexpr std::uint64_t kLowMask = (1ULL << kPlaceholderShift) - 1;

constexpr std::uint64_t day_code(int year, int month, int day) noexcept {
  return (static_cast<std::uint64_t>(year) << 16) | (static_cast<std::uint64_t>(month) << 8) |
         static_cast<std::uint64_t>(day);
}

// Dates of birth that stand for "not known".  Null dates of the software that held the record, dates that a form was
// filled with to get past a required field, and ends of time.  Some are out of range as dates of birth anyway; they
// are listed so that they count as "not given" and not as errors.
//
// Not listed, because people were born on them: 1970-01-01 (Unix) and 1960-01-01 (SAS), and 1 January of any ordinary
// year, which is good practice where only the year is known (Department of Health, default dates of birth).
constexpr std::array kPlaceholders = {
    day_code(1900, 1, 1),    // UKHSA epidm; also the zero of SQL Server's datetime
    day_code(1800, 1, 1),    // UKHSA epidm; Master Person Service, "no tracing run"
    day_code(1901, 1, 1),    // 1900-01-01 of systems that count the century's years from 1
    day_code(1899, 12, 30),  // the zero of OLE automation dates (Access, Delphi, Excel exports)
    day_code(1899, 12, 31),  // the zero of Excel's 1900 date system ("0 January 1900")
    day_code(1, 1, 1),       // the least date of SQL, .NET and Python
    day_code(1582, 10, 15),  // day 1 of Lilian dates (IBM mainframes): the calendar's first day
    day_code(1601, 1, 1),    // the zero of Windows file times and of COBOL integer dates
    day_code(1753, 1, 1),    // the least SQL Server datetime
    day_code(1840, 12, 31),  // the zero of MUMPS $HOROLOG, on which many hospital systems run
    day_code(1858, 11, 17),  // the zero of VMS and of the modified Julian day
    day_code(2099, 12, 31),  // "end of time" of data warehouses
    day_code(2999, 12, 31),  // likewise
    day_code(9999, 12, 31),  // likewise; the greatest date of SQL, .NET and Python
};

}  // namespace

IdentityFields unpack(const Identity& identity) noexcept {
  return {{identity.nhs(), identity.nhs_status()},
          identity.date_of_birth(),
          identity.placeholder_birth(),
          {identity.postcode(), identity.postcode_flag()},
          identity.gender()};
}

Identity one_time_identity(const IdentityFields& fields, std::uint64_t digest) noexcept {
  IdentityFields kept = fields;
  kept.nhs = {digest >> kPlaceholderShift & kNhsMask, NhsStatus::one_time};
  Identity identity = pack(kept);
  // The lowest bit still tells a misspelt number from none.
  identity.first |= (digest & kLowMask & ~std::uint64_t{1}) | (fields.nhs.status == NhsStatus::invalid ? 1 : 0);
  return identity;
}

bool is_placeholder_birth(const CivilDate& date) noexcept {
  if (date.year > 1901 && date.year < 2099) return false;  // nearly every row
  if (date.year < 1 || date.year > 9999 || date.month < 1 || date.month > 12 || date.day < 1 || date.day > 31) {
    return false;
  }
  const std::uint64_t code = day_code(date.year, date.month, date.day);
  for (const std::uint64_t placeholder : kPlaceholders) {
    if (code == placeholder) return true;
  }
  return false;
}

void standardise_births(std::span<const std::string_view> texts, std::span<const DayNumber> latest,
                        std::span<Birth> births) {
  const DayNumber last_placeholder = *day_number({1901, 12, 31});  // the later ones have no day number
  std::array<DayNumber, 64> days;
  for (std::size_t begin = 0; begin < texts.size(); begin += days.size()) {
    const std::size_t count = std::min(days.size(), texts.size() - begin);
    parse_days(texts.subspan(begin, count), days);
    for (std::size_t i = 0; i < count; ++i) {
      Birth& birth = births[begin + i];
      birth = {days[i], false};
      const DayNumber bound = latest[begin + i];
      if (days[i] > last_placeholder && (days[i] <= bound || bound == kMissingDay)) continue;
      IdentityFields fields;
      standardise_birth(texts[begin + i], bound, fields);
      birth = {fields.date_of_birth, fields.placeholder_birth};
    }
  }
}

void standardise_birth(std::string_view text, DayNumber latest, IdentityFields& fields) noexcept {
  fields.date_of_birth = kMissingDay;
  fields.placeholder_birth = false;
  const std::optional<CivilDate> date = parse_date(text);
  if (!date) return;
  if (is_placeholder_birth(*date)) {
    fields.placeholder_birth = true;
    return;
  }
  const std::optional<DayNumber> day = day_number(*date);
  // An extract without a date sets no upper bound of its own; the day number's range does.
  if (day && (*day <= latest || latest == kMissingDay)) fields.date_of_birth = *day;
}

}  // namespace ligature
