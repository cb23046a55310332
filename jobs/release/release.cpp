// A release: what one agreement names of one run, for one recipient.  Read release() at the end from top to bottom:
// what may be given is settled first, then who is in it, then it is written, entered in the log, and given its name.
// docs/release.md is the user's page.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/audit_log.hpp"
#include "io/file_digest.hpp"
#include "io/files.hpp"
#include "io/finished_run.hpp"
#include "io/part_files.hpp"
#include "io/placement.hpp"
#include "io/progress.hpp"
#include "io/run_lock.hpp"
#include "jobs/jobs.hpp"
#include "jobs/release/account.hpp"
#include "jobs/release/cubes.hpp"
#include "jobs/release/extract.hpp"
#include "jobs/release/identities.hpp"
#include "jobs/release/objections.hpp"
#include "jobs/release/selection.hpp"
#include "jobs/release/terms.hpp"
#include "jobs/run_account.hpp"
#include "jobs/secure_output.hpp"

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
  // Collective.  Locks base, since jobs of other runs may release to it under an agreement of the same id.  What
  // releases of the agreement that were cut short left there is removed.
  ReleaseFolder(const Communicator& comm, const fs::path& base, const std::string& agreement, std::uint64_t number)
      : final_(base / fmt::format("{}-{}", agreement, number)),
        partial_(final_.string() + std::string(kUnfinished)),
        owns_(comm.is_root()) {
    std::vector<fs::path> removed;
    agreed_step(comm, [&] {
      if (!comm.is_root()) return;
      fs::create_directories(base);
      lock_ = RunLock::of_folder(base);
      if (fs::exists(final_))
        throw Error(
            "there is a release of that name already, though the audit log does not have it: move it away, or "
            "bring back the log that has it: " +
            final_.string());
      removed = unfinished_releases(base, agreement);
      for (const fs::path& path : removed) fs::remove_all(path);
      make_private_directory(partial_);
    });
    if (lock_) warn_if_not_held(comm, *lock_, base);
    for (const fs::path& path : removed) {
      log_warning(comm, "removed what a release that was cut short had left: " + path.string());
    }
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
  std::optional<RunLock> lock_;  // rank 0's
};

// Collective.  Memory that this rank may use for what it holds of a release at a time.
std::uint64_t memory_of_rank(const JobFile& job, const Placement& placement) {
  std::uint64_t bytes = job.memory;
  if (bytes == 0) {
    bytes =
        static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 2;
  }
  return std::max<std::uint64_t>(1, bytes / static_cast<std::uint64_t>(placement.ranks_on_host));
}

// Collective.  A step of which every rank throws the same; what it refuses is entered in the log.
template <typename Step>
auto entered_if_refused(const Communicator& comm, const ReleaseSource& source, const AuditFields& fields,
                        const Step& step) {
  try {
    return step();
  } catch (const Error& refusal) {
    if (refusal.exit_code() == kExitWrongUse) {
      AuditFields refused = fields;
      refused.emplace_back("reason", std::string(refusal.what()));
      append_audit(comm, source.secure, {"refused", refused});
    }
    throw;
  }
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

}  // namespace

int release(const Communicator& comm, const JobFile& job, const fs::path& agreement_path) {
  const auto begin = std::chrono::steady_clock::now();
  const PrivateFiles private_files;
  const Placement placement = examine_placement(comm);
  const ThreadLimit threads(job.threads > 0 ? job.threads : placement.fair_threads);

  // What may be given.  From here until the release has its name nothing else is made of the run, or it anew.
  fs::path publish, secure;
  agreed_step(comm, [&] {
    publish = find_run(job.publish);
    secure = secure_folder(read_manifest(publish), publish);
  });
  keep_private(comm, secure);
  const std::optional<RunLock> lock = lock_run(comm, secure);
  std::optional<ReleaseSource> opened;
  agreed_step(comm, [&] { opened.emplace(publish); });
  const ReleaseSource& source = *opened;
  Terms terms = settle_terms(comm, job, source, agreement_path);
  const Agreement& agreement = terms.agreement;
  // Who is in it.
  const Objections objections = find_objections(comm, job, source, terms);
  SelectionCounts counts;
  const Selection selection = select_persons(comm, source, agreement, terms.areas, objections.found.rows, counts);
  AuditFields fields = describe(source, terms, objections, counts);
  entered_if_refused(comm, source, fields, [&] {
    if (counts.chosen > 0) return;
    throw UsageError(agreement_path.string() + ": refused: no person fits the agreement's cohort");
  });
  if (names_areas(agreement)) keep_released_areas(comm, source, selection, terms.areas);
  if (agreement.form == ReleaseForm::extract) require_k_anonymity(comm, source, terms, counts, fields);

  // What it is.
  const bool has_identifiers = agreement.form == ReleaseForm::identifiable;
  const fs::path base = has_identifiers ? source.secure / kSecureReleases : *job.release_folder;
  agreed_step(comm, [&] {
    if (has_identifiers && comm.is_root()) make_private_directory(base);
  });
  ReleaseFolder folder(comm, base, agreement.id, terms.number);
  const std::uint64_t memory = memory_of_rank(job, placement) / 2;
  std::uint64_t rows = 0;
  std::vector<WrittenFile> files;
  const auto written = [&](const std::string& name) {
    files.push_back({name, file_digest(comm, folder.path() / name)});
  };
  if (agreement.form == ReleaseForm::aggregate) {
    const TableFiles tables = entered_if_refused(comm, source, fields, [&] {
      return write_tables(comm, source, agreement, terms.areas, selection, folder.path());
    });
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
