#include "jobs/rebuild/room.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "io/machine_limits.hpp"
#include "io/placement.hpp"
#include "io/progress.hpp"
#include "jobs/reckoning.hpp"

namespace ligature {

namespace {

// The reckoning may be off by so much: a run is refused only beyond it.
constexpr double kDoubt = 1.5;
// No input has needed so many bytes of memory, or of disk, a byte of its own, unpacked.
constexpr double kMostMemory = 8, kMostDisk = 6, kUnpacked = 12;

// What the hosts have together, at least.
struct Room {
  double memory = 0;
  double secure = 0, publish = 0;
  bool one_disk = false;
};

Room examine_room(const Communicator& comm, const JobFile& job, int hosts) {
  Room room;
  room.memory = static_cast<double>(comm.min(host_memory().bytes)) * hosts;
  room.secure = static_cast<double>(comm.min(free_space(job.secure)));
  room.publish = static_cast<double>(comm.min(free_space(job.publish)));
  room.one_disk = room.secure == room.publish;
  return room;
}

std::string bytes(double value) {
  return human_bytes(static_cast<std::uint64_t>(std::max(0.0, value)));
}

}  // namespace

void check_room(const Communicator& comm, const JobFile& job, const Inputs& inputs) {
  const int hosts = examine_placement(comm).hosts;
  const Room room = examine_room(comm, job, hosts);
  double input = 0;
  for (const InputFile& file : inputs.files) {
    input += static_cast<double>(file.bytes) * (file.compression == Compression::none ? 1 : kUnpacked);
  }
  const bool plain = kMostMemory * input < room.memory && kMostDisk * input < std::min(room.secure, room.publish) &&
                     (job.memory == 0 || kMostMemory * input < static_cast<double>(job.memory) * hosts);
  // Of an input too small to matter, the ranks themselves are most of the memory.
  constexpr double kSmall = 64e6;
  if (plain || (input < kSmall && kMostDisk * input < std::min(room.secure, room.publish))) return;

  const Estimate e = estimate(comm, job, inputs);
  const double budget = job.memory != 0 ? static_cast<double>(job.memory) * hosts : room.memory / 2;
  const double memory = peak_memory(e, budget / 4, comm.size());
  const double secure = scratch_bytes(e, budget / 4, job.checkpoint) + secure_bytes(e);
  const double publish = published_bytes(e);
  std::optional<std::string> problem;
  if (memory > kDoubt * room.memory) {
    problem = fmt::format("it needs {} of memory at the peak, and the {} together have {}: run it on more hosts",
                          bytes(memory), hosts == 1 ? "host" : "hosts", bytes(room.memory));
  } else if (secure + (room.one_disk ? publish : 0) > kDoubt * room.secure) {
    problem = fmt::format(
        "it needs {} of disk under {}, of which {} are checkpoints and other scratch, and there are {}: "
        "make room, name another folder as job.secure, or run with --checkpoint none",
        bytes(secure + (room.one_disk ? publish : 0)), job.secure.string(),
        bytes(scratch_bytes(e, budget / 4, job.checkpoint)), bytes(room.secure));
  } else if (publish > kDoubt * room.publish) {
    problem = fmt::format(
        "it needs {} of disk under {}, and there are {}: make room, or name another folder as "
        "job.publish",
        bytes(publish), job.publish.string(), bytes(room.publish));
  }
  // The same reckoning on all ranks, from counts that all have.
  if (problem) throw LimitError("the run cannot fit (ligature plan says what it needs): " + *problem);
  if (job.memory != 0 && memory > budget) {
    log_warning(comm,
                fmt::format("the run needs about {} of memory at the peak, more than job.memory allows ({}): only "
                            "rows wait on disk; run it on more hosts to keep to it",
                            bytes(memory), bytes(budget)));
  }
}

}  // namespace ligature
