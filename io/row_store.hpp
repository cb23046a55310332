// The rows of this rank between intake and publication: identities in memory, collapsed as they come or later, all else
// (payload, local keys, row ids) in spools.
//
// Blocks of a file are in its order, and everything is read back in the order in which it was read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/collapse.hpp"
#include "io/intake.hpp"
#include "io/row_id_packing.hpp"
#include "io/spool.hpp"

namespace ligature {

// The different values of one category field on this rank, numbered in order of first sight.
class LocalDictionary {
 public:
  std::uint32_t code(const std::string& value);
  [[nodiscard]] const std::vector<std::string>& values() const noexcept { return values_; }
  // Rows that have each value.
  void add_rows(std::uint32_t code, std::uint64_t rows) { rows_[code] += rows; }
  void drop_row(std::uint32_t code) { --rows_[code]; }
  [[nodiscard]] std::uint64_t rows(std::uint32_t code) const noexcept { return rows_[code]; }
  // Once rows were dropped, a value that no other has is not used.
  void forget_unused() noexcept { forgets_unused_ = true; }
  [[nodiscard]] bool is_used(std::uint32_t code) const noexcept { return !forgets_unused_ || rows_[code] != 0; }

 private:
  std::vector<std::string> values_;
  std::vector<std::uint64_t> rows_;  // by code
  bool forgets_unused_ = false;
  std::unordered_map<std::string, std::uint32_t> codes_;
};

struct StoredBlock {
  std::uint32_t file = 0;
  std::uint32_t dataset = 0;
  std::uint64_t lines = 0;
  std::uint64_t first_row = 0;  // on this rank
  std::uint64_t rows = 0;
  std::uint64_t payload_begin = 0;  // among that of its dataset
  bool has_local_keys = false;
  std::vector<Identity> identities;      // until they are collapsed
  std::vector<ProviderPlace> providers;  // likewise, by row; empty if none names a provider
  std::vector<std::uint32_t> local;      // then, until all are: what Collapser::resolve takes, by row
  // Rows that were dropped, by their place among all that the block was stored with; ascending.
  std::vector<std::uint32_t> dropped;
  [[nodiscard]] std::uint64_t stored() const noexcept { return rows + dropped.size(); }
};

// Where a coded preference stands, and whose row it is on.
struct CodedPlace {
  std::uint32_t file = 0;
  std::uint64_t line = 0;      // from 1
  std::uint32_t provider = 0;  // of RowStore::coded_providers
};

class RowStore {
 public:
  // Rows that are collapsed together: 40 bytes each while that lasts.
  static constexpr std::uint64_t kLeastBatchRows = std::uint64_t{1} << 19;
  static constexpr std::uint64_t kMostBatchRows = std::uint64_t{1} << 24;

  // memory: bytes that payload, local keys and row ids may take before they go to disk under scratch.
  RowStore(const Inputs& inputs, std::filesystem::path scratch, std::uint64_t memory, std::uint64_t max_categories);

  // Collapses blocks as they come from here on, so that few identities are held at a time.  Rows cannot be dropped
  // before all are.  expected_rows: about how many will come.  The limits are others in tests and where memory is
  // short.
  void collapse_as_added(std::uint64_t expected_rows, std::uint64_t least_batch_rows = kLeastBatchRows,
                         std::uint64_t most_batch_rows = kMostBatchRows);
  // Collapses what is not yet, and says for each row which of the different identities it has.  others: as for
  // Collapser::finish.
  RawVector<CountedIdentity> collapse(std::span<const CountedIdentity> others, std::span<std::uint32_t> of_other,
                                      std::vector<std::uint32_t>& local_of_row);

  void restart();              // forgets all rows
  void add(RowBlock&& block);  // throws LimitError when a category column has too many values

  // All rows are added: what waits to go to scratch goes there.
  void settle();

