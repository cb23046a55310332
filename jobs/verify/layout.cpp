// Verify: the dataset has the tables of its specification, the manifest describes it, and folders are as they must be.
#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <set>

#include <sys/stat.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/number_claims.hpp"
#include "jobs/rebuild/coverage.hpp"
#include "jobs/verify/checks.hpp"

namespace ligature {

namespace {

// LayoutMistakes of one check, counted on rank 0 alone: every rank sees the same small tables.
class LayoutMistakes {
 public:
  explicit LayoutMistakes(const Communicator& comm) : counts_(comm.is_root()) {}
  void expect(bool holds, const std::string& otherwise) {
    ++examined_;
    if (holds) return;
    ++violations_;
    if (detail_.empty()) detail_ = otherwise;
  }
  [[nodiscard]] bool none() const noexcept { return violations_ == 0; }
  void into(CheckTable& table, const std::string& name) const {
    table.add(name, counts_ ? examined_ : 0, counts_ ? violations_ : 0, detail_);
  }

 private:
  bool counts_;
  std::uint64_t examined_ = 0, violations_ = 0;
  std::string detail_;
};

void expect_column(const DatasetReader& dataset, const std::string& path, std::initializer_list<StoredType> types,
                   std::uint64_t rows, LayoutMistakes& mistakes) {
  const std::optional<std::size_t> column = dataset.find(path);
  mistakes.expect(column.has_value(), "there is no " + path);
  if (!column) return;
  const ColumnSpec& spec = dataset.columns()[*column];
  mistakes.expect(std::find(types.begin(), types.end(), spec.type) != types.end(),
                  path + " is of type " + std::string(stored_type_name(spec.type)));
  mistakes.expect(spec.rows == rows, path + " has " + std::to_string(spec.rows) + " rows, not " + std::to_string(rows));
}

bool has_text(const DatasetReader& dataset, const std::string& path) {
  return std::any_of(dataset.texts().begin(), dataset.texts().end(),
                     [&](const TextColumn& text) { return text.path == path; });
}

bool is_unsigned(StoredType type) {
  return type == StoredType::u8 || type == StoredType::u16 || type == StoredType::u32 || type == StoredType::u64;
}

}  // namespace

bool check_layout(const Communicator& comm, RunFiles& run, CheckTable& table) {
  using enum StoredType;
  const DatasetReader& dataset = run.dataset;
  LayoutMistakes mistakes(comm);
  const std::optional<std::size_t> pseudonyms = dataset.find("/persons/pseudonym");
  run.persons = pseudonyms ? dataset.columns()[*pseudonyms].rows : 0;
  expect_column(dataset, "/persons/pseudonym", {text32}, run.persons, mistakes);
  expect_column(dataset, "/persons/year_of_birth", {u16}, run.persons, mistakes);
  expect_column(dataset, "/persons/sex", {u8}, run.persons, mistakes);
  if (dataset.find("/persons/area")) expect_column(dataset, "/persons/area", {u8, u16, u32}, run.persons, mistakes);
  expect_column(dataset, "/persons/datasets", {u32}, run.persons, mistakes);
  expect_column(dataset, "/persons/events", {u32, u64}, run.persons, mistakes);
  expect_column(dataset, "/persons/link_quality", {u8}, run.persons, mistakes);
  expect_column(dataset, "/persons/id_type", {u8}, run.persons, mistakes);

  std::vector<std::string> named;
  for (const DatasetReport& report : run.manifest.datasets) named.push_back(report.name);
  mistakes.expect(named.size() <= 32, "the manifest names more than 32 datasets");
  for (const std::string& name : named) {
    const std::string group = "/events/" + name + "/";
    RunFiles::Events events;
    events.name = name;
    const std::optional<std::size_t> person = dataset.find(group + "person"), offsets = dataset.find(group + "offsets");
    events.rows = person ? dataset.columns()[*person].rows : 0;
    events.person = person.value_or(0);
    events.offsets = offsets.value_or(0);
    expect_column(dataset, group + "person", {u32, u64}, events.rows, mistakes);
    expect_column(dataset, group + "offsets", {u64}, run.persons + 1, mistakes);
    if (dataset.find(group + "event_date")) expect_column(dataset, group + "event_date", {u16}, events.rows, mistakes);
    for (std::size_t c = 0; c < dataset.columns().size(); ++c) {
      const ColumnSpec& spec = dataset.columns()[c];
      if (!spec.path.starts_with(group) || (offsets && c == *offsets)) continue;
      events.columns.push_back(c);
      mistakes.expect(spec.rows == events.rows, spec.path + " has another number of rows than " + group + "person");
    }
    run.events.push_back(std::move(events));
  }
  std::vector<std::string> sorted = named;
  std::sort(sorted.begin(), sorted.end());
  mistakes.expect(sorted == dataset.events(), "/events does not hold the datasets that the manifest names");
  for (const ColumnSpec& spec : dataset.columns()) {
    mistakes.expect(!spec.meaning.empty(), spec.path + " has no attribute meaning");
    if (spec.dictionary.empty()) continue;
    mistakes.expect(has_text(dataset, spec.dictionary), spec.path + " names a dictionary that is not there");
    mistakes.expect(is_unsigned(spec.type), spec.path + " has a dictionary but no codes");
  }
  for (const std::string& path : dataset.unexpected()) {
    mistakes.expect(false, path + " is no part of the format");
  }
  mistakes.into(table, "dataset has the columns of its format");
  return mistakes.none();
}

void check_manifest(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  const Manifest& manifest = run.manifest;
  LayoutMistakes attributes(comm);
  const auto expect_attribute = [&](const char* name, const std::string& value) {
    attributes.expect(run.dataset.attribute(name) == value,
                      std::string("the attribute ") + name + " of the dataset differs from the manifest");
  };
  expect_attribute("schema_version", std::to_string(kSchemaVersion));
  expect_attribute("run_id", manifest.run_id);
  expect_attribute("software_version", manifest.software_version);
  expect_attribute("job_name", manifest.job_name);
  expect_attribute("model_digest", manifest.model_digest);
  expect_attribute("input_digest", manifest.input_digest);
  expect_attribute("content_digest", manifest.content_digest);
  attributes.into(table, "manifest and attributes of the dataset agree");

  LayoutMistakes files(comm);
  if (comm.is_root()) {
    const auto texts = [&](const std::string& path) { return run.dataset.dictionary(path).values; };
    const auto expect_equal = [&](const auto& stored, const auto& wanted, const std::string& path) {
      files.expect(stored.size() == manifest.files.size(), path + " has another number of files than the manifest");
      for (std::size_t f = 0; f < std::min(stored.size(), manifest.files.size()); ++f) {
        files.expect(stored[f] == wanted(f), path + " differs from the manifest for file " + std::to_string(f));
      }
    };
    const auto expect_counts = [&](const std::string& name, const auto& wanted) {
      expect_equal(run.dataset.numbers("/provenance/files/" + name), wanted, "/provenance/files/" + name);
    };
    try {
      expect_equal(
          texts("/provenance/files/path"),
          [&](std::size_t f) { return std::filesystem::path(manifest.files[f].path).filename().string(); },
          "/provenance/files/path");
      expect_equal(
          texts("/provenance/files/digest"), [&](std::size_t f) { return hex(manifest.file_reports[f].digest); },
          "/provenance/files/digest");
      expect_counts("rows_read", [&](std::size_t f) { return manifest.file_reports[f].counts.read; });
      expect_counts("rows_kept", [&](std::size_t f) { return manifest.file_reports[f].counts.kept; });
      expect_counts("opted_out", [&](std::size_t f) { return manifest.file_reports[f].counts.opted_out; });
      expect_counts("opted_out_by_linkage",
                    [&](std::size_t f) { return manifest.file_reports[f].counts.opted_out_by_linkage; });
      for (std::size_t r = 0; r < kQuarantineReasons; ++r) {
        expect_counts("quarantined_" + std::string(quarantine_reason_name(static_cast<QuarantineReason>(r))),
                      [&](std::size_t f) { return manifest.file_reports[f].counts.quarantined[r]; });
      }
    } catch (const Error& error) {
      files.expect(false, error.what());
    }
  }
  files.into(table, "manifest and provenance of the dataset agree");

  LayoutMistakes providers(comm);
  if (comm.is_root()) {
    try {
      providers.expect(digest_of_providers(run.publish) == manifest.providers_digest,
                       (run.publish / kProvidersFile).string() + " is not what the run wrote");
    } catch (const std::exception& error) {
      providers.expect(false, error.what());
    }
  }
  providers.into(table, "manifest and list of providers agree");

  LayoutMistakes folders(comm);
  if (comm.is_root()) {
    for (const std::filesystem::path& folder :
         {run.secure, run.secure / "index", run.secure / "identities", run.secure / kNumberClaimForm.folder}) {
      struct stat status {};
      folders.expect(::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode), "no folder " + folder.string());
      folders.expect((status.st_mode & 07777U) == S_IRWXU, "the mode of " + folder.string() + " is not 0700");
    }
    try {
      folders.expect(manifests_agree(run.secure, run.publish),
                     "the manifests in the secure and the publish folder differ");
      for (const auto& entry : std::filesystem::recursive_directory_iterator(run.publish)) {
        folders.expect(entry.path().extension() != ".partial", "an unfinished file: " + entry.path().string());
      }
    } catch (const std::exception& error) {
      folders.expect(false, error.what());
    }
  }
  folders.into(table, "secure folder is private, publish folder is complete");
}

}  // namespace ligature
