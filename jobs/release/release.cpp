// A release: what one agreement names of one run, for one recipient.  Read release() at the end from top to bottom:
// what may be given is settled first, then who is in it, then it is written, entered in the log, and given its name.
// docs/release.md is the user's page.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/audit_log.hpp"
#include "io/clock.hpp"
#include "io/file_digest.hpp"
#include "io/files.hpp"
#include "io/finished_run.hpp"
#include "io/key_file.hpp"
#include "io/ledger.hpp"
#include "io/part_files.hpp"
#include "io/placement.hpp"
#include "io/progress.hpp"
#include "jobs/jobs.hpp"
#include "jobs/objectors.hpp"
#include "jobs/release/admission.hpp"
#include "jobs/release/cubes.hpp"
#include "jobs/release/extract.hpp"
#include "jobs/release/identities.hpp"
#include "jobs/release/selection.hpp"
#include "jobs/run_account.hpp"
namespace ligature {

namespace {

namespace fs = std::filesystem;

// What is made while it lives is this user's alone.
class PrivateFiles {
 public:
  PrivateFiles() : before_(::umask(S_IRWXG | S_IRWXO)) {}
  ~PrivateFiles() { ::umask(before_); }
  PrivateFiles(const PrivateFiles&) = delete;
  PrivateFiles& operator=(const PrivateFiles&) = delete;

 private:
  mode_t before_;
};

// The folder of a release: it has its name when all that belongs to it is in it, and is gone if that fails.
class ReleaseFolder {
 public:
  // Collective.
  ReleaseFolder(const Communicator& comm, const fs::path& base, const std::string& name)
      : final_(base / name), partial_(base / (name + ".partial")), owns_(comm.is_root()) {
    agreed_step(comm, [&] {
      if (!comm.is_root()) return;
      make_private_directory(base);
      if (fs::exists(final_))
        throw Error(
            "there is a release of that name already, though the audit log does not have it: move it away, or "
            "bring back the log that has it: " +
            final_.string());
      fs::remove_all(partial_);
      make_private_directory(partial_);
    });
  }
  ~ReleaseFolder() {
    std::error_code ignored;
    if (owns_) fs::remove_all(partial_, ignored);
  }
  ReleaseFolder(const ReleaseFolder&) = delete;
  ReleaseFolder& operator=(const ReleaseFolder&) = delete;
  [[nodiscard]] const fs::path& path() const noexcept { return partial_; }
  [[nodiscard]] const fs::path& final_path() const noexcept { return final_; }
  // Collective.
  void finish(const Communicator& comm) {
    agreed_step(comm, [&] {
      if (!comm.is_root()) return;
      sync_folder(partial_);
      rename_durably(partial_, final_);
      owns_ = false;
    });
  }

