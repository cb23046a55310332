#include "io/row_store.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/close_gaps.hpp"
#include "engine/error.hpp"
#include "engine/release.hpp"

namespace ligature {

namespace {

// Pages of rows stay until they are published, between blocks that come and go: the larger they are, the more of the
// memory between them is of use to what is larger still.
constexpr std::size_t page_bytes(std::uint64_t memory) noexcept {
  return memory >= std::uint64_t{1} << 30 ? 4 * Spool::kPageBytes : Spool::kPageBytes;
}

}  // namespace

std::uint32_t LocalDictionary::code(const std::string& value) {
  const auto [entry, is_new] = codes_.try_emplace(value, static_cast<std::uint32_t>(values_.size()));
  if (is_new) {
    values_.push_back(value);
    rows_.push_back(0);
  }
  return entry->second;
}

RowStore::RowStore(const Inputs& inputs, std::filesystem::path scratch, std::uint64_t memory,
                   std::uint64_t max_categories)
    : inputs_(inputs),
      max_categories_(max_categories),
      budget_(memory),
      local_keys_(scratch, budget_, page_bytes(memory)),
      row_ids_(scratch, budget_, page_bytes(memory)),
      quarantined_(scratch, budget_),
      extracted_(scratch, budget_),
      coded_(scratch, budget_) {
  for (std::size_t dataset = 0; dataset < inputs.datasets.size(); ++dataset) {
    payload_.emplace_back(scratch, budget_, page_bytes(memory));
  }
  restart();
}

void RowStore::restart() {
  rows_ = waiting_rows_ = collapsed_blocks_ = 0;
  collapser_.reset();
  blocks_.clear();
  dictionaries_.clear();
  providers_.assign(inputs_.datasets.size(), {});
  for (const DatasetSchema& dataset : inputs_.datasets) dictionaries_.emplace_back(dataset.fields.size());
  for (Spool& spool : payload_) spool.clear();
  local_keys_.clear();
  row_ids_.clear();
  quarantined_.clear();
  extracted_.clear();
  coded_.clear();
  coded_providers_ = {};
  barred_.clear();
}

void RowStore::add(RowBlock&& block) {
  const std::uint32_t dataset = inputs_.files[block.file].dataset;
  const DatasetSchema& schema = inputs_.datasets[dataset];
  const std::uint64_t rows = block.identities.size();

  // The block's dictionary codes become this rank's.
  std::vector<ProviderPlace> providers;
  for (std::size_t f = 0; f < schema.fields.size(); ++f) {
    const PayloadField& field = schema.fields[f];
    if (field.type != ColumnType::category) continue;
    LocalDictionary& dictionary = dictionaries_[dataset][f];
    std::vector<std::uint32_t> recode;
    recode.reserve(block.dictionaries[f].size());
    for (const std::string& value : block.dictionaries[f]) recode.push_back(dictionary.code(value));
    if (dictionary.values().size() > max_categories_) {
      throw LimitError("column '" + field.name + "' of dataset '" + schema.name + "' has more than " +
                       std::to_string(max_categories_) +
                       " different values; a category is meant for codes: give it another type, drop it, or raise "
                       "limits.max_categories");
    }
    if (field.role == PayloadField::Role::provider) {
      std::vector<ProviderCounts>& known = providers_[dataset];
      known.resize(dictionary.values().size());
      for (std::size_t code = 0; code < block.providers.size(); ++code) known[recode[code]] += block.providers[code];
    }
    std::vector<ProviderPlace> places;
    if (field.role == PayloadField::Role::provider) {
      for (const std::string& value : block.dictionaries[f]) places.push_back(provider_place(value));
      providers.assign(rows, 0);
    }
    std::vector<std::uint64_t> rows_of(recode.size(), 0);
    for (std::uint64_t row = 0; row < rows; ++row) {
      std::byte* at = block.payload.data() + row * schema.payload_bytes + field.offset;
      std::uint32_t code = 0;
      std::memcpy(&code, at, sizeof code);
      if (code == kMissingCategory) continue;
      std::memcpy(at, &recode[code], sizeof code);
      ++rows_of[code];
      if (!places.empty()) providers[row] = places[code];
    }
    for (std::size_t code = 0; code < recode.size(); ++code) dictionary.add_rows(recode[code], rows_of[code]);
  }
  const std::uint64_t payload_begin = payload_[dataset].size();
  payload_[dataset].append(block.payload);
  const bool has_local_keys = rows > 0 && !block.local_keys.empty();
  if (has_local_keys) local_keys_.append(std::as_bytes(std::span(block.local_keys)));

  if (schema.has_row_id) {
    append_row_ids(block);
  } else {
    row_ids_.append(std::as_bytes(std::span(block.row_line)));
  }

  for (const QuarantinedRow& row : block.quarantined) {
    Quarantined record{};
    record.block = blocks_.size();
    record.line = row.line & ((std::uint64_t{1} << 56) - 1);
    record.reason = static_cast<std::uint8_t>(row.reason);
    quarantined_.append(std::as_bytes(std::span(&record, 1)));
  }
  for (const CodedEntry& entry : block.coded) {
    Coded record{blocks_.size(), entry};
    record.entry.provider = coded_providers_.code(block.coded_providers[entry.provider]);
    coded_.append(std::as_bytes(std::span(&record, 1)));
  }
  extracted_.append(std::as_bytes(std::span(block.extracted)));
  barred_.insert(barred_.end(), block.barred.begin(), block.barred.end());
  // Identities stay until intake is over: a copy without slack, so that the block's memory can be used again.
  blocks_.push_back({block.file,
                     dataset,
                     block.lines,
                     rows_,
                     rows,
                     payload_begin,
                     has_local_keys,
                     std::vector<Identity>(block.identities.begin(), block.identities.end()),
                     std::move(providers),
                     {},
                     {}});
  rows_ += rows;
  waiting_rows_ += rows;
  // Each batch goes over what is known already: batches that grow with it cost no more than a share of the whole.
  const std::uint64_t batch = std::clamp(rows_ / 4, std::min(least_batch_rows_, most_batch_rows_), most_batch_rows_);
  if (least_batch_rows_ > 0 && waiting_rows_ >= batch) collapse_waiting();
}

void RowStore::settle() {
  for (Spool& spool : payload_) spool.settle();
  for (Spool* spool : {&local_keys_, &row_ids_, &quarantined_, &extracted_, &coded_}) spool->settle();
  id_packer_ = {};
}

// Their length, then the row ids.
void RowStore::append_row_ids(const RowBlock& block) {
  if (block.row_id_end.empty()) return;
  const std::span<const std::byte> packed = id_packer_.pack(block.row_ids, block.row_id_end);
  const std::uint64_t bytes = packed.size();
  row_ids_.append(std::as_bytes(std::span(&bytes, 1)));
  row_ids_.append(packed);
}

void RowStore::collapse_as_added(std::uint64_t expected_rows, std::uint64_t least_batch_rows,
                                 std::uint64_t most_batch_rows) {
  least_batch_rows_ = least_batch_rows;
  most_batch_rows_ = most_batch_rows;
  expected_rows_ = expected_rows;
}

void RowStore::collapse_waiting() {
  if (!collapser_) collapser_ = std::make_unique<Collapser>(std::max(rows_, expected_rows_));
  while (collapsed_blocks_ < blocks_.size()) {
    const auto batch = blocks_.begin() + static_cast<std::ptrdiff_t>(collapsed_blocks_);
    std::vector<IdentityRun> runs;
    std::uint64_t rows = 0;
    for (auto block = batch; block != blocks_.end() && rows < most_batch_rows_; ++block) {
      runs.push_back({block->identities, block->dataset, block->providers});
      rows += block->identities.size();
    }
    std::vector<std::uint32_t> of_row(rows);
    collapser_->add(runs, of_row);
    auto from = of_row.cbegin();
    for (std::size_t b = 0; b < runs.size(); ++b) {
      StoredBlock& block = batch[static_cast<std::ptrdiff_t>(b)];
      const auto to = from + static_cast<std::ptrdiff_t>(block.identities.size());
      block.local.assign(from, to);
      from = to;
      release(block.identities);
      release(block.providers);
    }
    collapsed_blocks_ += runs.size();
  }
  waiting_rows_ = 0;
}

RawVector<CountedIdentity> RowStore::collapse(std::span<const CountedIdentity> others,
                                              std::span<std::uint32_t> of_other,
                                              std::vector<std::uint32_t>& local_of_row) {
  collapse_waiting();
  RawVector<CountedIdentity> different = collapser_->finish(others, of_other);
  local_of_row.reserve(rows_);
  for (StoredBlock& block : blocks_) {
    local_of_row.insert(local_of_row.end(), block.local.begin(), block.local.end());
    release(block.local);
  }
  collapser_->resolve(local_of_row);
  collapser_.reset();
  return different;
}

template <typename T>
void RowStore::read_rows(Spool& spool, const StoredBlock& block, std::size_t items_a_row, std::span<T> items) {
  items = items.first(block.stored() * items_a_row);
  spool.read(std::as_writable_bytes(items));
  close_gaps(items, block.dropped, items_a_row);
}

template <typename T>
std::span<const T> RowStore::read_rows(Spool& spool, const StoredBlock& block, std::vector<T>& items) {
  items.resize(block.stored());
  read_rows(spool, block, 1, std::span(items));
  return std::span(items).first(block.rows);
}

void RowStore::read_payload(const StoredBlock& block, std::span<std::byte> payload) const {
  const std::uint32_t bytes = inputs_.datasets[block.dataset].payload_bytes;
  payload = payload.first(block.stored() * bytes);
  payload_[block.dataset].read_at(block.payload_begin, payload);
  close_gaps(payload, block.dropped, bytes);
}

void RowStore::read_payload(const StoredBlock& block, std::vector<std::byte>& payload) const {
  const std::uint32_t bytes = inputs_.datasets[block.dataset].payload_bytes;
  payload.resize(block.stored() * bytes);
  read_payload(block, std::span(payload));
  payload.resize(block.rows * bytes);
}

void RowStore::read_local_keys(const StoredBlock& block, std::vector<std::uint64_t>& keys) {
  read_rows(local_keys_, block, keys);
  keys.resize(block.rows);
}

void RowStore::for_each_extracted(const std::function<void(const StoredBlock&, std::span<const DayNumber>)>& visit) {
  extracted_.rewind();
  std::vector<DayNumber> days;
  for (const StoredBlock& block : blocks_) {
    visit(block, read_rows(extracted_, block, days));
  }
}

void RowStore::for_each_coded(const LinesBefore& lines_before,
                              const std::function<void(const ReadPreference&, const CodedPlace&)>& visit) {
  const std::vector<std::uint64_t> first_line = first_lines(lines_before);
  coded_.rewind();
  for (std::uint64_t done = 0; done < coded_.size(); done += sizeof(Coded)) {
    Coded record{};
    coded_.read(std::as_writable_bytes(std::span(&record, 1)));
    visit(record.entry.read,
          {blocks_[record.block].file, first_line[record.block] + record.entry.line, record.entry.provider});
  }
}

void RowStore::drop(std::span<const std::uint32_t> rows) {
  if (collapser_ && !rows.empty()) throw Error("rows cannot be dropped before all are collapsed");
  auto next = rows.begin();
  std::uint64_t first_row = 0;
  std::vector<std::uint64_t> stored_before(payload_.size(), 0);   // the block, by dataset
  std::vector<std::vector<std::uint64_t>> gone(payload_.size());  // rows, likewise, by place among all that were stored
  for (StoredBlock& block : blocks_) {
    std::vector<std::uint32_t> places, dropped;  // among those that are still there; among all that were stored
    auto before = block.dropped.begin();
    for (; next != rows.end() && *next < block.first_row + block.rows; ++next) {
      places.push_back(static_cast<std::uint32_t>(*next - block.first_row));
      while (before != block.dropped.end() && *before <= places.back() + (before - block.dropped.begin())) {
        dropped.push_back(*before++);
      }
      dropped.push_back(static_cast<std::uint32_t>(places.back() + (before - block.dropped.begin())));
      gone[block.dataset].push_back(stored_before[block.dataset] + dropped.back());
    }
    if (!places.empty()) {
      dropped.insert(dropped.end(), before, block.dropped.end());
      if (!block.identities.empty()) close_gaps(block.identities, places);
      if (!block.providers.empty()) close_gaps(block.providers, places);
      block.dropped = std::move(dropped);
      block.rows -= places.size();
    }
    block.first_row = first_row;
    first_row += block.rows;
    stored_before[block.dataset] += block.stored();
  }
  rows_ = first_row;
  if (rows.empty()) return;
  for (std::size_t d = 0; d < gone.size(); ++d) uncount_categories(d, gone[d]);
}

// rows: of the dataset, by their place among all that were stored.
void RowStore::uncount_categories(std::size_t dataset, std::span<const std::uint64_t> rows) {
  const DatasetSchema& schema = inputs_.datasets[dataset];
  Spool& spool = payload_[dataset];
  std::vector<std::byte> payload(schema.payload_bytes);
  for (const std::uint64_t row : rows) spool.fetch(row * payload.size(), payload.size());
  for (const std::uint64_t row : rows) {
    spool.seek(row * payload.size());
    spool.read(payload);
    for (std::size_t f = 0; f < schema.fields.size(); ++f) {
      if (schema.fields[f].type != ColumnType::category) continue;
      std::uint32_t code = 0;
      std::memcpy(&code, payload.data() + schema.fields[f].offset, sizeof code);
      if (code != kMissingCategory) dictionaries_[dataset][f].drop_row(code);
    }
  }
  spool.rewind();
  for (LocalDictionary& dictionary : dictionaries_[dataset]) dictionary.forget_unused();
}

std::vector<std::uint64_t> RowStore::first_lines(const LinesBefore& lines_before) const {
  std::vector<std::uint64_t> lines;
  lines.reserve(blocks_.size());
  LinesBefore done = lines_before;
  for (const StoredBlock& block : blocks_) {
    std::uint64_t& before = done[block.file];
    lines.push_back(before + 1);
    before += block.lines;
  }
  return lines;
}

void RowStore::for_each_quarantined(const LinesBefore& lines_before,
                                    const std::function<void(std::uint32_t, std::uint64_t, QuarantineReason)>& visit) {
  const std::vector<std::uint64_t> first_line = first_lines(lines_before);
  quarantined_.rewind();
  for (std::uint64_t done = 0; done < quarantined_.size(); done += sizeof(Quarantined)) {
    Quarantined record{};
    quarantined_.read(std::as_writable_bytes(std::span(&record, 1)));
    visit(blocks_[record.block].file, first_line[record.block] + record.line,
          static_cast<QuarantineReason>(record.reason));
  }
}

}  // namespace ligature
