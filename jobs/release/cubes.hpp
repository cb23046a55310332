// Tables of counts: counted, put through the disclosure rules, and written as CSV.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/disclosure.hpp"
#include "jobs/release/selection.hpp"

namespace ligature {

// Cells of one cube at most, over all tables that count the same.
inline constexpr std::uint64_t kMostCells = std::uint64_t{1} << 22;

struct TableFiles {
  std::vector<std::string> names;
  DisclosureCounts counts;  // over all tables
};

// Collective.  folder/<table>.csv for each table of the agreement: its dimensions, then the count; "Total" where a
// dimension is summed over, and "*" for what is not shown.  Throws LimitError if tables have too many cells.
TableFiles write_tables(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                        const ReleasedAreas& areas, const Selection& selection, const std::filesystem::path& folder);

}  // namespace ligature
