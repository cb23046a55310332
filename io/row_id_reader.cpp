#include "io/row_id_reader.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

namespace ligature {

namespace {

constexpr std::uint64_t kIdsAtOnce = 256;  // they lie in the first-level cache

// The last so many parts of a path; all of it where it has no more.
std::string last_parts(const std::string& path, std::size_t parts) {
  std::size_t slash = path.size();
  for (std::size_t p = 0; p < parts; ++p) {
    slash = slash == 0 ? std::string::npos : path.rfind('/', slash - 1);
    if (slash == std::string::npos) return path;
  }
  return path.substr(slash + 1);
}

}  // namespace

std::vector<std::string> names_in_row_ids(const Inputs& inputs) {
  std::vector<std::string> names(inputs.files.size());
  std::vector<std::size_t> open;  // files whose name is that of another, so far
  for (std::size_t f = 0; f < inputs.files.size(); ++f) {
    if (!inputs.datasets[inputs.files[f].dataset].has_row_id) open.push_back(f);
  }
  for (std::size_t parts = 1; !open.empty(); ++parts) {
    std::map<std::pair<std::uint32_t, std::string>, std::size_t> times;
    for (const std::size_t f : open) {
      names[f] = last_parts(inputs.files[f].path, parts);
      ++times[{inputs.files[f].dataset, names[f]}];
    }
    std::erase_if(open, [&](std::size_t f) {
      return times[{inputs.files[f].dataset, names[f]}] == 1 || names[f] == inputs.files[f].path;
    });
  }
  return names;
}

RowIdReader::RowIdReader(RowStore& rows, const LinesBefore& lines_before)
    : rows_(rows), first_lines_(rows.first_lines(lines_before)), names_(names_in_row_ids(rows.inputs_)) {
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
    prefix = names_[stored.file] + ":";
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

bool RowIdReader::for_each_packed(const Block& block, const Visit& visit) const {
  const StoredBlock& stored = *block.stored;
  if (!rows_.inputs_.datasets[stored.dataset].has_row_id || !stored.dropped.empty()) return false;
  std::array<std::string_view, kIdsAtOnce> ids;
  PackedRowIds packed(block.packed);
  for (std::uint64_t first = 0; first < stored.stored(); first += kIdsAtOnce) {
    const std::uint64_t count = std::min(kIdsAtOnce, stored.stored() - first);
    for (std::uint64_t i = 0; i < count; ++i) ids[i] = packed.next();
    visit(stored.first_row + first, std::span(ids).first(count));
  }
  return true;
}

}  // namespace ligature
