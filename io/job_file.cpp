// The job file's sections, checked key by key and then against each other.  docs/job-file.md is the user's page.
#include "io/job_file.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <system_error>
#include <tuple>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "io/files.hpp"
#include "io/model_section.hpp"
#include "io/table_reader.hpp"
#include "io/toml_precheck.hpp"

namespace ligature {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxJobFileBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxDatasets = 32;  // a person's datasets are a 32-bit mask
constexpr std::size_t kMaxExtracts = 65'536;
constexpr std::size_t kMaxKept = 1'000;  // columns of one extract
constexpr std::size_t kMaxName = 64;     // of a dataset; HDF5 itself takes more
constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;

constexpr std::array<std::string_view, 8> kColumnTypes = {"int8",    "int16",   "int32", "int64",
                                                          "float32", "float64", "date",  "category"};
// Names that /events/<dataset> gives to columns of its own.
constexpr std::array<std::string_view, 4> kReservedColumns = {"person", "event_date", "provider", "offsets"};

// A column that the engine uses, and its key in [extract.columns].
struct NamedColumn {
  std::string_view key;
  std::optional<std::string> ExtractColumns::*member;
  bool identifier;
};
constexpr std::array<NamedColumn, 9> kNamedColumns = {{{"row_id", &ExtractColumns::row_id, false},
                                                       {"provider", &ExtractColumns::provider, false},
                                                       {"nhs_number", &ExtractColumns::nhs_number, true},
                                                       {"date_of_birth", &ExtractColumns::date_of_birth, true},
                                                       {"postcode", &ExtractColumns::postcode, true},
                                                       {"gender", &ExtractColumns::gender, true},
                                                       {"event_date", &ExtractColumns::event_date, false},
                                                       {"local_id", &ExtractColumns::local_id, false},
                                                       {"extracted", &ExtractColumns::extracted, false}}};

// Relative paths start at the job file's folder.
class Paths {
 public:
  explicit Paths(const fs::path& job_file) : folder_(fs::absolute(job_file).lexically_normal().parent_path()) {}

  [[nodiscard]] fs::path file(const std::string& text) const {
    fs::path path = (folder_ / text).lexically_normal();
    if (!path.has_filename() && path.has_relative_path()) path = path.parent_path();  // "run/publish/"
    return path;
  }

  // A path or glob.  What is special in the folder's own name is escaped when the rest is a glob.
  [[nodiscard]] std::string pattern(const std::string& text) const {
    if (fs::path(text).is_absolute() || text.find_first_of("*?[") == std::string::npos)
      return (folder_ / text).string();
    std::string escaped;
    for (const char c : folder_.string()) {
      if (std::string_view("*?[\\").find(c) != std::string_view::npos) escaped += '\\';
      escaped += c;
    }
    return (fs::path(escaped) / text).string();
  }

  [[nodiscard]] std::vector<std::string> patterns(const std::optional<std::vector<std::string>>& texts) const {
    std::vector<std::string> result;
    for (const std::string& text : texts.value_or(std::vector<std::string>{})) result.push_back(pattern(text));
    return result;
  }

 private:
  fs::path folder_;
};

// True if inner is outer or lies below it, links followed as far as they exist.
bool lies_within(const fs::path& inner, const fs::path& outer) {
  const auto below = [](const fs::path& a, const fs::path& b) {
    return std::mismatch(b.begin(), b.end(), a.begin(), a.end()).first == b.end();
  };
  if (below(inner, outer)) return true;
  std::error_code inner_error, outer_error;
  const fs::path real_inner = fs::weakly_canonical(inner, inner_error);
  const fs::path real_outer = fs::weakly_canonical(outer, outer_error);
  return !inner_error && !outer_error && below(real_inner, real_outer);
}

bool is_dataset_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= kMaxName && name.front() >= 'a' && name.front() <= 'z' &&
         std::all_of(name.begin(), name.end(), allowed);
}

