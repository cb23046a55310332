#include "io/row_id_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

namespace ligature {

namespace {

constexpr std::uint64_t kIdsAtOnce = 256;  // they lie in the first-level cache

}  // namespace

RowIdReader::RowIdReader(RowStore& rows, const LinesBefore& lines_before)
    : rows_(rows), first_lines_(rows.first_lines(lines_before)) {
  rows_.row_ids_.rewind();
}

std::optional<RowIdReader::Block> RowIdReader::next() {
  return next([](const StoredBlock&) { return true; });
}

std::optional<RowIdReader::Block> RowIdReader::next(const std::function<bool(const StoredBlock&)>& is_wanted) {
  while (next_ < rows_.blocks_.size()) {
    Block block{&rows_.blocks_[next_], first_lines_[next_], {}};
    ++next_;
    if (block.stored->stored() == 0) continue;
    std::uint64_t bytes = block.stored->stored() * sizeof(std::uint32_t);
    if (rows_.inputs_.datasets[block.stored->dataset].has_row_id) {
      rows_.row_ids_.read(std::as_writable_bytes(std::span(&bytes, 1)));
    }
    if (!is_wanted(*block.stored)) {
      rows_.row_ids_.skip(bytes);
      continue;
    }
    block.packed.resize(bytes);
    rows_.row_ids_.read(block.packed);
    return block;
  }
  return std::nullopt;
}

void RowIdReader::for_each(const Block& block, RowIdUnpacker& unpacker, const Visit& visit) const {
  const StoredBlock& stored = *block.stored;
  const bool has_row_id = rows_.inputs_.datasets[stored.dataset].has_row_id;
  std::vector<std::string> texts(has_row_id ? 0 : kIdsAtOnce);
  std::vector<std::string_view> text_views(texts.size());
  std::vector<std::uint32_t> lines;
  std::string prefix;
  if (has_row_id) {
    unpacker.start(block.packed);
  } else {
    lines.resize(stored.stored());
    std::ranges::copy(block.packed, std::as_writable_bytes(std::span(lines)).begin());
    prefix = std::filesystem::path(rows_.inputs_.files[stored.file].path).filename().string() + ":";
  }
  std::uint64_t row = stored.first_row;
  auto dropped = stored.dropped.begin();
  for (std::uint64_t first = 0; first < stored.stored(); first += kIdsAtOnce) {
    const std::uint64_t count = std::min(kIdsAtOnce, stored.stored() - first);
    std::span<std::string_view> ids;
    if (has_row_id) {
      ids = unpacker.next(count);
    } else {
      ids = std::span(text_views).first(count);
      for (std::uint64_t i = 0; i < count; ++i) {
        ids[i] = texts[i] = prefix + std::to_string(block.first_line + lines[first + i]);
      }
    }
    std::uint64_t kept = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      if (dropped != stored.dropped.end() && *dropped == first + i) {
        ++dropped;
      } else {
        ids[kept++] = ids[i];
      }
    }
    if (kept != 0) visit(row, ids.first(kept));
    row += kept;
  }
}

}  // namespace ligature
