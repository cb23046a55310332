#include "io/reference_file.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "engine/error.hpp"
#include "io/block_source.hpp"
#include "io/csv.hpp"
#include "io/files.hpp"

namespace ligature {

namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr char kDelimiter = ',';

// Passes the rows of a file on, with their lines.
class LineSink final : public RecordSink {
 public:
  LineSink(const Header& header, std::span<const std::uint32_t> columns, const ReferenceRows& rows)
      : names_(header.names.size()), columns_(columns), rows_(rows), line_(header.lines + 1), values_(columns.size()) {}
  void row(Fields fields, std::uint64_t, std::uint64_t lines) override {
    if (fields.size() == names_) {
      for (std::size_t i = 0; i < columns_.size(); ++i) values_[i] = fields[columns_[i]];
      rows_.row(values_, line_);
    } else {
      rows_.broken(line_);
    }
    line_ += lines;
  }
  void bad(QuarantineReason, std::uint64_t lines) override {
    rows_.broken(line_);
    line_ += lines;
  }
  void line_ends(std::uint64_t lines) override { line_ += lines; }

 private:
  std::size_t names_;
  std::span<const std::uint32_t> columns_;
  const ReferenceRows& rows_;
  std::uint64_t line_;
  std::vector<std::string_view> values_;
};

// What is known of a file once its header was read.
struct Opened {
  Compression compression = Compression::none;
  Header header;
  std::vector<std::uint32_t> columns;
};

Opened open(const std::string& path, std::uint64_t max_record_bytes, const ChooseColumns& choose) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw UsageError("no such file");
  std::array<std::byte, 4> first{};
  const std::size_t got = File::open_read(path).read_at(0, first);
  Opened opened;
  opened.compression = compression_of(path, std::span(first).first(got));
  opened.header = read_header(path, opened.compression, kDelimiter, max_record_bytes);
  std::vector<std::string> problems;
  opened.columns = choose(opened.header, problems);
  if (!problems.empty()) throw UsageError(problems.front());
  return opened;
}

}  // namespace

ChooseColumns columns_named(std::vector<std::string> names) {
  return [names = std::move(names)](const Header& header, std::vector<std::string>& problems) {
    std::vector<std::uint32_t> columns;
    for (const std::string& name : names) columns.push_back(find_column(header, name, problems));
    return columns;
  };
}

void check_reference_file(const std::string& path, std::uint64_t max_record_bytes, const ChooseColumns& choose) {
  static_cast<void>(open(path, max_record_bytes, choose));
}

void read_reference_file(const std::string& path, std::uint64_t max_record_bytes, const ChooseColumns& choose,
                         const ReferenceRows& rows) {
  const auto [compression, header, columns] = open(path, max_record_bytes, choose);
  LineSink sink(header, columns, rows);
  RecordTokenizer tokenizer(kDelimiter, max_record_bytes);
  ReadingState state;
  ByteStream stream(path, compression, kReadBytes);
  std::vector<char> buffer(kReadBytes + kReadAhead);
  Piece piece{buffer.data(), 0, 0, false};
  for (; !piece.last; piece.offset += piece.size) {
    piece.size = stream.read(std::span(buffer).first(kReadBytes));
    piece.last = piece.size < kReadBytes;
    const std::uint64_t skip = header.data_offset > piece.offset ? header.data_offset - piece.offset : 0;
    const auto from = static_cast<std::size_t>(std::min<std::uint64_t>(skip, piece.size));
    read_records(tokenizer, state, piece, from, piece.size, sink);
  }
}

void read_each(const std::vector<std::string>& paths, const std::function<void(const std::string&)>& read) {
  for (const std::string& path : paths) {
    try {
      read(path);
    } catch (const Error& error) {
      const std::string problem = error.what();
      throw Error(problem.find(path) == std::string::npos ? path + ": " + problem : problem, error.exit_code());
    }
  }
}

void read_on_root(const Communicator& comm, const std::vector<std::string>& paths,
                  const std::function<void(const std::string&)>& read) {
  std::optional<std::string> problem;
  int exit_code = kExitFailed;
  try {
    if (comm.is_root()) read_each(paths, read);
  } catch (const Error& error) {
    problem = error.what();
    exit_code = error.exit_code();
  }
  comm.agree(problem, exit_code);
}

}  // namespace ligature
