// The secret key that pseudonyms are made with: refused unless it is its owner's alone to read.
#include <cerrno>
#include <span>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "io/job_file.hpp"

namespace ligature {
namespace {

constexpr std::size_t kLeastBytes = 32, kMostBytes = 4096;

// Closes on every way out.
struct Descriptor {
  int value = -1;
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

std::vector<std::byte> load_key_file(const std::filesystem::path& path) {
  const std::string& name = path.native();
  Descriptor file;
  // O_NOFOLLOW: the checks hold for the file itself.  O_NONBLOCK: a FIFO must not make the job wait.
  file.value = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (file.value < 0) {
    const int reason = errno;
    if (reason == ENOENT) {
      throw UsageError(
          fmt::format("no such key file: {0}; make one with: (umask 077; mkdir -p '{1}'; "
                      "head -c 32 /dev/urandom > '{0}')",
                      name, path.parent_path().string()));
    }
    if (reason == ELOOP)
      throw UsageError(fmt::format("the key file is a symbolic link; name the file itself: {}", name));
    throw UsageError(fmt::format("cannot open the key file {}: {}", name, std::generic_category().message(reason)));
  }
  // Asked of the open file: what is checked is what is read.
  struct stat status {};
  if (::fstat(file.value, &status) != 0) {
    throw UsageError(fmt::format("cannot examine the key file {}: {}", name, std::generic_category().message(errno)));
  }
  if (!S_ISREG(status.st_mode)) throw UsageError(fmt::format("the key file is not a regular file: {}", name));
  if (status.st_uid != ::geteuid()) {
    throw UsageError(fmt::format("the key file belongs to another user (uid {}); run: chown {} '{}'", status.st_uid,
                                 ::geteuid(), name));
  }
  const auto mode = static_cast<unsigned>(status.st_mode) & 07777U;
  if (mode != 0600U && mode != 0400U) {
    throw UsageError(
        fmt::format("the key file has mode {:04o}; only its owner may read it: chmod 600 '{}'", mode, name));
  }
  std::vector<std::byte> key(kMostBytes + 1);
  std::size_t size = 0;
  while (size < key.size()) {
    const ssize_t got = ::read(file.value, key.data() + size, key.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw UsageError(fmt::format("cannot read the key file {}: {}", name, std::generic_category().message(errno)));
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size < kLeastBytes || size > kMostBytes) {
    throw UsageError(
        fmt::format("the key file must hold {} to {} random bytes, and holds {}: {}; make one with: "
                    "head -c 32 /dev/urandom",
                    kLeastBytes, kMostBytes, size > kMostBytes ? "more" : fmt::format("{}", size), name));
  }
  key.resize(size);
  return key;
}

}  // namespace ligature
