// The ways a job can fail, and the exit code each one ends with (docs/job-file.md lists them for users).
//
// Messages name files, lines, columns, keys and limits; never the value of an identifier.
#pragma once

#include <stdexcept>
#include <string>

namespace ligature {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitWrongUse = 2;
inline constexpr int kExitLimit = 3;
inline constexpr int kExitStopped = 4;  // by a signal: the run can be resumed

// The job failed: a disk, a file that vanished, a broken checkpoint.  Exit code 1; the roots below refine it.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, int exit_code = kExitFailed)
      : std::runtime_error(message), exit_code_(exit_code) {}
  [[nodiscard]] int exit_code() const noexcept { return exit_code_; }

 private:
  int exit_code_;
};

// The command line, the job file or an extract's header is wrong: nothing was started.  Exit code 2.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message, kExitWrongUse) {}
};

// The input breaks a limit that the job file sets.  Exit code 3.
class LimitError : public Error {
 public:
  explicit LimitError(const std::string& message) : Error(message, kExitLimit) {}
};

}  // namespace ligature
