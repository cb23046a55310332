// What is written to a file in small pieces by many threads, put together to the pieces that the file's digest is made
// of: one that came together whole is digested while it is in the cache, written from where it lies as whole blocks,
// and need not be read again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "io/direct_writer.hpp"
#include "io/file_digest.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

class PieceWriter {
 public:
  // Brings bytes of a part to their place in the file; called from several threads.  They stay until owner is let go,
  // be it after this writer has gone.
  using Write = std::function<void(std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes,
                                   std::shared_ptr<const void> owner)>;

  // parts: the bytes of the file that will come, as ranges that do not meet.  digests: gets those of the digest's
  // pieces that lie in one part and came whole; must outlive this.
  PieceWriter(std::vector<Range> parts, Write write, std::vector<PieceDigest>& digests);

  // Bytes of a part at their place in the file; each once, and in the end all that were announced.  May be called from
  // several threads for different bytes.  What is held is bounded if they come nearly in order.
  void put(std::size_t part, std::uint64_t offset, std::span<const std::byte> bytes);
  // Instead of put, where the bytes can be made in their place: room for them, to be filled and then announced.  Null
  // if they lie in two pieces.
  std::byte* room(std::size_t part, std::uint64_t offset, std::size_t bytes);
  void filled(std::size_t part, std::uint64_t offset, std::size_t bytes);
  // When all has been put.
  void finish();

 private:
  // Room for a piece; it goes back to the pool when nobody needs its bytes any more.
  using Bytes = std::shared_ptr<std::byte>;
  class Pool {
   public:
    static Bytes take(const std::shared_ptr<Pool>& pool);

   private:
    std::mutex mutex_;
    std::vector<DirectWriter::Buffer> free_;
  };
  struct Piece {
    Bytes bytes;
    std::size_t missing = 0;
  };
  using Key = std::pair<std::size_t, std::uint64_t>;  // part, piece of the file

  // The bytes of the file that a part has in a piece.
  [[nodiscard]] Range range(const Key& key) const noexcept;
  std::byte* find(const Key& key);
  void fill(const Key& key, std::size_t bytes);
  void digest(std::uint64_t piece, Bytes bytes);

  std::vector<Range> parts_;
  Write write_;
  std::vector<PieceDigest>& digests_;
  std::shared_ptr<Pool> pool_ = std::make_shared<Pool>();
  std::mutex mutex_;
  std::map<Key, Piece> open_;
  // A whole piece that waits for another, since two are digested in little more time than one.
  std::uint64_t waiting_piece_ = 0;
  Bytes waiting_;
};

}  // namespace ligature
