// What the file says before any pair is scored: how common its values are, which dates of birth are no dates of birth,
// and how records that share an NHS number agree.  All are exact integer counts, the same on any number of ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/comparison.hpp"
#include "engine/date.hpp"
#include "engine/evidence.hpp"
#include "engine/model.hpp"
#include "engine/model_settings.hpp"
#include "engine/one_provider.hpp"
#include "engine/same_provider.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/number_groups.hpp"
#include "jobs/rebuild/twins.hpp"
#include "partition/communicator.hpp"

namespace ligature {

inline constexpr std::size_t kDays = 1U << 16;  // values of DayNumber

// Collective.  True if all rows are of one dataset.
bool is_one_dataset(const Communicator& comm, const Identities& identities);
// How many records an identity counts as: one a dataset, or its rows, two at most, where there is one dataset.
std::uint64_t records_of(const CountedIdentity& counted, bool one_dataset) noexcept;

struct Survey {
  FileFrequencies file;
  PatternCounts same_number{};       // pairs of records that share a valid NHS number (anchored_estimate.hpp)
  std::vector<Evidence> evidence;    // by owned identity
  std::vector<Evidence> births;      // by day: its rarity, and whether systems write it when they know none
  std::vector<TwinPair> twins;       // seen by this rank
  OneProviderCounts providers;       // of the rows of a number
  SameProviderCounts same_provider;  // of pairs of records that share a number
  bool one_dataset = false;          // all rows are of one
  std::uint64_t default_births = 0;  // such days
  // How many records an identity is: one for each source.  In a file of one dataset its rows are the records, of which
  // two are enough to show agreement.
  [[nodiscard]] std::uint64_t records_of(const CountedIdentity& counted) const noexcept;
  // Two different valid numbers are two persons, however seldom they are seen.
  void trust_thin_numbers();
  [[nodiscard]] Evidence of_birth(DayNumber birth) const noexcept { return births[birth]; }
};

// Collective.
// Of settings, default_values, term_frequency and twins are used.
Survey survey_file(const Communicator& comm, const Identities& identities, NumberGroups& groups,
                   const ModelSettings& settings);

}  // namespace ligature
