#include "io/row_block_record.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ligature {

namespace {

// Entries that have gaps or options in memory, by their fields.
struct CodedRecord {
  std::uint64_t nhs = 0, line = 0;
  std::uint32_t provider = 0;
  DayNumber date = kMissingDay;
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;  // 1: withdrawn; from 2 on, twice the problem and one, if there is any
};
static_assert(sizeof(CodedRecord) == 24);

struct QuarantinedRecord {
  std::uint64_t line = 0, reason = 0;
};

void pack_coded(const RowBlock& block, Packer& packer) {
  std::vector<CodedRecord> records;
  for (const CodedEntry& entry : block.coded) {
    const Preference& preference = entry.read.preference;
    const unsigned problem = entry.read.problem ? 1 + static_cast<unsigned>(*entry.read.problem) : 0;
    records.push_back({preference.nhs, entry.line, entry.provider, preference.date,
                       static_cast<std::uint8_t>(preference.kind),
                       static_cast<std::uint8_t>((preference.withdrawn ? 1U : 0U) | problem << 1U)});
  }
  packer.array(records);
  packer.texts(block.coded_providers);
}

void unpack_coded(Unpacker& from, RowBlock& block) {
  std::vector<CodedRecord> records;
  from.array(records);
  from.texts(block.coded_providers);
  for (const CodedRecord& record : records) {
    const unsigned problem = record.flags >> 1U;
    if (record.kind >= kObjectionKinds || problem > kEntryProblems || record.provider >= block.coded_providers.size()) {
      Unpacker::wrong();
    }
    CodedEntry entry;
    entry.read.preference = {record.nhs, record.date, static_cast<ObjectionKind>(record.kind),
                             (record.flags & 1U) != 0};
    if (problem > 0) entry.read.problem = static_cast<EntryProblem>(problem - 1);
    entry.provider = record.provider;
    entry.line = record.line;
    block.coded.push_back(entry);
  }
}

// Codes of a category field that no entry of its dictionary has.
bool has_wrong_code(const RowBlock& block, const DatasetSchema& schema, std::size_t field) {
  const std::byte* at = block.payload.data() + schema.fields[field].offset;
  for (std::size_t row = 0; row < block.identities.size(); ++row, at += schema.payload_bytes) {
    std::uint32_t code = 0;
    std::memcpy(&code, at, sizeof code);
    if (code != kMissingCategory && code >= block.dictionaries[field].size()) return true;
  }
  return false;
}

void check(const RowBlock& block, const Inputs& inputs) {
  const DatasetSchema& schema = inputs.datasets[inputs.files[block.file].dataset];
  const std::size_t rows = block.identities.size();
  const auto none_or_one_a_row = [&](const auto& items) { return items.empty() || items.size() == rows; };
  bool whole = block.payload.size() == rows * schema.payload_bytes && none_or_one_a_row(block.local_keys) &&
               none_or_one_a_row(block.extracted) && block.dictionaries.size() == schema.fields.size();
  if (schema.has_row_id) {
    whole = whole && block.row_id_end.size() == rows && block.row_line.empty() &&
            std::is_sorted(block.row_id_end.begin(), block.row_id_end.end()) &&
            block.row_ids.size() == (rows == 0 ? 0 : block.row_id_end.back());
  } else {
    whole = whole && block.row_line.size() == rows && block.row_ids.empty() && block.row_id_end.empty();
  }
  if (!whole) Unpacker::wrong();
  for (std::size_t f = 0; f < schema.fields.size(); ++f) {
    if (schema.fields[f].type != ColumnType::category) continue;
    if (has_wrong_code(block, schema, f)) Unpacker::wrong();
    const bool provider = schema.fields[f].role == PayloadField::Role::provider;
    if (provider && block.providers.size() > block.dictionaries[f].size()) Unpacker::wrong();
  }
}

}  // namespace

void pack(const RowBlock& block, Packer& packer) {
  packer.value(std::uint64_t{block.file});
  packer.value(block.lines);
  packer.value(block.counts);
  packer.array(block.identities);
  packer.array(block.payload);
  packer.array(block.row_ids);
  packer.array(block.row_id_end);
  packer.array(block.row_line);
  packer.array(block.local_keys);
  packer.array(block.providers);
  packer.array(block.extracted);
  packer.array(block.barred);
  pack_coded(block, packer);
  packer.value(std::uint64_t{block.dictionaries.size()});
  for (const std::vector<std::string>& dictionary : block.dictionaries) packer.texts(dictionary);
  std::vector<QuarantinedRecord> quarantined;
  for (const QuarantinedRow& row : block.quarantined) {
    quarantined.push_back({row.line, static_cast<std::uint64_t>(row.reason)});
  }
  packer.array(quarantined);
}

void unpack(std::span<const std::byte> bytes, const Inputs& inputs, RowBlock& block) {
  block.clear();
  Unpacker from(bytes);
  const auto file = from.value<std::uint64_t>();
  if (file >= inputs.files.size()) Unpacker::wrong();
  block.file = static_cast<std::uint32_t>(file);
  block.lines = from.value<std::uint64_t>();
  block.counts = from.value<RowCounts>();
  from.array(block.identities);
  from.array(block.payload);
  from.array(block.row_ids);
  from.array(block.row_id_end);
  from.array(block.row_line);
  from.array(block.local_keys);
  from.array(block.providers);
  from.array(block.extracted);
  from.array(block.barred);
  unpack_coded(from, block);
  const auto dictionaries = from.value<std::uint64_t>();
  if (dictionaries != inputs.datasets[inputs.files[file].dataset].fields.size()) Unpacker::wrong();
  block.dictionaries.resize(dictionaries);
  for (std::vector<std::string>& dictionary : block.dictionaries) from.texts(dictionary);
  std::vector<QuarantinedRecord> quarantined;
  from.array(quarantined);
  for (const QuarantinedRecord& row : quarantined) {
    if (row.reason >= kQuarantineReasons) Unpacker::wrong();
    block.quarantined.push_back({row.line, static_cast<QuarantineReason>(row.reason)});
  }
  from.finish();
  check(block, inputs);
}

}  // namespace ligature
