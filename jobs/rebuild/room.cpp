#include "jobs/rebuild/room.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/recycled_memory.hpp"
#include "io/direct_writer.hpp"
#include "io/machine_limits.hpp"
#include "io/progress.hpp"
#include "io/row_store.hpp"
#include "io/share_reader.hpp"
#include "jobs/reckoning.hpp"

namespace ligature {

namespace {

// The reckoning of disk may be off by so much: a run is refused only beyond it.
constexpr double kDoubt = 1.5;
// No input has needed so many bytes of memory, or of disk, a byte of its own, unpacked; nor a rank so much for itself.
constexpr double kMostMemory = 8, kMostDisk = 6, kUnpacked = 12, kMostOfARank = 160e6;
// Where memory is not short, of a rank's part: what rows may take, and what is brought together at a time.
constexpr double kShareOfRows = 0.25;
// Of a host of which nothing is said: what a run uses without being asked, and what it uses if it would like more.
constexpr double kShareOfHost = 0.5, kMostOfHost = 0.85;
constexpr std::uint64_t kMostPerRound = std::uint64_t{1} << 24;
constexpr std::uint64_t kLeastPerRound = std::uint64_t{1} << 16;

// What the hosts have together, at least.
struct Room {
  // That the run may use: of all ranks, as much for each as one has on the fullest host; and if that is too little.
  double memory = 0, most_memory = 0;
  double secure = 0, publish = 0;
  bool one_disk = false;
};

int most_ranks_on_a_host(const Communicator& comm) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const std::uint64_t here = linkage_key(std::as_bytes(std::span(host)));
  const std::vector<std::uint64_t> hosts = comm.all_gather(here);
  return static_cast<int>(comm.max(static_cast<std::uint64_t>(std::count(hosts.begin(), hosts.end(), here))));
}

Room examine_room(const Communicator& comm, const JobFile& job) {
  const MemoryLimit limit = host_memory();
  // What is allotted is the job's alone; of the host's memory others need their part, and the system its own.
  const double host = static_cast<double>(comm.min(limit.bytes));
  const bool is_given = job.memory != 0 || !comm.any(!limit.allotted);
  const double given = job.memory != 0 ? static_cast<double>(job.memory) : host;
  const double share_of_ranks = static_cast<double>(comm.size()) / most_ranks_on_a_host(comm);
  Room room;
  room.memory = share_of_ranks * (is_given ? given : kShareOfHost * host);
  room.most_memory = share_of_ranks * (is_given ? given : kMostOfHost * host);
  room.secure = static_cast<double>(comm.min(free_space(job.secure)));
  room.publish = static_cast<double>(comm.min(free_space(job.publish)));
  room.one_disk = room.secure == room.publish;
  return room;
}

std::string bytes(double value) {
  return human_bytes(static_cast<std::uint64_t>(std::max(0.0, value)));
}

// What to change if the disks have too little room.
std::optional<std::string> lack_of_disk(const JobFile& job, const Room& room, const Estimate& e, double rows_bytes) {
  const double scratch = scratch_bytes(e, rows_bytes, job.checkpoint), publish = published_bytes(e);
  const double secure = scratch + secure_bytes(e) + (room.one_disk ? publish : 0);
  if (secure > kDoubt * room.secure) {
    return fmt::format(
        "it needs {} of disk under {}, of which {} are checkpoints and other scratch, and there are {}: "
        "make room, name another folder as job.secure, or run with --checkpoint none",
        bytes(secure), job.secure.string(), bytes(scratch), bytes(room.secure));
  }
  if (publish > kDoubt * room.publish) {
    return fmt::format(
        "it needs {} of disk under {}, and there are {}: make room, or name another folder as job.publish",
        bytes(publish), job.publish.string(), bytes(room.publish));
  }
  return std::nullopt;
}

// What is left of this rank's part for large blocks, beside what it holds already and what small blocks, message
// buffers and libraries will yet take.
std::uint64_t large_blocks_of(double of_rank) {
  constexpr double kOthersWillTake = 12e6;
  const double others = static_cast<double>(resident_memory()) - static_cast<double>(recycled_memory().held);
  return static_cast<std::uint64_t>(std::max(0.0, of_rank - std::max(0.0, others) - kOthersWillTake));
}

}  // namespace

MemoryPlan plan_memory(const Communicator& comm, const JobFile& job, const Inputs& inputs, bool resumed) {
  Room room = examine_room(comm, job);
  const double ranks = comm.size();
  keep_large_blocks_within(large_blocks_of(room.most_memory / ranks), false);
  MemoryPlan plan{static_cast<std::uint64_t>(kShareOfRows * room.memory / ranks), kMostPerRound,
                  RowStore::kLeastBatchRows, RowStore::kMostBatchRows, IntakeTuning().piece_bytes, std::nullopt};
  double input = 0;
  for (const InputFile& file : inputs.files) {
    input += static_cast<double>(file.bytes) * (file.compression == Compression::none ? 1 : kUnpacked);
  }
  const bool plain_memory = kMostMemory * input + kMostOfARank * ranks < room.memory;
  if (plain_memory && kMostDisk * input < std::min(room.secure, room.publish)) return plan;

  // The same reckoning on all ranks, from counts that all have.
  const Estimate e = estimate(comm, job, inputs);
  const double liked = peak_memory(e, kShareOfRows * room.memory, ranks), least = least_memory(e, ranks);
  if (liked > room.memory) room.memory = std::min(liked, room.most_memory);
  std::optional<std::string> problem;
  if (least > room.memory) {
    problem = fmt::format(
        "with everything on disk that can be there it needs {} of memory, {} of them for the {} ranks themselves, and "
        "it has {}: {}run it on more hosts, or with fewer ranks a host and more threads",
        bytes(least), bytes(least_memory({}, ranks)), comm.size(), bytes(room.memory),
        job.memory != 0 ? "raise job.memory, " : "");
  } else if (!resumed) {
    problem = lack_of_disk(job, room, e, kShareOfRows * room.memory);
  }
  if (problem) throw LimitError("the run cannot fit (ligature plan says what it needs): " + *problem);
  if (liked <= room.memory) return plan;

  // Of what is left beyond the least, rows, and identities that are brought together, have a part each; the rest is for
  // what the reckoning may be short of.
  const double left = (room.memory - least) / ranks;
  plan.rows_bytes = static_cast<std::uint64_t>(left / 4);
  plan.identities_per_round =
      std::clamp(static_cast<std::uint64_t>(left / 3 / kBytesInAPass), kLeastPerRound, kMostPerRound);
  plan.most_batch_rows = std::clamp(static_cast<std::uint64_t>(left / 3 / kBytesOfBatchedRow), std::uint64_t{1} << 16,
                                    RowStore::kMostBatchRows);
  plan.least_batch_rows = std::min(plan.most_batch_rows, RowStore::kLeastBatchRows);
  plan.piece_bytes = std::size_t{1} << 20;
  plan.scratch = job.secure / "scratch";
  keep_large_blocks_within(large_blocks_of(room.memory / ranks), true);
  DirectWriter::set_most_pieces(2);
  log_info(
      comm,
      fmt::format("memory is short: of {} at the peak the run has {}; rows wait on disk, and passes go in more rounds",
                  bytes(liked), bytes(room.memory)));
  return plan;
}

}  // namespace ligature
