// What is written to a file in small pieces by many threads, put together to the pieces that the file's digest is made
// of: one that came together whole is digested while it is in the cache, written as whole blocks, and need not be read
// again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "io/file_digest.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

class PieceWriter {
 public:
  // Brings bytes of a part to their place in the file; called from several threads.
  using Write = std::function<void(std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes)>;

  // parts: the bytes of the file that will come, as ranges that do not meet.  digests: gets those of the digest's
  // pieces that lie in one part and came whole; must outlive this.
  PieceWriter(std::vector<Range> parts, Write write, std::vector<PieceDigest>& digests);

  // Bytes of a part at their place in the file; each once, and in the end all that were announced.  May be called from
  // several threads for different bytes.  What is held is bounded if they come nearly in order.
  void put(std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes);
  // When all has been put.
  void finish();

 private:
  struct Piece {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t missing = 0;
  };
  using Key = std::pair<std::size_t, std::uint64_t>;  // part, piece of the file

  // The bytes of the file that a part has in a piece.
  [[nodiscard]] Range range(const Key& key) const noexcept;
  std::byte* find(const Key& key);
  void fill(const Key& key, std::size_t bytes);
  void digest(std::uint64_t piece, std::unique_ptr<std::byte[]> bytes);

  std::vector<Range> parts_;
  Write write_;
  std::vector<PieceDigest>& digests_;
  std::mutex mutex_;
  std::map<Key, Piece> open_;
  std::vector<std::unique_ptr<std::byte[]>> free_;
  // A whole piece that is written and waits for another, since two are digested in little more time than one.
  std::uint64_t waiting_piece_ = 0;
  std::unique_ptr<std::byte[]> waiting_;
};

}  // namespace ligature
