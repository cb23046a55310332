#include "jobs/release/objections.hpp"

#include <future>
#include <optional>

#include "io/intake.hpp"
#include "io/ledger.hpp"
#include "io/part_files.hpp"
#include "io/progress.hpp"
#include "jobs/run_account.hpp"

namespace ligature {

Objections find_objections(const Communicator& comm, const JobFile& job, const ReleaseSource& source,
                           const Terms& terms) {
  Objections objections;
  objections.as_at = terms.today;
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
  if (!terms.agreement.legal_basis->objections_apply) return objections;
  if (sources.files.empty() && !of_run) log_warning(comm, "the job file names no objections, so none are applied");
  ObjectionKinds kinds = kinds_of(ObjectionKind::type2) | kinds_of(ObjectionKind::national);
  if (job.consent.after_opt_out == AfterOptOut::withdraw) kinds |= kinds_of(ObjectionKind::type1);
  objections.found = find_objectors(comm, source.secure, source.manifest.identity_records_digest, source.dataset,
                                    ledger, superseded, kinds, objections.as_at);
  return objections;
}

}  // namespace ligature
