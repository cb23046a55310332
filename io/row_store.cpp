#include "io/row_store.hpp"

#include <cstring>
#include <utility>

#include "engine/error.hpp"

namespace ligature {

std::uint32_t LocalDictionary::code(const std::string& value) {
  const auto [entry, is_new] = codes_.try_emplace(value, static_cast<std::uint32_t>(values_.size()));
  if (is_new) values_.push_back(value);
  return entry->second;
}

RowStore::RowStore(const Inputs& inputs, std::filesystem::path scratch, std::uint64_t memory,
                   std::uint64_t max_categories)
    : inputs_(inputs),
      max_categories_(max_categories),
      budget_(memory),
      local_keys_(scratch, budget_),
      row_ids_(scratch, budget_),
      quarantined_(scratch, budget_) {
  for (std::size_t dataset = 0; dataset < inputs.datasets.size(); ++dataset) payload_.emplace_back(scratch, budget_);
  restart();
}

void RowStore::restart() {
  rows_ = 0;
  blocks_.clear();
  dictionaries_.clear();
  for (const DatasetSchema& dataset : inputs_.datasets) dictionaries_.emplace_back(dataset.fields.size());
  for (Spool& spool : payload_) spool.clear();
  local_keys_.clear();
  row_ids_.clear();
  quarantined_.clear();
}

void RowStore::add(RowBlock&& block) {
  const std::uint32_t dataset = inputs_.files[block.file].dataset;
  const DatasetSchema& schema = inputs_.datasets[dataset];
  const std::uint64_t rows = block.identities.size();

  // The block's dictionary codes become this rank's.
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
    for (std::uint64_t row = 0; row < rows; ++row) {
      std::byte* at = block.payload.data() + row * schema.payload_bytes + field.offset;
      std::uint32_t code = 0;
      std::memcpy(&code, at, sizeof code);
      if (code != kMissingCategory) std::memcpy(at, &recode[code], sizeof code);
    }
  }
  payload_[dataset].append(block.payload);
  const bool has_local_keys = rows > 0 && !block.local_keys.empty();
  if (has_local_keys) local_keys_.append(std::as_bytes(std::span(block.local_keys)));

  const std::vector<std::uint32_t>& positions = schema.has_row_id ? block.row_id_end : block.row_line;
  row_ids_.append(std::as_bytes(std::span(positions)));
  if (schema.has_row_id) row_ids_.append(std::as_bytes(std::span(block.row_ids)));

  for (const QuarantinedRow& row : block.quarantined) {
    Quarantined record{};
    record.block = blocks_.size();
    record.line = row.line & ((std::uint64_t{1} << 56) - 1);
    record.reason = static_cast<std::uint8_t>(row.reason);
    quarantined_.append(std::as_bytes(std::span(&record, 1)));
  }
  // Identities stay until intake is over: a copy without slack, so that the block's memory can be used again.
  blocks_.push_back({block.file, dataset, block.lines, rows_, rows, has_local_keys,
                     std::vector<Identity>(block.identities.begin(), block.identities.end())});
  rows_ += rows;
}

void RowStore::read_payload(const StoredBlock& block, std::vector<std::byte>& payload) {
  payload.resize(block.rows * inputs_.datasets[block.dataset].payload_bytes);
  payload_[block.dataset].read(payload);
}

void RowStore::for_each_local_keys(
    const std::function<void(const StoredBlock&, std::span<const std::uint64_t>)>& visit) {
  local_keys_.rewind();
  std::vector<std::uint64_t> keys;
  for (const StoredBlock& block : blocks_) {
    if (!block.has_local_keys) continue;
    keys.resize(block.rows);
    local_keys_.read(std::as_writable_bytes(std::span(keys)));
    visit(block, keys);
  }
}

std::vector<std::uint64_t> RowStore::first_lines(std::uint64_t lines_before_first_file) const {
  std::vector<std::uint64_t> lines;
  lines.reserve(blocks_.size());
  std::uint64_t next = lines_before_first_file + 1;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    if (b > 0 && blocks_[b].file != blocks_[b - 1].file) next = 1;
    lines.push_back(next);
    next += blocks_[b].lines;
  }
  return lines;
}

void RowStore::for_each_row_id(std::uint64_t lines_before_first_file,
                               const std::function<void(std::uint64_t, std::uint32_t, std::string_view)>& visit) {
  const std::vector<std::uint64_t> first_line = first_lines(lines_before_first_file);
  row_ids_.rewind();
  std::vector<std::uint32_t> positions;
  std::vector<char> text;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const StoredBlock& block = blocks_[b];
    if (block.rows == 0) continue;
    positions.resize(block.rows);
    row_ids_.read(std::as_writable_bytes(std::span(positions)));
    if (inputs_.datasets[block.dataset].has_row_id) {
      text.resize(positions.back());
      row_ids_.read(std::as_writable_bytes(std::span(text)));
      std::uint32_t begin = 0;
      for (std::uint64_t row = 0; row < block.rows; ++row) {
        visit(block.first_row + row, block.dataset, std::string_view(text.data() + begin, positions[row] - begin));
        begin = positions[row];
      }
    } else {
      const std::string prefix = std::filesystem::path(inputs_.files[block.file].path).filename().string() + ":";
      for (std::uint64_t row = 0; row < block.rows; ++row) {
        visit(block.first_row + row, block.dataset, prefix + std::to_string(first_line[b] + positions[row]));
      }
    }
  }
}

void RowStore::for_each_quarantined(std::uint64_t lines_before_first_file,
                                    const std::function<void(std::uint32_t, std::uint64_t, QuarantineReason)>& visit) {
  const std::vector<std::uint64_t> first_line = first_lines(lines_before_first_file);
  quarantined_.rewind();
  for (std::uint64_t done = 0; done < quarantined_.size(); done += sizeof(Quarantined)) {
    Quarantined record{};
    quarantined_.read(std::as_writable_bytes(std::span(&record, 1)));
    visit(blocks_[record.block].file, first_line[record.block] + record.line,
          static_cast<QuarantineReason>(record.reason));
  }
}

}  // namespace ligature