void read_job(TableReader table, const Paths& paths, JobFile& job) {
  const std::string stem = job.path.stem().string();
  job.name = table.text("name").value_or(is_utf8(stem) ? stem : "job");
  const auto secure = table.required_text("secure", "run/secure");
  const auto publish = table.required_text("publish", "run/publish");
  const auto key = table.required_text("key", "keys/england.key");
  job.as_at = table.date("as_at");
  job.memory = table.bytes("memory", kMebi, std::uint64_t{1} << 50, true).value_or(0);
  job.threads = static_cast<int>(table.integer("threads", 0, 4096).value_or(0));
  table.report_unknown_keys();
  if (secure) job.secure = paths.file(*secure);
  if (publish) job.publish = paths.file(*publish);
  if (key) job.key = paths.file(*key);
  if (secure && publish) {
    if (lies_within(job.secure, job.publish) && lies_within(job.publish, job.secure)) {
      table.mistake_at("publish", "'secure' and 'publish' in [job] must be two different folders");
    } else if (lies_within(job.secure, job.publish)) {
      table.mistake_at("secure", "'secure' in [job] must not lie inside 'publish': identifiers would be published");
    } else if (lies_within(job.publish, job.secure)) {
      table.mistake_at("publish", "'publish' in [job] must not lie inside 'secure', which nobody else may read");
    }
  }
  if (key && publish && lies_within(job.key, job.publish)) {
    table.mistake_at("key", "'key' in [job] must not lie inside 'publish': the key would be published");
  }
}

char read_delimiter(TableReader& table, const ConfigNode* node) {
  constexpr std::array<std::pair<std::string_view, char>, 6> kDelimiters = {
      {{",", ','}, {";", ';'}, {"|", '|'}, {"\t", '\t'}, {"tab", '\t'}, {"\\t", '\t'}}};
  if (node == nullptr) return ',';
  if (node->kind == ConfigNode::Kind::text) {
    for (const auto& [text, delimiter] : kDelimiters) {
      if (node->text == text) return delimiter;
    }
  }
  table.mistake_at("delimiter", R"('delimiter' in [[extract]] must be one of "," ";" "|" "\t")");
  return ',';
}

void read_columns(const ConfigNode* node, TableReader& extract, ExtractColumns& columns, Mistakes& mistakes) {
  TableReader table(node, "[extract.columns]", extract.place(), mistakes);
  std::map<std::string, const NamedColumn*> used;
  bool identified = false;
  for (const NamedColumn& column : kNamedColumns) {
    std::optional<std::string>& header = columns.*column.member;
    header = table.text(column.key);
    identified = identified || (column.identifier && table.has(column.key));
    if (!header) continue;
    const auto [other, is_new] = used.emplace(*header, &column);
    if (!is_new && (column.identifier || other->second->identifier)) {
      table.mistake_at(column.key, fmt::format("column '{}' of the extract is named twice, as {} and as {}", *header,
                                               other->second->key, column.key));
    }
  }
  // These may be kept as well: a code is one whatever it says.
  columns.objection_code = table.text("objection_code");
  columns.objection_date = table.text("objection_date");
  if (columns.objection_code && !columns.objection_date) columns.objection_date = columns.event_date;
  if (columns.objection_code && !(columns.nhs_number && columns.objection_date)) {
    table.mistake_at("objection_code",
                     "'objection_code' in [extract.columns] needs nhs_number, and objection_date or event_date: whose "
                     "preference it is, and since when");
  } else if (columns.objection_date && !columns.objection_code) {
    table.mistake_at("objection_date", "'objection_date' in [extract.columns] is of no use without objection_code");
  }
  table.report_unknown_keys();
  if (!identified) {
    table.mistake(
        "the extract names no identifier: [extract.columns] must say which of its columns are nhs_number, "
        "date_of_birth, postcode and gender (any may be absent, but not all)");
  }
}

// What must not be carried into the dataset under its own name, and why; empty if the column may be kept.
std::string why_not_kept(const std::string& column, const ExtractColumns& columns) {
  if (std::find(kReservedColumns.begin(), kReservedColumns.end(), column) != kReservedColumns.end()) {
    return fmt::format("cannot be kept: the dataset has a column of its own called '{}'", column);
  }
  for (const NamedColumn& named : kNamedColumns) {
    if (columns.*named.member != column) continue;
    if (named.identifier || named.key == "local_id" || named.key == "row_id") {
      return fmt::format("is the extract's {}: what identifies a person or a record is never published", named.key);
    }
    return fmt::format("is already used as the extract's {}", named.key);
  }
  if (column.find('/') != std::string::npos || column == "." || column == "..") {
    return "cannot name a column of an HDF5 file; rename it in the extract's header";
  }
  return {};
}

