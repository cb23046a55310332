// Before any work: every mistake in the input files is told at once; reference files give rows and counts.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "io/ledger.hpp"
#include "io/row_id_reader.hpp"
#include "tests/intake_fixture.hpp"

namespace ligature {
namespace {

using testing::day;
using testing::IntakeTest;
using testing::kHeader;
using testing::kNhs;
using testing::kOtherNhs;
using namespace std::string_literals;

// The message of the UsageError that find_inputs ends with, on every rank alike.
std::string mistakes(const Communicator& comm, const JobFile& job) {
  try {
    find_inputs(comm, job);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST_F(IntakeTest, AllMistakesOfAllFilesAreToldBeforeAnyWork) {
  write("empty.csv", "");
  write("renamed.csv", "record_id,nhs_no,date_of_birth,postcode,gender,event_date,practice,code,code,value\n");
  write("wide.csv", kHeader);
  write("utf16.csv", "\xFF\xFEr\0"s);
  write("blank.csv", "\n\n");
  job_.extracts = {extract(
      "gp", {"empty.csv", "renamed.csv", "absent.csv", "none*.csv", "wide.csv", "wide*", "utf16.csv", "blank.csv"})};
  Extract tabs = extract("tabs", {"wide.csv"});
  tabs.delimiter = '\t';
  job_.extracts.push_back(tabs);
  write("headless.csv", "9434765919,LS1 1AA,1950-02-03\n");
  job_.extracts.push_back(extract("bare", {"headless.csv"}));
  const std::string text = mistakes(comm_, job_);
  EXPECT_NE(text.find("headless.csv: no column \"nhs_number\" in the header; the first line holds values"),
            std::string::npos);
  EXPECT_EQ(text.find("9434765919"), std::string::npos);  // nobody's number in a message
  for (const std::string value : {"1 Jan 1970", "12MAR1970", "ZZ99 3VZ"}) {
    write("headless.csv", "rec,A," + value + ",z,w\n");
    EXPECT_EQ(mistakes(comm_, job_).find(value), std::string::npos) << value;
  }
  for (const std::string part :
       {"empty.csv: the file is empty", "renamed.csv: no column \"nhs_number\" in the header; nearest: \"nhs_no\"",
        "renamed.csv: column \"code\" stands 2 times", "absent.csv: no such file", "none*.csv: no such file",
        "wide.csv: named twice", "utf16.csv: the file is UTF-16", "blank.csv: the file is empty",
        "wide.csv: the header is one column with delimiter \"\\t\"; is it \",\"?"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nnot in\n" << text;
  }
}

TEST(RowIds, files_of_one_name_are_told_apart_by_their_folders) {
  Inputs inputs;
  inputs.datasets.resize(3);
  inputs.datasets[2].has_row_id = true;
  const auto add = [&](const std::string& path, std::uint32_t dataset) {
    inputs.files.push_back({path, 0, dataset, Compression::none, 1});
  };
  add("/in/only.csv", 0);
  add("/in/a/x.csv", 0);
  add("/in/b/x.csv", 0);
  add("/in/march/c/y.csv", 0);
  add("/in/april/c/y.csv", 0);
  add("/y.csv", 0);
  add("/in/a/x.csv", 1);
  add("/in/a/z.csv", 2);
  const std::vector<std::string> expected{"only.csv",      "a/x.csv", "b/x.csv", "march/c/y.csv",
                                          "april/c/y.csv", "/y.csv",  "x.csv",   ""};
  EXPECT_EQ(names_in_row_ids(inputs), expected);
}

TEST_F(IntakeTest, ManyMistakesAreCutShort) {
  for (int f = 0; f < 30; ++f) write(std::string("f").append(std::to_string(f)).append(".csv"), "x\n");
  job_.extracts = {extract("gp", {"f*.csv"})};
  const std::string text = mistakes(comm_, job_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 20);
  EXPECT_NE(text.find("\nand "), std::string::npos);
}

TEST_F(IntakeTest, ReferenceFilesGiveTheirRowsAndCountTheMalformedOnes) {
  write("superseded.csv", "new_nhs_number,old_nhs_number\n9434765919,9434765870\n1,2\nbroken\n");
  write("objections.csv",
        "kind,nhs_number,date\ntype1,943 476 5870,2014-01-01\ntype1,9434765919,never\n9Nu1.,9434765919,01/06/2014\n"
        "sometimes,9434765919,2014-01-01\n\"open\n");
  write("practices.csv", "name,code\nA,A81002\nB, A81001 \nC,A81002\nD,\n");
  job_.superseded = path("superseded.csv");
  job_.practices = path("practices.csv");
  job_.consent.objections = {path("obj*.csv")};
  ReferenceCounts counts;
  const SupersessionTable superseded = load_superseded(comm_, job_, counts);
  EXPECT_EQ(superseded.current(kOtherNhs), kNhs);
  EXPECT_EQ(counts.rows, 3U);
  EXPECT_EQ(counts.malformed, 2U);
  LedgerCounts entries;
  const ObjectionLedger objections = load_ledger(comm_, {job_.consent.objections}, superseded, entries);
  EXPECT_EQ(entries.rows, 5U);
  EXPECT_EQ(entries.unusable(), 3U);
  // The objection was made under the old number; it holds for the person.
  EXPECT_TRUE(objections.bars(kNhs, day(2014, 3, 1), AfterOptOut::keep_earlier));
  EXPECT_FALSE(objections.bars(kNhs, day(2014, 7, 1), AfterOptOut::keep_earlier));
  const std::vector<RegisteredPractice> practices = load_practices(comm_, job_, counts);
  ASSERT_EQ(practices.size(), 2U);
  EXPECT_EQ(practices[0].code + practices[1].code, "A81001A81002");
  EXPECT_EQ(counts.malformed, 1U);
}

TEST_F(IntakeTest, AReferenceFileThatIsMissingOrLacksAColumnEndsTheJobOnEveryRank) {
  write("objections.csv", "nhs_number,kind\n");
  ReferenceCounts counts;
  LedgerCounts entries;
  EXPECT_THROW(load_ledger(comm_, {{path("objections.csv")}}, {}, entries), Error);
  EXPECT_THROW(load_ledger(comm_, {{path("nowhere.csv")}}, {}, entries), Error);
  job_.superseded = path("nowhere.csv");
  EXPECT_THROW(load_superseded(comm_, job_, counts), Error);
  job_.practices = path("nowhere.csv");
  EXPECT_THROW(load_practices(comm_, job_, counts), Error);
}

}  // namespace
}  // namespace ligature
