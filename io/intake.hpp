// Intake: every extract read once, in byte ranges over ranks and blocks over threads, into identities and payload.
//
// Every rank has a part of each dataset, so that none waits for others in a stage that goes through one dataset after
// another.  The order of a rank's blocks is by dataset, then as in the input, and so is, within a dataset, the order of
// ranks.  A range that begins inside a file begins at a guessed row start; the guess is checked against where the range
// before it ended, and a range that guessed wrong is read again, so the rows are exactly those of a sequential reading
// (RFC 4180, with recovery: docs/job-file.md, "Bad rows").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/consent.hpp"
#include "engine/identity.hpp"
#include "engine/linkage_key.hpp"
#include "engine/supersession.hpp"
#include "io/job_file.hpp"
#include "partition/communicator.hpp"

namespace ligature {

enum class QuarantineReason : std::uint8_t {
  column_count,  // more or fewer fields than the header
  bad_utf8,
  nul_byte,
  unterminated_quote,  // a quoted field that does not end within max_record_bytes or the file
  malformed_quote,     // text after a closing quote
  too_long,            // longer than max_record_bytes
};
inline constexpr std::size_t kQuarantineReasons = 6;
std::string_view quarantine_reason_name(QuarantineReason reason) noexcept;  // as printed, e.g. "column_count"

enum class Compression : std::uint8_t { none, gzip, zstd };

struct InputFile {
  std::string path;
  std::uint32_t extract = 0;  // index into JobFile::extracts
  std::uint32_t dataset = 0;  // index into Inputs::datasets
  Compression compression = Compression::none;
  std::uint64_t bytes = 0;
  std::int64_t written_at = 0;  // when it was last written, in nanoseconds; of files that are to be read
};

// One column of a row's payload, at a fixed offset; little-endian; category and provider as uint32 dictionary codes.
struct PayloadField {
  enum class Role : std::uint8_t { event_date, provider, kept };
  std::string name;  // "event_date", "provider" or the kept column's name
  Role role = Role::kept;
  ColumnType type = ColumnType::category;  // event_date: date (DayNumber, 2 bytes, 0 missing)
  std::uint32_t offset = 0;
  std::uint32_t bytes = 0;
  // Missing values: 0 for date; the most negative value for intN; NaN for floats; kMissingCategory for categories.
};
inline constexpr std::uint32_t kMissingCategory = 0xFFFFFFFFU;

struct DatasetSchema {
  std::string name;
  std::vector<PayloadField> fields;
  std::uint32_t payload_bytes = 0;
  bool has_row_id = false;
};

struct Inputs {
  std::vector<InputFile> files;         // in the order of the job file, globs expanded in byte order
  std::vector<DatasetSchema> datasets;  // in the order of first mention; at most 32
};

// Collective.  Expands globs, checks that every file can be read and that every header has each named column exactly
// once, and lays out payloads.  Rank 0 looks at the files (in parallel threads), all ranks get the result.
// Throws UsageError with one line per mistake: missing file, glob without match, absent header, missing or repeated
// column (with the header's names nearest to it).
Inputs find_inputs(const Communicator& comm, const JobFile& job);

// Throws Error if the file is not of the size, or not of the time of writing, that find_inputs saw.
void check_unchanged(const InputFile& file);

// What decides a row's fate, beside the job file.
struct RowRules {
  const ObjectionLedger* objections = nullptr;
  const SupersessionTable* superseded = nullptr;
  DayNumber as_at = kMissingDay;
  // Objections bind persons and not strings: the day of each row's extract is kept, and the identifiers of barred rows.
  bool bind_persons = false;
};

// What is kept of a row that an objection bars, to recognise its person's other rows by.
struct BarredRow {
  Identity identity;
  std::uint64_t local_key = 0;  // 0 if none
};

// A preference that a row of an extract states by its code, or why it states none.
struct CodedEntry {
  ReadPreference read;
  std::uint32_t provider = 0;  // index into RowBlock::coded_providers
  std::uint64_t line = 0;      // counted from the block's first line, from 0
};

struct QuarantinedRow {
  std::uint64_t line = 0;  // counted from the block's first line, from 0
  QuarantineReason reason = QuarantineReason::column_count;
};

struct RowCounts {
  std::uint64_t read = 0, kept = 0, opted_out = 0;
  std::uint64_t opted_out_by_linkage = 0;  // of those opted out: linked to an objector, whatever number they carry
  std::array<std::uint64_t, kQuarantineReasons> quarantined{};
  // Of the rows kept: how each identifier stands.
  std::uint64_t nhs_valid = 0, nhs_invalid = 0, nhs_missing = 0, nhs_superseded = 0;
  std::uint64_t birth_missing = 0, birth_placeholder = 0, postcode_missing = 0, postcode_pseudo = 0, gender_missing = 0;
  std::uint64_t one_time = 0;               // rows whose identifiers cannot tell people apart
  std::uint64_t values_not_understood = 0;  // event dates and kept values that did not parse; stored as missing
};
// How the identifiers of a row stand, in a byte: all that is counted of them but nhs_superseded, which an identity does
// not tell.
struct IdentifierStates {
  bool nhs_valid : 1 = false, nhs_invalid : 1 = false;
  bool birth_missing : 1 = false, birth_placeholder : 1 = false;
  bool postcode_missing : 1 = false, postcode_pseudo : 1 = false;
  bool gender_missing : 1 = false, one_time : 1 = false;
};
static_assert(sizeof(IdentifierStates) == 1);
IdentifierStates states_of(const Identity& identity) noexcept;
// Takes a row from those whose identifiers are counted.
void uncount_identifiers(IdentifierStates states, RowCounts& counts) noexcept;
// All counters as one array, for sums over blocks and ranks.
inline constexpr std::size_t kRowCounters = sizeof(RowCounts) / sizeof(std::uint64_t);
RowCounts& operator+=(RowCounts& sum, const RowCounts& part) noexcept;

// What one provider sent in one dataset, of the rows that intake keeps: rows, and how each identifier stood.
struct ProviderCounts {
  std::uint64_t rows = 0;
  std::uint64_t nhs_valid = 0, nhs_invalid = 0, nhs_missing = 0;
  std::uint64_t birth_missing = 0, birth_default = 0;
  std::uint64_t postcode_missing = 0, postcode_default = 0;
  std::uint64_t gender_missing = 0;
  std::uint64_t latest = 0;  // day of its latest extract; the greatest, where all else is a sum
};
ProviderCounts& operator+=(ProviderCounts& sum, const ProviderCounts& part) noexcept;

// The rows of one block of one file, in file order.
struct RowBlock {
  std::uint32_t file = 0;
  std::uint64_t lines = 0;                // line ends in the block, the header's included
  std::vector<Identity> identities;       // one a kept row
  std::vector<std::byte> payload;         // payload_bytes a kept row; category codes index this block's dictionaries
  std::vector<char> row_ids;              // the row ids back to back, empty if the extract has no row_id column
  std::vector<std::uint32_t> row_id_end;  // end of each kept row's id in row_ids
  std::vector<std::uint32_t> row_line;    // line of each kept row from the block's first; only if no row_id column
  std::vector<std::uint64_t> local_keys;  // local_key of each kept row; empty if the extract's local ids are not used
  std::vector<ProviderCounts> providers;  // by code of the provider; empty if the extract names none
  std::vector<DayNumber> extracted;       // day of each kept row's extract; empty unless RowRules::bind_persons
  std::vector<BarredRow> barred;          // likewise
  std::vector<CodedEntry> coded;          // of rows that state a preference, if the extract names where
  std::vector<std::string> coded_providers;
  std::vector<std::vector<std::string>> dictionaries;  // per payload field; empty for fields without categories
  std::vector<QuarantinedRow> quarantined;
  RowCounts counts;

