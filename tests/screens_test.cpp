// Quality screens: what counts as implausible and what does not, and how the job file names the rows.
#include "jobs/rebuild/screens.hpp"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "io/job_file.hpp"

namespace ligature {
namespace {

DayNumber day(int year, int month, int day_of_month) {
  return day_number({year, month, day_of_month}).value_or(kMissingDay);
}

// A history, as the engine would hand it to the screens.
class History {
 public:
  explicit History(std::uint16_t birth_year = 0, bool male = false)
      : facts_{birth_year, male, kMissingDay, kMissingDay} {}

  History& has(ScreenKind kind, DayNumber on, DayNumber until = kMissingDay, std::uint32_t site = kNoSite,
               std::uint64_t content = 0) {
    events_.push_back({0, on, until, site, kind, content});
    return active(on);
  }
  // A row that no rule names.
  History& active(DayNumber on) {
    if (on == kMissingDay) return *this;
    if (facts_.first_day == kMissingDay) facts_.first_day = on;
    facts_.first_day = std::min(facts_.first_day, on);
    facts_.last_day = std::max(facts_.last_day, on);
    return *this;
  }
  [[nodiscard]] bool concerns(Screen screen) { return (verdict().concerned & screen_bit(screen)) != 0; }
  [[nodiscard]] bool examined_by(Screen screen) { return (verdict().examined & screen_bit(screen)) != 0; }

