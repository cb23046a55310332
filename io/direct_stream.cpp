#include "io/direct_stream.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ligature {

void DirectStream::add(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (!piece_.buffer) {
      if (!writer_.direct()) {
        writer_.write_at(end_, bytes);
        end_ += bytes.size();
        return;
      }
      piece_ = {writer_.take_buffer(), end_, 0};
    }
    const std::size_t taken = std::min(bytes.size(), writer_.piece_bytes() - piece_.bytes);
    std::memcpy(piece_.buffer.get() + piece_.bytes, bytes.data(), taken);
    piece_.bytes += taken;
    end_ += taken;
    bytes = bytes.subspan(taken);
    if (piece_.bytes == writer_.piece_bytes()) writer_.queue(std::exchange(piece_, {}));
  }
}

void DirectStream::flush() {
  if (!piece_.buffer) return;
  const std::size_t whole = piece_.bytes / DirectWriter::kBlockBytes * DirectWriter::kBlockBytes;
  writer_.write_at(piece_.offset + whole, {piece_.buffer.get() + whole, piece_.bytes - whole});
  piece_.bytes = whole;
  writer_.queue(std::exchange(piece_, {}));
}

}  // namespace ligature
