#include "io/run_lock.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"

namespace ligature {

RunLock::RunLock(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "run.lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (descriptor < 0) throw Error("cannot open the lock " + path.string() + ": " + std::strerror(errno));
  file_ = File::adopt(descriptor, path);
  if (!take()) {
    throw Error("another run is at work in " + folder.string() + " (" + read_small_file(path) +
                "); the lock ends with it, and needs no removing");
  }
  if (!held_) return;
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string owner = "process " + std::to_string(::getpid()) + " on host " + host.data();
  if (::ftruncate(descriptor, 0) != 0) throw Error("cannot write " + path.string() + ": " + std::strerror(errno));
  file_.write_at(0, std::as_bytes(std::span(owner)));
}

RunLock RunLock::of_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw Error("cannot open folder " + folder.string() + ": " + std::strerror(errno));
  RunLock lock(File::adopt(descriptor, folder));
  if (!lock.take()) throw Error("another run publishes to " + folder.string() + "; its lock ends with it");
  return lock;
}

bool RunLock::take() {
  while (::flock(file_.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return false;
    // NFS locks nothing that is not open for writing, as no folder can be (EBADF).
    if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS || errno == EBADF) return true;
    throw Error("cannot lock " + file_.path().string() + ": " + std::strerror(errno));
  }
  held_ = true;
  return true;
}

}  // namespace ligature
