#include "jobs/release/admission.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/hmac_lanes.hpp"
#include "io/audit_log.hpp"
#include "io/customers.hpp"
#include "jobs/run_account.hpp"

namespace ligature {

std::string_view objections_basis(const Agreement& agreement) noexcept {
  return agreement.legal_basis->objections_apply ? "applied" : "exempt";
}

SecretBytes naming_key(const Agreement& agreement, SecretBytes key) {
  if (agreement.legal_basis->objections_apply) return key;
  constexpr std::string_view kLabel = "ligature: objections not applied";
  HmacDigests digests;
  hmac_lanes_plain(HmacKey(key), HmacMessages(std::as_bytes(std::span(kLabel))), digests);
  SecretBytes derived(digests.words.size() * sizeof(std::uint32_t));
  for (std::size_t i = 0; i < derived.size(); ++i) {
    derived[i] = static_cast<std::byte>(digests.words[i / 4][0] >> (24 - 8 * (i % 4)));
  }
  wipe(&digests, sizeof digests);
  return derived;
}

namespace {

// What was released under the agreement before must have been the same: what is left between two extracts under one key
// or two tables that differ a little is what k-anonymity and suppression keep back.
bool has_other_terms(const AuditEntry& entry, const Terms& terms) {
  const std::string then = entry.text("terms_sha256");
  if (!then.empty()) return then != terms.terms_sha256;
  return entry.text("agreement_sha256") != terms.agreement_sha256;  // of an earlier build
}

// when: a time in UTC as logs and manifests have it, "2014-04-01T08:30:00Z".
void require_clock_after(DayNumber today, const std::string& when, const std::string& what) {
  const std::string now = today == kMissingDay ? std::string() : iso_date(today);
  if (now >= when.substr(0, 10)) return;
  throw Error(fmt::format("the clock is behind {}: it says that today is {}, and {} was at {}.  Set the clock", what,
                          now.empty() ? "no day of the calendar" : now, what, when));
}

}  // namespace

std::uint64_t admit_release(const std::filesystem::path& secure, const Terms& terms, const Manifest& run,
                            const std::optional<std::filesystem::path>& release_folder) {
  const Agreement& agreement = terms.agreement;
  const std::string& key_id = terms.key_id;
  const std::string name = agreement.path.string();
  const auto refuse = [&](const std::string& why) { throw UsageError(name + ": refused: " + why); };
  if (!key_id.empty() && key_id == run.key_id) {
    refuse("its key is the key of the dataset; make one of its own with: ligature key new FILE");
  }
  std::uint64_t earlier = 0;
  MakingSought making(run);
  std::string why, changed, latest;
  ReleasesHeld held;
  read_audit_log(secure, [&](const AuditEntry& entry) {
    held.take(entry);
    making.take(entry);
    latest = std::max(latest, entry.when);  // not the last entry's, which may have been made to be before the others
    if (!why.empty()) return;
    if (entry.action == "rebuild" && !key_id.empty() && entry.text("key_id") == key_id) {
      why = fmt::format("its key was the key of a dataset (entry {} of the audit log)", entry.sequence);
    }
    if (entry.action != "release") return;
    const bool same_agreement = entry.text("agreement") == agreement.id;
    if (same_agreement) ++earlier;
    if (same_agreement && changed.empty() && has_other_terms(entry, terms)) {
      changed = fmt::format(
          "what was released under agreement {} before had other terms (entry {} of the audit log); a changed "
          "agreement "
          "is a new one: give it a new id and a key of its own",
          agreement.id, entry.sequence);
    }
    if (same_agreement && !same_recipient(entry.text("recipient"), agreement.recipient)) {
      why = fmt::format("agreement {} is with {} (entry {} of the audit log)", agreement.id, entry.text("recipient"),
                        entry.sequence);
    } else if (!same_agreement && !key_id.empty() && entry.text("key_id") == key_id) {
      why = fmt::format("its key is that of agreement {} (entry {} of the audit log): the two files could be joined",
                        entry.text("agreement"), entry.sequence);
    } else if (same_recipient(entry.text("recipient"), agreement.recipient) &&
               entry.text("objections") != objections_basis(agreement)) {
      why = fmt::format(
          "{} was given data with objections {} (agreement {}, entry {} of the audit log), and would now "
          "be given data with objections {}: comparing the two would tell who objected",
          agreement.recipient, entry.text("objections"), entry.text("agreement"), entry.sequence,
          objections_basis(agreement));
    }
  });
  if (!making.found()) {
    throw Error("the audit log in " + secure.string() +
                " does not have the making of this run: it was cut off, replaced or lost.  Bring it back, or rebuild");
  }
  std::vector<std::filesystem::path> folders = {secure / kSecureReleases};
  if (release_folder) folders.push_back(*release_folder);
  held.check(folders);
  require_clock_after(terms.today, run.started_utc, "the start of the run");
  require_clock_after(terms.today, latest, "the audit log's latest entry");
  if (!why.empty()) refuse(why);
  if (!changed.empty()) refuse(changed);
  return earlier + 1;
}

}  // namespace ligature
