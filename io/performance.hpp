// What each stage of a run cost on each rank, and the measures that say where the time went: secure/performance.json.
//
// The measures are those of the POP Centre of Excellence (https://pop-coe.eu/node/69): useful time is time outside MPI;
// parallel efficiency = load balance x communication efficiency.  The file holds sizes and times, nothing of a person.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ligature {

// One stage on one rank.  Travels as it is.
struct StageUsage {
  double seconds = 0;              // from the end of the stage before to the end of this one
  double wait_seconds = 0;         // of them, in MPI
  double cpu_seconds = 0;          // of all threads, in the program and in the kernel
  double system_seconds = 0;       // of them, in the kernel
  double wait_cpu_seconds = 0;     // of them, polling in MPI
  double queue_seconds = 0;        // of all threads, outside MPI: ready to run, while others had the CPUs
  double first_touch_seconds = 0;  // of the CPU time, estimated: giving the program memory that it had not used yet
  std::uint64_t items = 0;         // this rank's part of the stage's items
  std::uint64_t bytes_sent = 0, bytes_received = 0;           // to and from other ranks
  std::uint64_t waits = 0;                                    // calls of MPI that may block
  std::uint64_t disk_bytes_read = 0, disk_bytes_written = 0;  // that no cache spared; pages to be written count at once
  std::uint64_t memory_bytes = 0;                             // resident at the end of the stage
  std::uint64_t peak_memory_bytes = 0;                        // the most that was resident up to then, in any stage
  std::uint64_t minor_faults = 0, major_faults = 0;
};

// Every field by its name in the file.
inline constexpr std::array<std::pair<std::string_view, double StageUsage::*>, 7> kUsageTimes{{
    {"seconds", &StageUsage::seconds},
    {"wait_seconds", &StageUsage::wait_seconds},
    {"cpu_seconds", &StageUsage::cpu_seconds},
    {"system_seconds", &StageUsage::system_seconds},
    {"wait_cpu_seconds", &StageUsage::wait_cpu_seconds},
    {"queue_seconds", &StageUsage::queue_seconds},
    {"first_touch_seconds", &StageUsage::first_touch_seconds},
}};
inline constexpr std::array<std::pair<std::string_view, std::uint64_t StageUsage::*>, 10> kUsageCounts{{
    {"items", &StageUsage::items},
    {"bytes_sent", &StageUsage::bytes_sent},
    {"bytes_received", &StageUsage::bytes_received},
    {"waits", &StageUsage::waits},
    {"disk_bytes_read", &StageUsage::disk_bytes_read},
    {"disk_bytes_written", &StageUsage::disk_bytes_written},
    {"memory_bytes", &StageUsage::memory_bytes},
    {"peak_memory_bytes", &StageUsage::peak_memory_bytes},
    {"minor_faults", &StageUsage::minor_faults},
    {"major_faults", &StageUsage::major_faults},
}};
static_assert(sizeof(StageUsage) == 8 * (kUsageTimes.size() + kUsageCounts.size()), "a field has no name in the file");

struct PopMetrics {
  double load_balance = 1;              // mean of the ranks' useful time / the largest
  double communication_efficiency = 1;  // the largest useful time / the stage's time
  double parallel_efficiency = 1;       // their product: mean useful time / the stage's time
  double thread_efficiency = 1;         // CPU time outside MPI / useful time x threads
};

struct StagePerformance {
  std::string name, unit;    // unit: of items
  double seconds = 0;        // the slowest rank
  std::uint64_t items = 0;   // over all ranks
  double bound_seconds = 0;  // by what the machine can do, if that was given (io/bounds.hpp); 0 if not known
  std::string bound_by;      // which bound
  std::vector<StageUsage> ranks;
};

// threads: of each rank.
PopMetrics pop_metrics(const StagePerformance& stage, int threads);
// The sum over ranks.
template <typename T>
T sum_of(const StagePerformance& stage, T StageUsage::*field) {
  T sum{};
  for (const StageUsage& usage : stage.ranks) sum += usage.*field;
  return sum;
}

struct Performance {
  std::string software_version, run_id, started_utc, simd;
  std::string warning;  // of how ranks are placed on CPUs; empty if they are well
  int hosts = 1, ranks = 1, threads_per_rank = 1, cpus_per_rank = 1, cpus_per_host = 1;
  std::uint64_t input_bytes = 0, rows = 0, rows_kept = 0, identities = 0, pairs = 0, persons = 0;
  double launch_seconds = 0;  // from the start of the process to that of the job, on the slowest rank
  double total_seconds = 0;   // of the stages
  double fault_seconds = 0;   // what the first touch of a page cost when it was measured, on the root
  std::vector<StagePerformance> stages;
};

// CPU time that threads got outside MPI / what they were ready to use: below 1 where other work, or too many threads of
// this job, held the CPUs.  Times of such a run say more about that than about the program.
double cpu_given(const Performance& performance);

std::string to_json(const Performance& performance);

// Rank 0: secure/performance.json, mode 0600, under a temporary name and then renamed.
void write_performance(const std::filesystem::path& secure, const Performance& performance);

// A line "RESULT key=value ..." a stage and one for the whole: for grep, and for scripts that compare runs.
std::string result_lines(const Performance& performance);

}  // namespace ligature