void read_keep(TableReader& extract_table, Extract& extract, Mistakes& mistakes) {
  const std::vector<const ConfigNode*> tables = extract_table.tables("keep", "[[extract.keep]]");
  if (tables.size() > kMaxKept) {
    return extract_table.mistake_at("keep",
                                    fmt::format("{} kept columns; at most {} are possible", tables.size(), kMaxKept));
  }
  for (const ConfigNode* node : tables) {
    TableReader table(node, "[[extract.keep]]", extract_table.place(), mistakes);
    const auto column = table.required_text("column", "code");
    const auto type = table.one_of("type", kColumnTypes);
    table.report_unknown_keys();
    if (!column) continue;
    if (const std::string problem = why_not_kept(*column, extract.columns); !problem.empty()) {
      table.mistake_at("column", fmt::format("column '{}' {}", *column, problem));
    } else if (std::any_of(extract.keep.begin(), extract.keep.end(),
                           [&](const KeptColumn& other) { return other.column == *column; })) {
      table.mistake_at("column", fmt::format("column '{}' is kept twice", *column));
    } else {
      extract.keep.push_back({*column, type ? static_cast<ColumnType>(*type) : ColumnType::category});
    }
  }
}

// Several extracts of one dataset must keep the same columns; the later ones take the order of the first.
void match_dataset(const Extract& first, Extract& extract, TableReader& table) {
  if (std::is_permutation(first.keep.begin(), first.keep.end(), extract.keep.begin(), extract.keep.end())) {
    extract.keep = first.keep;
  } else {
    table.mistake(
        fmt::format("this extract of dataset '{}' must keep the same columns with the same types as the first "
                    "extract of that dataset",
                    extract.dataset));
  }
  if (first.screens != extract.screens) {
    table.mistake(fmt::format("this extract of dataset '{}' must have the same [[extract.screen]] as its first extract",
                              extract.dataset));
  }
}

// For each dataset, the number of its first extract.
using FirstOfDataset = std::map<std::string, std::size_t>;

void read_extract(const ConfigNode* node, const Paths& paths, JobFile& job, FirstOfDataset& first, Mistakes& mistakes) {
  TableReader table(node, "[[extract]]", {}, mistakes);
  Extract extract;
  const auto dataset = table.required_text("dataset", "gp");
  extract.files = paths.patterns(table.texts("files"));
  if (!table.has("files")) {
    table.mistake("'files' in [[extract]] is required, for instance files = [\"extracts/gp/*.csv\"]");
  }
  extract.delimiter = read_delimiter(table, table.any("delimiter"));
  extract.extracted = table.date("extracted");
  read_columns(table.table("columns"), table, extract.columns, mistakes);
  read_keep(table, extract, mistakes);
  read_screens(table, extract, mistakes);
  table.report_unknown_keys();
  if (dataset && !is_dataset_name(*dataset)) {
    table.mistake_at("dataset", fmt::format("dataset name '{}' must begin with a lower-case letter and hold only a-z, "
                                            "0-9 and _, at most {} of them",
                                            *dataset, kMaxName));
  } else if (dataset) {
    extract.dataset = *dataset;
    const auto [known, is_new] = first.emplace(*dataset, job.extracts.size());
    if (!is_new) match_dataset(job.extracts[known->second], extract, table);
  }
  job.extracts.push_back(std::move(extract));
}

