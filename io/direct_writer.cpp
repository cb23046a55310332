#include "io/direct_writer.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include <unistd.h>

#include "engine/error.hpp"

namespace ligature {

WriteStrategy write_strategy() {
  const char* const variable = std::getenv("LIGATURE_WRITES");
  const std::string wanted = variable == nullptr ? "direct" : variable;
  if (wanted == "direct") return WriteStrategy::direct;
  if (wanted == "buffered") return WriteStrategy::buffered;
  throw UsageError("LIGATURE_WRITES must be direct or buffered");
}

namespace {

constexpr std::size_t kLeastPieceBytes = std::size_t{128} << 10;
std::atomic<std::size_t> most_bytes{DirectWriter::kPieces * DirectWriter::kPieceBytes};

}  // namespace

void DirectWriter::keep_within(std::size_t bytes) noexcept {
  most_bytes = bytes;
}

DirectWriter::DirectWriter(const File& file, WriteStrategy strategy)
    : file_(file),
      most_buffers_(std::clamp<std::size_t>(most_bytes / kPieceBytes, 2, kPieces)),
      piece_bytes_(std::clamp(most_bytes / most_buffers_ / kBlockBytes * kBlockBytes, kLeastPieceBytes, kPieceBytes)) {
  if (strategy == WriteStrategy::direct) direct_ = File::open_direct(file.path());
  for (std::size_t t = 0; direct_.is_open() && t < kThreads; ++t) {
    threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
  }
}

DirectWriter::~DirectWriter() = default;

void DirectWriter::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  const std::uint64_t to_block = (kBlockBytes - offset % kBlockBytes) % kBlockBytes;
  if (!direct() || bytes.size() < to_block + kBlockBytes) return file_.write_at(offset, bytes);
  const auto take = [&](std::size_t count) {
    const auto part = bytes.first(count);
    bytes = bytes.subspan(count);
    return std::pair(std::exchange(offset, offset + count), part);
  };
  if (to_block != 0) {
    const auto [at, part] = take(to_block);
    file_.write_at(at, part);
  }
  while (bytes.size() >= kBlockBytes) {
    Piece piece{take_buffer(), 0, 0};
    const auto [at, part] = take(std::min(piece_bytes_, bytes.size() / kBlockBytes * kBlockBytes));
    std::memcpy(piece.buffer.get(), part.data(), part.size());
    piece.offset = at;
    piece.bytes = part.size();
    queue(std::move(piece));
  }
  if (!bytes.empty()) file_.write_at(offset, bytes);
}

void DirectWriter::write_from(std::uint64_t offset, std::span<const std::byte> bytes,
                              std::shared_ptr<const void> owner) {
  const std::uint64_t to_block = (kBlockBytes - offset % kBlockBytes) % kBlockBytes;
  if (!direct() || bytes.size() < to_block + kBlockBytes ||
      (reinterpret_cast<std::uintptr_t>(bytes.data()) + to_block) % kBlockBytes != 0) {
    return write_at(offset, bytes);
  }
  const std::size_t end = to_block + (bytes.size() - to_block) / kBlockBytes * kBlockBytes;
  if (to_block > 0) file_.write_at(offset, bytes.first(to_block));
  if (end < bytes.size()) file_.write_at(offset + end, bytes.subspan(end));
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return failure_ != nullptr || queue_.size() + under_way_ < most_buffers_; });
    if (failure_) std::rethrow_exception(failure_);
  }
  queue({nullptr, offset + to_block, end - to_block, bytes.data() + to_block, std::move(owner)});
}

void DirectWriter::queue(Piece&& piece) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(piece));
  work_.notify_one();
}

DirectWriter::Buffer DirectWriter::take_buffer() {
  std::unique_lock lock(mutex_);
  if (free_.empty() && buffers_ < most_buffers_) {
    Buffer buffer(static_cast<std::byte*>(::operator new (piece_bytes_, std::align_val_t{kBlockBytes})));
    ++buffers_;
    return buffer;
  }
  room_.wait(lock, [&] { return failure_ != nullptr || !free_.empty(); });
  if (failure_) std::rethrow_exception(failure_);
  Buffer buffer = std::move(free_.back());
  free_.pop_back();
  return buffer;
}

void DirectWriter::finish() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return queue_.empty() && under_way_ == 0; });
  if (failure_) std::rethrow_exception(failure_);
  buffers_ -= free_.size();
  free_.clear();
}

bool DirectWriter::direct() const {
  const std::lock_guard lock(mutex_);
  return direct_.is_open() && !refused_;
}

void DirectWriter::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (work_.wait(lock, stop, [&] { return !queue_.empty(); }) && !stop.stop_requested()) {
    Piece piece = std::move(queue_.front());
    queue_.pop_front();
    ++under_way_;
    const bool failed = failure_ != nullptr;  // nothing is named after a failure: the rest need not be written
    lock.unlock();
    std::exception_ptr failure;
    try {
      if (!failed) write_piece(piece);
    } catch (...) {
      failure = std::current_exception();
    }
    piece.owner.reset();
    lock.lock();
    if (failure) failure_ = failure;
    --under_way_;
    if (piece.buffer) free_.push_back(std::move(piece.buffer));
    room_.notify_all();
  }
}

void DirectWriter::write_piece(const Piece& piece) {
  const std::span<const std::byte> bytes(piece.buffer ? piece.buffer.get() : piece.from, piece.bytes);
  // A file system may accept the flag and refuse the write, or write a part that ends within a block.
  std::size_t done = 0;
  while (done < bytes.size() && done % kBlockBytes == 0 && direct()) {
    const ssize_t put = ::pwrite(direct_.descriptor(), bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(piece.offset + done));
    if (put >= 0) {
      done += static_cast<std::size_t>(put);
    } else if (errno == EINVAL) {
      const std::lock_guard lock(mutex_);
      refused_ = true;
    } else if (errno != EINTR) {
      break;  // the buffered write meets the same error and names it
    }
  }
  if (done < bytes.size()) file_.write_at(piece.offset + done, bytes.subspan(done));
}

}  // namespace ligature
