// The row ids of a rank's rows, block by block: taken out of the store one after the other, unpacked by any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/row_id_packing.hpp"
#include "io/row_store.hpp"

namespace ligature {

// By file, what stands before the line in the ids of its rows: its name, and of the folders above it as many as tell it
// from other files of its dataset.  Empty where rows have ids of their own.
std::vector<std::string> names_in_row_ids(const Inputs& inputs);

class RowIdReader {
 public:
  struct Block {
    const StoredBlock* stored = nullptr;
    std::uint64_t first_line = 0;   // of the block in its file, from 1
    std::vector<std::byte> packed;  // row ids, or lines where the extract names none
  };
  // Some hundred row ids of one block, and the first one's row on this rank.
  using Visit = std::function<void(std::uint64_t, std::span<const std::string_view>)>;

  // rows: must outlive this, and not change meanwhile.
  RowIdReader(RowStore& rows, const LinesBefore& lines_before);

  // The next block with rows, in input order.  is_wanted: asked of each before it is read; others are passed over.
  std::optional<Block> next(const std::function<bool(const StoredBlock&)>& is_wanted);
  std::optional<Block> next();
  // Calls visit for all rows of a block that were not dropped, in input order.  Thread-safe.  unpacker: for memory that
  // is used again.
  void for_each(const Block& block, RowIdUnpacker& unpacker, const Visit& visit) const;
  // The same of a block whose row ids are packed and of which no row was dropped, false of others: calls visit with the
  // ids as they are packed.
  bool for_each_packed(const Block& block, const Visit& visit) const;

 private:
  RowStore& rows_;
  std::vector<std::uint64_t> first_lines_;
  std::vector<std::string> names_;  // of the files in row ids
  std::size_t next_ = 0;
};

}  // namespace ligature
