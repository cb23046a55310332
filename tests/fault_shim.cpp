// A disk that fails, for tests: loaded with LD_PRELOAD, it lets reads and writes of chosen files go wrong.
//
// LIGATURE_DISK_FAULT=CALL:RANK:AFTER:HOW:PART.  CALL: read, write or sync.  RANK: of Open MPI's ranks, or -1 for all.
// AFTER: how many such calls go well before.  HOW: EIO, ENOSPC or EDQUOT, for every call from then on; or short: they
// move part of what was asked.  PART: text that the file's path has in it.
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

struct Fault {
  std::string call, part;
  long after = 0;
  int error = 0;  // 0: short
  bool here = false;
};

Fault read_settings() {
  Fault fault;
  const char* const text = std::getenv("LIGATURE_DISK_FAULT");
  if (text == nullptr) return fault;
  std::string fields[5];
  std::size_t at = 0;
  for (const char* c = text; *c != '\0'; ++c) {
    if (*c == ':' && at < 4) {
      ++at;
    } else {
      fields[at] += *c;
    }
  }
  const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  fault.call = fields[0];
  fault.here = fields[1] == "-1" || (rank != nullptr && fields[1] == rank);
  fault.after = std::atol(fields[2].c_str());
  fault.error = fields[3] == "EIO" ? EIO : fields[3] == "ENOSPC" ? ENOSPC : fields[3] == "EDQUOT" ? EDQUOT : 0;
  fault.part = fields[4];
  return fault;
}

// How many bytes of a call go through: all, fewer, or none with errno set (-1).
ssize_t allowed(const char* call, int descriptor, std::size_t bytes) {
  static const Fault fault = read_settings();
  static std::atomic<long> calls{0};
  const auto all = static_cast<ssize_t>(bytes);
  if (!fault.here || fault.call != call) return all;
  char link[64], path[PATH_MAX + 1];
  const int error_before = errno;
  std::strcpy(link, "/proc/self/fd/");
  std::strcat(link, std::to_string(descriptor).c_str());
  const ssize_t length = ::readlink(link, path, PATH_MAX);
  errno = error_before;
  if (length <= 0) return all;
  path[length] = '\0';
  if (path[0] != '/' || std::strstr(path, fault.part.c_str()) == nullptr) return all;
  const long call_number = calls.fetch_add(1);
  if (call_number < fault.after) return all;
  if (fault.error != 0) {
    errno = fault.error;
    return -1;
  }
  // A different part each time, at least one byte.
  return bytes < 2 ? all : 1 + static_cast<ssize_t>(static_cast<std::size_t>(call_number) * 7919U % (bytes - 1));
}

// The function that this library stands in front of.
template <typename Function>
Function* behind(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t read(int descriptor, void* data, std::size_t bytes) {
  static auto* const next = behind<ssize_t(int, void*, std::size_t)>("read");
  const ssize_t part = allowed("read", descriptor, bytes);
  return part < 0 ? -1 : next(descriptor, data, static_cast<std::size_t>(part));
}

ssize_t pread(int descriptor, void* data, std::size_t bytes, off_t offset) {
  static auto* const next = behind<ssize_t(int, void*, std::size_t, off_t)>("pread");
  const ssize_t part = allowed("read", descriptor, bytes);
  return part < 0 ? -1 : next(descriptor, data, static_cast<std::size_t>(part), offset);
}

ssize_t pread64(int descriptor, void* data, std::size_t bytes, off64_t offset) {
  static auto* const next = behind<ssize_t(int, void*, std::size_t, off64_t)>("pread64");
  const ssize_t part = allowed("read", descriptor, bytes);
  return part < 0 ? -1 : next(descriptor, data, static_cast<std::size_t>(part), offset);
}

ssize_t write(int descriptor, const void* data, std::size_t bytes) {
  static auto* const next = behind<ssize_t(int, const void*, std::size_t)>("write");
  const ssize_t part = allowed("write", descriptor, bytes);
  return part < 0 ? -1 : next(descriptor, data, static_cast<std::size_t>(part));
}

ssize_t pwrite(int descriptor, const void* data, std::size_t bytes, off_t offset) {
  static auto* const next = behind<ssize_t(int, const void*, std::size_t, off_t)>("pwrite");
  const ssize_t part = allowed("write", descriptor, bytes);
  return part < 0 ? -1 : next(descriptor, data, static_cast<std::size_t>(part), offset);
}

ssize_t pwrite64(int descriptor, const void* data, std::size_t bytes, off64_t offset) {
  static auto* const next = behind<ssize_t(int, const void*, std::size_t, off64_t)>("pwrite64");
  const ssize_t part = allowed("write", descriptor, bytes);
  return part < 0 ? -1 : next(descriptor, data, static_cast<std::size_t>(part), offset);
}

int fsync(int descriptor) {
  static auto* const next = behind<int(int)>("fsync");
  return allowed("sync", descriptor, 1) < 0 ? -1 : next(descriptor);
}

}  // extern "C"
