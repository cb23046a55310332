// The SIMD kernel against the plain reference, on every instruction set that this machine has.
#include "engine/pair_kernel.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include "engine/error.hpp"
#include "engine/identity.hpp"
#include "engine/pattern_tally.hpp"
#include "tests/every_target.hpp"
#include "tests/sanitized.hpp"

namespace ligature {
namespace {

// Random identities of which many are near misses of earlier ones.
class IdentityMaker {
 public:
  explicit IdentityMaker(std::uint64_t seed) : random_(seed) {}

  std::vector<Identity> make(std::size_t count) {
    std::vector<IdentityFields> made;
    std::vector<Identity> identities;
    while (made.size() < count) {
      IdentityFields fields = made.empty() || below(4) == 0 ? fresh() : made[below(made.size())];
      for (std::uint64_t changes = below(3); changes-- > 0;) change(fields);
      made.push_back(fields);
      identities.push_back(pack(fields));
    }
    return identities;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  IdentityFields fresh() {
    IdentityFields fields;
    change_nhs(fields);
    fields.date_of_birth = static_cast<DayNumber>(1 + below(65535));
    fields.postcode = postcode();
    fields.gender = static_cast<Gender>(below(4));
    return fields;
  }

  Postcode postcode() {
    static const char* const kOutward[] = {"M1", "M11", "SW1A", "SW1E", "SE1", "CB2", "CB22", "W1A", "DN55", "EC1A"};
    std::string text = kOutward[below(std::size(kOutward))];
    text += static_cast<char>('0' + below(10));
    text += "ABDEFG"[below(6)];
    text += "ABDEFG"[below(6)];
    return standardise_postcode(text);
  }

  void change_nhs(IdentityFields& fields) { fields.nhs = {1 + below(9'999'999'999), NhsStatus::invalid}; }

  void change_digit(IdentityFields& fields) {
    if (fields.nhs.status == NhsStatus::missing) return;
    std::string digits = std::to_string(10'000'000'000 + fields.nhs.value).substr(1);
    const std::size_t position = below(9);
    if (below(2) == 0) {
      std::swap(digits[position], digits[position + 1]);
    } else {
      digits[position] = static_cast<char>('0' + below(10));
    }
    fields.nhs.value = std::max(std::stoull(digits), 1ULL);
  }

  void change_birth(IdentityFields& fields) {
    if (fields.date_of_birth == kMissingDay) return;
    CivilDate date = civil_date(fields.date_of_birth);
    switch (below(5)) {
      case 0:
        std::swap(date.day, date.month);
        break;
      case 1:
        date.day = static_cast<int>(1 + below(31));
        break;
      case 2:
        date.month = static_cast<int>(1 + below(12));
        break;
      case 3:
        date.year = static_cast<int>(1895 + below(179));
        break;
      default:
        date.day = date.day % 10 * 10 + date.day / 10;
    }
    fields.date_of_birth = day_number(date).value_or(fields.date_of_birth);
  }

  void change(IdentityFields& fields) {
    switch (below(9)) {
      case 0:
        change_nhs(fields);
        break;
      case 1:
        change_digit(fields);
        break;
      case 2:
        change_birth(fields);
        break;
      case 3:
        fields.postcode = postcode();
        break;
      case 4:
        fields.gender = static_cast<Gender>(below(4));
        break;
      case 5:
        fields.nhs = {};
        break;
      case 6:
        fields.date_of_birth = kMissingDay;
        break;
      case 7:
        fields.postcode = {};
        break;
      default:
        fields.date_of_birth = static_cast<DayNumber>(1 + below(65535));
    }
  }

  std::mt19937_64 random_;
};

TEST(PairKernel, gives_the_reference_patterns_on_millions_of_pairs_on_every_target) {
  const std::size_t queries = unless_sanitized(1000U, 500U);
  const std::vector<Identity> left = IdentityMaker(1).make(queries), right = IdentityMaker(1).make(2011);
  std::vector<Pattern> expected;
  PatternCounts seen{};
  for (const Identity& a : left) {
    for (const Identity& b : right) {
      expected.push_back(compare(a, b));
      ++seen[expected.back()];
    }
  }
  // The data must reach every level often and many combinations, or the equality below shows little.
  std::array<std::uint64_t, kNhsLevels> nhs_seen{};
  std::array<std::uint64_t, kBirthLevels> birth_seen{};
  std::array<std::uint64_t, kPostcodeLevels> postcode_seen{};
  for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
    const Levels levels = levels_of(static_cast<Pattern>(pattern));
    nhs_seen[static_cast<std::size_t>(levels.nhs)] += seen[pattern];
    birth_seen[static_cast<std::size_t>(levels.birth)] += seen[pattern];
    postcode_seen[static_cast<std::size_t>(levels.postcode)] += seen[pattern];
  }
  EXPECT_GT(*std::min_element(nhs_seen.begin(), nhs_seen.end()), 100U);
  EXPECT_GT(*std::min_element(birth_seen.begin(), birth_seen.end()), 100U);
  EXPECT_GT(*std::min_element(postcode_seen.begin(), postcode_seen.end()), 100U);
  EXPECT_GT(std::count_if(seen.begin(), seen.end(), [](std::uint64_t count) { return count > 0; }), 300);

  IdentityColumns a, b;
  a.assign(left);
  b.assign(right);
  std::vector<Pattern> patterns(right.size());
  on_every_target([&](const char* target) {
    for (std::size_t query = 0; query < left.size(); ++query) {
      compare_one_to_many(a, query, b, 0, right.size(), patterns.data());
      const auto row = expected.begin() + static_cast<std::ptrdiff_t>(query * right.size());
      for (std::size_t i = 0; i < right.size(); ++i) {
        ASSERT_EQ(patterns[i], row[static_cast<std::ptrdiff_t>(i)]) << target << ", pair " << query << ", " << i;
      }
    }
  });
}

TEST(PairKernel, compares_any_range_and_writes_no_further) {
  constexpr Pattern kUntouched = 0xFFFF;
  const std::vector<Identity> identities = IdentityMaker(2).make(70);
  IdentityColumns columns;
  columns.assign(identities);
  on_every_target([&](const char* target) {
    for (std::size_t begin = 0; begin <= identities.size(); begin += 3) {
      for (std::size_t end = begin; end <= identities.size(); ++end) {
        std::vector<Pattern> patterns(end - begin + 40, kUntouched);
        compare_one_to_many(columns, begin / 2, columns, begin, end, patterns.data());
        for (std::size_t i = begin; i < end; ++i) {
          ASSERT_EQ(patterns[i - begin], compare(identities[begin / 2], identities[i])) << target;
        }
        for (std::size_t i = end - begin; i < patterns.size(); ++i) {
          ASSERT_EQ(patterns[i], kUntouched) << target;
        }
      }
    }
  });
}

// What find_wanted is to find of a row, by the plain reference.
FoundPairs find_plainly(const std::vector<Identity>& identities, std::size_t query,
                        const std::array<bool, kPatterns>& wanted, bool births_settled, std::vector<FoundPair>& found) {
  FoundPairs result;
  for (std::size_t i = query + 1; i < identities.size(); ++i) {
    const Pattern pattern = compare(identities[query], identities[i]);
    const Levels levels = levels_of(pattern);
    if (levels.nhs == NhsLevel::exact || (births_settled && levels.birth == BirthLevel::exact)) {
      ++result.settled;
    } else if (wanted[pattern]) {
      found.push_back({static_cast<std::uint32_t>(i), pattern});
      ++result.wanted;
    }
  }
  return result;
}

void expect_found_as_plainly(const std::vector<Identity>& identities, const std::array<bool, kPatterns>& wanted,
                             bool births_settled, Shared shared) {
  const WantedPatterns patterns(wanted, births_settled, shared);
  IdentityColumns columns;
  columns.assign(identities);
  std::vector<FoundPair> expected, found(identities.size());
  for (std::size_t query = 0; query < identities.size(); ++query) {
    expected.clear();
    const FoundPairs plain = find_plainly(identities, query, wanted, births_settled, expected);
    on_every_target([&](const char* target) {
      const FoundPairs pairs =
          find_wanted(columns, query, columns, query + 1, identities.size(), patterns, found.data());
      ASSERT_EQ(pairs.settled, plain.settled) << target << ", row " << query;
      ASSERT_EQ(pairs.wanted, plain.wanted) << target << ", row " << query;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(found[i].index, expected[i].index) << target << ", row " << query;
        ASSERT_EQ(found[i].pattern, expected[i].pattern) << target << ", row " << query;
      }
    });
  }
}

TEST(PairKernel, finds_the_wanted_pairs_and_no_others_whatever_is_wanted) {
  std::mt19937_64 random(5);
  for (const unsigned one_in : {1U, 2U, 50U, 1000U}) {
    const std::vector<Identity> identities = IdentityMaker(one_in).make(unless_sanitized(300U, 100U));
    std::array<bool, kPatterns> wanted{};
    for (bool& pattern : wanted) pattern = random() % one_in == 0;
    for (const bool births_settled : {false, true}) {
      expect_found_as_plainly(identities, wanted, births_settled, Shared::nothing);
    }
  }
}

TEST(PairKernel, finds_the_wanted_pairs_of_a_block_that_shares_a_date_of_birth_or_a_postcode) {
  std::array<bool, kPatterns> wanted{};
  for (std::size_t p = 0; p < kPatterns; ++p) {
    const Levels levels = levels_of(static_cast<Pattern>(p));
    wanted[p] = levels.nhs == NhsLevel::near || levels.postcode >= PostcodeLevel::near ||
                (levels.birth >= BirthLevel::one_digit && levels.gender == GenderLevel::same);
  }
  std::vector<Identity> born_together = IdentityMaker(6).make(unless_sanitized(400U, 130U));
  std::vector<Identity> neighbours = born_together;
  for (std::size_t i = 0; i < born_together.size(); ++i) {
    IdentityFields fields = unpack(born_together[i]);
    fields.date_of_birth = 30'000;
    born_together[i] = pack(fields);
    fields = unpack(neighbours[i]);
    fields.postcode = standardise_postcode("SW1A 1AA");
    neighbours[i] = pack(fields);
  }
  expect_found_as_plainly(born_together, wanted, false, Shared::birth);
  expect_found_as_plainly(neighbours, wanted, false, Shared::postcode);
  expect_found_as_plainly(neighbours, wanted, true, Shared::postcode);
}

TEST(PairKernel, patterns_are_counted_by_the_weights_of_both_sides) {
  std::mt19937_64 random(7);
  PatternTally tally;
  PatternCounts plain{};
  for (const std::size_t pairs : {0U, 1U, 3U, 4U, 5U, 1000U}) {
    std::vector<Pattern> patterns(pairs);
    std::vector<std::uint8_t> weights(pairs);
    const std::uint64_t factor = random();
    for (std::size_t i = 0; i < pairs; ++i) {
      patterns[i] = static_cast<Pattern>(random() % kPatterns);
      weights[i] = static_cast<std::uint8_t>(random());
      plain[patterns[i]] += factor * weights[i];
    }
    tally.add(patterns.data(), weights.data(), pairs, factor);
  }
  EXPECT_EQ(tally.counts(), plain);
}

TEST(PairKernel, an_empty_block_has_no_identities) {
  IdentityColumns columns;
  columns.assign({});
  EXPECT_EQ(columns.size(), 0U);
}

TEST(PairKernel, a_block_can_be_assigned_again_smaller_and_larger) {
  const std::vector<Identity> identities = IdentityMaker(3).make(100);
  IdentityColumns columns;
  for (const std::size_t size : {std::size_t{100}, std::size_t{3}, std::size_t{64}, std::size_t{1}}) {
    columns.assign(std::span(identities).first(size));
    ASSERT_EQ(columns.size(), size);
    std::vector<Pattern> patterns(size);
    compare_one_to_many(columns, size - 1, columns, 0, size, patterns.data());
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(patterns[i], compare(identities[size - 1], identities[i]));
  }
}

// The environment is read once a process: each of these looks at it in a process of its own.
[[noreturn]] void exit_with_target(const char* value) {
  setenv("LIGATURE_SIMD", value, 1);
  int code = 0;
  try {
    const std::string target = pair_kernel_target();
    code = target.rfind("AVX3", 0) == 0 ? 3 : target == "AVX2" ? 2 : 1;
  } catch (const UsageError&) {
    code = 9;
  }
  std::_Exit(code);
}

TEST(PairKernelDeathTest, simd_variable_restricts_the_instruction_set) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(exit_with_target("baseline"), testing::ExitedWithCode(1), "");
  EXPECT_EXIT(
      exit_with_target("avx2"), [](int status) { return WIFEXITED(status) && WEXITSTATUS(status) <= 2; }, "");
  EXPECT_EXIT(
      exit_with_target("avx512"), [](int status) { return WIFEXITED(status) && WEXITSTATUS(status) <= 3; }, "");
  EXPECT_EXIT(exit_with_target("fastest"), testing::ExitedWithCode(9), "");
}

}  // namespace
}  // namespace ligature
