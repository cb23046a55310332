// The reference files of a job: objections, superseded NHS numbers, the practice register.
//
// They are small beside the extracts (millions of rows at most).  Rank 0 reads them; all ranks get the readable rows.
#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "engine/error.hpp"
#include "io/block_source.hpp"
#include "io/csv.hpp"
#include "io/files.hpp"
#include "io/header.hpp"
#include "io/intake.hpp"

namespace ligature {

namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr char kDelimiter = ',';

using Fields = std::span<const std::string_view>;

// Passes the rows of a reference file on.  Whatever a row function refuses is malformed, like a broken record.
class ReferenceSink final : public RecordSink {
 public:
  ReferenceSink(std::size_t columns, const std::function<bool(Fields)>& take_row, ReferenceCounts& counts)
      : columns_(columns), take_row_(take_row), counts_(counts) {}
  void row(Fields fields, std::uint64_t, std::uint64_t) override {
    ++counts_.rows;
    if (fields.size() != columns_ || !take_row_(fields)) ++counts_.malformed;
  }
  void bad(QuarantineReason, std::uint64_t) override {
    ++counts_.rows;
    ++counts_.malformed;
  }
  void line_ends(std::uint64_t) override {}

 private:
  std::size_t columns_;
  const std::function<bool(Fields)>& take_row_;
  ReferenceCounts& counts_;
};

// Chooses the columns of a file by its header, or adds to the problems.
using ChooseColumns = std::function<std::vector<std::uint32_t>(const Header&, std::vector<std::string>&)>;
// Uses the chosen columns' fields of a row; false: the row is malformed.
using TakeValues = std::function<bool(Fields)>;

void read_reference(const std::string& path, std::uint64_t max_record_bytes, const ChooseColumns& choose,
                    const TakeValues& take_values, ReferenceCounts& counts) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw UsageError("no such file");
  std::array<std::byte, 4> first{};
  const std::size_t got = File::open_read(path).read_at(0, first);
  const Compression compression = compression_of(path, std::span(first).first(got));
  const Header header = read_header(path, compression, kDelimiter, max_record_bytes);
  std::vector<std::string> problems;
  const std::vector<std::uint32_t> columns = choose(header, problems);
  if (!problems.empty()) throw UsageError(problems.front());

  std::vector<std::string_view> values(columns.size());
  const std::function<bool(Fields)> take_row = [&](Fields fields) {
    for (std::size_t i = 0; i < columns.size(); ++i) values[i] = fields[columns[i]];
    return take_values(values);
  };
  ReferenceSink sink(header.names.size(), take_row, counts);
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

ChooseColumns columns_named(std::vector<std::string> names) {
  return [names = std::move(names)](const Header& header, std::vector<std::string>& problems) {
    std::vector<std::uint32_t> columns;
    for (const std::string& name : names) columns.push_back(find_column(header, name, problems));
    return columns;
  };
}

// Collective.  Runs read on rank 0 for each path; an error there is thrown on every rank, with the path before it.
void read_on_root(const Communicator& comm, const std::vector<std::string>& paths,
                  const std::function<void(const std::string&)>& read) {
  std::optional<std::string> problem;
  int exit_code = kExitFailed;
  if (comm.is_root()) {
    for (const std::string& path : paths) {
      try {
        read(path);
      } catch (const Error& error) {
        problem = error.what();
        if (problem->find(path) == std::string::npos) problem = path + ": " + *problem;
        exit_code = error.exit_code();
        break;
      }
    }
  }
  comm.agree(problem, exit_code);
}

// Collective.  Rank 0's items on every rank.
template <typename T>
void share_items(const Communicator& comm, std::vector<T>& items) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<std::byte> bytes(items.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), items.data(), bytes.size());
  comm.broadcast(bytes);
  items.resize(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(items.data(), bytes.data(), bytes.size());
}

struct Replaced {
  std::uint64_t old_number = 0, new_number = 0;
};

