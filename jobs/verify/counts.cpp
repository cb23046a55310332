// Verify: every row that was read is accounted for, per file, per dataset and in total.
#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "jobs/verify/checks.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
constexpr std::string_view kQuarantineHeader = "file,line,reason\n";

using Counters = std::array<std::uint64_t, kRowCounters>;

std::uint64_t quarantined(const RowCounts& rows) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : rows.quarantined) total += count;
  return total;
}

// read = kept + quarantined + opted out, without overflow.
bool reconciles(const RowCounts& rows) {
  std::uint64_t rest = rows.read;
  for (const std::uint64_t count : {rows.kept, rows.opted_out}) {
    if (count > rest) return false;
    rest -= count;
  }
  for (const std::uint64_t count : rows.quarantined) {
    if (count > rest) return false;
    rest -= count;
  }
  return rest == 0;
}

Counters counters_of(const RowCounts& rows) {
  Counters counters{};
  static_assert(sizeof counters == sizeof rows);
  std::memcpy(counters.data(), &rows, sizeof rows);
  return counters;
}

// Line ends in this rank's share of a file.
std::uint64_t count_lines(const File& file, Range share) {
  Tally lines;
  for_pieces(share, kPieceBytes, [&](Range piece) {
    std::vector<char> bytes(piece.size());
    file.read_exactly_at(piece.begin, std::as_writable_bytes(std::span(bytes)));
    lines.add(static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n')), 0);
  });
  return lines.examined();
}

}  // namespace

void check_counts(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  const Manifest& manifest = run.manifest;
  const bool root = comm.is_root();
  std::uint64_t violations = 0;
  std::string detail;
  Counters total{};
  std::vector<std::uint64_t> kept(manifest.datasets.size(), 0);
  for (std::size_t f = 0; f < manifest.files.size(); ++f) {
    const RowCounts& rows = manifest.file_reports[f].counts;
    if (!reconciles(rows)) {
      ++violations;
      if (detail.empty()) detail = manifest.files[f].path;
    }
    const Counters counters = counters_of(rows);
    for (std::size_t c = 0; c < kRowCounters; ++c) total[c] += counters[c];
    kept[manifest.files[f].dataset] += rows.kept;
  }
  table.add("each file: rows read = kept + quarantined + opted out", root ? manifest.files.size() : 0,
            root ? violations : 0, detail);

  const bool whole = reconciles(manifest.rows) && total == counters_of(manifest.rows);
  table.add("all files: rows read = kept + quarantined + opted out", root ? manifest.rows.read : 0,
            root && !whole ? 1 : 0, "the totals of the manifest are not the sums over its files");

  violations = 0;
  detail.clear();
  for (std::size_t d = 0; d < manifest.datasets.size(); ++d) {
    const std::uint64_t rows = run.events[d].rows;
    if (rows == kept[d] && rows == manifest.datasets[d].events) continue;
    ++violations;
    if (detail.empty()) {
      detail = "dataset " + manifest.datasets[d].name + ": " + std::to_string(kept[d]) + " rows kept, " +
               std::to_string(rows) + " events";
    }
  }
  table.add("each dataset: rows kept = events", root ? manifest.rows.kept : 0, root ? violations : 0, detail);
  table.add("persons of the manifest = rows of /persons", root ? run.persons : 0,
            root && manifest.persons != run.persons ? 1 : 0, "the manifest has " + std::to_string(manifest.persons));

  // One line a quarantined row, below a header.
  const std::filesystem::path path = run.secure / "quarantine.csv";
  std::uint64_t lines = 0;
  std::string problem;
  try {
    const File file = File::open_read(path);
    lines = count_lines(file, share_of(file.size(), comm.rank(), comm.size()));
    std::string header(kQuarantineHeader.size(), '\0');
    header.resize(file.read_at(0, std::as_writable_bytes(std::span(header))));
    if (header != kQuarantineHeader) problem = path.string() + " does not begin with its header";
  } catch (const Error& error) {
    problem = error.what();
  }
  lines = comm.sum(lines);
  if (problem.empty() && lines != quarantined(manifest.rows) + 1) {
    problem = path.string() + " does not list " + std::to_string(quarantined(manifest.rows)) + " rows";
  }
  table.add("quarantined rows are listed one by one", root ? quarantined(manifest.rows) : 0,
            root && !problem.empty() ? 1 : 0, problem);
}

}  // namespace ligature