 private:
  fs::path final_, partial_;
  bool owns_;
};

// Who is released from, to whom, under which key; the same on every rank.
struct Terms {
  Agreement agreement;
  ReleasedAreas areas;
  SecretBytes key;
  std::string key_id;
  std::string agreement_sha256;
  std::uint64_t number = 0;
};

// A key that lay where things are handed over from would be handed over.
void require_key_apart(const Agreement& agreement, const JobFile& job) {
  const std::string key = fs::weakly_canonical(agreement.key).string();
  for (const fs::path& folder : {job.publish, job.release_folder.value_or(job.publish)}) {
    if (key.starts_with(fs::weakly_canonical(folder).string() + "/")) {
      throw UsageError(fmt::format("{}: the key must not lie in {}", agreement.path.string(), folder.string()));
    }
  }
}

// Collective.  Reads the agreement and settles whether it may be acted upon.
Terms settle_terms(const Communicator& comm, const JobFile& job, const ReleaseSource& source, const fs::path& path) {
  Terms terms;
  std::string text;
  agreed_step(comm, [&] {
    if (!job.customers) {
      throw UsageError(job.path.string() +
                       ": nothing can be released without a register of approved customers: 'customers' in [release]");
    }
    if (comm.is_root()) text = read_agreement(path);
  });
  comm.broadcast(text);
  agreed_step(comm, [&] {
    Releasable releasable = releasable_columns(source, utc_today());
    releasable.customers = read_customers(*job.customers);
    terms.agreement = parse_agreement(text, path, releasable);
    terms.agreement_sha256 = hex(sha256(text));
    if (terms.agreement.form != ReleaseForm::identifiable && !job.release_folder) {
      throw UsageError(job.path.string() + ": 'folder' in [release] must say where releases are put");
    }
    terms.areas = released_areas(source, terms.agreement);
    for (const std::string& area : terms.agreement.cohort.areas) {
      if (!std::binary_search(terms.areas.values.begin(), terms.areas.values.end(), area)) {
        throw UsageError(
            fmt::format("{}: there is no area '{}' among those that would be released", path.string(), area));
      }
    }
    if (terms.agreement.form == ReleaseForm::aggregate) return;
    require_key_apart(terms.agreement, job);
    terms.key = load_key_file(terms.agreement.key);  // by every rank, so that it never travels
    terms.key_id = Pseudonymiser(terms.key).key_id();
  });
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    try {
      terms.number = admit_release(source.secure, terms.agreement, terms.key_id, source.manifest, job.release_folder);
    } catch (const UsageError& refusal) {
      append_audit(source.secure, {"refused",
                                   {{"agreement", terms.agreement.id},
                                    {"recipient", terms.agreement.recipient},
                                    {"agreement_sha256", terms.agreement_sha256},
                                    {"reason", std::string(refusal.what())}}});
      throw;
    }
  });
  comm.broadcast_value(terms.number);
  if (!terms.key.empty()) terms.key = naming_key(terms.agreement, std::move(terms.key));
  return terms;
}

// The objections that a release leaves out, and the list that they are from.
struct Objections {
  Objectors found;
  std::string list_version;
  DayNumber as_at = kMissingDay;
};

// Collective.  Objections as they stand today, not as they stood when the dataset was made.
Objections find_objections(const Communicator& comm, const JobFile& job, const ReleaseSource& source,
                           const Agreement& agreement) {
  Objections objections;
  objections.as_at = utc_today();
  ReferenceCounts superseded_rows;
  const SupersessionTable superseded = load_superseded(comm, job, superseded_rows);
  LedgerCounts counts;
  const LedgerSources sources{job.consent.objections, objections.as_at, job.max_record_bytes};
  // The run's own ledger too: it holds the preferences that were coded in the rows.  It is read beside the files.
  std::future<std::optional<LedgerEntries>> own;
  if (comm.is_root()) {
    own = std::async(std::launch::async,
                     [&] { return read_ledger_of_run(source.secure, source.manifest, job.max_record_bytes); });
  }
  LedgerEntries entries = read_ledger_files(comm, sources, ledger_files(comm, sources), superseded, {});
  std::optional<LedgerEntries> of_run;
  agreed_step(comm, [&] {
    if (own.valid()) of_run = own.get();
  });
  if (of_run) {
    for (Preference preference : of_run->preferences) {
      if (preference.date > objections.as_at) continue;
      preference.nhs = superseded.current(preference.nhs);
      entries.preferences.push_back(preference);
      entries.places.emplace_back();
      entries.practices.push_back(0);
    }
    entries.counts.rows += of_run->counts.rows;
  }
  const ObjectionLedger ledger = make_ledger(comm, entries, {}, counts);
  objections.list_version = hex(ledger.version());
  if (counts.unusable() > 0) {
    log_warning(comm, "objections: " + with_commas(counts.unusable()) + " of " + with_commas(counts.rows) +
                          " rows say nothing that can be used");
  }
  if (!agreement.legal_basis->objections_apply) return objections;
  if (sources.files.empty() && !of_run) log_warning(comm, "the job file names no objections, so none are applied");
  ObjectionKinds kinds = kinds_of(ObjectionKind::type2) | kinds_of(ObjectionKind::national);
  if (job.consent.after_opt_out == AfterOptOut::withdraw) kinds |= kinds_of(ObjectionKind::type1);
  objections.found = find_objectors(comm, source.secure, source.manifest.identity_records_digest, source.dataset,
                                    ledger, kinds, objections.as_at);
  return objections;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : " ") + text;
  return all;
}

