#include "jobs/release/terms.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/pseudonym.hpp"
#include "engine/sha256.hpp"
#include "io/audit_log.hpp"
#include "io/clock.hpp"
#include "io/customers.hpp"
#include "io/key_file.hpp"
#include "io/part_files.hpp"
#include "jobs/release/admission.hpp"

namespace ligature {

namespace {

namespace fs = std::filesystem;

// A key that lay where things are handed over from would be handed over.
void require_key_apart(const Agreement& agreement, const JobFile& job) {
  const std::string key = fs::weakly_canonical(agreement.key).string();
  for (const fs::path& folder : {job.publish, job.release_folder.value_or(job.publish)}) {
    if (key.starts_with(fs::weakly_canonical(folder).string() + "/")) {
      throw UsageError(fmt::format("{}: the key must not lie in {}", agreement.path.string(), folder.string()));
    }
  }
}

}  // namespace

Terms settle_terms(const Communicator& comm, const JobFile& job, const ReleaseSource& source,
                   const std::filesystem::path& path) {
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

}  // namespace ligature
