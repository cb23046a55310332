#include "jobs/rebuild/screens.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "io/progress.hpp"

namespace ligature {

namespace {

constexpr int kDaysAfterDeath = 3;      // HES-ONS: later activity speaks against the link
constexpr int kDaysBetweenBirths = 28;  // episodes of one birth may be dated apart, but not by a month
constexpr int kYoungestMother = 10;     // years
constexpr int kOldestBirth = 1;         // years of age in a row about one's own birth
constexpr int kYearsBeforeBirth = 2;    // calendar years: then it is certainly more than one year
using Events = std::span<const ScreenEvent>;

// The events of one kind; sorted by day.
Events of_kind(Events events, ScreenKind kind) {
  const auto first = std::find_if(events.begin(), events.end(), [&](const ScreenEvent& e) { return e.kind == kind; });
  const auto last = std::find_if(first, events.end(), [&](const ScreenEvent& e) { return e.kind != kind; });
  return {first, last};
}

// Without those that have no date, which sort first.
Events dated(Events events) {
  const auto first =
      std::find_if(events.begin(), events.end(), [](const ScreenEvent& e) { return e.day != kMissingDay; });
  return {first, events.end()};
}

class Verdict {
 public:
  void set(Screen screen, bool concerned) {
    verdict_.examined = static_cast<std::uint16_t>(verdict_.examined | screen_bit(screen));
    if (concerned) verdict_.concerned = static_cast<std::uint16_t>(verdict_.concerned | screen_bit(screen));
  }
  [[nodiscard]] ScreenVerdict get() const noexcept { return verdict_; }