std::string dataset_names(const Agreement& agreement) {
  std::vector<std::string> names;
  for (const ReleasedDataset& dataset : agreement.datasets) names.push_back(dataset.name);
  for (const ReleasedTable& table : agreement.tables) {
    if (table.dataset && std::find(names.begin(), names.end(), *table.dataset) == names.end()) {
      names.push_back(*table.dataset);
    }
  }
  return joined(names);
}

std::string dates_text(EventDatePolicy dates) {
  return dates == EventDatePolicy::day ? "day" : dates == EventDatePolicy::month ? "month" : "year";
}

std::string column_names(const Agreement& agreement) {
  std::vector<std::string> names;
  for (const PersonColumn column : agreement.person_columns) {
    names.push_back("persons." + std::string(person_column_name(column)));
  }
  for (const ReleasedDataset& dataset : agreement.datasets) {
    for (const std::string& column : dataset.columns) names.push_back(dataset.name + "." + column);
    names.push_back("(" + dataset.name + " dates by " + dates_text(dataset.dates) + ")");
  }
  for (const ReleasedTable& table : agreement.tables) {
    names.push_back(table.name + "(" + joined(table.dimensions) + ")");
  }
  for (const IdentifierColumn column : agreement.identifiers) names.emplace_back(identifier_column_name(column));
  return joined(names);
}

bool names_areas(const Agreement& agreement) {
  const auto& columns = agreement.person_columns;
  if (std::find(columns.begin(), columns.end(), PersonColumn::area) != columns.end()) return true;
  const std::string_view area = person_column_name(PersonColumn::area);
  return std::any_of(agreement.tables.begin(), agreement.tables.end(), [&](const ReleasedTable& table) {
    return std::find(table.dimensions.begin(), table.dimensions.end(), area) != table.dimensions.end();
  });
}

std::string cohort_text(const Cohort& cohort) {
  if (cohort.everybody()) return "everybody";
  std::vector<std::string> parts;
  if (cohort.born_from) parts.push_back("born from " + std::to_string(*cohort.born_from));
  if (cohort.born_to) parts.push_back("born to " + std::to_string(*cohort.born_to));
  if (!cohort.sexes.empty()) {
    parts.emplace_back("sex");
    for (const std::uint8_t sex : cohort.sexes) parts.push_back(std::to_string(sex));
  }
  if (!cohort.areas.empty()) parts.push_back("areas " + joined(cohort.areas));
  if (!cohort.datasets.empty()) parts.push_back("with rows in " + joined(cohort.datasets));
  return joined(parts);
}

// What the log, the register and the recipient are told alike.
AuditFields describe(const ReleaseSource& source, const Terms& terms, const Objections& objections,
                     const SelectionCounts& counts) {
  const Agreement& agreement = terms.agreement;
  return {{"agreement", agreement.id},
          {"release", terms.number},
          {"recipient", agreement.recipient},
          {"recipient_type", std::string(recipient_type_name(agreement.recipient_type))},
          {"purpose", agreement.purpose},
          {"legal_basis", std::string(agreement.legal_basis->name)},
          {"start", iso_date(agreement.start)},
          {"expiry", iso_date(agreement.expiry)},
          {"form", std::string(release_form_name(agreement.form))},
          {"datasets", dataset_names(agreement)},
          {"columns", column_names(agreement)},
          {"cohort", cohort_text(agreement.cohort)},
          {"objections", std::string(objections_basis(agreement))},
          {"list_version", objections.list_version},
          {"list_as_at", iso_date(objections.as_at)},
          {"left_out", counts.objecting},
          {"rules", agreement.rules_name()},
          {"key_id", terms.key_id},
          {"agreement_sha256", terms.agreement_sha256},
          {"run_id", source.manifest.run_id},
          {"content_digest", source.manifest.content_digest},
          {"persons", counts.chosen}};
}

