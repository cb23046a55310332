// Quality screens: histories that cannot be one person's, which betray false links where there is no truth.
//
// After the six implausible scenarios of Hagger-Johnson et al., Health Serv Res 2014 (PMC4545352), the three-day rule
// of the HES-ONS deaths linkage, and NHS practice on duplicate registrations.  docs/quality.md defines each exactly.
// A screen speaks only where the data leave no doubt: with a year of birth alone, an age is taken in favour of the
// link.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/date.hpp"
#include "io/manifest_screens.hpp"

namespace ligature {

inline constexpr std::uint32_t kNoSite = 0xFFFFFFFFU;

// A row that a rule of the job file names.
struct ScreenEvent {
  std::uint32_t person = 0;  // of this rank
  DayNumber day = kMissingDay;
  DayNumber until = kMissingDay;
  std::uint32_t site = kNoSite;
  ScreenKind kind = ScreenKind::birth;
  std::uint64_t content = 0;  // of a birth: digest of all that the row says of the event and of the baby
};

// What else is known of a person.
struct PersonFacts {
  std::uint16_t birth_year = 0;  // 0: not known
  bool male = false;
  DayNumber first_day = kMissingDay, last_day = kMissingDay;  // of all events in all datasets
};

// One bit a Screen.
struct ScreenVerdict {
  std::uint16_t concerned = 0;
  std::uint16_t examined = 0;  // the person has rows that the screen looks at
};
constexpr std::uint16_t screen_bit(Screen screen) noexcept {
  return static_cast<std::uint16_t>(1U << static_cast<unsigned>(screen));
}

// events: of one person, sorted by kind, day, until, site, content.
ScreenVerdict screen_person(std::span<const ScreenEvent> events, const PersonFacts& facts);

// For the summary of a run.
std::string screens_table(const ScreenReport& report);

}  // namespace ligature
