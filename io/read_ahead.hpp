// Pieces of plain files in the order in which they will be wanted, read ahead past the page cache.
//
// Extracts are read once and may be larger than memory.  Through the page cache each page of them is made, copied out
// and soon driven out again, by the very threads that parse.  So what is not in the page cache is read with O_DIRECT by
// threads of its own while earlier pieces are parsed.  What is there already is copied out by whoever asks for it, as
// is everything where the file system has no O_DIRECT.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "io/files.hpp"
#include "io/recycled.hpp"

namespace ligature {

// Room for a piece, at an address that O_DIRECT takes.
struct FreePieceBuffer {
  void operator()(char* buffer) const noexcept;
};
using PieceBuffer = std::unique_ptr<char[], FreePieceBuffer>;
// With room for so many bytes, and as many more as a parser may look ahead (kReadAhead), which are 0.
PieceBuffer make_piece_buffer(std::size_t bytes);

class ReadAhead {
 public:
  static constexpr std::size_t kBlockBytes = 4096;  // O_DIRECT wants offsets, lengths and addresses in such blocks

  // Bytes [begin, end) of a file.
  struct Part {
    std::string path;
    std::uint64_t begin = 0, end = 0;
  };

  // Pieces of piece_bytes, but for the last of a part.  buffers: of piece_bytes, used again; must outlive this.
  ReadAhead(std::vector<Part> parts, std::size_t piece_bytes, Recycled<PieceBuffer>& buffers);
  // Waits for what is being read.
  ~ReadAhead() = default;
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next piece.  Throws Error that names the file if it cannot be read or is shorter than its part.
  // REQUIRES: there is one.
  PieceBuffer next();

 private:
  static constexpr std::size_t kPieces = 4;  // under way, beside those that were handed out
  static constexpr std::size_t kThreads = 2;

  struct Source {
    Source(const std::string& path, bool try_direct);
    File file, direct;            // direct is not open where the file system has no O_DIRECT
    std::uint64_t asked_for = 0;  // up to where the system was told to fetch the file
  };
  struct Planned {
    std::shared_ptr<Source> source;
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
    bool is_queued = false, is_done = false;  // by a thread; guarded by mutex_
    PieceBuffer buffer;
    std::exception_ptr failure;
  };

  void plan();
  void run(const std::stop_token& stop);
  void read_past_cache(Planned& piece);

  std::vector<Part> parts_;
  std::size_t piece_bytes_;
  Recycled<PieceBuffer>& buffers_;
  // The plan's place.
  std::size_t part_ = 0;
  std::uint64_t offset_ = 0;
  std::shared_ptr<Source> source_;
  std::deque<std::unique_ptr<Planned>> planned_;

  std::mutex mutex_;
  std::condition_variable_any work_, done_;
  std::deque<Planned*> queue_;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace ligature