 private:
  ScreenVerdict verdict() {
    std::sort(events_.begin(), events_.end(), [](const ScreenEvent& a, const ScreenEvent& b) {
      return std::tie(a.kind, a.day, a.until, a.site, a.content) < std::tie(b.kind, b.day, b.until, b.site, b.content);
    });
    return screen_person(events_, facts_);
  }
  PersonFacts facts_;
  std::vector<ScreenEvent> events_;
};

using enum ScreenKind;

TEST(ImplausibleBirths, two_different_rows_of_one_day_are_two_babies_and_equal_ones_are_not) {
  const DayNumber born = day(2013, 5, 1);
  EXPECT_TRUE(
      History().has(birth, born, 0, kNoSite, 1).has(birth, born, 0, kNoSite, 2).concerns(Screen::multiple_births));
  EXPECT_FALSE(
      History().has(birth, born, 0, kNoSite, 1).has(birth, born, 0, kNoSite, 1).concerns(Screen::multiple_births));
  const auto next_day = static_cast<DayNumber>(born + 1);
  EXPECT_FALSE(
      History().has(birth, born, 0, kNoSite, 1).has(birth, next_day, 0, kNoSite, 2).concerns(Screen::multiple_births));
  EXPECT_FALSE(History().active(born).active(born).examined_by(Screen::multiple_births));
}

TEST(ImplausibleBirths, births_are_two_from_the_twenty_ninth_day) {
  const DayNumber born = day(2013, 5, 1);
  EXPECT_FALSE(History().has(birth, born).has(birth, static_cast<DayNumber>(born + 28)).concerns(Screen::two_births));
  EXPECT_TRUE(History().has(birth, born).has(birth, static_cast<DayNumber>(born + 29)).concerns(Screen::two_births));
  EXPECT_FALSE(History().has(birth, kMissingDay).has(birth, born).concerns(Screen::two_births));
}

TEST(ImplausibleBirths, birth_row_is_late_only_where_the_year_of_birth_leaves_no_doubt) {
  EXPECT_FALSE(History(2012).has(birth, day(2013, 12, 31)).concerns(Screen::late_birth));
  EXPECT_TRUE(History(2011).has(birth, day(2013, 1, 1)).concerns(Screen::late_birth));
  EXPECT_FALSE(History().has(birth, day(2013, 1, 1)).examined_by(Screen::late_birth));
}

TEST(ImplausibleDeliveries, are_those_of_men_and_of_children_under_ten) {
  const DayNumber on = day(2013, 6, 1);
  EXPECT_TRUE(History(1980, true).has(delivery, on).concerns(Screen::implausible_delivery));
  EXPECT_FALSE(History(1980, false).has(delivery, on).concerns(Screen::implausible_delivery));
  EXPECT_TRUE(History(2004, false).has(delivery, on).concerns(Screen::implausible_delivery));
  EXPECT_FALSE(History(2003, false).has(delivery, on).concerns(Screen::implausible_delivery));
  EXPECT_FALSE(History(0, false).has(delivery, on).concerns(Screen::implausible_delivery));
}

TEST(EventsAfterDeath, are_implausible_from_the_fourth_day) {
  const DayNumber died = day(2013, 6, 1);
  EXPECT_FALSE(History().has(death, died).active(static_cast<DayNumber>(died + 3)).concerns(Screen::event_after_death));
  EXPECT_TRUE(History().has(death, died).active(static_cast<DayNumber>(died + 4)).concerns(Screen::event_after_death));
  EXPECT_FALSE(History().active(died).examined_by(Screen::event_after_death));
  // The first of two deaths counts; the second is activity after it.
  EXPECT_TRUE(History().has(death, died).has(death, day(2014, 1, 1)).concerns(Screen::event_after_death));
}

TEST(EventsBeforeBirth, need_two_calendar_years) {
  EXPECT_TRUE(History(2013).active(day(2011, 12, 31)).active(day(2013, 5, 5)).concerns(Screen::event_before_birth));
  EXPECT_FALSE(History(2013).active(day(2012, 1, 1)).concerns(Screen::event_before_birth));
  EXPECT_FALSE(History(2013).examined_by(Screen::event_before_birth));
}

TEST(SimultaneousAdmissions, share_a_night_at_two_sites) {
  const auto stays = [](DayNumber a, DayNumber a_end, std::uint32_t site_a, DayNumber b, DayNumber b_end,
                        std::uint32_t site_b) {
    return History()
        .has(admission, a, a_end, site_a)
        .has(admission, b, b_end, site_b)
        .concerns(Screen::simultaneous_admissions);
  };
  EXPECT_TRUE(stays(1000, 1010, 1, 1005, 1006, 2));
  EXPECT_FALSE(stays(1000, 1010, 1, 1005, 1006, 1)) << "one site";
  EXPECT_FALSE(stays(1000, 1010, 1, 1010, 1020, 2)) << "a transfer";
  EXPECT_FALSE(stays(1000, 1010, 1, 1005, 1005, 2)) << "a day case holds no night";
  EXPECT_FALSE(stays(1000, 1010, 1, 1005, 1006, kNoSite));
  EXPECT_TRUE(stays(1000, kMissingDay, 1, 1000, kMissingDay, 2)) << "the first night of each";
  EXPECT_FALSE(stays(1000, kMissingDay, 1, 1001, kMissingDay, 2));
  EXPECT_TRUE(stays(1000, 1010, 1, 1009, 900, 2)) << "a discharge before the admission is none";
}

TEST(SimultaneousAdmissions, are_found_behind_stays_of_the_same_site) {
  // The long stay at site 1 is hidden by a longer one at site 2 that began when it was already over.
  History apart;
  apart.has(admission, 1000, 1005, 1).has(admission, 1005, 1030, 2).has(admission, 1010, 1012, 2);
  EXPECT_FALSE(apart.concerns(Screen::simultaneous_admissions));
  apart.has(admission, 1029, 1040, 3);
  EXPECT_TRUE(apart.concerns(Screen::simultaneous_admissions));
}

TEST(SimultaneousAdmissions, agree_with_comparing_every_pair) {
  // Small days and few sites, so that about half of the histories have an overlap.
  std::uint64_t state = 1;
  const auto below = [&](std::uint64_t n) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33U) % n;
  };
  std::size_t overlapping = 0;
  constexpr std::size_t kHistories = 2000;
  for (std::size_t h = 0; h < kHistories; ++h) {
    History history;
    struct Stay {
      std::uint64_t from, to, site;
    };
    std::vector<Stay> stays;
    for (std::uint64_t s = 2 + below(4); s > 0; --s) {
      const std::uint64_t from = 100 + below(40);
      stays.push_back({from, from + below(6), below(3)});
      history.has(admission, static_cast<DayNumber>(from), static_cast<DayNumber>(stays.back().to),
                  static_cast<std::uint32_t>(stays.back().site));
    }
    bool expected = false;
    for (const Stay& a : stays) {
      for (const Stay& b : stays) {
        expected = expected || (a.site != b.site && std::max(a.from, b.from) < std::min(a.to, b.to));
      }
    }
    overlapping += expected;
    ASSERT_EQ(history.concerns(Screen::simultaneous_admissions), expected) << "history " << h;
  }
  EXPECT_GT(overlapping, kHistories / 10);
  EXPECT_LT(overlapping, kHistories * 9 / 10);
}

