// Category columns: the values that all ranks saw, merged, sorted by text, and numbered the same everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/dataset.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/persons.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct MergedDictionary {
  std::vector<std::string> values;    // over all ranks, in byte order
  std::vector<std::uint32_t> recode;  // this rank's code -> index into values
};

// Collective.  Throws LimitError on every rank if there are more than max_categories values.
MergedDictionary merge_dictionary(const Communicator& comm, const LocalDictionary& local, const std::string& column,
                                  std::uint64_t max_categories);

// Packed outward codes (PersonDraft::outward) are below.
inline constexpr std::uint32_t kOutwardCodes = std::uint32_t{1} << 20;
// Those of this rank's persons, once or more each, the missing one left out.
std::vector<std::uint32_t> used_outward_codes(const Persons& persons);
// Collective.  The different outward codes among packed ones, sorted by text.
std::vector<std::uint32_t> merge_outward_codes(const Communicator& comm, std::vector<std::uint32_t> local);
std::string outward_text(std::uint32_t packed);

}  // namespace ligature
