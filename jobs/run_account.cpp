#include "jobs/run_account.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"

namespace ligature {

AuditEvent making_of(const Manifest& run) {
  return {"rebuild",
          {{"job", run.job_name},
           {"run_id", run.run_id},
           {"job_file_digest", run.job_file_digest},
           {"input_digest", run.input_digest},
           {"content_digest", run.content_digest},
           {"identity_records_digest", run.identity_records_digest},
           {"ledger_version", run.consent.ledger_version},
           {"key_id", run.key_id},
           {"persons", run.persons},
           {"rows", run.rows.kept},
           {"opted_out", run.rows.opted_out}}};
}

void MakingSought::take(const AuditEntry& entry) {
  if (entry.action != "rebuild" || entry.text("run_id") != run_.run_id ||
      entry.text("content_digest") != run_.content_digest) {
    return;
  }
  // Entries of earlier builds do not tell of records and ledger.
  found_ = entry.text("identity_records_digest").empty() ||
           (entry.text("identity_records_digest") == run_.identity_records_digest &&
            entry.text("ledger_version") == run_.consent.ledger_version);
}

void ReleasesHeld::take(const AuditEntry& entry) {
  if (entry.action == "rebuild") runs_.insert(entry.text("run_id"));
  if (entry.action == "release") releases_.emplace(entry.hash, entry.text("output_sha256"));
}

std::vector<ReleasesHeld::Release> ReleasesHeld::check(std::span<const std::filesystem::path> folders) const {
  std::vector<Release> found;
  for (const std::filesystem::path& folder : folders) {
    std::error_code none;
    for (const auto& release : std::filesystem::directory_iterator(folder, none)) {
      const std::filesystem::path account = release.path() / kAccountFile;
      std::error_code ignored;
      if (release.path().extension() == kUnfinished || !std::filesystem::is_regular_file(account, ignored)) continue;
      const auto json = nlohmann::json::parse(read_small_file(account), nullptr, false);
      const auto text = [&](const char* name) {
        const auto member = json.is_object() ? json.find(name) : json.end();
        return member != json.end() && member->is_string() ? member->get<std::string>() : std::string();
      };
      const auto entry = releases_.find(text("audit_entry"));
      if (entry == releases_.end()) {
        if (!runs_.contains(text("run_id"))) continue;  // of another log
        throw Error("the audit log does not have the release " + release.path().string() +
                    ", though it has its run: it was cut off or replaced.  Bring it back");
      }
      found.push_back({release.path(), entry->second});
    }
  }
  return found;
}

std::vector<std::filesystem::path> unfinished_releases(const std::filesystem::path& folder,
                                                       const std::optional<std::string>& agreement) {
  std::vector<std::filesystem::path> found;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    if (entry.path().extension() != kUnfinished) continue;
    // The number of the release stands behind the last hyphen: an id may hold others.
    const std::string name = entry.path().stem().string();
    const std::size_t number = name.find_last_not_of("0123456789");
    if (number == std::string::npos || name[number] != '-' || number + 1 == name.size()) continue;
    if (!agreement || name.compare(0, number, *agreement) == 0) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<LedgerEntries> read_ledger_of_run(const std::filesystem::path& secure, const Manifest& run,
                                                std::uint64_t max_record_bytes) {
  if (run.consent.ledger_version.empty()) return std::nullopt;
  const std::filesystem::path path = secure / "objections.csv";
  if (!std::filesystem::exists(path)) {
    throw Error(path.string() +
                ", the ledger of objections that the run was made with, is missing: bring it back, or rebuild");
  }
  // Numbers are as they were when it was written: whether one has been replaced since is no matter of its version.
  LedgerEntries entries = read_ledger_here({{path.string()}, kMissingDay, max_record_bytes}, {path.string()}, {}, {});
  if (hex(ObjectionLedger(entries.preferences).version()) == run.consent.ledger_version) return entries;
  throw Error(path.string() +
              " is not the ledger of objections that the run was made with: it was changed since. "
              "Bring it back, or rebuild");
}

}  // namespace ligature
