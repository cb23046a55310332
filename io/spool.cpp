#include "io/spool.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/release.hpp"

namespace ligature {

namespace {

// Names of scratch files differ within the process by this number and between processes by the process id.
std::atomic<std::uint64_t> scratch_files{0};

}  // namespace

Spool::Spool(std::filesystem::path scratch, SpoolBudget& budget, std::size_t page_bytes)
    : scratch_(std::move(scratch)), budget_(&budget), page_bytes_(page_bytes) {}

Spool::~Spool() {
  budget_->give_back(pages_.size() * page_bytes_);
}

void Spool::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (!file_) {
      const std::size_t filled = size_ % page_bytes_;
      if (filled == 0) {
        if (budget_->take(page_bytes_)) {
          pages_.emplace_back();
          pages_.back().reserve(page_bytes_);
        } else {
          file_ = File::create(
              scratch_ / ("spool-" + std::to_string(::getpid()) + "-" + std::to_string(scratch_files++)), 0600);
          ::unlink(file_->path().c_str());
        }
      }
    }
    if (file_) {
      tail_.insert(tail_.end(), bytes.begin(), bytes.end());
      size_ += bytes.size();
      if (tail_.size() >= budget_->tail()) flush();
      return;
    }
    std::vector<std::byte>& page = pages_.back();
    const std::size_t part = std::min(bytes.size(), page_bytes_ - page.size());
    page.insert(page.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part));
    size_ += part;
    bytes = bytes.subspan(part);
  }
}

void Spool::flush() {
  file_->write_at(file_bytes_, tail_);
  file_bytes_ += tail_.size();
  tail_.clear();
}

void Spool::settle() {
  if (!tail_.empty()) flush();
  release(tail_);
}

void Spool::read(std::span<std::byte> bytes) {
  if (!tail_.empty()) settle();
  read_at(position_, bytes);
  position_ += bytes.size();
}

void Spool::read_at(std::uint64_t position, std::span<std::byte> bytes) const {
  if (position > size_ || bytes.size() > size_ - position) {
    throw Error("scratch data ends early: " + scratch_.string());
  }
  while (!bytes.empty()) {
    const std::uint64_t in_memory = pages_.size() * page_bytes_;
    if (position >= in_memory) return file_->read_exactly_at(position - in_memory, bytes);
    const std::size_t offset = position % page_bytes_;
    const std::size_t part = std::min(bytes.size(), page_bytes_ - offset);
    std::memcpy(bytes.data(), pages_[position / page_bytes_].data() + offset, part);
    position += part;
    bytes = bytes.subspan(part);
  }
}

void Spool::fetch(std::uint64_t position, std::uint64_t bytes) const noexcept {
  const std::uint64_t in_memory = pages_.size() * page_bytes_;
  if (!file_ || position < in_memory) return;
  ::posix_fadvise(file_->descriptor(), static_cast<off_t>(position - in_memory), static_cast<off_t>(bytes),
                  POSIX_FADV_WILLNEED);
}

void Spool::clear() {
  budget_->give_back(pages_.size() * page_bytes_);
  release(pages_);
  release(tail_);
  file_.reset();
  file_bytes_ = size_ = position_ = 0;
}

}  // namespace ligature
