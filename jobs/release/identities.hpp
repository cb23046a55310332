// The identifiers of an identifiable release, by the release's own pseudonyms.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "jobs/release/selection.hpp"

namespace ligature {

// Collective.  folder/identities.csv: one line for each different identity of a released person that has one of the
// agreed identifiers, in the order of the new pseudonyms.  bytes_of_rank: memory that its lines may take.
// Returns the number of lines.
std::uint64_t write_identities(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                               const Selection& selection, std::span<const std::byte> key, std::uint64_t persons,
                               std::uint64_t bytes_of_rank, const std::filesystem::path& folder);

inline constexpr const char* kIdentitiesFile = "identities.csv";

}  // namespace ligature