// Collective.  Memory that this rank may use for what it holds of a release at a time.
std::uint64_t memory_of_rank(const JobFile& job, const Placement& placement) {
  std::uint64_t bytes = job.memory;
  if (bytes == 0) {
    bytes =
        static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 2;
  }
  return std::max<std::uint64_t>(1, bytes / static_cast<std::uint64_t>(placement.ranks_on_host));
}

// Collective.  k-anonymity is measured for every extract, entered in the log, and below the agreement's k it ends here.
void require_k_anonymity(const Communicator& comm, const ReleaseSource& source, const Terms& terms,
                         const SelectionCounts& counts, AuditFields& fields) {
  const Agreement& agreement = terms.agreement;
  const KAnonymity measured = measure_k_anonymity(comm, agreement.k, counts.classes);
  fields.emplace_back("k", agreement.k);
  fields.emplace_back("classes", measured.classes);
  fields.emplace_back("smallest_class", measured.smallest);
  fields.emplace_back("persons_below_k", measured.below);
  if (measured.smallest >= agreement.k) return;
  append_audit(comm, source.secure, {"refused", fields});
  throw LimitError(fmt::format(
      "{}: refused: k is {}, and of the {} combinations of what is released of persons the rarest holds {}; {} persons "
      "are in combinations that hold too few.  Release wider age bands, larger areas or fewer columns",
      agreement.path.string(), agreement.k, with_commas(measured.classes), measured.smallest,
      with_commas(measured.below)));
}

// What the recipient is told of it: not how many object, which may be a handful.
AuditFields for_recipient(AuditFields fields) {
  std::erase_if(fields, [](const auto& field) { return field.first == "left_out"; });
  return fields;
}

// Without what tells one making of the release from another, so that they are the same bytes.
Attributes attributes_of(const AuditFields& fields) {
  Attributes attributes = {{"program", std::string("ligature")}, {"schema_version", kSchemaVersion}};
  for (const auto& [name, value] : for_recipient(fields)) {
    if (name == "release" || name == "list_as_at") continue;
    attributes.emplace_back(name == "content_digest" ? "source_content_digest" : name, value);
  }
  return attributes;
}

// Digests of the files, as lines "sha256  name".
std::string digest_lines(std::vector<WrittenFile> files) {
  std::sort(files.begin(), files.end(), [](const WrittenFile& a, const WrittenFile& b) { return a.name < b.name; });
  std::string lines;
  for (const WrittenFile& file : files) lines += hex(file.digest) + "  " + file.name + "\n";
  return lines;
}

// The recipient's account of the release.
void write_account(const fs::path& folder, const AuditFields& fields, const std::string& digests,
                   const std::string& entry) {
  nlohmann::ordered_json json;
  for (const auto& [name, value] : for_recipient(fields)) {
    std::visit([&, &key = name](const auto& of) { json[key] = of; }, value);
  }
  json["audit_entry"] = entry;
  write_file_durably(folder / "release.json",
                     json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n", 0600);
  write_file_durably(folder / "digests.txt", digests, 0600);
}

std::string summary(const Terms& terms, const SelectionCounts& counts, std::uint64_t rows, const fs::path& folder,
                    double seconds, const std::string& entry) {
  const Agreement& agreement = terms.agreement;
  return fmt::format(
      "release {} of agreement {} to {} ({}, {})\n"
      "  {} persons, {} rows; {} persons who object left out\n"
      "  {} in {}\n"
      "  audit log entry {}\n",
      terms.number, agreement.id, agreement.recipient, release_form_name(agreement.form), agreement.legal_basis->name,
      with_commas(counts.chosen), with_commas(rows), with_commas(counts.objecting), folder.string(),
      human_seconds(seconds), entry);
}

}  // namespace

