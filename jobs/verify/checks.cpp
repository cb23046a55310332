// The table of checks: counts add up over ranks, so a check may be spread over them in any way.
#include "jobs/verify/checks.hpp"

#include <cstring>
#include <span>
#include <utility>

#include "engine/error.hpp"
#include "io/finished_run.hpp"

namespace ligature {

RunFiles::RunFiles(const std::filesystem::path& run)
    : publish(find_run(run)), manifest(read_manifest(publish)), dataset(publish / kDatasetFile) {
  secure = secure_folder(manifest, publish);
}

void CheckTable::add(std::string name, std::uint64_t examined, std::uint64_t violations, std::string detail) {
  checks_.push_back({std::move(name), examined, violations, violations == 0 ? std::string() : std::move(detail)});
}

std::vector<Check> CheckTable::combine(const Communicator& comm) const {
  if (comm.max(checks_.size()) != comm.min(checks_.size())) throw Error("ranks made different checks");
  std::vector<std::uint64_t> counts;
  for (const Check& check : checks_) {
    counts.push_back(check.examined);
    counts.push_back(check.violations);
  }
  comm.sum(std::span(counts));
  std::vector<Check> combined = checks_;
  for (std::size_t c = 0; c < combined.size(); ++c) {
    combined[c].examined = counts[2 * c];
    combined[c].violations = counts[2 * c + 1];
    if (combined[c].violations == 0) continue;
    // Few checks fail, so a collective for each of them is cheap.
    const auto rank = static_cast<std::uint64_t>(comm.rank()), none = static_cast<std::uint64_t>(comm.size());
    const std::uint64_t first = comm.min(checks_[c].detail.empty() ? none : rank);
    if (first != none) comm.broadcast(combined[c].detail, static_cast<int>(first));
  }
  return combined;
}

}  // namespace ligature
