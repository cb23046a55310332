// Writing an extract: the persons of a release and their events, in the order of the release's own pseudonyms.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/dataset.hpp"
#include "io/file_digest.hpp"
#include "jobs/release/arrivals.hpp"

namespace ligature {

struct WrittenFile {
  std::string name;
  Sha256 digest{};  // file_digest
};

// Collective.  folder/dataset.h5, laid out like the dataset itself (docs/dataset.md), with the agreed columns alone.
// persons: released, over all ranks; rounds: rounds_needed.
WrittenFile write_hdf5_extract(const Communicator& comm, const Release& release, std::uint64_t persons,
                               std::uint64_t rounds, const std::filesystem::path& folder, const Attributes& attributes);

// Collective.  folder/persons.csv, and folder/events_<dataset>.csv for each dataset; lines of one person are joined by
// the pseudonym.  Dates are ISO dates, or YYYY-MM and YYYY where they are coarser; missing values are empty.
std::vector<WrittenFile> write_csv_extract(const Communicator& comm, const Release& release, std::uint64_t persons,
                                           std::uint64_t rounds, const std::filesystem::path& folder);

}  // namespace ligature
