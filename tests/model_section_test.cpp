// The [[model.level]] tables of a job file: which levels may be set, and to what.
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/job_file_texts.hpp"

namespace ligature {
namespace {

std::string level_of(const std::string& identifier, const std::string& level, const std::string& more) {
  return "[[model.level]]\nidentifier = \"" + identifier + "\"\nlevel = \"" + level + "\"\n" + more + "\n";
}

TEST(ModelLevel, what_is_no_level_or_no_probability_is_refused) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"[[model.level]]",
       "/jobs/england.toml:14:1: 'identifier' in [[model.level]] is required: one of \"nhs_number\""},
      {"[[model.level]]\nidentifier = \"gender\"",
       "'level' in [[model.level]] is required: one of \"different\", \"same\""},
      {level_of("post_code", "near", "m = 0.1"),
       "/jobs/england.toml:15:14: 'identifier' in [[model.level]] must be one of"},
      {level_of("post_code", "near", "m = 0.1"), "did you mean \"postcode\"?"},
      {level_of("date_of_birth", "onedigit", "m = 0.1"),
       "/jobs/england.toml:16:9: 'level' in [[model.level]] must be one"},
      {level_of("date_of_birth", "onedigit", "m = 0.1"), "did you mean \"one_digit\"?"},
      {level_of("gender", "near", "m = 0.1"), "'level' in [[model.level]] must be \"different\" or \"same\""},
      {level_of("postcode", "missing", "m = 0.1"), "'level' in [[model.level]] must be one of \"other\", \"area\""},
      {level_of("postcode", "near", ""), "a [[model.level]] sets 'm', 'u' or both, or else 'merge'"},
      {level_of("postcode", "near", "m = 0"), "/jobs/england.toml:17:5: 'm' in [[model.level]] must be greater than 0"},
      {level_of("postcode", "near", "m = 1"), "'m' in [[model.level]] must be greater than 0 and less than 1"},
      {level_of("postcode", "near", "u = nan"), "'u' in [[model.level]] must be greater than 0 and less than 1"},
      {level_of("postcode", "near", "u = -inf"), "'u' in [[model.level]] must be greater than 0 and less than 1"},
      {level_of("postcode", "near", "u = -1e-300"), "'u' in [[model.level]] must be greater than 0 and less than 1"},
      {level_of("postcode", "near", "m = \"0.1\""), "'m' in [[model.level]] must be a number, not text"},
      {level_of("postcode", "near", "m = 0.1\nw = 1"), "/jobs/england.toml:18:1: unknown key 'w' in [[model.level]]"},
      {level_of("nhs_number", "exact", "m = 0.1"),
       "/jobs/england.toml:17:5: an equal NHS number has no m and u to set"},
      {level_of("postcode", "near", "m = 0.1\nmerge = \"other\""), "takes the place of 'm' and 'u'"},
      {level_of("postcode", "near", "merge = \"exact\""),
       "'merge' in [[model.level]] must be one of \"other\", \"area\""},
      {level_of("postcode", "near", "merge = \"near\""), "'merge' in [[model.level]] must be one of"},
      {level_of("postcode", "near", "merge = \"secto\""), "did you mean \"sector\"?"},
      {level_of("postcode", "exact", "merge = \"near\""),
       "level 'exact' of postcode cannot be merged: it is the strongest"},
      {level_of("gender", "same", "merge = \"different\""), "level 'same' of gender cannot be merged"},
      {level_of("postcode", "other", "merge = \"other\""),
       "level 'other' of postcode cannot be merged: it is the weakest"},
      {level_of("postcode", "near", "m = 0.1") + level_of("postcode", "near", "u = 0.1"),
       "/jobs/england.toml:20:9: level 'near' of postcode is given twice"},
  };
  for (const auto& [text, message] : wrong) expect_mistake(kShortest + text, message);
}

TEST(ModelLevel, what_is_given_leaves_something_to_the_other_levels_or_is_all_there_is) {
  const std::string near = level_of("postcode", "near", "m = 0.6");
  expect_mistake(kShortest + near + level_of("postcode", "area", "m = 0.4"),
                 "/jobs/england.toml:21:5: 'm' of the levels of postcode sums to 1, which leaves nothing");
  expect_mistake(kShortest + near + level_of("postcode", "area", "m = 0.7"), "sums to 1.3, which leaves");
  EXPECT_EQ(mistakes(kShortest + near + level_of("postcode", "area", "m = 0.3")), "");
  EXPECT_EQ(mistakes(kShortest + near + level_of("date_of_birth", "exact", "m = 0.9")), "");
  EXPECT_EQ(mistakes(kShortest + near + level_of("postcode", "area", "u = 0.9")), "");
  const std::string same = level_of("gender", "same", "m = 0.9\nu = 0.4");
  EXPECT_EQ(mistakes(kShortest + same + level_of("gender", "different", "m = 0.1\nu = 0.6")), "");
  expect_mistake(kShortest + same + level_of("gender", "different", "m = 0.1\nu = 0.5"),
                 "'u' is given for all levels of gender and must sum to 1, not 0.9");
  expect_mistake(kShortest + level_of("nhs_number", "near", "m = 0.3") + level_of("nhs_number", "other", "m = 0.3"),
                 "'m' is given for all levels of nhs_number and must sum to 1, not 0.6");
}

TEST(ModelLevel, more_levels_than_there_are_is_refused_at_once) {
  std::string text = kShortest;
  for (int i = 0; i < 70'000; ++i) text += "[[model.level]]\n";
  EXPECT_EQ(mistakes(text), "/jobs/england.toml:14:1: 70000 levels; there are only 17");
}

}  // namespace
}  // namespace ligature
