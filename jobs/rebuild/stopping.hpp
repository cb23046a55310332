// Stopping when told to: SIGTERM, SIGINT or SIGUSR1 on any rank (a scheduler's warning) ends the job at the next safe
// point, whole checkpoints kept.  Where that is not reached within the grace, the rank that was told leaves at once,
// which ends the job; so does a second signal.
#pragma once

#include <cstdint>
#include <string>

#include "engine/error.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Handles the signals while it lives; one object at a time.
class StopSignals {
 public:
  explicit StopSignals(std::uint64_t grace_seconds);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // What the job is at, for the message of a rank that leaves (of static life).
  void at(const char* stage) noexcept;
  // Collective: a safe point.  Throws Error with kExitStopped on every rank if any has been told to stop.
  void stop_if_told(const Communicator& comm, const char* next_stage, const std::string& last_checkpoint) const;
};

}  // namespace ligature
