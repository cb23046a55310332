#include "io/header.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "engine/date.hpp"
#include "engine/error.hpp"
#include "engine/field_text.hpp"
#include "engine/postcode.hpp"
#include "io/block_source.hpp"
#include "io/csv.hpp"
#include "io/nearest_name.hpp"

namespace ligature {

namespace {

constexpr std::size_t kFirstHeaderRead = std::size_t{64} << 10;
constexpr std::size_t kMaxNearest = 3;

// A number, a date or a postcode: a file without a header begins with values, and these are nobody's business.
bool looks_like_a_value(std::string_view name) noexcept {
  const auto digits = std::count_if(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  const Postcode postcode = standardise_postcode(name);
  return digits >= 6 || parse_date(name) || postcode.packed != 0 || postcode.flag != PostcodeFlag::none;
}

// The header's names that are most like one, quoted and separated by commas.
std::string nearest_names(std::string_view wanted, const std::vector<std::string>& names) {
  std::vector<std::pair<std::size_t, std::string_view>> ranked;
  for (const std::string& name : names) {
    if (name.size() <= 64) ranked.emplace_back(edit_distance(wanted, name), name);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string list;
  for (std::size_t i = 0; i < std::min(ranked.size(), kMaxNearest); ++i) {
    list += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", ranked[i].second);
  }
  return list;
}

std::string delimiter_name(char delimiter) {
  return delimiter == '\t' ? "\\t" : std::string(1, delimiter);
}

}  // namespace

std::optional<Header> parse_header(const char* data, std::size_t size, bool last, char delimiter,
                                   std::uint64_t max_record_bytes) {
  const std::string_view text(data, size);
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw UsageError("the file is UTF-16; write it as UTF-8");
  }
  Header header;
  std::size_t at = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  RecordTokenizer tokenizer(delimiter, max_record_bytes);
  tokenizer.attach(data, size, last);
  while (at < size) {
    const Token token = tokenizer.read(at);
    if (token.kind == Token::Kind::more) return std::nullopt;
    if (token.kind == Token::Kind::bad) {
      throw UsageError(
          fmt::format("the header is not a row of column names ({})", quarantine_reason_name(token.reason)));
    }
    at = token.next;
    header.lines += token.lines;
    if (token.kind == Token::Kind::blank) continue;
    for (const std::string_view name : tokenizer.fields()) header.names.emplace_back(trimmed(name));
    header.data_offset = at;
    return header;
  }
  if (!last) return std::nullopt;
  throw UsageError("the file is empty: no header");
}

Header read_header(const std::string& path, Compression compression, char delimiter, std::uint64_t max_record_bytes) {
  ByteStream stream(path, compression, kFirstHeaderRead);
  std::vector<char> bytes;
  for (std::size_t wanted = kFirstHeaderRead;; wanted *= 2) {
    const std::size_t had = bytes.size() < kReadAhead ? 0 : bytes.size() - kReadAhead;
    bytes.resize(wanted + kReadAhead);
    const std::size_t got = stream.read(std::span(bytes).subspan(had, wanted - had));
    const bool last = had + got < wanted;
    bytes.resize(had + got + kReadAhead);
    if (auto header = parse_header(bytes.data(), had + got, last, delimiter, max_record_bytes)) return *header;
    if (had + got > max_record_bytes && wanted > kFirstHeaderRead) {
      throw UsageError("no header: the file begins with too many empty lines");
    }
  }
}

std::uint32_t find_column(const Header& header, const std::string& name, std::vector<std::string>& problems) {
  const auto& names = header.names;
  const auto times = std::count(names.begin(), names.end(), name);
  if (times == 1) return static_cast<std::uint32_t>(std::find(names.begin(), names.end(), name) - names.begin());
  if (times == 0) {
    if (std::any_of(names.begin(), names.end(), looks_like_a_value)) {
      problems.push_back(fmt::format(
          "no column \"{}\" in the header; the first line holds values: put a line of column names before it", name));
    } else {
      problems.push_back(fmt::format("no column \"{}\" in the header; nearest: {}", name, nearest_names(name, names)));
    }
  } else {
    problems.push_back(fmt::format("column \"{}\" stands {} times in the header", name, times));
  }
  return kNoColumn;
}

ColumnLayout lay_out_columns(const Header& header, const Extract& extract, const DatasetSchema& schema,
                             std::vector<std::string>& problems) {
  ColumnLayout layout;
  layout.columns = static_cast<std::uint32_t>(header.names.size());
  const auto find = [&](const std::optional<std::string>& wanted) {
    return wanted ? find_column(header, *wanted, problems) : kNoColumn;
  };
  const ExtractColumns& columns = extract.columns;
  layout.row_id = find(columns.row_id);
  layout.nhs_number = find(columns.nhs_number);
  layout.date_of_birth = find(columns.date_of_birth);
  layout.postcode = find(columns.postcode);
  layout.gender = find(columns.gender);
  layout.extracted = find(columns.extracted);
  layout.local_id = find(columns.local_id);
  layout.objection_code = find(columns.objection_code);
  if (columns.objection_code) layout.objection_date = find(columns.objection_date);
  for (const PayloadField& field : schema.fields) {
    std::optional<std::string> name = field.name;
    if (field.role == PayloadField::Role::event_date) name = columns.event_date;
    if (field.role == PayloadField::Role::provider) name = columns.provider;
    layout.payload.push_back(find(name));
    if (field.role == PayloadField::Role::provider) layout.provider = layout.payload.back();
  }
  if (header.names.size() == 1 && !problems.empty()) {
    for (const char other : {',', ';', '|', '\t'}) {
      if (other != extract.delimiter && header.names[0].find(other) != std::string::npos) {
        problems = {fmt::format("the header is one column with delimiter \"{}\"; is it \"{}\"?",
                                delimiter_name(extract.delimiter), delimiter_name(other))};
        break;
      }
    }
  }
  return layout;
}

}  // namespace ligature
