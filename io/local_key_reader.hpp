// The local keys of a rank's rows, block by block: taken out of the store one after the other, looked at by any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "io/ordered_work.hpp"
#include "io/recycled.hpp"
#include "io/row_store.hpp"

namespace ligature {

class LocalKeyReader {
 public:
  struct Block {
    const StoredBlock* stored = nullptr;
    std::vector<std::uint64_t> keys;  // one a row, 0 for none
  };

  // rows: must outlive this, and not change meanwhile.
  explicit LocalKeyReader(RowStore& rows) : rows_(rows) { rows_.local_keys_.rewind(); }

  // The next block with local keys, in input order.
  std::optional<Block> next() {
    while (next_ < rows_.blocks_.size()) {
      const StoredBlock& stored = rows_.blocks_[next_++];
      if (!stored.has_local_keys) continue;
      Block block{&stored, memory_.take()};
      rows_.read_local_keys(stored, block.keys);
      return block;
    }
    return std::nullopt;
  }
  // Its memory is used again.  Thread-safe.
  void give_back(Block&& block) { memory_.give_back(std::move(block.keys)); }

 private:
  RowStore& rows_;
  std::size_t next_ = 0;
  Recycled<std::vector<std::uint64_t>> memory_;
};

// ordered_work on all blocks with local keys: work(worker, block, keys), keys one a row, 0 for none.
template <typename Worker, typename Work, typename Take>
void work_on_local_keys(RowStore& rows, const Work& work, const Take& take) {
  LocalKeyReader reader(rows);
  ordered_work<Worker>([&] { return reader.next(); },
                       [&](Worker& worker, LocalKeyReader::Block&& block) {
                         work(worker, *block.stored, std::span<const std::uint64_t>(block.keys));
                         reader.give_back(std::move(block));
                       },
                       take);
}

}  // namespace ligature