// Dictionaries are called <dataset>_<column>: two of one name would be one dictionary.
void check_dictionaries(const std::vector<Extract>& extracts, Mistakes& mistakes, const ConfigPlace& place) {
  std::map<std::string, std::tuple<std::string, std::string>> owners;
  for (const Extract& extract : extracts) {
    std::vector<std::string> columns = {"provider"};
    for (const KeptColumn& kept : extract.keep) {
      if (kept.type == ColumnType::category) columns.push_back(kept.column);
    }
    for (const std::string& column : columns) {
      const std::tuple owner(extract.dataset, column);
      const auto [other, is_new] = owners.emplace(fmt::format("{}_{}", extract.dataset, column), owner);
      if (is_new || other->second == owner) continue;
      mistakes.add(place, fmt::format("column '{}' of dataset '{}' and column '{}' of dataset '{}' would share the "
                                      "dictionary {}; rename one of the datasets",
                                      std::get<1>(other->second), std::get<0>(other->second), column, extract.dataset,
                                      other->first));
    }
  }
}

void read_extracts_section(TableReader& root, const Paths& paths, JobFile& job, Mistakes& mistakes) {
  const std::vector<const ConfigNode*> tables = root.tables("extract", "[[extract]]");
  const ConfigNode* const all = root.any("extract");
  if (all == nullptr || (all->kind == ConfigNode::Kind::array && all->children.empty())) {
    root.mistake_at("extract", "no extract: the job file needs at least one [[extract]] with dataset and files");
  }
  if (tables.size() > kMaxExtracts) {
    return root.mistake_at("extract", fmt::format("{} extracts; at most {} are possible", tables.size(), kMaxExtracts));
  }
  FirstOfDataset first;
  for (const ConfigNode* node : tables) read_extract(node, paths, job, first, mistakes);
  if (first.size() > kMaxDatasets) {
    root.mistake_at("extract",
                    fmt::format("{} different datasets; at most {} are possible", first.size(), kMaxDatasets));
  }
  check_dictionaries(job.extracts, mistakes, root.place());
}

