// A spool: bytes appended once and read back in order; in memory up to a budget, on scratch disk beyond it.
//
// The scratch file is unlinked as soon as it is open: nothing of it is left behind however the job ends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "io/files.hpp"

namespace ligature {

// A number of bytes that several spools draw on together.  Thread-safe.
class SpoolBudget {
 public:
  explicit SpoolBudget(std::uint64_t bytes)
      : bytes_(bytes), tail_(std::clamp(bytes / 1024, kLeastTail, kMostTail)), left_(bytes) {}
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }  // taken and left
  // Bytes that each spool on disk gathers before it writes them; there may be many spools.
  [[nodiscard]] std::uint64_t tail() const noexcept { return tail_; }
  bool take(std::uint64_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void give_back(std::uint64_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    left_ += bytes;
  }

 private:
  static constexpr std::uint64_t kLeastTail = std::uint64_t{64} << 10, kMostTail = std::uint64_t{1} << 20;
  std::uint64_t bytes_, tail_;
  std::mutex mutex_;
  std::uint64_t left_;
};

class Spool {
 public:
  static constexpr std::size_t kPageBytes = std::size_t{1} << 20;
  // scratch: a private folder for the file that is made when the budget is used up.  page_bytes: taken at a time.
  Spool(std::filesystem::path scratch, SpoolBudget& budget, std::size_t page_bytes = kPageBytes);
  Spool(Spool&&) noexcept = default;
  Spool& operator=(Spool&&) = delete;
  ~Spool();

  void append(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  // Nothing is appended for now: what waits for the file goes there, and its memory back.
  void settle();

  // Reads the next bytes.size() bytes in order of appending, or throws Error if there are not so many.
  void read(std::span<std::byte> bytes);
  // The bytes from there on.  Once settled, thread-safe.
  void read_at(std::uint64_t position, std::span<std::byte> bytes) const;
  // Reading goes on from there, which is no further than size().
  void seek(std::uint64_t position) noexcept { position_ = position; }
  void rewind() noexcept { seek(0); }
  void skip(std::uint64_t bytes) noexcept { seek(position_ + bytes); }
  // Says that these bytes are read soon, so that those of several places are brought from the disk at once.
  void fetch(std::uint64_t position, std::uint64_t bytes) const noexcept;
  // Forgets everything and gives memory and disk back.
  void clear();

 private:
  void flush();  // tail_ to the file

  std::filesystem::path scratch_;
  SpoolBudget* budget_;
  std::size_t page_bytes_;
  std::vector<std::vector<std::byte>> pages_;  // the first pages_.size() * page_bytes_ bytes
  std::vector<std::byte> tail_;                // bytes that wait to be written to the file
  std::optional<File> file_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace ligature
