#include "io/key_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "io/files.hpp"

namespace ligature {
namespace {

constexpr std::size_t kLeastBytes = 32, kMostBytes = 4096;
constexpr std::size_t kNewBytes = 32;  // as many as SHA-256 has: a longer key of HMAC is no stronger

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

std::string reason_text(int reason) {
  return std::generic_category().message(reason);
}

// Random bytes of the kernel, which waits until it has seen enough noise.
SecretBytes random_bytes(std::size_t size) {
  SecretBytes bytes(size);
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::getrandom(bytes.data() + done, size - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error("the system gave no random bytes: " + reason_text(errno));
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

void write_key(int descriptor, const SecretBytes& key, const std::string& name) {
  // Whatever the umask took away.
  if (::fchmod(descriptor, S_IRUSR | S_IWUSR) != 0) throw Error("cannot set the mode of " + name);
  for (std::size_t done = 0; done < key.size();) {
    const ssize_t put = ::write(descriptor, key.data() + done, key.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw Error("cannot write the key file " + name + ": " + reason_text(errno));
    done += static_cast<std::size_t>(put);
  }
  if (::fsync(descriptor) != 0) throw Error("cannot sync the key file " + name + ": " + reason_text(errno));
}

}  // namespace

void make_key_file(const std::filesystem::path& path) {
  const std::string& name = path.native();
  const SecretBytes key = random_bytes(kNewBytes);
  Descriptor file;
  // O_EXCL: no key is ever written over, and no link is followed.
  file.value = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR);
  if (file.value < 0) {
    if (errno == EEXIST) throw UsageError("there is a file already, and a key is never written over: " + name);
    throw UsageError("cannot make the key file " + name + ": " + reason_text(errno));
  }
  try {
    write_key(file.value, key, name);
    sync_folder(std::filesystem::absolute(path).parent_path());
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
}

SecretBytes load_key_file(const std::filesystem::path& path) {
  const std::string& name = path.native();
  Descriptor file;
  // O_NOFOLLOW: the checks hold for the file itself.  O_NONBLOCK: a FIFO must not make the job wait.
  file.value = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (file.value < 0) {
    const int reason = errno;
    if (reason == ENOENT) {
      throw UsageError(fmt::format("no such key file: {0}; make one with: ligature key new '{0}'", name));
    }
    if (reason == ELOOP)
      throw UsageError(fmt::format("the key file is a symbolic link; name the file itself: {}", name));
    throw UsageError(fmt::format("cannot open the key file {}: {}", name, reason_text(reason)));
  }
  // Asked of the open file: what is checked is what is read.
  struct stat status {};
  if (::fstat(file.value, &status) != 0) {
    throw UsageError(fmt::format("cannot examine the key file {}: {}", name, reason_text(errno)));
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
  SecretBytes key(kMostBytes + 1);
  std::size_t size = 0;
  while (size < key.size()) {
    const ssize_t got = ::read(file.value, key.data() + size, key.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw UsageError(fmt::format("cannot read the key file {}: {}", name, reason_text(errno)));
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size < kLeastBytes || size > kMostBytes) {
    throw UsageError(
        fmt::format("the key file must hold {} to {} random bytes, and holds {}: {}; make one with: "
                    "ligature key new",
                    kLeastBytes, kMostBytes, size > kMostBytes ? "more" : fmt::format("{}", size), name));
  }
  key.resize(size);
  if (std::all_of(key.begin(), key.end(), [&](std::byte byte) { return byte == key.front(); })) {
    throw UsageError(fmt::format(
        "the key file holds one byte over and over, not random bytes: {}; make one with: ligature key new", name));
  }
  return key;
}

}  // namespace ligature