  // Drops rows for good: from here on the store is as if they had never been added, its dictionaries and the
  // identities that are still there included.  rows: ascending.  Reads their payload; spools keep its bytes.
  void drop(std::span<const std::uint32_t> rows);
  // The identifiers of rows that an objection bars; no other trace of them is kept.
  [[nodiscard]] std::vector<BarredRow>& barred() noexcept { return barred_; }
  // Calls visit(block, days) for every block, in input order; days: of the extract of each row.  Only if the rows were
  // read with RowRules::bind_persons.
  void for_each_extracted(const std::function<void(const StoredBlock&, std::span<const DayNumber>)>& visit);
  void release_extracted() { extracted_.clear(); }
  // Calls visit(preference or problem, where it stands) for every coded preference, in input order.
  void for_each_coded(const LinesBefore& lines_before,
                      const std::function<void(const ReadPreference&, const CodedPlace&)>& visit);
  [[nodiscard]] const std::vector<std::string>& coded_providers() const noexcept { return coded_providers_.values(); }

  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::vector<StoredBlock>& blocks() noexcept { return blocks_; }
  [[nodiscard]] const std::vector<StoredBlock>& blocks() const noexcept { return blocks_; }
  // By dataset and payload field; empty for fields without categories.
  [[nodiscard]] const std::vector<std::vector<LocalDictionary>>& dictionaries() const noexcept { return dictionaries_; }

  // What each provider sent, by dataset and code of its provider field; empty where a dataset has none.
  [[nodiscard]] const std::vector<std::vector<ProviderCounts>>& providers() const noexcept { return providers_; }

  // Reads a block's payload, once rows are settled.  Thread-safe.
  void read_payload(const StoredBlock& block, std::vector<std::byte>& payload) const;
  // The same at the front of payload, which has room for the block as it was stored.
  void read_payload(const StoredBlock& block, std::span<std::byte> payload) const;

  // Local keys are read by LocalKeyReader (local_key_reader.hpp).
  [[nodiscard]] std::uint64_t local_keys() const noexcept { return local_keys_.size() / sizeof(std::uint64_t); }
  void release_local_keys() { local_keys_.clear(); }
  void release_row_ids() { row_ids_.clear(); }

  // Calls visit(file, line, reason) for every quarantined row, in input order; lines count from 1.
  void for_each_quarantined(const LinesBefore& lines_before,
                            const std::function<void(std::uint32_t, std::uint64_t, QuarantineReason)>& visit);

 private:
  friend class RowIdReader;
  friend class LocalKeyReader;
  struct Coded {
    std::uint64_t block = 0;
    CodedEntry entry;
  };
  struct Quarantined {
    std::uint64_t block = 0;
    std::uint64_t line : 56;
    std::uint64_t reason : 8;
  };
  // The line number of each block's first line, from 1.
  [[nodiscard]] std::vector<std::uint64_t> first_lines(const LinesBefore& lines_before) const;
  // What a spool holds for a block, an item a row that was stored, less those that were dropped.
  template <typename T>
  static void read_rows(Spool& spool, const StoredBlock& block, std::size_t items_a_row, std::span<T> items);
  template <typename T>
  static std::span<const T> read_rows(Spool& spool, const StoredBlock& block, std::vector<T>& items);
  void read_local_keys(const StoredBlock& block, std::vector<std::uint64_t>& keys);
  void uncount_categories(std::size_t dataset, std::span<const std::uint64_t> rows);
  void collapse_waiting();
  void append_row_ids(const RowBlock& block);

  const Inputs& inputs_;
  std::uint64_t max_categories_;
  SpoolBudget budget_;
  std::uint64_t rows_ = 0;
  std::vector<StoredBlock> blocks_;
  std::unique_ptr<Collapser> collapser_;
  std::uint64_t expected_rows_ = 0, waiting_rows_ = 0;  // rows not yet collapsed
  std::size_t collapsed_blocks_ = 0;
  std::uint64_t least_batch_rows_ = 0;  // 0: they are collapsed at the end
  std::uint64_t most_batch_rows_ = kMostBatchRows;
  std::vector<std::vector<LocalDictionary>> dictionaries_;
  std::vector<std::vector<ProviderCounts>> providers_;
  std::vector<Spool> payload_;  // by dataset
  Spool local_keys_;            // of the blocks that have them
  Spool row_ids_;               // of every block: lines, or length and packed row ids
  RowIdPacker id_packer_;
  Spool quarantined_;
  Spool extracted_;  // a day a row
  Spool coded_;
  LocalDictionary coded_providers_;
  std::vector<BarredRow> barred_;
};

}  // namespace ligature
