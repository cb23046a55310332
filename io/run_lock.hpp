// One job at a time in a run's folders: locks that die with their owner, however that ends.
//
// They are flock(2), on a file under secure/ and on the publish folder itself, where no file may lie that is not
// published: across hosts as far as the file system keeps such locks (NFS and GPFS keep those of files; Lustre if it is
// mounted with -o flock).
#pragma once

#include <filesystem>
#include <utility>

#include "io/files.hpp"

namespace ligature {

class RunLock {
 public:
  // Locks folder/run.lock and writes into it who has it.  Throws Error that names the owner if somebody has.
  explicit RunLock(const std::filesystem::path& folder);
  // Locks the folder itself, and leaves nothing in it.  Throws Error if somebody has.
  static RunLock of_folder(const std::filesystem::path& folder);
  // False where the file system keeps no locks.
  [[nodiscard]] bool is_held() const noexcept { return held_; }

 private:
  explicit RunLock(File&& file) noexcept : file_(std::move(file)) {}
  // False if somebody else has the lock.
  [[nodiscard]] bool take();

  File file_;
  bool held_ = false;
};

}  // namespace ligature
