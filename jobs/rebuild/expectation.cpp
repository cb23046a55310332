#include "jobs/rebuild/expectation.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "engine/pair_kernel.hpp"
#include "jobs/rebuild/passes.hpp"

namespace ligature {

namespace {

// Identities by what they have: NHS number none, invalid or valid; date of birth; postcode; gender.
constexpr std::size_t kClasses = 3 * 2 * 2 * 2;

struct IdentityClass {
  bool valid, number, birth, postcode, gender;
};

IdentityClass class_of(std::size_t index) noexcept {
  return {index / 8 == 2, index / 8 > 0, (index & 4) != 0, (index & 2) != 0, (index & 1) != 0};
}

std::size_t class_index(const Identity& identity) noexcept {
  const std::size_t number = identity.has_valid_nhs() ? 2 : identity.nhs() != 0 ? 1 : 0;
  const bool gender = identity.gender() == Gender::male || identity.gender() == Gender::female;
  return number * 8 + (identity.date_of_birth() != kMissingDay ? 4U : 0U) + (identity.postcode() != 0 ? 2U : 0U) +
         (gender ? 1U : 0U);
}

std::uint64_t pairs_of(std::uint64_t items) noexcept {
  return items == 0 ? 0 : items % 2 == 0 ? items / 2 * (items - 1) : (items - 1) / 2 * items;
}

}  // namespace

ComparedPairs count_pairs(const Communicator& comm, const Identities& identities, const Survey& survey) {
  ComparedPairs pairs;
  std::array<std::uint64_t, kClasses> records{};
  PatternCounts within{};  // pairs of records of one identity without a valid number; the others are in same_number
  for (std::size_t i = 0; i < identities.owned.size(); ++i) {
    const CountedIdentity& counted = identities.owned[i];
    if (counted.identity.nhs_status() == NhsStatus::one_time) continue;
    const Identity identity = weighed(counted.identity, survey.evidence[i]);
    const std::uint64_t of_identity = survey.records_of(counted);
    records[class_index(identity)] += of_identity;
    if (!identity.has_valid_nhs()) within[compare(identity, identity)] += pairs_of(of_identity);
  }
  comm.sum(records);
  comm.sum(within);
  const PatternCounts by_birth = count_pass(comm, Pass::date_of_birth, identities, survey);
  const PatternCounts by_postcode = count_pass(comm, Pass::postcode, identities, survey);
  std::uint64_t valid_records = 0, same_valid = 0;
  for (std::size_t p = 0; p < kPatterns; ++p) {
    pairs.counts[p] = survey.same_number[p] + within[p] + by_birth[p] + by_postcode[p];
    same_valid += survey.same_number[p];
  }

  for (std::size_t a = 0; a < kClasses; ++a) {
    const IdentityClass of_a = class_of(a);
    if (of_a.valid) valid_records += records[a];
    for (std::size_t b = a; b < kClasses; ++b) {
      const IdentityClass of_b = class_of(b);
      if (of_a.valid && of_b.valid) continue;  // the same number is counted, different ones are known
      const std::size_t both =
          (of_a.number && of_b.number ? kBothNhs : 0) | (of_a.birth && of_b.birth ? kBothBirths : 0) |
          (of_a.postcode && of_b.postcode ? kBothPostcodes : 0) | (of_a.gender && of_b.gender ? kBothGenders : 0);
      pairs.not_compared[both] += a == b ? pairs_of(records[a]) : records[a] * records[b];
    }
  }
  pairs.known_different = pairs_of(valid_records) - std::min(pairs_of(valid_records), same_valid);
  for (std::size_t p = 0; p < kPatterns; ++p) {
    std::uint64_t& left = pairs.not_compared[present_of(levels_of(static_cast<Pattern>(p)))];
    left -= std::min(left, within[p] + by_birth[p] + by_postcode[p]);
  }
  return pairs;
}

ExpectationResult estimate_from_pairs(const Communicator& comm, const Identities& identities, const Survey& survey,
                                      const ModelParameters& start) {
  ExpectationOptions options;
  options.exact_u = true;
  options.siblings_at_postcode = average_siblings_at_postcode(start, survey.file);
  return estimate_by_expectation(start, count_pairs(comm, identities, survey), options);
}

}  // namespace ligature
