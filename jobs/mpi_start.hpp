// While MPI starts: a rank that is ended says why, none waits without end for one that died on its way, and a launcher
// that hangs after such a death is ended as well.
//
// mpirun of Open MPI 4.1, with the PMIx library of Debian 12, now and then stays behind when a rank dies while it joins
// the others: all ranks have ended, the death has been reported or not, and at its own end it waits for a lock that the
// thread which is gone had taken.
#pragma once

#include <array>
#include <csignal>

#include <sys/types.h>

namespace ligature {

// From construction to destruction, around MPI_Init:
//   SIGTERM, SIGINT and SIGUSR1 end the process at once, with exit code 4 and a line that names the signal.
//   It ends, with exit code 1, after LIGATURE_START_SECONDS, an environment variable (default 600; 0: never).
//   Under Open MPI's launcher a second process watches: if this one ends it says so, where this one could not, and
//   kills a launcher that 20 seconds later is still there without any process that runs.
// REQUIRES: no other thread runs yet.
class MpiStart {
 public:
  MpiStart() noexcept;
  ~MpiStart();
  MpiStart(const MpiStart&) = delete;
  MpiStart& operator=(const MpiStart&) = delete;

 private:
  static constexpr std::array<int, 5> kSignals{SIGTERM, SIGINT, SIGUSR1, SIGALRM, SIGPIPE};
  std::array<struct sigaction, kSignals.size()> before_{};
  pid_t watcher_ = -1;
};

}  // namespace ligature
