// What the tests of the artificial population share: rates with their tolerance, and the text of the extracts as rows.
//
// Rates are held to five standard deviations of the binomial distribution (or of its clusters where people share a
// draw), so a test fails by chance once in a million runs, and with a fixed seed never or always.
#pragma once

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "jobs/synth/extracts.hpp"
#include "jobs/synth/synth.hpp"

namespace ligature::synthetic {

// Holds a count of successes to its expected share; cluster: trials that succeed or fail together.
inline void expect_rate(std::uint64_t successes, std::uint64_t trials, double rate, const char* what,
                        double cluster = 1) {
  const double n = static_cast<double>(trials);
  const double sigma = std::sqrt(n * rate * (1 - rate) * cluster);
  EXPECT_NEAR(static_cast<double>(successes), n * rate, 5 * sigma + 1) << what << " of " << trials;
}

inline SynthArguments arguments_for(std::uint64_t people) {
  SynthArguments arguments;
  arguments.people = people;
  return arguments;
}

inline std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

inline std::vector<std::string_view> fields_of(std::string_view line, char delimiter) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t end = line.find(delimiter);
    fields.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

// The rows of one source of a text with their truth.
struct ReadRow {
  std::vector<std::string> fields;
  std::string person;
  std::set<std::string> errors;
  std::string birth_group;
};

inline std::vector<std::vector<ReadRow>> read_text(const NeighbourhoodText& text) {
  std::unordered_map<std::string, ReadRow> truth;
  for (const std::string_view line : lines_of(text.truth)) {
    const std::vector<std::string_view> fields = fields_of(line, ',');
    EXPECT_EQ(fields.size(), 5U);
    std::set<std::string> errors;
    for (const std::string_view kind : fields_of(fields[3], '|')) {
      if (!kind.empty()) errors.emplace(kind);
    }
    const ReadRow row{{}, std::string(fields[1]), errors, std::string(fields[4])};
    EXPECT_TRUE(truth.emplace(std::string(fields[0]), row).second);
  }
  std::vector<std::vector<ReadRow>> sources(kSources);
  std::size_t rows = 0;
  for (std::size_t s = 0; s < kSources; ++s) {
    for (const std::string_view line : lines_of(text.extracts[s])) {
      const std::vector<std::string_view> fields = fields_of(line, format_of(static_cast<Source>(s)).delimiter);
      const auto known = truth.find(std::string(fields[0]));
      EXPECT_NE(known, truth.end());
      if (known == truth.end()) continue;
      ReadRow& row = sources[s].emplace_back(known->second);
      row.fields.assign(fields.begin(), fields.end());
      ++rows;
    }
  }
  EXPECT_EQ(rows, truth.size());
  return sources;
}

}  // namespace ligature::synthetic