SupersessionTable read_superseded(const Communicator& comm, const JobFile& job, ReferenceCounts& counts) {
  std::vector<Replaced> replaced;
  const auto take = [&](Fields values) {
    const NhsNumber old_number = standardise_nhs_number(values[0]), new_number = standardise_nhs_number(values[1]);
    if (old_number.status != NhsStatus::valid || new_number.status != NhsStatus::valid) return false;
    if (old_number.value == new_number.value) return false;
    replaced.push_back({old_number.value, new_number.value});
    return true;
  };
  if (job.superseded) {
    read_on_root(comm, {job.superseded->string()}, [&](const std::string& path) {
      read_reference(path, job.max_record_bytes, columns_named({"old_nhs_number", "new_nhs_number"}), take, counts);
    });
  }
  share_items(comm, replaced);
  comm.broadcast_value(counts);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs;
  pairs.reserve(replaced.size());
  for (const Replaced& entry : replaced) pairs.emplace_back(entry.old_number, entry.new_number);
  try {
    return SupersessionTable(std::move(pairs));
  } catch (const UsageError& error) {
    throw UsageError(job.superseded->string() + ": " + error.what());
  }
}

std::optional<Preference> read_preference(Fields values) {
  const NhsNumber nhs = standardise_nhs_number(values[0]);
  const std::optional<KindText> kind = parse_objection_kind(values[1]);
  const std::optional<CivilDate> date = parse_date(values[2]);
  const std::optional<DayNumber> day = date ? day_number(*date) : std::nullopt;
  if (nhs.status != NhsStatus::valid || !kind || !day) return std::nullopt;
  return Preference{nhs.value, *day, kind->kind, kind->withdrawn};
}

}  // namespace

SupersessionTable load_superseded(const Communicator& comm, const JobFile& job, ReferenceCounts& counts) {
  counts = ReferenceCounts();
  return read_superseded(comm, job, counts);
}

ObjectionLedger load_objections(const Communicator& comm, const JobFile& job, ReferenceCounts& counts) {
  counts = ReferenceCounts();
  std::vector<std::string> paths;
  std::optional<std::string> missing;
  if (comm.is_root()) {
    for (const std::string& pattern : job.objections) {
      const std::vector<std::string> found = expand_glob(pattern);
      if (found.empty() && !missing) missing = pattern + ": no such file";
      paths.insert(paths.end(), found.begin(), found.end());
    }
  }
  comm.agree(missing, kExitWrongUse);

  // An objection that was made under a number since replaced still stands: rows carry the current number.
  ReferenceCounts superseded_counts;
  const SupersessionTable superseded =
      job.objections.empty() ? SupersessionTable() : read_superseded(comm, job, superseded_counts);
  std::vector<Preference> preferences;
  const auto take = [&](Fields values) {
    std::optional<Preference> preference = read_preference(values);
    if (!preference) return false;
    preference->nhs = superseded.current(preference->nhs);
    preferences.push_back(*preference);
    return true;
  };
  read_on_root(comm, paths, [&](const std::string& path) {
    read_reference(path, job.max_record_bytes, columns_named({"nhs_number", "kind", "date"}), take, counts);
  });
  share_items(comm, preferences);
  comm.broadcast_value(counts);
  return ObjectionLedger(std::move(preferences));
}

std::vector<std::string> load_practices(const Communicator& comm, const JobFile& job, ReferenceCounts& counts) {
  counts = ReferenceCounts();
  std::string codes;  // back to back, each ended by a line end, which no code holds
  const auto choose = [](const Header& header, std::vector<std::string>&) {
    for (const char* name : {"practice_code", "provider", "code"}) {
      const auto found = std::find(header.names.begin(), header.names.end(), name);
      if (found != header.names.end()) return std::vector{static_cast<std::uint32_t>(found - header.names.begin())};
    }
    return std::vector<std::uint32_t>{0};
  };
  const auto take = [&](Fields values) {
    std::string_view code = values[0];
    while (!code.empty() && code.front() == ' ') code.remove_prefix(1);
    while (!code.empty() && code.back() == ' ') code.remove_suffix(1);
    if (code.empty() || code.find('\n') != std::string_view::npos) return false;
    codes.append(code).push_back('\n');
    return true;
  };
  if (job.practices) {
    read_on_root(comm, {job.practices->string()},
                 [&](const std::string& path) { read_reference(path, job.max_record_bytes, choose, take, counts); });
  }
  comm.broadcast(codes);
  comm.broadcast_value(counts);
  std::vector<std::string> list;
  for (std::size_t at = 0, end = 0; at < codes.size(); at = end + 1) {
    end = codes.find('\n', at);
    list.push_back(codes.substr(at, end - at));
  }
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

}  // namespace ligature