 private:
  ScreenVerdict verdict_;
};

// Rows that are the same in everything were sent twice: they are one baby.
bool are_two_babies(Events births) {
  return std::adjacent_find(births.begin(), births.end(), [](const ScreenEvent& a, const ScreenEvent& b) {
           return a.day == b.day && a.content != b.content;
         }) != births.end();
}

// The night after the last one spent; without a date of discharge only the first night is known.
int end_of_stay(const ScreenEvent& stay) {
  return stay.until == kMissingDay || stay.until < stay.day ? stay.day + 1 : stay.until;
}

// A night at two sites.  stays: by first day.  Going from one hospital to another on one day is a transfer.
bool overlap_at_two_sites(Events stays) {
  // The latest end so far, its site, and the latest end at any other site: enough to tell for the next stay.
  int latest = 0, latest_elsewhere = 0;
  std::uint32_t site = kNoSite;
  for (const ScreenEvent& stay : stays) {
    const int end = end_of_stay(stay);
    if (stay.site == kNoSite || end == stay.day) continue;  // a day case holds no night
    if ((stay.site == site ? latest_elsewhere : latest) > stay.day) return true;
    if (stay.site == site) {
      latest = std::max(latest, end);
    } else if (end > latest) {
      latest_elsewhere = latest;
      latest = end;
      site = stay.site;
    } else {
      latest_elsewhere = std::max(latest_elsewhere, end);
    }
  }
  return false;
}

bool live_at_two_sites(Events registrations) {
  std::uint32_t site = kNoSite;
  for (const ScreenEvent& registration : registrations) {
    if (registration.until != kMissingDay || registration.site == kNoSite) continue;
    if (site != kNoSite && registration.site != site) return true;
    site = registration.site;
  }
  return false;
}

void screen_births(Events births, const PersonFacts& facts, Verdict& verdict) {
  if (births.empty()) return;
  verdict.set(Screen::multiple_births, are_two_babies(births));
  verdict.set(Screen::two_births, births.back().day - births.front().day > kDaysBetweenBirths);
  // Born at the end of a year and seen in the next is an age of 0; only from the year after it is surely over one.
  if (facts.birth_year != 0) {
    verdict.set(Screen::late_birth, year_of(births.back().day) - facts.birth_year > kOldestBirth);
  }
}

void screen_deliveries(Events deliveries, const PersonFacts& facts, Verdict& verdict) {
  if (deliveries.empty()) return;
  const bool too_young = facts.birth_year != 0 && year_of(deliveries.front().day) - facts.birth_year < kYoungestMother;
  verdict.set(Screen::implausible_delivery, facts.male || too_young);
}

}  // namespace

ScreenVerdict screen_person(Events events, const PersonFacts& facts) {
  Verdict verdict;
  screen_births(dated(of_kind(events, ScreenKind::birth)), facts, verdict);
  screen_deliveries(dated(of_kind(events, ScreenKind::delivery)), facts, verdict);
  const Events deaths = dated(of_kind(events, ScreenKind::death));
  if (!deaths.empty()) {
    verdict.set(Screen::event_after_death, facts.last_day - deaths.front().day > kDaysAfterDeath);
  }
  const Events stays = dated(of_kind(events, ScreenKind::admission));
  if (!stays.empty()) verdict.set(Screen::simultaneous_admissions, overlap_at_two_sites(stays));
  const Events registrations = of_kind(events, ScreenKind::registration);
  if (!registrations.empty()) verdict.set(Screen::two_registrations, live_at_two_sites(registrations));
  if (facts.birth_year != 0 && facts.first_day != kMissingDay) {
    verdict.set(Screen::event_before_birth, facts.birth_year - year_of(facts.first_day) >= kYearsBeforeBirth);
  }
  return verdict.get();
}

namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string share(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "";
  return fmt::format("{:.4f} %", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string implausible_table(const ScreenReport& report) {
  constexpr std::array<std::string_view, kScreens> kTexts = {"two babies in one person",
                                                             "events more than 3 days after death",
                                                             "births more than 28 days apart",
                                                             "a night at two hospitals",
                                                             "delivery by a male or a child under 10",
                                                             "birth of somebody over 1 year old",
                                                             "events more than a year before birth",
                                                             "live registrations at two practices"};
  Rows table{{"implausible persons", "persons", "of", "share"}};
  for (std::size_t s = 0; s < kScreens; ++s) {
    const ScreenCount& screen = report.screens[s];
    if (screen.evaluated) {
      table.push_back({std::string(kTexts[s]), with_commas(screen.persons), with_commas(screen.examined),
                       share(screen.persons, screen.examined)});
    } else {
      table.push_back({std::string(kTexts[s]), "not evaluated", "", ""});
    }
  }
  table.push_back({"residual ids used twice", with_commas(report.residual_ids_repeated),
                   with_commas(report.residual_persons), share(report.residual_ids_repeated, report.residual_persons)});
  return text_table(table);
}

std::string sizes_table(const ScreenReport& report) {
  std::uint64_t persons = 0;
  for (const std::uint64_t count : report.persons_by_rows) persons += count;
  Rows table{{"rows of a person", "persons", "share"}};
  for (std::size_t c = 0; c < kRowClasses; ++c) {
    table.push_back({std::string(kRowClassNames[c]), with_commas(report.persons_by_rows[c]),
                     share(report.persons_by_rows[c], persons)});
  }
  return text_table(table);
}

std::string largest_table(const ScreenReport& report) {
  Rows table{{"largest persons", "rows", "different identities"}};
  for (std::size_t i = 0; i < report.largest.size(); ++i) {
    table.push_back(
        {std::to_string(i + 1), with_commas(report.largest[i].rows), with_commas(report.largest[i].identities)});
  }
  return text_table(table);
}

std::string shared_table(const ScreenReport& report) {
  const std::size_t datasets = report.datasets.size();
  Rows table{{"persons with rows in", "persons", "of the first", "of the second"}};
  for (std::size_t a = 0; a < datasets; ++a) {
    for (std::size_t b = a + 1; b < datasets; ++b) {
      const std::uint64_t both = report.shared[a * datasets + b];
      table.push_back({report.datasets[a] + " and " + report.datasets[b], with_commas(both),
                       share(both, report.shared[a * datasets + a]), share(both, report.shared[b * datasets + b])});
    }
  }
  return datasets < 2 ? std::string() : fmt::format("\n{}", text_table(table));
}

}  // namespace

std::string screens_table(const ScreenReport& report) {
  return implausible_table(report) + "\n" + sizes_table(report) + "\n" + largest_table(report) + shared_table(report);
}

}  // namespace ligature