  void clear() noexcept;  // forgets everything but keeps the memory
};

struct FileReport {
  Digest digest;  // of the file's bytes: XXH3-128 of the XXH3-128 of each 8 MiB block
  RowCounts counts;
};

// By file: the lines that lie on earlier ranks, of files that this rank has a part of.  Absent where there are none.
using LinesBefore = std::map<std::uint32_t, std::uint64_t>;

struct IntakeReport {
  std::vector<FileReport> files;  // one an input file, summed over ranks, the same on every rank
  LinesBefore lines_before;
  std::uint64_t bytes = 0;  // input bytes over all ranks
};

// Collective.  Reads this rank's share.  consume(block) is called in input order, one block at a time, possibly from a
// worker thread; restart() is called before consuming begins, and again whenever the share has to be read anew: the
// consumer then forgets everything.  progress(bytes) is told how many input bytes this rank has read since the last
// call.
IntakeReport read_extracts(const Communicator& comm, const JobFile& job, const Inputs& inputs, const RowRules& rules,
                           const std::function<void()>& restart, const std::function<void(RowBlock&&)>& consume,
                           const std::function<void(std::uint64_t)>& progress);

// Collective.  The reference files of the job file.  Bad rows are counted, not fatal; a missing file or column is.
struct ReferenceCounts {
  std::uint64_t rows = 0, malformed = 0;
};
SupersessionTable load_superseded(const Communicator& comm, const JobFile& job, ReferenceCounts& counts);
// The codes of the practice register: the first column, or the column named practice_code, provider or code.
struct RegisteredPractice {
  std::string code;
  std::string supplier;  // of its computer system, from the column supplier; empty if not stated
};
// Sorted by code, each once.
std::vector<RegisteredPractice> load_practices(const Communicator& comm, const JobFile& job, ReferenceCounts& counts);

}  // namespace ligature