void read_reference(TableReader table, const Paths& paths, JobFile& job) {
  if (const auto path = table.text("superseded")) job.superseded = paths.file(*path);
  if (const auto path = table.text("practices")) job.practices = paths.file(*path);
  job.partial_below = table.number("partial_below", 0, 1).value_or(job.partial_below);
  job.late_after = table.integer("late_after", 0, 36'525).value_or(job.late_after);
  table.report_unknown_keys();
}

void read_consent(TableReader table, const Paths& paths, ConsentSettings& consent, Mistakes& mistakes) {
  constexpr std::array<std::string_view, 2> kPolicies = {"keep-earlier", "withdraw"};
  consent.objections = paths.patterns(table.texts("objections"));
  consent.after_opt_out = static_cast<AfterOptOut>(table.one_of("after_opt_out", kPolicies).value_or(0));
  if (const auto path = table.text("previous")) consent.previous = paths.file(*path);
  consent.max_jump = table.number("max_jump", 0, 1'000).value_or(consent.max_jump);
  for (const ConfigNode* node : table.tables("acknowledge", "[[consent.acknowledge]]")) {
    TableReader entry(node, "[[consent.acknowledge]]", table.place(), mistakes);
    const auto code = entry.required_text("code", "A81001");
    const auto reason = entry.required_text("reason", "the practice has closed");
    entry.report_unknown_keys();
    if (code && reason) consent.acknowledged.push_back({*code, *reason});
  }
  table.report_unknown_keys();
}

void read_publish(TableReader table, JobFile& job) {
  constexpr std::array<std::string_view, 3> kEventDates = {"day", "month", "year"};
  constexpr std::array<std::string_view, 2> kAreas = {"outward", "none"};
  job.event_date = static_cast<EventDatePolicy>(table.one_of("event_date", kEventDates).value_or(0));
  job.area = static_cast<AreaPolicy>(table.one_of("area", kAreas).value_or(0));
  table.report_unknown_keys();
}

void read_release(TableReader table, const Paths& paths, JobFile& job) {
  if (const auto path = table.text("customers")) job.customers = paths.file(*path);
  if (const auto path = table.text("folder")) job.release_folder = paths.file(*path);
  table.report_unknown_keys();
  if (!job.release_folder || job.publish.empty() || job.secure.empty()) return;
  if (lies_within(*job.release_folder, job.publish) || lies_within(job.publish, *job.release_folder)) {
    table.mistake_at("folder", "'folder' in [release] and 'publish' in [job] must not lie in one another");
  } else if (lies_within(*job.release_folder, job.secure) || lies_within(job.secure, *job.release_folder)) {
    table.mistake_at("folder", "'folder' in [release] and 'secure' in [job] must not lie in one another");
  }
}

void read_limits(TableReader table, JobFile& job) {
  job.max_quarantined_share = table.number("max_quarantined_share", 0, 1).value_or(job.max_quarantined_share);
  job.max_record_bytes = table.bytes("max_record_bytes", 256, 4 * kMebi, false).value_or(job.max_record_bytes);
  constexpr std::int64_t kMostCodes = std::numeric_limits<std::uint32_t>::max();  // the last code means "missing"
  if (const auto most = table.integer("max_categories", 1, kMostCodes)) {
    job.max_categories = static_cast<std::uint64_t>(*most);
  }
  if (const auto most = table.integer("max_unusable_objections", 0, std::numeric_limits<std::int64_t>::max())) {
    job.consent.max_unusable = static_cast<std::uint64_t>(*most);
  }
  table.report_unknown_keys();
}

void read_durability(TableReader table, JobFile& job) {
  if (const auto level = table.text("checkpoint")) {
    if (const auto known = parse_checkpoint_level(*level)) {
      job.checkpoint = *known;
    } else {
      table.mistake_at("checkpoint", R"('checkpoint' in [durability] must be one of "none" "stages" "shards")");
    }
  }
  if (const auto seconds = table.integer("grace", 0, 86'400)) job.grace_seconds = static_cast<std::uint64_t>(*seconds);
  job.scrub = table.boolean("scrub").value_or(job.scrub);
  table.report_unknown_keys();
}

}  // namespace

std::optional<CheckpointLevel> parse_checkpoint_level(std::string_view name) noexcept {
  if (name == "none") return CheckpointLevel::none;
  if (name == "stages") return CheckpointLevel::stages;
  if (name == "shards") return CheckpointLevel::shards;
  return std::nullopt;
}

std::string_view column_type_name(ColumnType type) noexcept {
  return kColumnTypes[static_cast<std::size_t>(type)];
}

std::string read_job_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) throw UsageError("no such job file: " + path.string());
  if (!fs::is_regular_file(status)) throw UsageError("the job file is not a regular file: " + path.string());
  try {
    return read_small_file(path, kMaxJobFileBytes);
  } catch (const Error& failure) {
    throw UsageError(failure.what());  // unreadable or over 16 MiB: either way the command names the wrong file
  }
}

JobFile parse_job_file(std::string_view text, const fs::path& path, const std::vector<std::string>& overrides) {
  Mistakes mistakes(path.string());
  ConfigNode document = parse_toml(text, mistakes);
  mistakes.throw_if_any();  // after a syntax error nothing else can be said
  for (const std::string& assignment : overrides) apply_override(document, assignment, mistakes);

  JobFile job;
  job.path = fs::absolute(path).lexically_normal();
  job.text_digest = hex(digest(std::as_bytes(std::span(text))));
  job.overrides = fmt::format("{}", fmt::join(overrides, "\n"));
  const Paths paths(path);
  TableReader root(&document, "the job file", {}, mistakes);
  const auto section = [&](std::string_view key) {
    return TableReader(root.table(key), fmt::format("[{}]", key), {}, mistakes);
  };
  read_job(section("job"), paths, job);
  read_extracts_section(root, paths, job, mistakes);
  read_reference(section("reference"), paths, job);
  read_consent(section("consent"), paths, job.consent, mistakes);
  read_model(section("model"), job, mistakes);
  read_publish(section("publish"), job);
  read_release(section("release"), paths, job);
  read_limits(section("limits"), job);
  read_durability(section("durability"), job);
  root.report_unknown_keys();
  mistakes.throw_if_any();
  job.stated = stated_values(document);
  return job;
}

JobFile load_job_file(const fs::path& path, const std::vector<std::string>& overrides) {
  return parse_job_file(read_job_file(path), path, overrides);
}

}  // namespace ligature
