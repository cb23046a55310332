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

std::byte* PieceWriter::room(std::size_t part, std::uint64_t offset, std::size_t bytes) {
  if (offset % kDigestPieceBytes + bytes > kDigestPieceBytes) return nullptr;
  return find({part, offset / kDigestPieceBytes}) + offset % kDigestPieceBytes;
}

void PieceWriter::filled(std::size_t part, std::uint64_t offset, std::size_t bytes) {
  fill({part, offset / kDigestPieceBytes}, bytes);
}

PieceWriter::Bytes PieceWriter::Pool::take(const std::shared_ptr<Pool>& pool) {
  DirectWriter::Buffer buffer;
  {
    const std::lock_guard lock(pool->mutex_);
    if (!pool->free_.empty()) {
      buffer = std::move(pool->free_.back());
      pool->free_.pop_back();
    }
  }
  if (!buffer) {
    buffer.reset(
        static_cast<std::byte*>(::operator new (kDigestPieceBytes, std::align_val_t{DirectWriter::kBlockBytes})));
  }
  return {buffer.release(), [pool](std::byte* bytes) {
            DirectWriter::Buffer unused(bytes);
            const std::lock_guard lock(pool->mutex_);
            pool->free_.push_back(std::move(unused));
          }};
}

std::byte* PieceWriter::find(const Key& key) {
  const std::lock_guard lock(mutex_);
  Piece& piece = open_[key];
  if (!piece.bytes) {
    piece.missing = range(key).size();
    piece.bytes = Pool::take(pool_);
  }
  return piece.bytes.get();
}

void PieceWriter::fill(const Key& key, std::size_t bytes) {
  Bytes whole;
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
  write_(key.first, bounds.begin, text, whole);
  if (bounds.size() == kDigestPieceBytes) digest(key.second, std::move(whole));
}

void PieceWriter::digest(std::uint64_t piece, Bytes bytes) {
  std::uint64_t other_piece = 0;
  Bytes other;
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
  const auto text = [](const Bytes& of) { return std::span<const std::byte>(of.get(), kDigestPieceBytes); };
  const std::array<Sha256, 2> digests = sha256_of_two(text(bytes), text(other));
  const std::lock_guard lock(mutex_);
  digests_.push_back({piece, digests[0]});
  digests_.push_back({other_piece, digests[1]});
}

void PieceWriter::finish() {
  if (!waiting_) return;
  digests_.push_back({waiting_piece_, sha256(std::span<const std::byte>(waiting_.get(), kDigestPieceBytes))});
  waiting_.reset();
}

}  // namespace ligature
