// Bytes that come in any order and from many threads are written once each, and the digest's pieces are digested.
#include "jobs/release/piece_writer.hpp"

#include <algorithm>
#include <mutex>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "engine/parallel.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kPiece = kDigestPieceBytes;

// A file in memory, whose bytes tell how often each was written.
struct Written {
  std::vector<std::byte> bytes = std::vector<std::byte>(5 * kPiece);
  std::vector<std::uint8_t> times = std::vector<std::uint8_t>(bytes.size());
  std::mutex mutex;
};

std::byte content(std::uint64_t offset) {
  return static_cast<std::byte>(offset * 2'654'435'761U >> 13);
}

// Puts the parts in chunks of random sizes, a thread a chunk in whatever order; gives the digests, by piece.
std::vector<PieceDigest> put_in_any_order(const std::vector<Range>& parts, Written& file) {
  std::vector<PieceDigest> digests;
  PieceWriter writer(
      parts,
      [&](std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes, std::shared_ptr<const void>) {
        EXPECT_GE(offset, parts[part].begin);
        EXPECT_LE(offset + bytes.size(), parts[part].end);
        const std::lock_guard lock(file.mutex);
        std::copy(bytes.begin(), bytes.end(), file.bytes.begin() + static_cast<std::ptrdiff_t>(offset));
        for (std::uint64_t i = offset; i < offset + bytes.size(); ++i) ++file.times[i];
      },
      digests);
  struct Chunk {
    std::size_t part = 0;
    Range range;
  };
  std::mt19937_64 random(4);
  std::vector<Chunk> chunks;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    for (std::uint64_t at = parts[part].begin; at < parts[part].end;) {
      const std::uint64_t end = std::min(parts[part].end, at + 1 + random() % (3 * kPiece / 2));
      chunks.push_back({part, {at, end}});
      at = end;
    }
  }
  std::shuffle(chunks.begin(), chunks.end(), random);
  for_each_item(chunks.size(), [&](std::size_t c) {
    const auto& [part, range] = chunks[c];
    std::vector<std::byte> bytes;
    for (std::uint64_t at = range.begin; at < range.end; ++at) bytes.push_back(content(at));
    // Every second one is made in its place, if it lies in one piece.
    std::byte* const room = c % 2 == 0 ? writer.room(part, range.begin, bytes.size()) : nullptr;
    if (room == nullptr) return writer.put(part, range.begin, bytes);
    EXPECT_EQ(range.begin / kPiece, (range.end - 1) / kPiece);
    std::copy(bytes.begin(), bytes.end(), room);
    writer.filled(part, range.begin, bytes.size());
  });
  writer.finish();
  std::sort(digests.begin(), digests.end(),
            [](const PieceDigest& a, const PieceDigest& b) { return a.piece < b.piece; });
  return digests;
}

TEST(PieceWriter, writes_every_byte_once_at_its_place_and_none_between_the_parts) {
  // The first ends in the piece in which the second begins; the third is empty.
  const std::vector<Range> parts{{5, kPiece + 100}, {kPiece + 200, 3 * kPiece}, {3 * kPiece, 3 * kPiece}};
  Written file;
  put_in_any_order(parts, file);
  std::size_t wrong = 0;
  for (std::uint64_t at = 0; at < file.bytes.size(); ++at) {
    const bool expected =
        std::any_of(parts.begin(), parts.end(), [&](const Range& part) { return part.begin <= at && at < part.end; });
    wrong += file.times[at] != (expected ? 1 : 0) || (expected && file.bytes[at] != content(at));
  }
  EXPECT_EQ(wrong, 0U);
}

TEST(PieceWriter, digests_the_pieces_that_lie_whole_in_one_part) {
  Written file;
  const std::vector<PieceDigest> digests = put_in_any_order({{5, 2 * kPiece}, {2 * kPiece, 4 * kPiece + 1}}, file);
  ASSERT_EQ(digests.size(), 3U);  // two together, and one alone
  for (std::size_t i = 0; i < digests.size(); ++i) {
    EXPECT_EQ(digests[i].piece, i + 1);
    EXPECT_EQ(digests[i].digest, sha256(std::span<const std::byte>(file.bytes).subspan((i + 1) * kPiece, kPiece)));
  }
}

}  // namespace
}  // namespace ligature
