#include "jobs/evaluate/truth.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <span>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "io/csv.hpp"
#include "io/files.hpp"
#include "io/header.hpp"
#include "partition/shard_map.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kLongestRow = 64 * 1024;

// What the header holds is not shown where it may be values.
std::size_t required_column(const Header& header, const std::string& name, const std::string& path) {
  if (std::count(header.names.begin(), header.names.end(), name) > 1) {
    throw UsageError(fmt::format("{}: the column {} is there twice", path, name));
  }
  std::vector<std::string> problems;
  const std::uint32_t column = find_column(header, name, problems);
  if (!problems.empty()) throw UsageError(fmt::format("{}: the truth: {}", path, problems.front()));
  return column;
}

std::optional<std::size_t> column_of(const Header& header, const std::string& name, const std::string& path) {
  if (std::find(header.names.begin(), header.names.end(), name) == header.names.end()) return std::nullopt;
  return required_column(header, name, path);
}

// Bytes [begin, end) of a file, and kReadAhead readable bytes after them.
std::vector<char> read_range(const File& file, std::uint64_t begin, std::uint64_t end) {
  std::vector<char> bytes(end - begin + kReadAhead);
  const std::span<char> wanted(bytes.data(), end - begin);
  file.read_exactly_at(begin, std::as_writable_bytes(wanted));
  return bytes;
}

using GroupColumns = std::map<std::string, std::size_t, std::less<>>;

// groups: the columns that begin with "group_".
TruthFile read_header(const std::string& path, GroupColumns& groups) {
  const File file = File::open_read(path);
  TruthFile truth;
  truth.path = path;
  truth.end = file.size();
  const std::uint64_t size = std::min(truth.end, kLongestRow);
  const std::vector<char> bytes = read_range(file, 0, size);
  std::optional<Header> header;
  try {
    header = parse_header(bytes.data(), size, size == truth.end, ',', kLongestRow);
  } catch (const UsageError& error) {
    throw UsageError(path + ": the truth: " + error.what());
  }
  if (!header) throw UsageError(path + ": the first line is not a header");
  truth.begin = header->data_offset;
  truth.columns = header->names.size();
  truth.record_id = required_column(*header, "record_id", path);
  truth.person_id = required_column(*header, "person_id", path);
  truth.dataset = column_of(*header, "dataset", path);
  truth.errors = column_of(*header, "errors", path);
  truth.birth_group = column_of(*header, "birth_group", path);
  for (const std::string& name : header->names) {
    if (name.starts_with("group_")) groups.emplace(name, required_column(*header, name, path));
  }
  return truth;
}

// The first place at or after `from` where a line begins; text.size() if none.  from > 0.
std::size_t next_line_start(std::string_view text, std::size_t from) noexcept {
  for (std::size_t i = from; i <= text.size(); ++i) {
    const char previous = text[i - 1];
    if (previous == '\n' || (previous == '\r' && (i == text.size() || text[i] != '\n'))) return i;
  }
  return text.size();
}

}  // namespace

TruthFiles find_truth(const std::vector<std::string>& patterns) {
  TruthFiles truth;
  std::vector<GroupColumns> groups;  // of each file
  for (const std::string& pattern : patterns) {
    const std::vector<std::string> paths = expand_glob(pattern);
    if (paths.empty()) throw UsageError("no truth file matches " + pattern);
    for (const std::string& path : paths) truth.files.push_back(read_header(path, groups.emplace_back()));
  }
  if (truth.files.empty()) throw UsageError("a truth file is needed");
  truth.has_dataset = truth.files.front().dataset.has_value();
  for (const TruthFile& file : truth.files) {
    if (file.dataset.has_value() != truth.has_dataset) {
      throw UsageError(
          fmt::format("{} and {}: one has the column dataset, the other has not", truth.files.front().path, file.path));
    }
    truth.has_birth_group = truth.has_birth_group || file.birth_group.has_value();
  }
  std::set<std::string> names;
  for (const GroupColumns& columns : groups) {
    for (const auto& [name, column] : columns) names.insert(name);
  }
  truth.groups.assign(names.begin(), names.end());
  for (std::size_t i = 0; i < truth.files.size(); ++i) {
    for (const std::string& name : truth.groups) {
      const auto found = groups[i].find(name);
      truth.files[i].groups.push_back(found == groups[i].end() ? std::nullopt : std::optional(found->second));
    }
  }
  return truth;
}

std::vector<TruthBlock> truth_blocks(const TruthFiles& truth, int rank, int ranks, std::uint64_t block_bytes) {
  std::vector<TruthBlock> blocks;
  std::uint64_t count = 0;
  for (const TruthFile& file : truth.files) count += (file.end - file.begin + block_bytes - 1) / block_bytes;
  const Range mine = share_of(count, rank, ranks);
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < truth.files.size(); ++i) {
    const TruthFile& file = truth.files[i];
    for (std::uint64_t begin = file.begin; begin < file.end; begin += block_bytes, ++number) {
      if (number < mine.begin || number >= mine.end) continue;
      blocks.push_back({i, begin, std::min(begin + block_bytes, file.end)});
    }
  }
  return blocks;
}

void read_truth_block(const TruthFiles& truth, const TruthBlock& block,
                      const std::function<void(const TruthRow&)>& visit) {
  const TruthFile& file = truth.files[block.file];
  const File input = File::open_read(file.path);
  // One byte before the block tells whether a line begins with it; the last row may reach beyond its end.
  const bool first = block.begin == file.begin;
  const std::uint64_t from = first ? block.begin : block.begin - 1;
  const std::uint64_t to = std::min(block.end + kLongestRow + 2, file.end);
  const std::vector<char> bytes = read_range(input, from, to);
  const std::string_view text(bytes.data(), to - from);
  RecordTokenizer tokenizer(',', kLongestRow);
  tokenizer.attach(text.data(), text.size(), to == file.end);
  const std::size_t stop = block.end - from;
  std::vector<std::string_view> groups(file.groups.size());
  const auto fail = [&](std::size_t at, const std::string& what) {
    throw UsageError(fmt::format("{}: the row at byte {} {}", file.path, from + at, what));
  };
  for (std::size_t at = first ? 0 : next_line_start(text, 1); at < stop;) {
    const Token token = tokenizer.read(at);
    if (token.kind == Token::Kind::blank) {
      at = token.next;
      continue;
    }
    if (token.kind != Token::Kind::row) fail(at, "is not a row of a CSV file, or is longer than 64 KiB");
    const std::string_view line = text.substr(at, token.next - at);
    if (line.substr(0, line.find_last_not_of("\r\n")).find_first_of("\r\n") != std::string_view::npos) {
      fail(at, "has a line end in a quoted field");
    }
    const std::span<const std::string_view> fields = tokenizer.fields();
    if (fields.size() != file.columns) {
      fail(at, fmt::format("has {} columns, the header has {}", fields.size(), file.columns));
    }
    const auto field = [&](std::optional<std::size_t> column) { return column ? fields[*column] : std::string_view(); };
    for (std::size_t i = 0; i < groups.size(); ++i) groups[i] = field(file.groups[i]);
    visit({fields[file.record_id], fields[file.person_id], field(file.dataset), field(file.errors),
           field(file.birth_group), groups});
    at = token.next;
  }
}

}  // namespace ligature
