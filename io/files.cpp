#include "io/files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"

namespace ligature {

namespace {

[[noreturn]] void fail(const char* what, const std::filesystem::path& path) {
  const int reason = errno;
  throw Error(std::string(what) + " " + path.string() + ": " + std::strerror(reason));
}

}  // namespace

File::File(int descriptor, std::filesystem::path path) : descriptor_(descriptor), path_(std::move(path)) {}

File File::open_read(const std::filesystem::path& path) {
  // O_NONBLOCK: a FIFO must not make the job wait.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail("cannot read", path);
  File file(descriptor, path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail("cannot examine", path);
  if (!S_ISREG(status.st_mode)) throw UsageError("not a regular file: " + path.string());
  return file;
}

File File::create(const std::filesystem::path& path, mode_t mode) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (descriptor < 0) fail("cannot create", path);
  File file(descriptor, path);
  if (::fchmod(descriptor, mode) != 0) fail("cannot set the mode of", path);
  return file;
}

File File::open_update(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) fail("cannot open", path);
  return {descriptor, path};
}

File File::open_past_cache(const std::filesystem::path& path, int access) {
#ifdef O_DIRECT
  const int descriptor = ::open(path.c_str(), access | O_DIRECT | O_CLOEXEC);
  if (descriptor >= 0) return {descriptor, path};
  if (errno != EINVAL && errno != EOPNOTSUPP) fail("cannot open", path);
#endif
  return {};
}

File File::open_direct(const std::filesystem::path& path) {
  return open_past_cache(path, O_WRONLY);
}

File File::open_direct_read(const std::filesystem::path& path) {
  return open_past_cache(path, O_RDONLY);
}

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail("cannot examine", path_);
  return static_cast<std::uint64_t>(status.st_size);
}

std::size_t File::read_at(std::uint64_t offset, std::span<std::byte> bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        ::pread(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) continue;
      fail("cannot read", path_);
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void File::read_exactly_at(std::uint64_t offset, std::span<std::byte> bytes) const {
  if (read_at(offset, bytes) != bytes.size()) throw Error("file is shorter than it should be: " + path_.string());
}

void File::write_at(std::uint64_t offset, std::span<const std::byte> bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put =
        ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (put < 0) {
      if (errno == EINTR) continue;
      fail("cannot write", path_);
    }
    done += static_cast<std::size_t>(put);
  }
}

void File::allocate() const {
  const std::uint64_t bytes = size();
  if (bytes == 0 || ::fallocate(descriptor_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) == 0) return;
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) fail("no room on the disk for", path_);
}

void File::sync() const {
  if (::fsync(descriptor_) != 0) fail("cannot sync", path_);
}

void File::close() {
  if (const int descriptor = std::exchange(descriptor_, -1); descriptor >= 0 && ::close(descriptor) != 0) {
    fail("cannot close", path_);
  }
}

void sync_folder(const std::filesystem::path& path) {
  const int descriptor = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail("cannot open folder", path);
  const int code = ::fsync(descriptor);
  ::close(descriptor);
  // Some network file systems refuse fsync on a folder: the rename itself is then as durable as they offer.
  if (code != 0 && errno != EINVAL && errno != ENOTSUP) fail("cannot sync folder", path);
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail("cannot rename to", to);
  sync_folder(to.parent_path());
}

UnnamedFile::UnnamedFile(std::filesystem::path path) : path_(std::move(path)), partial_(path_.string() + ".partial") {}

// What is written in part is removed too: by then another constructor has ended, and this is destroyed.
UnnamedFile::UnnamedFile(std::filesystem::path path, std::string_view text, mode_t mode)
    : UnnamedFile(std::move(path)) {
  File file = File::create(partial_, mode);
  file.write_at(0, std::as_bytes(std::span(text)));
  file.sync();
  file.close();
}

UnnamedFile::~UnnamedFile() {
  std::error_code ignored;
  if (!is_named_) std::filesystem::remove(partial_, ignored);
}

void UnnamedFile::name() {
  rename_durably(partial_, path_);
  is_named_ = true;
}

void write_file_durably(const std::filesystem::path& path, std::string_view text, mode_t mode) {
  UnnamedFile(path, text, mode).name();
}

void scrub_file(const std::filesystem::path& path) {
  const std::vector<std::byte> zeros(std::size_t{4} << 20);
  const File file = File::open_update(path);
  const std::uint64_t bytes = file.size();
  for (std::uint64_t at = 0; at < bytes; at += zeros.size()) {
    file.write_at(at, std::span(zeros).first(std::min<std::uint64_t>(zeros.size(), bytes - at)));
  }
  file.sync();
}

std::string read_small_file(const std::filesystem::path& path, std::size_t limit) {
  const File file = File::open_read(path);
  const std::uint64_t bytes = file.size();
  if (bytes > limit) throw Error("file is too large: " + path.string());
  std::string text(bytes, '\0');
  text.resize(file.read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

void make_private_directory(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) fail("cannot create folder", path);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail("cannot examine folder", path);
  if (!S_ISDIR(status.st_mode)) throw Error("not a folder: " + path.string());
  if ((status.st_mode & 07777U) != S_IRWXU && ::chmod(path.c_str(), S_IRWXU) != 0) fail("cannot set the mode of", path);
}

std::vector<std::string> expand_glob(const std::string& pattern) {
  // A name that exists is itself, whatever characters it holds.
  std::error_code error;
  if (std::filesystem::exists(pattern, error)) return {pattern};
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace ligature
