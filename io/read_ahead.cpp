#include "io/read_ahead.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/csv.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kFetchAhead = std::uint64_t{16} << 20;  // that the system is told of, in the page cache

std::span<std::byte> bytes_of(const PieceBuffer& buffer, std::size_t begin, std::size_t end) {
  return std::as_writable_bytes(std::span(buffer.get() + begin, end - begin));
}

// True if all of these bytes are in the page cache, or if nobody may know.  A read that must not wait (RWF_NOWAIT)
// would tell, but makes the system fetch what is missing.
bool is_cached(const File& file, std::uint64_t offset, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  if (offset % page != 0) return true;
  void* const place = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.descriptor(), static_cast<off_t>(offset));
  if (place == MAP_FAILED) return true;
  std::vector<unsigned char> pages((bytes + page - 1) / page);
  const bool is_known = ::mincore(place, bytes, pages.data()) == 0;
  ::munmap(place, bytes);
  return !is_known || std::all_of(pages.begin(), pages.end(), [](unsigned char state) { return (state & 1U) != 0; });
}

}  // namespace

void FreePieceBuffer::operator()(char* buffer) const noexcept {
  ::operator delete (buffer, std::align_val_t{ReadAhead::kBlockBytes});
}

PieceBuffer make_piece_buffer(std::size_t bytes) {
  PieceBuffer buffer(static_cast<char*>(::operator new (bytes + kReadAhead, std::align_val_t{ReadAhead::kBlockBytes})));
  std::memset(buffer.get() + bytes, 0, kReadAhead);
  return buffer;
}

ReadAhead::Source::Source(const std::string& path, bool try_direct) : file(File::open_read(path)) {
  if (try_direct) direct = File::open_direct_read(path);
}

ReadAhead::ReadAhead(std::vector<Part> parts, std::size_t piece_bytes, Recycled<PieceBuffer>& buffers)
    : parts_(std::move(parts)), piece_bytes_(piece_bytes), buffers_(buffers) {
  if (!parts_.empty()) offset_ = parts_.front().begin;
}

PieceBuffer ReadAhead::next() {
  plan();
  const std::unique_ptr<Planned> piece = std::move(planned_.front());
  planned_.pop_front();
  if (piece->is_queued) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return piece->is_done; });
  }
  if (piece->failure) std::rethrow_exception(piece->failure);
  if (!piece->buffer) {
    piece->buffer = buffers_.take();
    if (!piece->buffer) piece->buffer = make_piece_buffer(piece_bytes_);
    piece->source->file.read_exactly_at(piece->offset, bytes_of(piece->buffer, 0, piece->bytes));
  }
  return std::move(piece->buffer);
}

// Looks at the pieces that come next, and has those read that are not in memory.
void ReadAhead::plan() {
  while (planned_.size() <= kPieces && part_ < parts_.size()) {
    const Part& part = parts_[part_];
    Planned& piece = *planned_.emplace_back(std::make_unique<Planned>());
    piece.offset = offset_;
    piece.bytes = static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes_, part.end - offset_));
    try {
      if (!source_) source_ = std::make_shared<Source>(part.path, piece_bytes_ % kBlockBytes == 0);
      piece.source = source_;
      if (!source_->direct.is_open()) {
        const std::uint64_t from = std::max(source_->asked_for, offset_), to = offset_ + kFetchAhead;
        ::posix_fadvise(source_->file.descriptor(), static_cast<off_t>(from), static_cast<off_t>(to - from),
                        POSIX_FADV_WILLNEED);
        source_->asked_for = to;
      } else if (offset_ % kBlockBytes == 0 && !is_cached(source_->file, offset_, piece.bytes)) {
        piece.is_queued = true;
        const std::lock_guard lock(mutex_);
        queue_.push_back(&piece);
        work_.notify_one();
      }
    } catch (...) {
      piece.failure = std::current_exception();  // of this piece, not of those before it
    }
    offset_ += piece.bytes;
    if (offset_ == part.end) {
      source_.reset();
      if (++part_ < parts_.size()) offset_ = parts_[part_].begin;
    }
  }
  if (threads_.empty() && !queue_.empty()) {
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
    }
  }
}

void ReadAhead::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (work_.wait(lock, stop, [&] { return !queue_.empty(); }) && !stop.stop_requested()) {
    Planned& piece = *queue_.front();
    queue_.pop_front();
    lock.unlock();
    try {
      read_past_cache(piece);
    } catch (...) {
      piece.failure = std::current_exception();
    }
    lock.lock();
    piece.is_done = true;
    done_.notify_all();
  }
}

void ReadAhead::read_past_cache(Planned& piece) {
  piece.buffer = buffers_.take();
  if (!piece.buffer) piece.buffer = make_piece_buffer(piece_bytes_);
  const std::size_t whole = (piece.bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  std::size_t done = 0;
  while (done < piece.bytes && done % kBlockBytes == 0) {
    const ssize_t got = ::pread(piece.source->direct.descriptor(), piece.buffer.get() + done, whole - done,
                                static_cast<off_t>(piece.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;  // the read through the page cache meets the same, and names it
    done += static_cast<std::size_t>(got);
  }
  if (done < piece.bytes)
    piece.source->file.read_exactly_at(piece.offset + done, bytes_of(piece.buffer, done, piece.bytes));
}

}  // namespace ligature
