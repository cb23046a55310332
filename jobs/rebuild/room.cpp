#include "jobs/rebuild/room.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/recycled_memory.hpp"
#include "io/direct_writer.hpp"
#include "io/machine_limits.hpp"
#include "io/progress.hpp"
#include "io/row_store.hpp"
#include "io/share_reader.hpp"
#include "jobs/rebuild/identities.hpp"

namespace ligature {

namespace {

// The reckoning of disk may be off by so much: a run is refused only beyond it.
constexpr double kDoubt = 1.5;
// No input has needed so many bytes of memory, or of disk, a byte of its own, unpacked; nor a rank so much for itself.
constexpr double kMostMemory = 8, kMostDisk = 6, kUnpacked = 12, kMostOfARank = 160e6;
// Of a host of which nothing is said: what a run uses without being asked, and what it uses if it would like more.
constexpr double kShareOfHost = 0.5, kMostOfHost = 0.85;
constexpr std::uint64_t kLeastPerRound = std::uint64_t{1} << 16;
// Of the memory: the rest is for what lies on huge pages beside the blocks, and for small blocks that come yet.
constexpr double kFullPages = 15.0 / 16;
// Of large blocks of a rank: huge pages that are not full take little of so much.
constexpr std::uint64_t kFarFromHugePages = std::uint64_t{1} << 30;
constexpr std::size_t kLeastPieceBytes = std::size_t{256} << 10;

int most_ranks_on_a_host(const Communicator& comm) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const std::uint64_t here = linkage_key(std::as_bytes(std::span(host)));
  const std::vector<std::uint64_t> hosts = comm.all_gather(here);
  return static_cast<int>(comm.max(static_cast<std::uint64_t>(std::count(hosts.begin(), hosts.end(), here))));
}

// A folder that is not made yet will lie on the disk of the one it is made in.
std::filesystem::path folder_above(std::filesystem::path folder) {
  std::error_code ignored;
  while (folder.has_relative_path() && !std::filesystem::exists(folder, ignored)) folder = folder.parent_path();
  return folder.empty() ? "." : folder;
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

// What is freed goes back to the system at once if it fills pages, and does not lie among what is still used.
void keep_small_blocks_close() {
  ::mallopt(M_MMAP_THRESHOLD, 64 << 10);
}

}  // namespace

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
  room.secure = static_cast<double>(comm.min(free_space(folder_above(job.secure))));
  room.publish = static_cast<double>(comm.min(free_space(folder_above(job.publish))));
  room.one_disk = room.secure == room.publish;
  return room;
}

Fit fit_into(const Room& room, const JobFile& job, const Estimate& e, double ranks, double threads, bool needs_disk) {
  Fit fit{peak_memory(e, room.of_rows(), ranks, threads), least_memory(e, ranks, threads), room.memory, std::nullopt};
  if (fit.liked > room.memory) fit.memory = std::min(fit.liked, room.most_memory);
  if (fit.least > fit.memory) {
    fit.problem = fmt::format(
        "with everything on disk that can be there it needs {} of memory, {} of them for the {:.0f} ranks themselves, "
        "and it has {}: {}run it on more hosts, or with fewer ranks a host and more threads",
        bytes(fit.least), bytes(least_memory({}, ranks, threads)), ranks, bytes(fit.memory),
        job.memory != 0 ? "raise job.memory, " : "");
  } else if (needs_disk) {
    fit.problem = lack_of_disk(job, room, e, room.of_rows());
  }
  return fit;
}

MemoryPlan plan_memory(const Communicator& comm, const JobFile& job, const Inputs& inputs, bool resumed) {
  const Room room = examine_room(comm, job);
  const double ranks = comm.size(), threads = static_cast<double>(comm.max(static_cast<std::uint64_t>(num_threads())));
  keep_large_blocks_within(large_blocks_of(room.most_memory / ranks), false);
  const auto of_all_ranks = [&](double memory) { return comm.min(large_blocks_of(kFullPages * memory / ranks)); };
  MemoryPlan plan{static_cast<std::uint64_t>(room.of_rows() / ranks),
                  of_all_ranks(room.memory),
                  Identities::kMostPerRound,
                  RowStore::kLeastBatchRows,
                  RowStore::kMostBatchRows,
                  IntakeTuning().piece_bytes,
                  std::nullopt};
  double input = 0;
  for (const InputFile& file : inputs.files) {
    input += static_cast<double>(file.bytes) * (file.compression == Compression::none ? 1 : kUnpacked);
  }
  const bool plain_memory = kMostMemory * input + kMostOfARank * threads * ranks < room.memory;
  if (plain_memory && kMostDisk * input < std::min(room.secure, room.publish)) return plan;

  // The same reckoning on all ranks, from counts that all have.
  const Estimate e = estimate(comm, job, inputs);
  const Fit fit = fit_into(room, job, e, ranks, threads, !resumed);
  if (fit.problem) throw LimitError("the run cannot fit (ligature plan says what it needs): " + *fit.problem);

  // Of what is left beyond the least, rows, and identities that are brought together, have a part each; the rest is for
  // what the reckoning may be short of.  The stages see for themselves what room there is (rounds.hpp): the reckoning
  // may be wrong.
  const double left = (fit.memory - fit.least) / ranks;
  plan.large_blocks = of_all_ranks(fit.memory);
  plan.identities_per_round =
      std::clamp(static_cast<std::uint64_t>(left / 3 / kBytesInAPass), kLeastPerRound, Identities::kMostPerRound);
  plan.scratch = job.secure / "scratch";
  const bool close = plan.large_blocks < kFarFromHugePages && fit.is_short();
  keep_large_blocks_within(large_blocks_of(fit.memory / ranks), close);
  if (!fit.is_short()) return plan;

  // Rows are written once and read once, what passes bring together far more often: so rows have no more than leaves
  // the passes what they like.
  const double spare = (fit.memory - peak_memory(e, 0, ranks, threads)) / ranks;
  plan.rows_bytes = static_cast<std::uint64_t>(std::clamp(spare / 2, left / 8, left / 4));
  plan.most_batch_rows = std::clamp(static_cast<std::uint64_t>(left / 3 / kBytesOfBatchedRow), std::uint64_t{1} << 16,
                                    RowStore::kMostBatchRows);
  plan.least_batch_rows = std::min(plan.most_batch_rows, RowStore::kLeastBatchRows);
  // Half of it for the pieces that are under way, thrice their bytes with their rows.
  plan.piece_bytes = std::clamp(std::bit_floor(static_cast<std::size_t>(left / 2 / (3 * (threads + 2)))),
                                kLeastPieceBytes, plan.piece_bytes);
  if (close) keep_small_blocks_close();
  DirectWriter::keep_within(static_cast<std::size_t>(left / 4));
  log_info(comm, fmt::format("memory is short: of {} at the peak the run has {}; rows wait on disk, and the rest as "
                             "far as a stage has no room for it",
                             bytes(fit.liked), bytes(fit.memory)));
  return plan;
}

std::optional<std::filesystem::path> MemoryPlan::scratch_for(const Communicator& comm, const Identities& identities,
                                                             std::uint64_t bytes) const {
  if (!scratch) return std::nullopt;
  const std::uint64_t needed = identities.total / static_cast<std::uint64_t>(comm.size()) * bytes;
  return comm.min(identities.room()) < needed ? scratch : std::nullopt;
}

}  // namespace ligature
