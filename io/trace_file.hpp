// A timeline of the run that https://ui.perfetto.dev opens: Chrome's trace-event format, a process a rank, a thread a
// worker.  Every rank writes its own part of the one file in place, so nothing is gathered.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/trace.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// How many events a rank may keep: a share of what a viewer takes, and never fewer than a run has stages.
std::size_t trace_limit(int ranks) noexcept;

// Collective.  zero: this rank's clock at a moment that all ranks share.
void write_trace(const Communicator& comm, const std::filesystem::path& path, const std::vector<TraceEvent>& events,
                 std::uint64_t zero);

// This rank's events as members of a JSON array, each with a comma after it.
std::string trace_json(const std::vector<TraceEvent>& events, int rank, const std::string& host, std::uint64_t zero);

}  // namespace ligature
