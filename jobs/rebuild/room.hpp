// Whether a run fits where it is started, and how it is to go about its memory: said before anything is read, and not
// when hours are spent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "io/intake.hpp"
#include "io/job_file.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/reckoning.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// What the hosts have together, at least; bytes.
struct Room {
  // That the run may use: of all ranks, as much for each as one has on the fullest host; and if that is too little.
  double memory = 0, most_memory = 0;
  double secure = 0, publish = 0;  // on disk, under these folders
  bool one_disk = false;
  // What rows may take of the memory, of all ranks, before they go to scratch, where memory is not short.
  [[nodiscard]] double of_rows() const noexcept { return kShareOfRows * memory; }
  static constexpr double kShareOfRows = 0.25;
};

// Collective.  The memory that counts is job.memory, or what control groups or Slurm allot, or half of a host that is
// shared, and more of it if half is too little.
Room examine_room(const Communicator& comm, const JobFile& job);

// How a run stands to the room; bytes of all ranks.
struct Fit {
  double liked = 0, least = 0;         // memory at the peak if it does as it likes, and if it keeps as little as it can
  double memory = 0;                   // that it has
  std::optional<std::string> problem;  // why it cannot be, and what to change
  [[nodiscard]] bool is_short() const noexcept { return liked > memory; }
};
// needs_disk: false for a run that is resumed, which has some of what it needs already.  threads: of a rank.
Fit fit_into(const Room& room, const JobFile& job, const Estimate& e, double ranks, double threads, bool needs_disk);

// How one rank keeps to its part of the memory; the same on all ranks.
struct MemoryPlan {
  std::uint64_t rows_bytes = 0;            // of rows that wait to be published, before they go to scratch
  std::uint64_t large_blocks = 0;          // bytes that they may take
  std::uint64_t identities_per_round = 0;  // that may be brought together at a time however little room there is
  std::uint64_t least_batch_rows = 0;      // whose identities are collapsed together
  std::uint64_t most_batch_rows = 0;
  std::size_t piece_bytes = 0;                   // of input that a thread parses at a time
  std::optional<std::filesystem::path> scratch;  // where else what is not needed for now waits; none if memory suffices
  // Collective.  The same, if so many bytes for each identity are more than there is room for now.
  [[nodiscard]] std::optional<std::filesystem::path> scratch_for(const Communicator& comm, const Identities& identities,
                                                                 std::uint64_t bytes) const;
};

// Collective.  Throws LimitError that says what to change if the run, by the reckoning of plan, cannot do with the
// room however it goes about it.  A run that plainly fits, by the size of its input, is not reckoned.
MemoryPlan plan_memory(const Communicator& comm, const JobFile& job, const Inputs& inputs, bool resumed);

}  // namespace ligature
