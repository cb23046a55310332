// What becomes of a row: typed values, supersession, objections, and rows that no identifier can tell apart.
#include <array>
#include <bit>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "io/identifier_standing.hpp"
#include "tests/intake_fixture.hpp"

namespace ligature {
namespace {

using testing::day;
using testing::IntakeTest;
using testing::kHeader;
using testing::kNhs;
using testing::kOtherNhs;

TEST_F(IntakeTest, ExtractsOfOneDatasetShareAPayloadThatHasAllTheirColumns) {
  write("old.csv", "nhs_number,code\n9434765919,a\n");
  write("new.csv", "code,nhs_number,seen,practice\nb,9434765870,2014-04-02,A81001\n");
  Extract old_one, new_one;
  old_one.dataset = new_one.dataset = "op";
  old_one.files = {path("old.csv")};
  new_one.files = {path("new.csv")};
  old_one.columns.nhs_number = new_one.columns.nhs_number = "nhs_number";
  old_one.keep = new_one.keep = {{"code", ColumnType::category}};
  new_one.columns.event_date = "seen";
  new_one.columns.provider = "practice";
  new_one.columns.row_id = "code";
  job_.extracts = {old_one, new_one};
  const Inputs inputs = find_inputs(comm_, job_);
  ASSERT_EQ(inputs.datasets.size(), 1U);
  EXPECT_FALSE(inputs.datasets[0].has_row_id);  // one of the extracts has none
  const Outcome outcome = read();
  ASSERT_EQ(outcome.rows.size(), 2U);
  EXPECT_TRUE(outcome.rows[0].ends_with("event_date=0 provider=- code=a")) << outcome.rows[0];
  EXPECT_TRUE(outcome.rows[1].ends_with("event_date=" + std::to_string(day(2014, 4, 2)) + " provider=A81001 code=b"));
}

TEST_F(IntakeTest, KeptValuesAreTypedAndWhatIsNotUnderstoodIsMissingAndCounted) {
  write("v.csv",
        "nhs_number,a,b,c,d,e,f\n"
        "9434765919,127,+5,-2147483647,9223372036854775807,1.5,-2e300\n"
        "9434765919,128,-32768,1.0,x,1e40,nan\n"
        "9434765919,,,,,,\n"
        "9434765919, 1 ,--1,+-1,0x1,inf,\" \"\n");
  Extract ip;
  ip.dataset = "ip";
  ip.files = {path("v.csv")};
  ip.columns.nhs_number = "nhs_number";
  ip.keep = {{"a", ColumnType::int8},  {"b", ColumnType::int16},   {"c", ColumnType::int32},
             {"d", ColumnType::int64}, {"e", ColumnType::float32}, {"f", ColumnType::float64}};
  job_.extracts = {ip};
  const Outcome outcome = read();
  ASSERT_EQ(outcome.rows.size(), 4U);
  const std::string missing = "a=-128 b=-32768 c=-2147483648 d=-9223372036854775808 e=nan f=nan";
  EXPECT_TRUE(outcome.rows[0].ends_with("a=127 b=5 c=-2147483647 d=9223372036854775807 e=1.5 f=-2e+300"))
      << outcome.rows[0];
  EXPECT_TRUE(outcome.rows[1].ends_with(missing)) << outcome.rows[1];
  EXPECT_TRUE(outcome.rows[2].ends_with(missing)) << outcome.rows[2];
  EXPECT_TRUE(outcome.rows[3].ends_with("a=1 " + missing.substr(7))) << outcome.rows[3];
  EXPECT_EQ(outcome.counts.values_not_understood, 6U + 0U + 4U);
}

TEST_F(IntakeTest, SupersededNumbersAreReplacedAndObjectionsBarRows) {
  const std::string row = ",,,,,,,\n";
  write("gp.csv", kHeader + "keep,9434765919" + row + "old,9434765870" + row + "none," + row);
  const SupersessionTable superseded({{kOtherNhs, kNhs}});
  RowRules rules;
  rules.superseded = &superseded;
  job_.extracts = {extract("gp", {"gp.csv"})};
  const Outcome replaced = read(rules, {});
  ASSERT_EQ(replaced.rows.size(), 3U);
  EXPECT_EQ(replaced.counts.nhs_superseded, 1U);
  EXPECT_NE(replaced.rows[1].find(std::to_string(kNhs)), std::string::npos);

  const ObjectionLedger objections({{kNhs, day(2014, 1, 1), ObjectionKind::type1, false}});
  rules.objections = &objections;
  rules.bind_persons = true;
  const Outcome barred = read(rules, {});
  EXPECT_EQ(barred.counts.opted_out, 2U);  // under its current number the old row is barred too
  EXPECT_EQ(barred.counts.kept, 1U);
  EXPECT_EQ(barred.counts.nhs_superseded, 0U);
}

TEST(NumbersSpokenOf, LeavesOutNoOldNumberAndNoObjectorOfType1AndNearlyAllOthers) {
  constexpr std::uint64_t kNumbers = 30'000, kStep = 333'333;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> replaced;
  std::vector<Preference> preferences;
  for (std::uint64_t i = 0; i < kNumbers; ++i) {
    if (i % 3 == 0) replaced.emplace_back(i * kStep, 9'999'999'999);
    if (i % 3 == 1) preferences.push_back({i * kStep, day(2014, 1, 1), ObjectionKind::type1, i % 2 == 0});
    if (i % 3 == 2) preferences.push_back({i * kStep, day(2014, 1, 1), ObjectionKind::type2, false});
  }
  const SupersessionTable superseded(replaced);
  const ObjectionLedger objections(preferences);
  RowRules rules;
  rules.superseded = &superseded;
  rules.objections = &objections;
  const NhsFilter spoken_of = numbers_spoken_of(rules);
  std::uint64_t others = 0;
  for (std::uint64_t i = 0; i < kNumbers; ++i) {
    if (i % 3 == 2) {
      others += spoken_of.may_have(i * kStep);
    } else {
      ASSERT_TRUE(spoken_of.may_have(i * kStep)) << i;
    }
  }
  EXPECT_LT(others, kNumbers / 3 / 10);
  EXPECT_FALSE(numbers_spoken_of({}).may_have(kNhs));
}

TEST_F(IntakeTest, AnObjectionBarsWhatWasExtractedWhileItStood) {
  write("gp.csv", "nhs_number,taken\n9434765919,2013-06-01\n9434765919,2014-06-01\n9434765919,\n9434765919,soon\n");
  Extract gp;
  gp.dataset = "gp";
  gp.files = {path("gp.csv")};
  gp.columns.nhs_number = "nhs_number";
  gp.columns.extracted = "taken";
  const ObjectionLedger objections({{kNhs, day(2014, 1, 1), ObjectionKind::type1, false}});
  RowRules rules;
  rules.objections = &objections;
  rules.as_at = day(2014, 12, 31);
  job_.extracts = {gp};
  EXPECT_EQ(read(rules, {}).counts.opted_out, 3U);  // without a date the day of the run counts
  job_.extracts[0].extracted = day(2013, 12, 31);
  EXPECT_EQ(read(rules, {}).counts.opted_out, 1U);  // without a date the extract's own counts
  job_.consent.after_opt_out = AfterOptOut::withdraw;
  EXPECT_EQ(read(rules, {}).counts.opted_out, 4U);
}

TEST(IdentifierStanding, OfRowsAddsUpToWhatEachIs) {
  std::uint64_t words = 0, rows = 0;
  RowCounts expected, counts;
  for (const NhsStatus status : {NhsStatus::missing, NhsStatus::valid, NhsStatus::invalid}) {
    for (const Gender gender : {Gender::unknown, Gender::male, Gender::female, Gender::indeterminate}) {
      for (const PostcodeFlag flag : {PostcodeFlag::none, PostcodeFlag::no_fixed_abode, PostcodeFlag::pseudo}) {
        for (const int more : {0, 1, 2, 3}) {
          const bool has_birth = more % 2 != 0, has_postcode = more / 2 != 0 && flag == PostcodeFlag::none;
          const IdentityFields fields{{0, status},
                                      has_birth ? DayNumber{9} : kMissingDay,
                                      !has_birth && gender == Gender::male,
                                      {has_postcode ? PackedPostcode{7} : PackedPostcode{0}, flag},
                                      gender};
          expected.nhs_valid += status == NhsStatus::valid;
          expected.nhs_invalid += status == NhsStatus::invalid;
          expected.nhs_missing += status == NhsStatus::missing;
          expected.birth_placeholder += fields.placeholder_birth;
          expected.birth_missing += !has_birth && !fields.placeholder_birth;
          expected.postcode_pseudo += flag != PostcodeFlag::none;
          expected.postcode_missing += flag == PostcodeFlag::none && !has_postcode;
          expected.gender_missing += gender != Gender::male && gender != Gender::female;
          words += standing::word_of(fields);
          ++rows;
        }
      }
    }
  }
  ASSERT_LE(rows, standing::kMostRows);
  standing::add(words, standing::kOfRows, counts);
  EXPECT_EQ((std::bit_cast<std::array<std::uint64_t, kRowCounters>>(counts)),
            (std::bit_cast<std::array<std::uint64_t, kRowCounters>>(expected)));
  const std::uint64_t best = standing::word_of({{5, NhsStatus::valid}, 9, false, {7, {}}, Gender::male});
  RowCounts full;
  standing::add(standing::kMostRows * best, standing::kOfRows, full);
  EXPECT_EQ(full.nhs_valid, standing::kMostRows);
  EXPECT_EQ(full.nhs_invalid + full.birth_missing + full.postcode_missing + full.gender_missing, 0U);
}

TEST_F(IntakeTest, CountsWhatEachProviderSentInWhateverOrder) {
  std::string text = "practice,nhs_number,gender\n";
  std::map<std::string, ProviderCounts> expected;
  for (std::size_t row = 0; row < 1'500; ++row) {
    // Six hundred rows of one, then three in turn, one of them without a name, then four hundred of another.
    const std::string practice = row < 600 ? "A1" : row >= 1'100 ? "C3" : std::array{"A1", "B2", ""}[row % 3];
    const bool has_number = row % 7 != 0, has_gender = row % 5 != 0;
    text += practice + (has_number ? ",9434765919," : ",,") + (has_gender ? "1\n" : "\n");
    if (practice.empty()) continue;
    ProviderCounts& counts = expected[practice];
    ++counts.rows;
    ++(has_number ? counts.nhs_valid : counts.nhs_missing);
    counts.gender_missing += !has_gender;
  }
  write("gp.csv", text);
  Extract gp;
  gp.dataset = "gp";
  gp.files = {path("gp.csv")};
  gp.columns.provider = "practice";
  gp.columns.nhs_number = "nhs_number";
  gp.columns.gender = "gender";
  job_.extracts = {gp};
  const Inputs inputs = find_inputs(comm_, job_);
  std::map<std::string, ProviderCounts> found;
  read_extracts(
      comm_, job_, inputs, {}, [&] { found.clear(); },
      [&](RowBlock&& block) {
        for (std::size_t code = 0; code < block.providers.size(); ++code) {
          found[block.dictionaries[0][code]] += block.providers[code];
        }
      },
      [](std::uint64_t) {});
  for (const auto& [practice, counts] : expected) {
    const ProviderCounts& mine = found[practice];
    EXPECT_EQ(comm_.sum(mine.rows), counts.rows) << practice;
    EXPECT_EQ(comm_.sum(mine.nhs_valid), counts.nhs_valid) << practice;
    EXPECT_EQ(comm_.sum(mine.nhs_missing), counts.nhs_missing) << practice;
    EXPECT_EQ(comm_.sum(mine.gender_missing), counts.gender_missing) << practice;
    EXPECT_EQ(comm_.sum(mine.birth_missing), counts.rows) << practice;
  }
}

TEST_F(IntakeTest, ABirthAfterTheExtractIsMissing) {
  write("gp.csv", "date_of_birth,nhs_number\n2014-03-01,9434765919\n2014-05-01,9434765919\n");
  Extract gp;
  gp.dataset = "gp";
  gp.files = {path("gp.csv")};
  gp.columns.nhs_number = "nhs_number";
  gp.columns.date_of_birth = "date_of_birth";
  gp.extracted = day(2014, 4, 1);
  job_.extracts = {gp};
  const Outcome outcome = read();
  EXPECT_EQ(outcome.counts.birth_missing, 1U);
  EXPECT_EQ(outcome.counts.kept, 2U);
}

// The identities of a file's rows that cannot be linked.
std::vector<Identity> one_time_identities(const Communicator& comm, const JobFile& job) {
  const Inputs inputs = find_inputs(comm, job);
  std::vector<Identity> mine;
  read_extracts(
      comm, job, inputs, {}, [&] { mine.clear(); },
      [&](RowBlock&& block) { mine.insert(mine.end(), block.identities.begin(), block.identities.end()); },
      [](std::uint64_t) {});
  return comm.all_gather(std::span<const Identity>(mine));
}

TEST_F(IntakeTest, RowsThatCannotBeLinkedStandAloneUnlessTheyAreOneRowSentTwice) {
  write("gp.csv", kHeader +
                      "r1,,1970-12-31,,1,2014-04-01,A81001,x,1\n"
                      "r2,,1970-12-31,,1,2014-04-01,A81001,x,1\n"
                      "r1,,1970-12-31,,1,2014-04-01,A81001,x,1\n"
                      "r1,,1970-12-31,,1,2014-04-02,A81001,x,1\n"
                      ",,1970-12-31,,1,2014-04-01,A81001,x,1\n"
                      ",,1970-12-31,,1,2014-04-01,A81001,x,1\n");
  job_.extracts = {extract("gp", {"gp.csv"})};
  const std::vector<Identity> with_ids = one_time_identities(comm_, job_);
  ASSERT_EQ(with_ids.size(), 6U);
  EXPECT_EQ(with_ids[0], with_ids[2]);
  EXPECT_NE(with_ids[0], with_ids[1]);
  EXPECT_NE(with_ids[0], with_ids[3]);
  EXPECT_NE(with_ids[4], with_ids[5]);  // no id: the place in the file tells them apart
  job_.extracts[0].columns.row_id.reset();
  const std::vector<Identity> without_ids = one_time_identities(comm_, job_);
  for (std::size_t i = 0; i < without_ids.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(without_ids[i], without_ids[j]);
  }
}

}  // namespace
}  // namespace ligature
