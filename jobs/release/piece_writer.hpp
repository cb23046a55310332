// Columns on their way to the file, put together to the pieces that its digest is made of: a piece that came together
// whole is digested while it is in the cache, written as whole blocks, and need not be read again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "io/dataset.hpp"
#include "io/file_digest.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

class PieceWriter {
 public:
  // rows: of each column those that will come.  All arguments must outlive this.
  PieceWriter(DatasetWriter& writer, std::span<const ColumnSpec> columns, std::span<const Range> rows,
              std::vector<PieceDigest>& digests);

  // Rows [first_row, ...) of a column; each once, all of those that were announced.  May be called from several threads
  // for different rows.  What is held is bounded if rows come nearly in order.
  void put(std::size_t column, std::uint64_t first_row, std::span<const std::byte> bytes);

 private:
  struct Piece {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t missing = 0;
  };
  using Key = std::pair<std::size_t, std::uint64_t>;  // column, piece of the file

  // The bytes of the file that a column's announced rows take, within a piece.
  [[nodiscard]] Range part(const Key& key) const noexcept;
  std::byte* find(const Key& key);
  void fill(const Key& key, std::size_t bytes);

  DatasetWriter& writer_;
  std::span<const ColumnSpec> columns_;
  std::span<const Range> rows_;
  std::vector<PieceDigest>& digests_;
  std::mutex mutex_;
  std::map<Key, Piece> open_;
  std::vector<std::unique_ptr<std::byte[]>> free_;
};

}  // namespace ligature
