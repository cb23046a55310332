// Times the stages of a rebuild on every rank: what each took, waited, sent, read and held (io/performance.hpp).
//
// Stages follow each other without a gap, so that they add up to the whole.  All ranks meet at the end of a stage: the
// wait for the slowest belongs to the stage that caused it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/bounds.hpp"
#include "io/performance.hpp"
#include "partition/communicator.hpp"

namespace ligature {

class StageClock {
 public:
  // Collective.  The first stage begins now.
  explicit StageClock(const Communicator& comm);
  // The stage that has begun, by name (of static life).
  void begin(const char* name);
  // A step within the stage, for the trace (of static life).
  void step(const char* name);
  // Collective.  Ends the stage, and says so.  items: over all ranks; mine: this rank's.  work: what of it has a bound,
  // over all ranks; what was read and written is added.
  void end(std::uint64_t items, const std::string& unit, std::uint64_t mine, const StageWork& work = {});

  // Stages that ended: name, time of the slowest rank, items and unit, on every rank; no rank's own usage.
  [[nodiscard]] const std::vector<StagePerformance>& stages() const noexcept { return stages_; }
  [[nodiscard]] double total_seconds() const;
  [[nodiscard]] double launch_seconds() const noexcept { return launch_seconds_; }
  [[nodiscard]] double fault_seconds() const noexcept { return fault_seconds_; }
  // This rank's clock when the first stage began, which was at one moment on all ranks.
  [[nodiscard]] std::uint64_t zero() const noexcept { return zero_; }

  // Collective.  On the root: the stages with what they took on each rank, and their bounds.
  [[nodiscard]] std::vector<StagePerformance> gather(const std::optional<Bounds>& bounds, int hosts, int cores) const;

 private:
  // What the process has used since it began.
  [[nodiscard]] StageUsage used_so_far() const;
  void end_step();

  const Communicator& comm_;
  std::uint64_t zero_ = 0, stage_begin_ = 0, step_begin_ = 0;
  double launch_seconds_ = 0, fault_seconds_ = 0;
  const char* name_ = "start";
  const char* step_ = nullptr;
  StageUsage before_;
  std::vector<StageUsage> usages_;
  std::vector<StageWork> works_;
  std::vector<StagePerformance> stages_;
};

// CPU seconds that the first touch of one page of new memory takes on this machine now, in a process of this kind.
double measure_first_touch();

}  // namespace ligature
