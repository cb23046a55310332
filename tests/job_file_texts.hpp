// A short job file, and what its user reads if something in it is wrong.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "io/job_file.hpp"

namespace ligature {

inline const std::string kShortest = R"([job]
secure = "run/secure"
publish = "run/publish"
key = "england.key"
[[extract]]
dataset = "all"
files = "people.csv"
[extract.columns]
row_id = "record_id"
nhs_number = "nhs_number"
date_of_birth = "date_of_birth"
postcode = "postcode"
gender = "gender"
)";

inline JobFile parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_job_file(text, "/jobs/england.toml", overrides);
}

// What is wrong with a job file, as its user reads it; empty if nothing is.
inline std::string mistakes(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    parse(text, overrides);
    return {};
  } catch (const UsageError& error) {
    return error.what();
  }
}

inline void expect_mistake(const std::string& text, const std::string& message,
                           const std::vector<std::string>& overrides = {}) {
  EXPECT_NE(mistakes(text, overrides).find(message), std::string::npos)
      << "expected: " << message << "\nfound: " << mistakes(text, overrides) << "\nin:\n"
      << text;
}

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

}  // namespace ligature
