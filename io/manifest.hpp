// The run manifest: what went in, what came out, by which model and rules, and how long each stage took.
//
// Written as publish/manifest.json (nothing in it identifies a person), with a copy in secure/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/model.hpp"
#include "engine/moves.hpp"
#include "io/intake.hpp"
#include "io/manifest_screens.hpp"

namespace ligature {

inline constexpr std::string_view kManifestFile = "manifest.json";
inline constexpr std::string_view kProvidersFile = "providers.csv";  // in the publish folder, as is the dataset

struct StageTime {
  std::string name;         // "intake", "identities", ...
  double seconds = 0;       // the slowest rank
  std::uint64_t items = 0;  // what the rate counts
  std::string unit;         // "rows", "identities", "pairs", ...
};

struct PassReport {
  std::string name;  // "nhs_number", "date_of_birth", "postcode"
  std::uint64_t identities = 0, groups = 0, largest_group = 0, pairs_compared = 0, pairs_vetoed = 0, edges = 0;
};

// Whether errors of two identifiers come together in a record (dependence.hpp): pairs of records of one number, without
// those whose dates of birth have nothing in common.
struct DependenceReport {
  std::string first, second;
  std::uint64_t agree = 0, first_disagrees = 0, second_disagrees = 0, disagree = 0;
  double log_odds_ratio = 0, standard_error = 0;
};

// How the model's parameters were found.
struct ModelReport {
  std::string source;              // "documented", "anchored" or "em"
  std::string reason;              // why
  std::uint64_t anchor_pairs = 0;  // pairs of records that share a valid NHS number
  std::uint64_t different_births = 0, different_births_and_genders = 0;  // among them (anchored_estimate.hpp)
  std::vector<double> log_likelihood;                                    // one for each iteration of the estimate
  std::vector<DependenceReport> dependence;
};

// What became of NHS numbers that several persons use.
struct NumberReport {
  std::uint64_t numbers = 0;              // different valid NHS numbers
  std::uint64_t contested = 0;            // ... used by identities that cannot be one person
  std::uint64_t identities_disowned = 0;  // whose number counts as missing: others have the better claim
  std::uint64_t rows_disowned = 0;
  std::uint64_t default_numbers = 0;  // used by many and owned by nobody
  std::uint64_t rows_default = 0;
  std::uint64_t default_births = 0;  // dates of birth that systems write when they know none
};

// What became of local patient ids, where they are used.
struct LocalIdReport {
  std::uint64_t ids = 0;          // different ones, each with its provider
  std::uint64_t default_ids = 0;  // ... written for so many identities that they are nobody's
  std::uint64_t reused_ids = 0;   // ... of identities most of which cannot be one person with the others
};

// How many rows of a group the model expects to be with the wrong person, and away from their own.
struct EstimatedGroup {
  std::string kind, name;  // "all", "match_rank", "birth_decade", "gender", "area", "dataset"; and which
  std::uint64_t rows = 0;
  double wrong_rows = 0, missed_rows = 0;
};

// What became of objections.
struct ConsentReport {
  std::string ledger_version;                             // digest of its entries
  std::uint64_t entries = 0;                              // of files and rows, with and without effect
  std::uint64_t coded_rows = 0;                           // of them, rows of extracts
  std::array<std::uint64_t, kEntryProblems> problems{};   // entries without effect
  std::array<std::uint64_t, kObjectionKinds> standing{};  // persons with a standing objection
  std::uint64_t rows_by_linkage = 0;                      // left out for whom they link to, not for their number
  std::uint64_t identities_barred = 0;   // that only barred rows have: they were looked for and are in no person
  std::uint64_t identities_dropped = 0;  // whose rows were all left out by linkage
  std::uint64_t identities_apart = 0;    // that fit an objector and somebody else equally well
  std::uint64_t changes = 0, changes_acknowledged = 0, acknowledgements_unused = 0;  // against the previous run
  std::string counts_digest;  // of secure/objections-by-practice.csv; empty without it, and in runs of earlier versions
};

struct DatasetReport {
  std::string name;
  std::uint64_t events = 0;
};

struct Manifest {
  std::string software_version, run_id, job_name, job_file,
      started_utc;  // run_id: digest of inputs, job file and key id
  std::string job_file_digest, input_digest, model_digest, key_id, content_digest;
  std::string secure, publish;  // absolute paths
  std::string as_at;            // ISO date
  int ranks = 0, threads_per_rank = 0;
  std::vector<InputFile> files;
  std::vector<FileReport> file_reports;
  std::vector<DatasetReport> datasets;
  RowCounts rows;                                                           // over all files
  std::uint64_t identities = 0, linkable_identities = 0, distinct_nhs = 0;  // that kept rows have
  std::uint64_t identity_records = 0;   // in the secure folder: also those that only rows left out have
  std::string identity_records_digest;  // by which those of another run are known
  NumberReport numbers;
  LocalIdReport local_ids;
  MoveCounts moves;  // what the evidence of moves was learnt from
  std::vector<PassReport> passes;
  ModelParameters model;
  ModelReport estimation;
  std::vector<EstimatedGroup> estimated;  // by match rank and group
  std::uint64_t components = 0, largest_component = 0, component_rounds = 0;
  ClusterCounts clusters;
  ScreenReport screens;
  std::uint64_t persons = 0;
  std::vector<std::uint64_t> persons_by_id_type;  // index: id_type
  std::uint64_t rows_linked = 0;                  // rows of persons with two rows or more
  std::uint64_t rows_apart = 0;  // persons made of rows that were taken apart from an ambiguous identity
  ConsentReport consent;
  std::uint64_t practices_registered = 0, practices_silent = 0, providers_unregistered = 0;
  std::uint64_t providers_late = 0, providers_partial = 0;
  std::string providers_digest;  // of publish/providers.csv
  std::vector<StageTime> stages;
  double total_seconds = 0;
  std::uint64_t peak_memory_bytes = 0;  // sum over ranks
};

// How a person's pseudonym was made; /persons/id_type.
enum class IdType : std::uint8_t {
  nhs_number = 1,  // owns a valid NHS number
  contested = 2,   // has a valid NHS number that another person has the better claim to
  other = 3,       // no valid NHS number; date of birth and postcode, an invalid number, or a shared local id
  ambiguous = 4,   // as other, and left apart because no candidate led
  one_time = 5,    // a single row whose identifiers cannot tell people apart; never linkable
};
inline constexpr std::size_t kIdTypes = 6;

// Rank 0: writes both copies atomically (temporary name, sync, rename).
void write_manifest(const Manifest& manifest);
// Rank 0: from here on, also after a crash, no finished run is found in either folder.
void remove_manifests(const std::filesystem::path& secure, const std::filesystem::path& publish);
Manifest read_manifest(const std::filesystem::path& folder);  // publish or secure
// True if the manifests in two folders are the same bytes.  Throws Error if one cannot be read.
bool manifests_agree(const std::filesystem::path& secure, const std::filesystem::path& publish);
std::string to_json(const Manifest& manifest);
// Throws Error that names the place in the text which is wrong.
Manifest manifest_of_json(std::string_view text);

}  // namespace ligature
