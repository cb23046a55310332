// What verify looks at, and the table of what it found.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/parallel.hpp"
#include "io/dataset_reader.hpp"
#include "io/manifest.hpp"
#include "jobs/run_account.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

// The files of a finished run, opened on every rank.
struct RunFiles {
  explicit RunFiles(const std::filesystem::path& run);
  std::filesystem::path publish, secure;
  Manifest manifest;
  DatasetReader dataset;
  // The columns of /events/<name>, for each dataset of the manifest; set by check_layout.
  struct Events {
    std::string name;
    std::size_t person = 0, offsets = 0;
    std::vector<std::size_t> columns;  // all but offsets
    std::uint64_t rows = 0;
  };
  std::vector<Events> events;
  std::uint64_t persons = 0;
};

struct Check {
  std::string name;
  std::uint64_t examined = 0;
  std::uint64_t violations = 0;
  std::string detail;  // where the first violation is; never an identifier's value
};

// The checks of a run.  Every rank adds the same checks in the same order, with what it counted itself.
class CheckTable {
 public:
  void add(std::string name, std::uint64_t examined, std::uint64_t violations, std::string detail = {});
  // Collective.  The counts summed over ranks, the detail of the lowest rank that has one.
  [[nodiscard]] std::vector<Check> combine(const Communicator& comm) const;

 private:
  std::vector<Check> checks_;
};

// Counts of one check that several threads add to.
class Tally {
 public:
  void add(std::uint64_t examined, std::uint64_t violations) noexcept {
    examined_.fetch_add(examined, std::memory_order_relaxed);
    violations_.fetch_add(violations, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t examined() const noexcept { return examined_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t violations() const noexcept { return violations_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> examined_{0}, violations_{0};
};

// Runs body(piece) for pieces of at most piece_rows rows of a range, on all threads of the rank.
template <typename Body>
void for_pieces(Range rows, std::uint64_t piece_rows, const Body& body) {
  for_blocks(rows.size(), piece_rows, [&](std::size_t begin, std::size_t end) {
    body(Range{rows.begin + begin, rows.begin + end});
  });
}

// Collective.  All checks of a run, as the job verify prints them.
std::vector<Check> verify_run(const Communicator& comm, RunFiles& run);

// Each is collective and adds its checks to the table.
bool check_layout(const Communicator& comm, RunFiles& run, CheckTable& table);  // false: nothing more can be checked
void check_manifest(const Communicator& comm, const RunFiles& run, CheckTable& table);
void check_counts(const Communicator& comm, const RunFiles& run, CheckTable& table);
void check_persons(const Communicator& comm, const RunFiles& run, CheckTable& table);
void check_dictionaries(const Communicator& comm, const RunFiles& run, CheckTable& table);
void check_events(const Communicator& comm, const RunFiles& run, CheckTable& table);
void check_index(const Communicator& comm, const RunFiles& run, CheckTable& table);
void check_content_digest(const Communicator& comm, const RunFiles& run, CheckTable& table);
void check_account(const Communicator& comm, const RunFiles& run, CheckTable& table);
// releases: as rank 0 found them in the folders, and those where releases were put.
void check_releases(const Communicator& comm, std::span<const ReleasesHeld::Release> releases,
                    std::span<const std::filesystem::path> folders, CheckTable& table);
void check_identifiers(const Communicator& comm, const RunFiles& run, CheckTable& table);

}  // namespace ligature
