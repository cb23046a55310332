// A core limit of 1 byte stops core files and core handlers alike: the kernel ignores a limit of 0 when cores are piped
// to a handler (core(5)).  PR_SET_DUMPABLE would do so too, but it forbids the reads between processes by which Open
// MPI hands messages to ranks of one host, and those then fail in mid-job.
#include "jobs/process_privacy.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ligature {

void keep_process_private() noexcept {
  ::umask(::umask(S_IRWXG | S_IRWXO) | S_IWGRP | S_IWOTH);

  struct rlimit limit {};
  if (::getrlimit(RLIMIT_CORE, &limit) == 0) {
    limit.rlim_max = limit.rlim_max == 0 ? 0 : 1;
    limit.rlim_cur = limit.rlim_max;
    static_cast<void>(::setrlimit(RLIMIT_CORE, &limit));
  }
  // A handler that dumps all the same finds no segment to dump.
  if (const int filter = ::open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC); filter >= 0) {
    static_cast<void>(::write(filter, "0", 1) == 1);
    ::close(filter);
  }
}

}  // namespace ligature
