// POSIX files with RAII and errors that name the path: positional reads and writes of any length, durable renames,
// globs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace ligature {

// An open file.  Move-only; closes on destruction.  All failures throw Error with the path and the system's reason.
class File {
 public:
  File() = default;
  static File open_read(const std::filesystem::path& path);
  // Creates or truncates, with these permission bits exactly, whatever the umask.
  static File create(const std::filesystem::path& path, mode_t mode);
  // Opens an existing file for reading and writing.
  static File open_update(const std::filesystem::path& path);
  // Opens an existing file for writes past the page cache (O_DIRECT); not open where the file system has none.
  static File open_direct(const std::filesystem::path& path);
  // The same for reads.
  static File open_direct_read(const std::filesystem::path& path);
  // Takes over an open descriptor; path is for messages.
  static File adopt(int descriptor, const std::filesystem::path& path) { return {descriptor, path}; }
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t size() const;

  // Reads up to bytes.size() bytes at an offset, retrying short reads; returns fewer only at the end of the file.
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> bytes) const;
  // Reads exactly bytes.size() bytes at an offset, or throws: the file is shorter than it should be.
  void read_exactly_at(std::uint64_t offset, std::span<std::byte> bytes) const;
  // Writes all bytes at an offset.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) const;
  // Gives the file its place on the disk now, where the file system can; its size and bytes stay what they are.  Throws
  // if there is no room.
  void allocate() const;
  // Data and metadata on disk.
  void sync() const;
  void close();  // throws if the close itself reports a lost write

 private:
  File(int descriptor, std::filesystem::path path);
  static File open_past_cache(const std::filesystem::path& path, int access);
  int descriptor_ = -1;
  std::filesystem::path path_;
};

// The names in a folder on disk.
void sync_folder(const std::filesystem::path& path);

// Renames within one folder and syncs the folder: afterwards the new name survives a power cut.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

// A whole small file under a temporary name, on the disk; removed if it is not named.
class UnnamedFile {
 public:
  UnnamedFile(std::filesystem::path path, std::string_view text, mode_t mode);
  UnnamedFile(const UnnamedFile&) = delete;
  UnnamedFile& operator=(const UnnamedFile&) = delete;
  ~UnnamedFile();
  void name();

 private:
  explicit UnnamedFile(std::filesystem::path path);
  std::filesystem::path path_, partial_;
  bool is_named_ = false;
};

// Writes a whole small file under a temporary name, syncs it and renames it.
void write_file_durably(const std::filesystem::path& path, std::string_view text, mode_t mode);

// Overwrites a file with zeros, as long as it is, and returns when they are on the disk.
void scrub_file(const std::filesystem::path& path);

// A small file's text.  Throws Error if it is larger than limit bytes.
std::string read_small_file(const std::filesystem::path& path, std::size_t limit = std::size_t{64} << 20);

// Creates the folder (and its parents) with mode 0700, or sets that mode on one of ours that exists.
void make_private_directory(const std::filesystem::path& path);

// The files that a path or glob names, in byte order of the path.  Empty if none.
std::vector<std::string> expand_glob(const std::string& pattern);

}  // namespace ligature