int release(const Communicator& comm, const JobFile& job, const fs::path& agreement_path) {
  const auto begin = std::chrono::steady_clock::now();
  const PrivateFiles private_files;
  const Placement placement = examine_placement(comm);
  const ThreadLimit threads(job.threads > 0 ? job.threads : placement.fair_threads);

  // What may be given.
  std::optional<ReleaseSource> opened;
  agreed_step(comm, [&] { opened.emplace(find_run(job.publish)); });
  const ReleaseSource& source = *opened;
  Terms terms = settle_terms(comm, job, source, agreement_path);
  const Agreement& agreement = terms.agreement;
  // Who is in it.
  const Objections objections = find_objections(comm, job, source, agreement);
  SelectionCounts counts;
  const Selection selection = select_persons(comm, source, agreement, terms.areas, objections.found.rows, counts);
  if (counts.chosen == 0)
    throw UsageError(agreement_path.string() + ": refused: no person fits the agreement's cohort");
  if (names_areas(agreement)) keep_released_areas(comm, source, selection, terms.areas);
  AuditFields fields = describe(source, terms, objections, counts);
  if (agreement.form == ReleaseForm::extract) require_k_anonymity(comm, source, terms, counts, fields);

  // What it is.
  const fs::path base =
      agreement.form == ReleaseForm::identifiable ? source.secure / kSecureReleases : *job.release_folder;
  ReleaseFolder folder(comm, base, fmt::format("{}-{}", agreement.id, terms.number));
  const std::uint64_t memory = memory_of_rank(job, placement) / 2;
  std::uint64_t rows = 0;
  std::vector<WrittenFile> files;
  const auto written = [&](const std::string& name) {
    files.push_back({name, file_digest(comm, folder.path() / name)});
  };
  if (agreement.form == ReleaseForm::aggregate) {
    const TableFiles tables = write_tables(comm, source, agreement, terms.areas, selection, folder.path());
    for (const std::string& name : tables.names) written(name);
    rows = tables.counts.entries;
    fields.emplace_back("entries_small", tables.counts.small);
    fields.emplace_back("entries_suppressed", tables.counts.suppressed);
  } else {
    const bool hdf5 = agreement.format == ReleaseFormat::hdf5;
    const ReleasedColumns columns = release_columns(comm, source, agreement, terms.areas, selection, hdf5);
    const Release what{source, agreement, terms.areas, selection, columns, terms.key};
    const std::uint64_t rounds = rounds_needed(comm, columns, counts.chosen, memory);
    for (const ReleasedEvents& events : columns.events) rows += events.events;
    if (hdf5) {
      files.push_back(write_hdf5_extract(comm, what, counts.chosen, rounds, folder.path(), attributes_of(fields)));
    } else {
      files = write_csv_extract(comm, what, counts.chosen, rounds, folder.path());
    }
    if (agreement.form == ReleaseForm::identifiable) {
      const std::uint64_t lines =
          write_identities(comm, source, agreement, selection, terms.key, counts.chosen, memory, folder.path());
      fields.emplace_back("identity_lines", lines);
      written(std::string(kIdentitiesFile));
    }
  }
  fields.emplace_back("rows", rows);

  // The account of it, and last of all its name.
  const std::string digests = digest_lines(std::move(files));
  fields.emplace_back("output_sha256", hex(sha256(digests)));
  const std::string entry = append_audit(comm, source.secure, {"release", fields});
  agreed_step(comm, [&] {
    if (comm.is_root()) write_account(folder.path(), fields, digests, entry);
  });
  folder.finish(comm);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (comm.is_root()) {
    std::fputs(summary(terms, counts, rows, folder.final_path(), seconds, entry).c_str(), stdout);
  }
  return kExitDone;
}

}  // namespace ligature
