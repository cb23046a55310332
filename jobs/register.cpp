// The public register of releases: who was given what, why and under which rules.  Read from the audit log, in its
// order; nothing in it is secret, so it can be published as it stands.
#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "engine/error.hpp"
#include "io/audit_log.hpp"
#include "io/csv_field.hpp"
#include "io/part_files.hpp"
#include "jobs/jobs.hpp"

namespace ligature {

namespace {

// The columns: of the log's members those that are public.
constexpr std::array<std::string_view, 18> kColumns = {
    "agreement",  "release", "recipient", "recipient_type", "purpose",      "legal_basis",
    "start",      "expiry",  "form",      "datasets",       "columns",      "cohort",
    "objections", "rules",   "persons",   "rows",           "list_version", "output_sha256"};

std::string shown(const AuditEntry& entry, std::string_view name) {
  for (const auto& [key, value] : entry.fields) {
    if (key != name) continue;
    const auto* const number = std::get_if<std::uint64_t>(&value);
    return number != nullptr ? std::to_string(*number) : std::get<std::string>(value);
  }
  return {};
}

}  // namespace

int print_register(const Communicator& comm, const JobFile& job) {
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    std::string text = "released";
    for (const std::string_view column : kColumns) {
      text += ',';
      text += column;
    }
    text += '\n';
    const AuditChain chain = read_audit_log(job.secure, [&](const AuditEntry& entry) {
      if (entry.action != "release") return;
      text += entry.when;
      for (const std::string_view column : kColumns) {
        text += ',';
        append_csv_field(text, shown(entry, column));
      }
      text += '\n';
      if (text.size() < (std::size_t{1} << 20)) return;
      std::fputs(text.c_str(), stdout);
      text.clear();
    });
    std::fputs(text.c_str(), stdout);
    std::fprintf(stderr, "ligature: %llu entries in the audit log, the last with hash %s\n",
                 static_cast<unsigned long long>(chain.entries), chain.head.c_str());
  });
  return kExitDone;
}

}  // namespace ligature
