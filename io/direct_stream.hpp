// Bytes one after the other past the page cache: gathered to whole pieces in the buffers that are written, so that only
// the last block of all goes through the page cache, whatever sizes they come in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "io/direct_writer.hpp"

namespace ligature {

class DirectStream {
 public:
  // begin: where the first byte goes, at the edge of a block.  writer must outlive this.
  DirectStream(DirectWriter& writer, std::uint64_t begin) : writer_(writer), end_(begin) {}

  // Takes the bytes over.  Throws what a write met, be it this one or one before.
  void add(std::span<const std::byte> bytes);
  // Hands on what is left; nothing may be added after it.  The writer's finish() waits for it.
  void flush();
  // Behind the last byte.
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }

 private:
  DirectWriter& writer_;
  DirectWriter::Piece piece_;  // being filled, if it has a buffer
  std::uint64_t end_;
};

}  // namespace ligature
