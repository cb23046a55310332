// What a job file says of objections, beside where the ledger is: which rows they bar, and which changes since the last
// run stop publication until somebody has looked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/consent.hpp"

namespace ligature {

// A change in the number of objections that somebody has looked at and found to be true.
struct Acknowledgement {
  std::string code;    // of the practice or the supplier, or kAllObjections
  std::string reason;  // for the record
  friend bool operator==(const Acknowledgement&, const Acknowledgement&) = default;
};
inline constexpr const char* kAllObjections = "all";

struct ConsentSettings {
  std::vector<std::string> objections;  // paths and globs
  AfterOptOut after_opt_out = AfterOptOut::keep_earlier;
  std::optional<std::filesystem::path> previous;  // a run, as RUN is on the command line
  double max_jump = 0.5;  // share by which a count may differ from the last run's; beyond it exit code 3
  std::vector<Acknowledgement> acknowledged;
  std::optional<std::uint64_t> max_unusable;  // entries without effect; beyond it exit code 3
};

}  // namespace ligature
