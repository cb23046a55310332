// The search for leaks over all ranks: everything that was published is read once, decompressed, and every shape of an
// identifier in it is held against those in use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/manifest.hpp"
#include "jobs/verify/leak_report.hpp"
#include "jobs/verify/leak_sources.hpp"

namespace ligature {

struct LeakFindings {
  LeakSources searched;
  LeakTable table;
  std::uint64_t bytes = 0;        // looked at, decompressed
  std::uint64_t identifiers = 0;  // searched for

  [[nodiscard]] const LeakSource& source(LeakPlace place) const { return searched.sources[place / kIdentifierForms]; }
  [[nodiscard]] static IdentifierForm form(LeakPlace place) noexcept {
    return static_cast<IdentifierForm>(place % kIdentifierForms);
  }
  [[nodiscard]] bool is_leak(LeakPlace place, const LeakCounts& counts) const;
};

// Collective; the same on every rank.  Looks for the identifiers of a run's identity records and for those that are
// found in the lists `also`, in all that `paths` name.
LeakFindings search_for_leaks(const Communicator& comm, const std::filesystem::path& secure, const Manifest& run,
                              const std::vector<std::filesystem::path>& paths,
                              const std::vector<std::string>& also = {});

}  // namespace ligature
