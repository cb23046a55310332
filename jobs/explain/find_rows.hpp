// Rows of the secure index by their ids, found in one pass over it that all ranks share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/provenance.hpp"
#include "io/manifest.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct FoundRow {
  std::uint32_t dataset = 0;
  std::string row_id;
  IdentityId identity = 0;
  std::uint64_t person = 0;  // row of /persons
};

// Collective.  The rows that these texts name: each "dataset:row_id" with a dataset of the run, or a row id alone.
// Throws UsageError if one names no row, rows of several datasets, or rows of one dataset with different identities.
// Messages say which text, not what it is: somebody may have typed an NHS number.
std::vector<FoundRow> find_rows(const Communicator& comm, const std::filesystem::path& secure,
                                const std::vector<DatasetReport>& datasets, std::span<const std::string> texts);

// Collective.  For each identity "dataset:row_id" of its first row in the order of the index; empty if it has none.
std::vector<std::string> first_rows(const Communicator& comm, const std::filesystem::path& secure,
                                    const std::vector<DatasetReport>& datasets, std::span<const IdentityId> identities);

}  // namespace ligature
