#include "jobs/release/terms.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

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

// What the agreement says, and whether the dataset, the register and the job file allow it.
void take_agreement(const JobFile& job, const ReleaseSource& source, const fs::path& path, const std::string& text,
                    Terms& terms) {
  if (!job.customers) {
    throw UsageError(job.path.string() +
                     ": nothing can be released without a register of approved customers: 'customers' in [release]");
  }
  Releasable releasable = releasable_columns(source, terms.today);
  releasable.customers = read_customers(*job.customers);
  terms.agreement = parse_agreement(text, path, releasable);
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
  if (terms.agreement.form != ReleaseForm::aggregate) {
    require_key_apart(terms.agreement, job);
    terms.key = load_key_file(terms.agreement.key);  // by every rank, so that it never travels
    terms.key_id = Pseudonymiser(terms.key).key_id();
  }
  terms.terms_sha256 = terms_digest(terms.agreement, terms.key_id);
}

}  // namespace

std::string terms_digest(const Agreement& agreement, const std::string& key_id) {
  nlohmann::ordered_json json;
  json["form"] = release_form_name(agreement.form);
  json["legal_basis"] = agreement.legal_basis->name;
  json["key_id"] = key_id;
  json["rules"] = agreement.rules_name();
  json["k"] = agreement.k;
  json["persons"] = nlohmann::ordered_json::array();
  for (const PersonColumn column : agreement.person_columns) json["persons"].push_back(person_column_name(column));
  json["age_band"] = agreement.age_band;
  if (agreement.area_lookup) {
    for (const AreaOf& of : read_area_lookup(*agreement.area_lookup)) json["areas"].push_back({of.outward, of.area});
  }
  const Cohort& cohort = agreement.cohort;
  json["cohort"] = {cohort.born_from.value_or(0), cohort.born_to.value_or(0), cohort.sexes, cohort.areas,
                    cohort.datasets};
  for (const ReleasedDataset& dataset : agreement.datasets) {
    json["datasets"].push_back({dataset.name, dataset.columns, dataset.dates});
  }
  for (const ReleasedTable& table : agreement.tables) {
    json["tables"].push_back({table.name, table.count, table.dataset.value_or(""), table.dimensions, table.dates});
  }
  for (const IdentifierColumn column : agreement.identifiers) {
    json["identifiers"].push_back(identifier_column_name(column));
  }
  return hex(sha256(json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)));
}

Terms settle_terms(const Communicator& comm, const JobFile& job, const ReleaseSource& source,
                   const std::filesystem::path& path) {
  Terms terms;
  std::string text;
  agreed_step(comm, [&] {
    if (comm.is_root()) text = read_agreement(path);
  });
  comm.broadcast(text);
  terms.agreement_sha256 = hex(sha256(text));
  terms.today = utc_today();
  comm.broadcast_value(terms.today);  // one clock decides
  try {
    agreed_step(comm, [&] { take_agreement(job, source, path, text, terms); });
    agreed_step(comm, [&] {
      if (comm.is_root()) terms.number = admit_release(source.secure, terms, source.manifest, job.release_folder);
    });
  } catch (const Error& refusal) {
    if (refusal.exit_code() != kExitWrongUse) throw;
    AuditFields fields;
    if (!terms.agreement.id.empty()) {
      fields = {{"agreement", terms.agreement.id}, {"recipient", terms.agreement.recipient}};
    }
    fields.emplace_back("agreement_sha256", terms.agreement_sha256);
    fields.emplace_back("reason", std::string(refusal.what()));
    append_audit(comm, source.secure, {"refused", fields});
    throw;
  }
  comm.broadcast_value(terms.number);
  if (!terms.key.empty()) terms.key = naming_key(terms.agreement, std::move(terms.key));
  return terms;
}

}  // namespace ligature
