// The artificial extracts and the truth about them: rates and formats.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/identity.hpp"
#include "engine/nhs_number.hpp"
#include "engine/postcode.hpp"
#include "jobs/synth/errors.hpp"
#include "jobs/synth/extracts.hpp"
#include "jobs/synth/population.hpp"
#include "jobs/synth/reference.hpp"
#include "jobs/synth/synth.hpp"
#include "tests/sanitized.hpp"
#include "tests/synth_fixture.hpp"

namespace ligature {
namespace {

using namespace synthetic;

constexpr std::size_t kColumns = 9;

TEST(SynthExtracts, clean_rows_of_a_person_standardise_to_one_identity_in_all_four_formats) {
  const SynthArguments arguments = arguments_for(10'000);
  const Population population(arguments);
  const auto sources = read_text(ExtractWriter(population, arguments).write(0));
  const DayNumber latest = *day_number(kAsAt);
  std::map<std::string, Identity> identities;
  std::set<Identity> distinct;
  std::size_t persons_in_all_formats = 0;
  std::map<std::string, std::set<std::size_t>> formats;
  for (std::size_t s = 0; s < kSources; ++s) {
    for (const ReadRow& row : sources[s]) {
      ASSERT_EQ(row.fields.size(), kColumns);
      EXPECT_TRUE(parse_date(row.fields[7]).has_value());
      EXPECT_FALSE(row.fields[8].empty());
      if (!row.errors.empty()) continue;
      IdentityFields fields;
      fields.nhs = standardise_nhs_number(row.fields[3]);
      standardise_birth(row.fields[4], latest, fields);
      fields.postcode = standardise_postcode(row.fields[5]);
      fields.gender = standardise_gender(row.fields[6]);
      EXPECT_EQ(fields.nhs.status, NhsStatus::valid);
      const auto [known, first] = identities.emplace(row.person, pack(fields));
      EXPECT_EQ(known->second, pack(fields));
      if (first) {
        EXPECT_TRUE(distinct.insert(known->second).second);
      }
      formats[row.person].insert(s);
      if (formats[row.person].size() == kSources) ++persons_in_all_formats;
    }
  }
  EXPECT_GT(persons_in_all_formats, 100U);
}

TEST(SynthExtracts, rows_go_wrong_at_the_documented_rates) {
  const std::uint64_t people = unless_sanitized(40'000, 10'000);
  const SynthArguments arguments = arguments_for(people);
  const Population population(arguments);
  const ExtractWriter writer(population, arguments);
  std::array<std::uint64_t, kSources> rows{};
  std::map<std::string, std::array<std::uint64_t, kSources>> count;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    const auto sources = read_text(writer.write(n));
    for (std::size_t s = 0; s < kSources; ++s) {
      rows[s] += sources[s].size();
      for (const ReadRow& row : sources[s]) {
        for (const std::string& kind : row.errors) ++count[kind][s];
      }
    }
  }
  const SynthRates rates;
  const std::array<double, kSources> missing = {rates.nhs_missing_gp, rates.nhs_missing_inpatient,
                                                rates.nhs_missing_outpatient, rates.nhs_missing_ae};
  std::uint64_t all = 0;
  for (std::size_t s = 0; s < kSources; ++s) {
    all += rows[s];
    expect_rate(count["nhs_missing"][s], rows[s], missing[s], "nhs_missing", 1.1);
  }
  const auto total = [&](const char* kind) {
    std::uint64_t sum = 0;
    for (const std::uint64_t each : count[kind]) sum += each;
    return sum;
  };
  // The rare kinds after nhs_missing are drawn for the rows that are left.
  const double left = 1 - 0.014;
  expect_rate(total("nhs_filler"), all, rates.nhs_filler * left, "nhs_filler");
  expect_rate(total("nhs_other_person"), all, rates.nhs_other_person * left, "nhs_other_person");
  expect_rate(total("nhs_mistyped"), all, rates.nhs_mistyped * left, "nhs_mistyped");
  expect_rate(total("postcode_missing"), all, rates.postcode_missing, "postcode_missing");
  expect_rate(total("postcode_pseudo"), all, rates.postcode_pseudo, "postcode_pseudo");
  expect_rate(total("postcode_mistyped"), all, rates.postcode_mistyped, "postcode_mistyped");
  expect_rate(total("postcode_spelling"), all, rates.postcode_spelling, "postcode_spelling");
  expect_rate(total("local_id_missing"), all, rates.local_id_missing, "local_id_missing");
  expect_rate(total("local_id_wrong"), all, rates.local_id_wrong * (1 - rates.local_id_missing), "local_id_wrong");
  expect_rate(total("resubmitted"), all, rates.resubmitted, "resubmitted");
  EXPECT_EQ(total("malformed"), 0U);
  EXPECT_GT(total("nhs_superseded"), 0U);
  EXPECT_NEAR(static_cast<double>(all) / static_cast<double>(people), 5, 0.35);
}

TEST(SynthExtracts, an_error_scale_of_zero_makes_clean_rows) {
  SynthArguments arguments = arguments_for(10'000);
  arguments.error_scale = 0;
  arguments.rates.postcode_moved = 0;  // life, not error
  const Population population(arguments);
  const NeighbourhoodText text = ExtractWriter(population, arguments).write(0);
  for (const std::string_view line : lines_of(text.truth)) {
    ASSERT_EQ(fields_of(line, ',')[3], "");
  }
}

TEST(SynthExtracts, malformed_rows_have_a_column_less_or_more) {
  SynthArguments arguments = arguments_for(10'000);
  arguments.rates.malformed = 0.1;
  const Population population(arguments);
  std::map<std::size_t, std::uint64_t> columns;
  for (const auto& source : read_text(ExtractWriter(population, arguments).write(0))) {
    for (const ReadRow& row : source) {
      ++columns[row.fields.size()];
      EXPECT_EQ(row.errors.contains("malformed"), row.fields.size() != kColumns);
    }
  }
  EXPECT_GT(columns[kColumns - 1], 100U);
  EXPECT_GT(columns[kColumns + 1], 100U);
}

TEST(SynthExtracts, a_resubmitted_row_repeats_an_earlier_one_but_for_its_record_id) {
  const SynthArguments arguments = arguments_for(10'000);
  const Population population(arguments);
  std::uint64_t resubmitted = 0;
  for (const auto& source : read_text(ExtractWriter(population, arguments).write(0))) {
    std::set<std::vector<std::string>> earlier;
    for (const ReadRow& row : source) {
      const std::vector<std::string> rest(row.fields.begin() + 1, row.fields.end());
      if (row.errors.contains("resubmitted")) {
        ++resubmitted;
        EXPECT_TRUE(earlier.contains(rest));
      }
      earlier.insert(rest);
    }
  }
  EXPECT_GT(resubmitted, 50U);
}

TEST(SynthExtracts, a_local_id_stands_for_one_person_at_one_provider_and_is_the_same_in_all_extracts) {
  SynthArguments arguments = arguments_for(20'000);
  arguments.rates.local_id_wrong = 0.01;
  const Population population(arguments);
  const ExtractWriter writer(population, arguments);
  std::map<std::pair<std::string, std::string>, std::string> person_of;  // (provider, local id)
  std::map<std::pair<std::string, std::string>, std::string> id_of;      // (provider, person)
  std::map<std::string, std::set<std::string>> providers_of_id;
  std::uint64_t wrong = 0, others = 0, missing = 0;
  std::vector<ReadRow> wrong_rows;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    for (const auto& source : read_text(writer.write(n))) {
      for (const ReadRow& row : source) {
        const std::string &provider = row.fields[1], &id = row.fields[2];
        ASSERT_EQ(id.empty(), row.errors.contains("local_id_missing"));
        if (id.empty()) {
          ++missing;
        } else if (row.errors.contains("local_id_wrong")) {
          wrong_rows.push_back(row);
        } else {
          EXPECT_EQ(person_of.emplace(std::pair(provider, id), row.person).first->second, row.person);
          EXPECT_EQ(id_of.emplace(std::pair(provider, row.person), id).first->second, id);
          providers_of_id[id].insert(provider);
        }
      }
    }
  }
  for (const ReadRow& row : wrong_rows) {
    const auto own = id_of.find({row.fields[1], row.person});
    if (own != id_of.end()) {
      EXPECT_NE(own->second, row.fields[2]);
    }
    ++wrong;
    others += person_of.contains({row.fields[1], row.fields[2]}) ? 1U : 0U;
  }
  EXPECT_GT(missing, 1'000U);
  EXPECT_GT(wrong, 500U);
  EXPECT_GT(others, wrong / 2);  // most patients of a provider have rows
  const auto shared = std::count_if(providers_of_id.begin(), providers_of_id.end(),
                                    [](const auto& id) { return id.second.size() > 1; });
  EXPECT_GT(shared, 100);  // so a local id without its provider identifies nobody
}

TEST(SynthExtracts, the_truth_says_who_was_born_together) {
  SynthArguments arguments = arguments_for(10'000);
  arguments.gp_rows = unless_sanitized(20, 6);  // a row of nearly everybody
  const Population population(arguments);
  const std::vector<Person> people = population.neighbourhood(0);
  std::map<std::string, std::set<std::string>> members, births;
  std::uint64_t alone = 0;
  for (const auto& source : read_text(ExtractWriter(population, arguments).write(0))) {
    for (const ReadRow& row : source) {
      const Person& person = people[std::stoul(row.person.substr(1))];
      EXPECT_EQ(row.birth_group.empty(), person.twin == kNoTwin);
      if (row.birth_group.empty()) {
        ++alone;
      } else {
        members[row.birth_group].insert(row.person);
        births[row.birth_group].insert(std::to_string(person.birth));
      }
    }
  }
  std::uint64_t pairs = 0;
  for (const auto& [group, persons] : members) {
    EXPECT_LE(persons.size(), 2U);
    EXPECT_EQ(births[group].size(), 1U);
    pairs += persons.size() == 2 ? 1U : 0U;
  }
  EXPECT_GT(pairs, 50U);
  EXPECT_GT(alone, unless_sanitized(100'000U, 40'000U));
}

// What is true of a person is what all rows without an error of that kind say.
TEST(SynthExtracts, the_people_file_agrees_with_rows_without_errors) {
  SynthArguments arguments = arguments_for(10'000);
  arguments.people_file = true;
  const Population population(arguments);
  const NeighbourhoodText text = ExtractWriter(population, arguments).write(0);
  std::vector<std::vector<std::string>> people, truth, rows;
  const auto read = [](const std::string& lines, std::vector<std::vector<std::string>>& into) {
    std::istringstream stream(lines);
    for (std::string line; std::getline(stream, line);) {
      std::istringstream fields(line + ",");
      into.emplace_back();
      for (std::string field; std::getline(fields, field, ',');) into.back().push_back(field);
    }
  };
  read(text.people, people);
  read(text.truth, truth);
  read(text.extracts[0], rows);
  ASSERT_EQ(people.size(), 10'000U);
  std::size_t agreed = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    ASSERT_EQ(truth[row][0], rows[row][0]);
    if (!truth[row][3].empty()) continue;
    const std::vector<std::string>& person = people[std::stoul(truth[row][1].substr(1))];
    ASSERT_EQ(person[0], truth[row][1]);
    EXPECT_LE(person[1], person[0]);
    EXPECT_EQ(person[2], rows[row][4]);
    EXPECT_EQ(person[3], rows[row][6] == "1" ? "M" : "F");
    EXPECT_EQ(person[4], rows[row][5]);
    ++agreed;
  }
  EXPECT_GT(agreed, 10'000U);
}

}  // namespace
}  // namespace ligature
