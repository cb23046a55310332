// Long writes past the page cache, from recycled buffers, on threads of their own.
//
// What a run publishes is read by others, later: in the page cache it only costs memory, whose first touch is slower
// than the disk (bench/README.md, "Publish").  So whole blocks are written with O_DIRECT while the caller goes on; the
// ends of a write that fill no block go through the page cache, as everything does where the file system has no
// O_DIRECT.  At most kPieces * kPieceBytes are under way, and less where memory is short (keep_within).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <thread>
#include <vector>

#include "io/files.hpp"

namespace ligature {

enum class WriteStrategy { direct, buffered };

// What the environment variable LIGATURE_WRITES=direct|buffered asks for; direct if it is not set.  Throws UsageError.
WriteStrategy write_strategy();

class DirectWriter {
 public:
  static constexpr std::size_t kBlockBytes = 4096;  // O_DIRECT wants offsets, lengths and addresses in such blocks
  static constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
  static constexpr std::size_t kPieces = 6;
  static constexpr std::size_t kThreads = 2;  // the disk works on one write while the next is prepared

  // Bytes under way of every writer that is made from here on in this process.
  static void keep_within(std::size_t bytes) noexcept;

  struct FreeBuffer {
    void operator()(std::byte* buffer) const noexcept { ::operator delete (buffer, std::align_val_t{kBlockBytes}); }
  };
  using Buffer = std::unique_ptr<std::byte, FreeBuffer>;
  struct Piece {
    Buffer buffer;
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
    // Bytes that lie elsewhere, and who keeps them, instead of a buffer.
    const std::byte* from = nullptr;
    std::shared_ptr<const void> owner = nullptr;
  };

  // file: open for writing; must outlive this.
  DirectWriter(const File& file, WriteStrategy strategy);
  // Waits for what is under way, and drops what is not.
  ~DirectWriter();
  DirectWriter(const DirectWriter&) = delete;
  DirectWriter& operator=(const DirectWriter&) = delete;

  // Takes the bytes over.  May be called from several threads for different bytes.  Throws what a write met, be it
  // this one or one before.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  // The same without a copy: the bytes stay where they are until they are written, and then owner is let go.
  void write_from(std::uint64_t offset, std::span<const std::byte> bytes, std::shared_ptr<const void> owner);
  // Room for piece_bytes(), to be filled by the caller and given to queue(); waits for it.  Only where direct() was
  // true.
  Buffer take_buffer();
  // Whole blocks at the edge of a block.
  void queue(Piece&& piece);
  // Waits until all is written.  Throws what a write met.
  void finish();
  // That are written at a time.
  [[nodiscard]] std::size_t piece_bytes() const noexcept { return piece_bytes_; }
  // True if writes go past the page cache; false from the start, or from the first write that was refused.
  [[nodiscard]] bool direct() const;

 private:
  void run(const std::stop_token& stop);
  void write_piece(const Piece& piece);

  const File& file_;
  File direct_;
  mutable std::mutex mutex_;
  std::condition_variable_any work_, room_;
  std::vector<Buffer> free_;
  std::size_t most_buffers_, piece_bytes_;  // that may be made; of each
  std::size_t buffers_ = 0;                 // made so far
  std::deque<Piece> queue_;
  std::size_t under_way_ = 0;
  bool refused_ = false;
  std::exception_ptr failure_;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace ligature
