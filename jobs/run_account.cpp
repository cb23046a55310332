#include "jobs/run_account.hpp"

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "io/part_files.hpp"

namespace ligature {

bool is_making_of(const AuditEntry& entry, const Manifest& run) {
  return entry.action == "rebuild" && entry.text("run_id") == run.run_id &&
         entry.text("content_digest") == run.content_digest;
}

std::optional<LedgerEntries> read_ledger_of_run(const Communicator& comm, const std::filesystem::path& secure,
                                                const Manifest& run, std::uint64_t max_record_bytes) {
  if (run.consent.ledger_version.empty()) return std::nullopt;
  const std::filesystem::path path = secure / "objections.csv";
  // Numbers are as they were when it was written: whether one has been replaced since is no matter of its version.
  LedgerEntries entries =
      read_ledger_files(comm, {{path.string()}, kMissingDay, max_record_bytes}, {path.string()}, {}, {});
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    if (hex(ObjectionLedger(entries.preferences).version()) == run.consent.ledger_version) return;
    throw Error(path.string() +
                " is not the ledger of objections that the run was made with: it was changed since. "
                "Bring it back, or rebuild");
  });
  return entries;
}

}  // namespace ligature
