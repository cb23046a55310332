// The plain reference for comparison levels: digit by digit, with no bit tricks, so that the kernel can be held to it.
#include "engine/comparison.hpp"

#include <vector>

#include "engine/date.hpp"
#include "engine/nhs_number.hpp"
#include "engine/postcode.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t digit_at(std::uint64_t bcd, int position) noexcept {
  return (bcd >> (4 * position)) & 0xF;
}

// Where two digit strings differ: how many positions, and the lowest of them.
struct Differences {
  int count = 0;
  int lowest = 0;
};

constexpr Differences differing_digits(std::uint64_t a, std::uint64_t b) noexcept {
  Differences found;
  for (int position = 15; position >= 0; --position) {
    if (digit_at(a, position) == digit_at(b, position)) continue;
    ++found.count;
    found.lowest = position;
  }
  return found;
}

// True if the digits at position and position + 1 of one are those of the other in reverse.
constexpr bool neighbours_swapped(std::uint64_t a, std::uint64_t b, int position) noexcept {
  return digit_at(a, position) == digit_at(b, position + 1) && digit_at(a, position + 1) == digit_at(b, position);
}

// The parts of a YYYYMMDD date.
struct DateParts {
  std::uint32_t year, month, day;
};

constexpr DateParts parts_of(std::uint32_t bcd) noexcept {
  return {bcd >> 16, (bcd >> 8) & 0xFF, bcd & 0xFF};
}

// Neighbouring digits at these positions belong to different parts of the date: day and month, month and year.
constexpr bool crosses_parts(int position) noexcept {
  return position == 1 || position == 3;
}

}  // namespace

std::string_view level_name(NhsLevel level) noexcept {
  switch (level) {
    case NhsLevel::missing:
      return "missing";
    case NhsLevel::other:
      return "other";
    case NhsLevel::near:
      return "near";
    case NhsLevel::exact:
      return "exact";
  }
  return "unknown";
}

std::string_view level_name(BirthLevel level) noexcept {
  switch (level) {
    case BirthLevel::missing:
      return "missing";
    case BirthLevel::other:
      return "other";
    case BirthLevel::same_year:
      return "same_year";
    case BirthLevel::two_parts:
      return "two_parts";
    case BirthLevel::one_digit:
      return "one_digit";
    case BirthLevel::swapped:
      return "swapped";
    case BirthLevel::exact:
      return "exact";
  }
  return "unknown";
}

std::string_view level_name(PostcodeLevel level) noexcept {
  switch (level) {
    case PostcodeLevel::missing:
      return "missing";
    case PostcodeLevel::other:
      return "other";
    case PostcodeLevel::area:
      return "area";
    case PostcodeLevel::district:
      return "district";
    case PostcodeLevel::sector:
      return "sector";
    case PostcodeLevel::near:
      return "near";
    case PostcodeLevel::exact:
      return "exact";
  }
  return "unknown";
}

std::string_view level_name(GenderLevel level) noexcept {
  switch (level) {
    case GenderLevel::missing:
      return "missing";
    case GenderLevel::different:
      return "different";
    case GenderLevel::same:
      return "same";
  }
  return "unknown";
}

NhsLevel compare_nhs(std::uint64_t bcd_a, std::uint64_t bcd_b) noexcept {
  if (bcd_a == 0 || bcd_b == 0) return NhsLevel::missing;
  const Differences differ = differing_digits(bcd_a, bcd_b);
  if (differ.count == 0) return NhsLevel::exact;
  if (differ.count == 1) return NhsLevel::near;
  if (differ.count == 2 && neighbours_swapped(bcd_a, bcd_b, differ.lowest)) return NhsLevel::near;
  return NhsLevel::other;
}

