// One job at a time in a run's folder: a lock that dies with its owner, however that ends.
//
// It is flock(2) on a file: across hosts as far as the file system keeps such locks (NFS and GPFS do; Lustre if it is
// mounted with -o flock).
#pragma once

#include <filesystem>
#include <string>

#include "io/files.hpp"

namespace ligature {

class RunLock {
 public:
  // Locks folder/run.lock and writes into it who has it.  Throws Error that names the owner if somebody has.
  explicit RunLock(const std::filesystem::path& folder);
  // False where the file system keeps no locks.
  [[nodiscard]] bool is_held() const noexcept { return held_; }

 private:
  File file_;
  bool held_ = false;
};

}  // namespace ligature