TEST(Registrations, are_two_if_neither_has_ended) {
  const auto registered = [](DayNumber first_ended, std::uint32_t second_site) {
    return History()
        .has(registration, 1000, first_ended, 1)
        .has(registration, 2000, kMissingDay, second_site)
        .concerns(Screen::two_registrations);
  };
  EXPECT_TRUE(registered(kMissingDay, 2));
  EXPECT_FALSE(registered(2010, 2));
  EXPECT_FALSE(registered(kMissingDay, 1));
  EXPECT_FALSE(registered(kMissingDay, kNoSite));
}

TEST(ScreensTable, tells_not_evaluated_from_none) {
  ScreenReport report;
  report.screens[static_cast<std::size_t>(Screen::two_births)] = {true, 0, 7};
  const std::string table = screens_table(report);
  const auto line = [&](const std::string& name) {
    const std::size_t at = table.find(name);
    return at == std::string::npos ? std::string() : table.substr(at, table.find('\n', at) - at);
  };
  EXPECT_EQ(line("births more than 28 days apart").find("not evaluated"), std::string::npos);
  EXPECT_NE(line("births more than 28 days apart").find("0.0000 %"), std::string::npos);
  EXPECT_NE(line("two babies in one person").find("not evaluated"), std::string::npos);
}

constexpr char kJob[] = R"([job]
secure = "secure"
publish = "publish"
key = "test.key"
as_at = 2014-04-01
[publish]
event_date = "year"
[[extract]]
dataset = "ip"
files = "ip.csv"
columns = { row_id = "id", provider = "trust", nhs_number = "nhs", date_of_birth = "birth", postcode = "postcode", gender = "sex", event_date = "on" }
keep = [{ column = "code" }, { column = "left", type = "date" }]
)";

void expect_mistake(const std::string& screen, const std::string& message) {
  try {
    parse_job_file(std::string(kJob) + "[[extract.screen]]\n" + screen, "job.toml");
    ADD_FAILURE() << "accepted: " << screen;
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

TEST(ScreenSettings, name_rows_columns_and_places) {
  const JobFile job = parse_job_file(std::string(kJob) + R"([[extract.screen]]
kind = "birth"
column = "code"
values = ["Z37", "Z38"]
[[extract.screen]]
kind = "admission"
until = "left"
)",
                                     "job.toml");
  ASSERT_EQ(job.extracts[0].screens.size(), 2U);
  EXPECT_EQ(job.extracts[0].screens[0], (ScreenRule{birth, "code", {"Z37", "Z38"}, "", ""}));
  EXPECT_EQ(job.extracts[0].screens[1], (ScreenRule{admission, "", {}, "left", "provider"}));
}

TEST(ScreenSettings, mistakes_are_told) {
  expect_mistake("column = \"code\"\nvalues = \"1\"", "'kind' in [[extract.screen]] is required");
  expect_mistake("kind = \"deaths\"", "did you mean \"death\"?");
  expect_mistake("kind = \"birth\"\ncolumn = \"left\"\nvalues = \"1\"", "keeps as \"category\"; 'left' is none");
  expect_mistake("kind = \"birth\"\ncolumn = \"code\"", "'column' and 'values' in [[extract.screen]] go together");
  expect_mistake("kind = \"admission\"\nuntil = \"code\"", "keeps as \"date\"; 'code' is none");
  expect_mistake("kind = \"death\"\nuntil = \"left\"", "'until' in [[extract.screen]] is for admissions");
  expect_mistake("kind = \"birth\"\ncolum = \"code\"", "did you mean 'column'?");
}

TEST(ScreenSettings, extracts_of_one_dataset_have_the_same_screens) {
  std::string text = std::string(kJob) + "[[extract.screen]]\nkind = \"death\"\n";
  const std::string second = std::string(kJob).substr(std::string(kJob).find("[[extract]]"));
  text += second.substr(0, second.find("ip.csv")) + "more.csv" + second.substr(second.find("ip.csv") + 6);
  try {
    parse_job_file(text, "job.toml");
    ADD_FAILURE() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("must have the same [[extract.screen]]"), std::string::npos);
  }
}

}  // namespace
}  // namespace ligature