BirthLevel compare_birth(std::uint32_t bcd_a, std::uint32_t bcd_b) noexcept {
  if (bcd_a == 0 || bcd_b == 0) return BirthLevel::missing;
  if (bcd_a == bcd_b) return BirthLevel::exact;
  const DateParts a = parts_of(bcd_a), b = parts_of(bcd_b);
  if (a.year == b.year && a.month == b.day && a.day == b.month) return BirthLevel::swapped;
  const Differences differ = differing_digits(bcd_a, bcd_b);
  if (differ.count == 2 && !crosses_parts(differ.lowest) && neighbours_swapped(bcd_a, bcd_b, differ.lowest)) {
    return BirthLevel::swapped;
  }
  if (differ.count == 1) return BirthLevel::one_digit;
  const int equal_parts = int{a.year == b.year} + int{a.month == b.month} + int{a.day == b.day};
  if (equal_parts == 2) return BirthLevel::two_parts;
  return a.year == b.year ? BirthLevel::same_year : BirthLevel::other;
}

PostcodeLevel compare_postcode(std::uint64_t bytes_a, std::uint64_t bytes_b) noexcept {
  if (bytes_a == 0 || bytes_b == 0) return PostcodeLevel::missing;
  if (bytes_a == bytes_b) return PostcodeLevel::exact;
  const auto character = [](std::uint64_t bytes, int position) { return (bytes >> (8 * position)) & 0xFF; };
  int differing_characters = 0, lowest = 0;
  for (int position = 6; position >= 0; --position) {
    if (character(bytes_a, position) == character(bytes_b, position)) continue;
    ++differing_characters;
    lowest = position;
  }
  if (differing_characters == 1) return PostcodeLevel::near;
  const bool exchanged = differing_characters == 2 && character(bytes_a, lowest) == character(bytes_b, lowest + 1) &&
                         character(bytes_a, lowest + 1) == character(bytes_b, lowest);
  if (exchanged) return PostcodeLevel::near;
  // From the right: two unit letters, the sector, two characters of the district, two area letters.
  if (bytes_a >> 16 == bytes_b >> 16) return PostcodeLevel::sector;
  if (bytes_a >> 24 == bytes_b >> 24) return PostcodeLevel::district;
  if (bytes_a >> 40 == bytes_b >> 40) return PostcodeLevel::area;
  return PostcodeLevel::other;
}

GenderLevel compare_gender(Gender a, Gender b) noexcept {
  const auto known = [](Gender gender) { return gender == Gender::male || gender == Gender::female; };
  if (!known(a) || !known(b)) return GenderLevel::missing;
  return a == b ? GenderLevel::same : GenderLevel::different;
}

std::uint32_t birth_digits_bcd(DayNumber day) noexcept {
  // Of every day: they are asked for again and again.
  static const std::vector<std::uint32_t> of_day = [] {
    std::vector<std::uint32_t> digits(std::size_t{1} << 16, 0);
    const auto two_digits = [](int n) { return static_cast<std::uint32_t>(n / 10 << 4 | n % 10); };
    for (std::size_t d = 0; d < digits.size(); ++d) {
      if (d == kMissingDay) continue;
      const CivilDate date = civil_date(static_cast<DayNumber>(d));
      digits[d] = two_digits(date.year / 100) << 24 | two_digits(date.year % 100) << 16 | two_digits(date.month) << 8 |
                  two_digits(date.day);
    }
    return digits;
  }();
  return of_day[day];
}

Pattern compare(const Identity& a, const Identity& b) noexcept {
  // Most values compared outside the passes are equal: their digits need not be looked at.
  Levels levels;
  levels.nhs = a.nhs() == b.nhs() ? (a.nhs() == 0 ? NhsLevel::missing : NhsLevel::exact)
                                  : compare_nhs(nhs_digits_bcd(a.nhs()), nhs_digits_bcd(b.nhs()));
  levels.birth = a.date_of_birth() == b.date_of_birth()
                     ? (a.date_of_birth() == kMissingDay ? BirthLevel::missing : BirthLevel::exact)
                     : compare_birth(birth_digits_bcd(a.date_of_birth()), birth_digits_bcd(b.date_of_birth()));
  levels.postcode = a.postcode() == b.postcode()
                        ? (a.postcode() == 0 ? PostcodeLevel::missing : PostcodeLevel::exact)
                        : compare_postcode(postcode_bytes(a.postcode()), postcode_bytes(b.postcode()));
  levels.gender = compare_gender(a.gender(), b.gender());
  return pattern_of(levels);
}

}  // namespace ligature
