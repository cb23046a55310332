// How alike two different people are by chance at the levels short of equality: measured on a sample.
#pragma once

#include <cstdint>

#include "engine/model.hpp"
#include "jobs/rebuild/number_groups.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// NHS numbers in the sample, about; all pairs among them are compared.
inline constexpr std::uint64_t kSampledNumbers = 4096;

// Collective.  Fills file.sampled_birth and file.sampled_postcode; file.distinct_nhs must be known.  Who is in the
// sample follows from the numbers themselves, so it is the same on any number of ranks.
void sample_different_persons(const Communicator& comm, NumberGroups& groups, FileFrequencies& file);

}  // namespace ligature
