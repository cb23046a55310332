// The job file: what a run reads, keeps and writes, as typed settings.
//
// load_job_file reports every mistake with file, line, column and key, and the nearest known key (UsageError).  All
// paths in a JobFile are absolute: relative ones start at the job file's folder.  docs/job-file.md is the user's page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/date.hpp"
#include "engine/model_settings.hpp"
#include "io/consent_settings.hpp"
#include "io/screen_settings.hpp"

namespace ligature {

enum class ColumnType : std::uint8_t { int8, int16, int32, int64, float32, float64, date, category };
std::string_view column_type_name(ColumnType type) noexcept;

struct KeptColumn {
  std::string column;  // header name in the extract, and name in the dataset
  ColumnType type = ColumnType::category;
  friend bool operator==(const KeptColumn&, const KeptColumn&) = default;
};

// Header names; any may be absent, but at least one of the four identifiers must be named.
struct ExtractColumns {
  std::optional<std::string> row_id, provider, nhs_number, date_of_birth, postcode, gender, event_date, local_id,
      extracted;
  // Of rows that state a preference by a code: the code, and the date from which it holds (default: event_date).
  std::optional<std::string> objection_code, objection_date;
};

struct Extract {
  std::string dataset;             // [a-z][a-z0-9_]*, becomes events/<dataset>
  std::vector<std::string> files;  // paths and globs, as written but absolute
  char delimiter = ',';            // , ; | or tab
  std::optional<DayNumber> extracted;
  ExtractColumns columns;
  std::vector<KeptColumn> keep;
  std::vector<ScreenRule> screens;  // the same in all extracts of a dataset
};

// What of a run is kept on the disk while it runs, so that another can go on from it.
enum class CheckpointLevel : std::uint8_t { none, stages, shards };
// The level of that name; std::nullopt for any other.
std::optional<CheckpointLevel> parse_checkpoint_level(std::string_view name) noexcept;

using EventDatePolicy = DatePrecision;
enum class AreaPolicy : std::uint8_t { outward, none };

struct JobFile {
  std::filesystem::path path;  // of the job file itself
  std::string text_digest;     // of its text, as it was parsed
  std::string overrides;       // as they were given, a line each
  // [job]
  std::string name;
  std::filesystem::path secure, publish, key;
  std::optional<DayNumber> as_at;  // latest date of birth where no extract date is given; default: the day of the run
  std::uint64_t memory = 0;        // bytes for all ranks on this host together, before rows spill; 0: half the memory
  int threads = 0;                 // per rank; 0: the CPUs the rank may use
  // [[extract]]: several with one dataset name feed one dataset and must keep the same columns
  std::vector<Extract> extracts;
  // [reference]
  std::optional<std::filesystem::path> superseded, practices;
  double partial_below = 0.5;    // share of the last run's rows below which a provider counts as partial
  std::int64_t late_after = 31;  // days: a provider whose latest extract is older than that on the day of the run
  // [consent]
  ConsentSettings consent;
  // [model]: the first is measured in bits of match weight
  std::optional<double> threshold_bits, margin_bits, prior;
  bool use_local_id = true;  // where an extract names one
  ModelSettings model;
  // [publish]
  EventDatePolicy event_date = EventDatePolicy::day;
  AreaPolicy area = AreaPolicy::outward;
  // [release]
  std::optional<std::filesystem::path> customers;       // register of approved customers
  std::optional<std::filesystem::path> release_folder;  // where releases are put
  // [limits]
  double max_quarantined_share = 1.0;          // of the rows read, per dataset; beyond it the job ends with exit code 3
  std::uint64_t max_record_bytes = 64 * 1024;  // a longer row is quarantined
  std::uint64_t max_categories = 1U << 22;     // different values of one category column; beyond it exit code 3
  // [durability]
  CheckpointLevel checkpoint = CheckpointLevel::stages;
  std::uint64_t grace_seconds = 30;  // from a signal to stop until the job ends, wherever it is
  bool scrub = false;                // scratch files are overwritten before they are removed
  // All that the file and the overrides say, key by key.
  std::vector<std::pair<std::string, std::string>> stated;
};

// Reads and checks a job file.  overrides: "key=value" texts of --set; a key is the dotted path (job.name=x,
// extract.0.delimiter=";", model.threshold_bits=4), a value TOML or else taken as a bare string.
// Throws UsageError that lists every mistake, each as "file:line:column: message".
JobFile load_job_file(const std::filesystem::path& path, const std::vector<std::string>& overrides = {});

// The two halves of load_job_file: the text of the file, and what it says.  path names the file in messages and is
// where relative paths start.
std::string read_job_file(const std::filesystem::path& path);
JobFile parse_job_file(std::string_view text, const std::filesystem::path& path,
                       const std::vector<std::string>& overrides = {});

}  // namespace ligature
