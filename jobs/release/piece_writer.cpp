#include "jobs/release/piece_writer.hpp"

#include <algorithm>
#include <cstring>

namespace ligature {

PieceWriter::PieceWriter(DatasetWriter& writer, std::span<const ColumnSpec> columns, std::span<const Range> rows,
                         std::vector<PieceDigest>& digests)
    : writer_(writer), columns_(columns), rows_(rows), digests_(digests) {}

Range PieceWriter::part(const Key& key) const noexcept {
  const auto [column, piece] = key;
  const std::uint64_t width = stored_bytes(columns_[column].type), at = writer_.offset(column);
  return {std::max(piece * kDigestPieceBytes, at + rows_[column].begin * width),
          std::min((piece + 1) * kDigestPieceBytes, at + rows_[column].end * width)};
}

void PieceWriter::put(std::size_t column, std::uint64_t first_row, std::span<const std::byte> bytes) {
  const std::uint64_t width = stored_bytes(columns_[column].type);
  // A short column may lie where a piece would end within a row.
  if (writer_.offset(column) % width != 0) return writer_.write(column, first_row, bytes);
  std::uint64_t at = writer_.offset(column) + first_row * width;
  while (!bytes.empty()) {
    const Key key{column, at / kDigestPieceBytes};
    const std::size_t count = std::min<std::uint64_t>(bytes.size(), kDigestPieceBytes - at % kDigestPieceBytes);
    std::memcpy(find(key) + at % kDigestPieceBytes, bytes.data(), count);
    fill(key, count);
    at += count;
    bytes = bytes.subspan(count);
  }
}

std::byte* PieceWriter::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  Piece& piece = open_[key];
  if (piece.bytes) return piece.bytes.get();
  piece.missing = part(key).size();
  if (free_.empty()) {
    piece.bytes = std::make_unique_for_overwrite<std::byte[]>(kDigestPieceBytes);
  } else {
    piece.bytes = std::move(free_.back());
    free_.pop_back();
  }
  return piece.bytes.get();
}

void PieceWriter::fill(const Key& key, std::size_t bytes) {
  std::unique_ptr<std::byte[]> whole;
  {
    const std::lock_guard lock(mutex_);
    const auto found = open_.find(key);
    found->second.missing -= bytes;
    if (found->second.missing > 0) return;
    whole = std::move(found->second.bytes);
    open_.erase(found);
  }
  const Range range = part(key);
  const std::uint64_t width = stored_bytes(columns_[key.first].type);
  const auto text = std::span(whole.get() + range.begin % kDigestPieceBytes, range.size());
  writer_.write(key.first, (range.begin - writer_.offset(key.first)) / width, text);
  const bool is_whole = range.size() == kDigestPieceBytes;
  const Sha256 digest = is_whole ? sha256(text) : Sha256{};
  const std::lock_guard lock(mutex_);
  if (is_whole) digests_.push_back({key.second, digest});
  free_.push_back(std::move(whole));
}

}  // namespace ligature
