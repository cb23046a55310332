#include "jobs/run_account.hpp"

#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"

namespace ligature {

bool is_making_of(const AuditEntry& entry, const Manifest& run) {
  return entry.action == "rebuild" && entry.text("run_id") == run.run_id &&
         entry.text("content_digest") == run.content_digest;
}

void ReleasesHeld::take(const AuditEntry& entry) {
  if (entry.action == "rebuild") runs_.insert(entry.text("run_id"));
  if (entry.action == "release") releases_.insert(entry.hash);
}

std::uint64_t ReleasesHeld::check(std::span<const std::filesystem::path> folders) const {
  std::uint64_t found = 0;
  for (const std::filesystem::path& folder : folders) {
    std::error_code none;
    for (const auto& release : std::filesystem::directory_iterator(folder, none)) {
      const std::filesystem::path account = release.path() / "release.json";
      std::error_code ignored;
      if (release.path().extension() == ".partial" || !std::filesystem::is_regular_file(account, ignored)) continue;
      const auto json = nlohmann::json::parse(read_small_file(account), nullptr, false);
      const auto text = [&](const char* name) {
        const auto member = json.is_object() ? json.find(name) : json.end();
        return member != json.end() && member->is_string() ? member->get<std::string>() : std::string();
      };
      if (!runs_.contains(text("run_id"))) continue;  // of another log
      ++found;
      if (releases_.contains(text("audit_entry"))) continue;
      throw Error("the audit log does not have the release " + release.path().string() +
                  ", though it has its run: it was cut off or replaced.  Bring it back");
    }
  }
  return found;
}

std::optional<LedgerEntries> read_ledger_of_run(const std::filesystem::path& secure, const Manifest& run,
                                                std::uint64_t max_record_bytes) {
  if (run.consent.ledger_version.empty()) return std::nullopt;
  const std::filesystem::path path = secure / "objections.csv";
  // Numbers are as they were when it was written: whether one has been replaced since is no matter of its version.
  LedgerEntries entries = read_ledger_here({{path.string()}, kMissingDay, max_record_bytes}, {path.string()}, {}, {});
  if (hex(ObjectionLedger(entries.preferences).version()) == run.consent.ledger_version) return entries;
  throw Error(path.string() +
              " is not the ledger of objections that the run was made with: it was changed since. "
              "Bring it back, or rebuild");
}

}  // namespace ligature
