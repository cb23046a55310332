// Objections.  Sources: Read v2 9Nu0, 9Nu1, 9Nu4, 9Nu5 and CTV3 XaZ89 (HSCIC, Care Information Choices); a preference
// is a dated series and records kept before an objection stay (the 2014 rule), or leave with it (the 2021 rule).
#include "engine/consent.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace ligature {
namespace {

constexpr std::uint64_t kPerson = 4'010'232'137ULL;
constexpr auto kKeep = AfterOptOut::keep_earlier;
constexpr auto kWithdraw = AfterOptOut::withdraw;

Preference objects(DayNumber date, ObjectionKind kind = ObjectionKind::type1) {
  return {kPerson, date, kind, false};
}
Preference withdraws(DayNumber date, ObjectionKind kind = ObjectionKind::type1) {
  return {kPerson, date, kind, true};
}

std::string kind_of(std::string_view text) {
  const std::optional<KindText> kind = parse_objection_kind(text);
  if (!kind) return "none";
  const std::string name = kind->kind == ObjectionKind::type1   ? "type1"
                           : kind->kind == ObjectionKind::type2 ? "type2"
                                                                : "ndoo";
  return name + (kind->withdrawn ? " withdrawn" : "");
}

TEST(ObjectionKind, is_read_from_words_and_codes_in_any_case) {
  for (const std::string_view text :
       {"type1", "Type1", " TYPE1 ", "9Nu0", "9Nu0.", "9Nu000", "9Nu0.00", "9NU0", "XaZ89"}) {
    EXPECT_EQ(kind_of(text), "type1") << text;
  }
  for (const std::string_view text : {"type1-withdrawn", "TYPE1-Withdrawn", "9Nu1", "9Nu1.", "9Nu1.00", "9Nu100"}) {
    EXPECT_EQ(kind_of(text), "type1 withdrawn") << text;
  }
  for (const std::string_view text : {"type2", "9Nu4", "9Nu4."}) EXPECT_EQ(kind_of(text), "type2") << text;
  for (const std::string_view text : {"type2-withdrawn", "9Nu5", "9nu5.00"}) {
    EXPECT_EQ(kind_of(text), "type2 withdrawn") << text;
  }
  EXPECT_EQ(kind_of("ndoo"), "ndoo");
  EXPECT_EQ(kind_of("NDOO-withdrawn"), "ndoo withdrawn");
}

TEST(ObjectionKind, an_unknown_one_is_not_guessed) {
  for (const std::string_view text : {"", " ", "type", "type3", "type1 withdrawn", "-withdrawn", "9Nu", "9Nu2", "9Nu3",
                                      "9Nu0x", "9Nu0..", "9Nu0.0", "9Nu0000", "9Nu0-withdrawn", "xaz89", "00", "."}) {
    EXPECT_EQ(kind_of(text), "none") << text;
  }
}

TEST(Objection, an_empty_ledger_bars_nobody) {
  const ObjectionLedger ledger;
  EXPECT_TRUE(ledger.empty());
  EXPECT_FALSE(ledger.bars(kPerson, 100, kKeep));
  EXPECT_FALSE(ledger.bars(kPerson, kMissingDay, kWithdraw));
  EXPECT_EQ(ledger.standing(ObjectionKind::type1), 0U);
}

TEST(Objection, bars_rows_extracted_on_its_date_and_later) {
  const ObjectionLedger ledger({objects(100)});
  EXPECT_FALSE(ledger.bars(kPerson, 99, kKeep));
  EXPECT_TRUE(ledger.bars(kPerson, 100, kKeep));
  EXPECT_TRUE(ledger.bars(kPerson, 65'535, kKeep));
}

TEST(Objection, withdraw_bars_earlier_rows_too) {
  const ObjectionLedger ledger({objects(100)});
  EXPECT_TRUE(ledger.bars(kPerson, 99, kWithdraw));
  EXPECT_TRUE(ledger.bars(kPerson, 1, kWithdraw));
}

TEST(Objection, opting_back_in_lets_later_rows_pass_and_keeps_the_gap) {
  const ObjectionLedger ledger({objects(100), withdraws(200)});
  for (const AfterOptOut policy : {kKeep, kWithdraw}) {
    EXPECT_FALSE(ledger.bars(kPerson, 99, policy));
    EXPECT_TRUE(ledger.bars(kPerson, 100, policy)) << "it stood on the extract's date";
    EXPECT_TRUE(ledger.bars(kPerson, 199, policy));
    EXPECT_FALSE(ledger.bars(kPerson, 200, policy));
  }
}

TEST(Objection, on_one_date_outranks_its_withdrawal_in_any_order_of_lines) {
  for (const auto& preferences :
       {std::vector{objects(100), withdraws(100)}, std::vector{withdraws(100), objects(100)}}) {
    const ObjectionLedger ledger(preferences);
    EXPECT_TRUE(ledger.bars(kPerson, 100, kKeep));
    EXPECT_EQ(ledger.standing(ObjectionKind::type1), 1U);
  }
}

TEST(Objection, without_a_date_stands_from_the_beginning) {
  const ObjectionLedger ledger({objects(kMissingDay), withdraws(200)});
  EXPECT_TRUE(ledger.bars(kPerson, 1, kKeep));
  EXPECT_FALSE(ledger.bars(kPerson, 200, kKeep));
}

TEST(Objection, the_end_of_the_ledger_counts_for_a_row_without_extract_date) {
  EXPECT_TRUE(ObjectionLedger({objects(100)}).bars(kPerson, kMissingDay, kKeep));
  EXPECT_FALSE(ObjectionLedger({objects(100), withdraws(200)}).bars(kPerson, kMissingDay, kKeep));
}

TEST(Objection, only_type_1_bars_rows_from_the_run) {
  const ObjectionLedger ledger({objects(100, ObjectionKind::type2), objects(100, ObjectionKind::national)});
  EXPECT_FALSE(ledger.bars(kPerson, 200, kWithdraw));
  EXPECT_EQ(ledger.standing(ObjectionKind::type2), 1U);
  EXPECT_EQ(ledger.standing(ObjectionKind::national), 1U);
  EXPECT_EQ(ledger.standing(ObjectionKind::type1), 0U);
}

TEST(Objection, is_the_persons_own) {
  const ObjectionLedger ledger({objects(100)});
  EXPECT_FALSE(ledger.bars(kPerson + 1, 200, kKeep));
  EXPECT_FALSE(ledger.bars(0, 200, kKeep)) << "no valid number";
  EXPECT_FALSE(ledger.bars(~0ULL, 200, kKeep));
}

TEST(Objection, stands_for_the_numbers_that_are_listed) {
  constexpr ObjectionKind kType2 = ObjectionKind::type2, kNational = ObjectionKind::national;
  const ObjectionLedger ledger({{40, 100, kType2, false},
                                {10, 100, kNational, false},
                                {10, 300, kType2, false},
                                {20, 100, ObjectionKind::type1, false},
                                {30, 100, kType2, false},
                                {30, 200, kType2, true},
                                {30, 200, kNational, true}});
  const ObjectionKinds both = kinds_of(kType2) | kinds_of(kNational);
  using Numbers = std::vector<std::uint64_t>;
  EXPECT_EQ(ledger.numbers_standing(both, 100), (Numbers{10, 30, 40})) << "each once, ascending";
  EXPECT_EQ(ledger.numbers_standing(both, 99), Numbers());
  EXPECT_EQ(ledger.numbers_standing(both, kMissingDay), (Numbers{10, 40})) << "at the end of the ledger";
  EXPECT_EQ(ledger.numbers_standing(kinds_of(kType2), 299), (Numbers{40}));
  EXPECT_EQ(ObjectionLedger().numbers_standing(both, kMissingDay), Numbers());
}

TEST(Objection, of_each_kind_stands_by_its_own_dates) {
  const ObjectionLedger ledger(
      {objects(100), objects(100, ObjectionKind::type2), withdraws(200, ObjectionKind::type2)});
  constexpr ObjectionKinds kType1 = kinds_of(ObjectionKind::type1), kType2 = kinds_of(ObjectionKind::type2);
  EXPECT_FALSE(ledger.stands(kPerson, kType1 | kType2, 99));
  EXPECT_TRUE(ledger.stands(kPerson, kType2, 199));
  EXPECT_FALSE(ledger.stands(kPerson, kType2, 200));
  EXPECT_FALSE(ledger.stands(kPerson, kType2, kMissingDay)) << "at the end of the ledger";
  EXPECT_TRUE(ledger.stands(kPerson, kType1 | kType2, kMissingDay));
  EXPECT_FALSE(ledger.stands(kPerson, kinds_of(ObjectionKind::national), kMissingDay));
  EXPECT_FALSE(ledger.stands(kPerson + 1, kType1, kMissingDay));
  EXPECT_TRUE(ledger.speaks_of(kPerson, ObjectionKind::type2)) << "also when it was withdrawn";
  EXPECT_FALSE(ledger.speaks_of(kPerson, ObjectionKind::national));
}

TEST(Objection, on_one_date_leaves_its_withdrawal_without_effect) {
  const ObjectionLedger ledger({objects(100), withdraws(100), withdraws(200)});
  EXPECT_TRUE(ledger.is_outranked(withdraws(100)));
  EXPECT_FALSE(ledger.is_outranked(withdraws(200)));
  EXPECT_FALSE(ledger.is_outranked(objects(100)));
  EXPECT_FALSE(ledger.is_outranked(withdraws(100, ObjectionKind::type2)));
}

TEST(LedgerVersion, names_the_entries_and_not_their_order_or_repetition) {
  const ObjectionLedger ledger({objects(100), withdraws(200)});
  EXPECT_EQ(ObjectionLedger({withdraws(200), objects(100), objects(100)}).version(), ledger.version());
  EXPECT_NE(ObjectionLedger({objects(100), withdraws(201)}).version(), ledger.version());
  EXPECT_NE(ObjectionLedger({objects(100), objects(200)}).version(), ledger.version());
  EXPECT_NE(ObjectionLedger().version(), ledger.version());
}

TEST(LedgerEntry, says_why_it_has_no_effect) {
  const auto problem_of = [](std::string_view nhs, std::string_view kind, std::string_view date) {
    const ReadPreference read = read_preference(nhs, kind, date, *day_number({2014, 4, 1}));
    return read.problem ? std::string(entry_problem_name(*read.problem)) : "none";
  };
  EXPECT_EQ(problem_of("401 023 2137", "9Nu0.", "01/04/2014"), "none");
  EXPECT_EQ(problem_of("4010232138", "9Nu0", "2014-04-01"), "no_number") << "the check digit is wrong";
  EXPECT_EQ(problem_of("", "", ""), "no_number");
  EXPECT_EQ(problem_of("4010232137", "9Nu2", "2014-04-01"), "unknown_kind");
  EXPECT_EQ(problem_of("4010232137", "type1", ""), "no_date");
  EXPECT_EQ(problem_of("4010232137", "type1", "2014-02-30"), "no_date");
  EXPECT_EQ(problem_of("4010232137", "type1", "2014-04-02"), "future_date");
}

TEST(Objection, agrees_with_a_scan_of_the_whole_series_in_any_order_of_lines) {
  std::mt19937_64 random(2016);
  std::vector<Preference> preferences;
  std::vector<std::uint64_t> people;
  for (int i = 0; i < 500; ++i) people.push_back(4'000'000'000ULL + random() % 6'000'000'000ULL);
  for (int i = 0; i < 3'000; ++i) {
    preferences.push_back({people[random() % people.size()], static_cast<DayNumber>(1 + random() % 20),
                           static_cast<ObjectionKind>(random() % 3), random() % 2 == 0});
  }
  const ObjectionLedger ledger(preferences);
  std::shuffle(preferences.begin(), preferences.end(), random);
  const ObjectionLedger shuffled(preferences);
  const auto stood_on = [&](std::uint64_t person, ObjectionKind kind, DayNumber date) {
    int latest = -1;
    bool objection = false;
    for (const Preference& p : preferences) {
      if (p.nhs != person || p.kind != kind || p.date > date || p.date < latest) continue;
      objection = p.date == latest ? objection || !p.withdrawn : !p.withdrawn;
      latest = p.date;
    }
    return objection;
  };
  std::map<ObjectionKind, std::uint64_t> standing;
  for (const std::uint64_t person : people) {
    for (const ObjectionKind kind : {ObjectionKind::type1, ObjectionKind::type2, ObjectionKind::national}) {
      if (stood_on(person, kind, 65'535)) ++standing[kind];
    }
    for (DayNumber date = 1; date <= 21; ++date) {
      const bool stood = stood_on(person, ObjectionKind::type1, date);
      const bool stands = stood_on(person, ObjectionKind::type1, 65'535);
      ASSERT_TRUE(ledger.may_bar(person) || !stands) << "who is passed over at first is barred by nothing";
      ASSERT_EQ(ledger.bars(person, date, kKeep), stood);
      ASSERT_EQ(ledger.bars(person, date, kWithdraw), stood || stands);
      ASSERT_EQ(shuffled.bars(person, date, kWithdraw), stood || stands);
    }
  }
  for (const auto& [kind, persons] : standing) EXPECT_EQ(ledger.standing(kind), persons);
}

}  // namespace
}  // namespace ligature
