#include "jobs/release/piece_writer.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace ligature {

PieceWriter::PieceWriter(std::vector<Range> parts, Write write, std::vector<PieceDigest>& digests)
    : parts_(std::move(parts)), write_(std::move(write)), digests_(digests) {}

Range PieceWriter::range(const Key& key) const noexcept {
  const auto [part, piece] = key;
  return {std::max(piece * kDigestPieceBytes, parts_[part].begin),
          std::min((piece + 1) * kDigestPieceBytes, parts_[part].end)};
}

void PieceWriter::put(std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const Key key{part, offset / kDigestPieceBytes};
    const std::size_t count = std::min<std::uint64_t>(bytes.size(), kDigestPieceBytes - offset % kDigestPieceBytes);
    std::memcpy(find(key) + offset % kDigestPieceBytes, bytes.data(), count);
    fill(key, count);
    offset += count;
    bytes = bytes.subspan(count);
  }
}

std::byte* PieceWriter::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  Piece& piece = open_[key];
  if (piece.bytes) return piece.bytes.get();
  piece.missing = range(key).size();
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
  const Range bounds = range(key);
  const auto text = std::span<const std::byte>(whole.get() + bounds.begin % kDigestPieceBytes, bounds.size());
  write_(key.first, bounds.begin, text);
  if (bounds.size() == kDigestPieceBytes) return digest(key.second, std::move(whole));
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(whole));
}

void PieceWriter::digest(std::uint64_t piece, std::unique_ptr<std::byte[]> bytes) {
  std::uint64_t other_piece = 0;
  std::unique_ptr<std::byte[]> other;
  {
    const std::lock_guard lock(mutex_);
    if (!waiting_) {
      waiting_piece_ = piece;
      waiting_ = std::move(bytes);
      return;
    }
    other_piece = waiting_piece_;
    other = std::move(waiting_);
  }
  const auto text = [](const std::unique_ptr<std::byte[]>& of) {
    return std::span<const std::byte>(of.get(), kDigestPieceBytes);
  };
  const std::array<Sha256, 2> digests = sha256_of_two(text(bytes), text(other));
  const std::lock_guard lock(mutex_);
  digests_.push_back({piece, digests[0]});
  digests_.push_back({other_piece, digests[1]});
  free_.push_back(std::move(bytes));
  free_.push_back(std::move(other));
}

void PieceWriter::finish() {
  if (!waiting_) return;
  digests_.push_back({waiting_piece_, sha256(std::span<const std::byte>(waiting_.get(), kDigestPieceBytes))});
  waiting_.reset();
}

}  // namespace ligature
