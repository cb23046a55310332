// secure/audit.log: what was done with a run and its keys, in lines that nobody can change one by one.
//
// JSON lines, each with the hash of the one before it and SHA-256 of its own text up to the member "hash": a line that
// is changed, taken out or put in breaks the chain there.  The hash needs no key, so that anybody who may read the log
// can check it.  That it was not cut off or put in the place of another is told by its head, number and hash of the
// last entry, which stands in a file beside it, and which every release carries away with it.  docs/release.md has the
// members.
//
// Appending is safe against other jobs (a lock on the file) and against a crash: a last line that was cut short is
// closed and accounted for by a line of its own, and never read as an entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "partition/communicator.hpp"

namespace ligature {

inline constexpr std::string_view kAuditFile = "audit.log";  // in the secure folder
inline constexpr std::string_view kAuditHeadFile = "audit.head";
inline constexpr std::size_t kMostAuditLine = std::size_t{1} << 20;

using AuditValue = std::variant<std::string, std::uint64_t>;
using AuditFields = std::vector<std::pair<std::string, AuditValue>>;

// What is to be entered: what was done, and its particulars.  Never the value of an identifier, never a key.
struct AuditEvent {
  std::string action;  // "release", "refused", "rebuild", "export", "explain", "key"
  AuditFields fields;  // names as in the log; none of sequence, when, uid, user, action, previous, hash
};

struct AuditEntry {
  std::uint64_t sequence = 0;  // from 1
  std::string when;            // UTC, 2014-04-30T12:00:00Z
  std::uint64_t uid = 0;
  std::string user, action, previous, hash;
  AuditFields fields;
  [[nodiscard]] std::string text(std::string_view name) const;      // empty if there is none
  [[nodiscard]] std::uint64_t number(std::string_view name) const;  // 0 if there is none
};

struct AuditChain {
  std::uint64_t entries = 0;
  std::uint64_t torn_lines = 0;  // cut short by a crash, and accounted for
  std::uint64_t torn_bytes = 0;  // at the end of the log, not yet accounted for
  std::string head;              // hash of the last entry; 64 zeros of an empty log
};

// Reads a log from its bytes, in pieces of any size.  Throws Error that names the line where the chain breaks.
class AuditReader {
 public:
  explicit AuditReader(std::function<void(const AuditEntry&)> visit) : visit_(std::move(visit)) {}
  void add(std::string_view bytes);
  [[nodiscard]] AuditChain finish() const;

 private:
  void take_line(std::string_view line);
  std::function<void(const AuditEntry&)> visit_;
  AuditChain chain_;
  std::uint64_t line_ = 0;
  std::string rest_;   // of a line
  std::string stray_;  // lines that are no entries, until one accounts for them
  bool strays_ = false;
};

// The whole log of a secure folder; a log that is not there is empty.  Throws Error if it does not have the entry that
// its head names.
AuditChain read_audit_log(const std::filesystem::path& secure, const std::function<void(const AuditEntry&)>& visit);

// Throws Error if the log's end was cut off, as the file of its head tells: before work whose entry it could not take.
void check_audit_end(const std::filesystem::path& secure);

// Adds an entry and returns its hash once it is on the disk.  The entry names the user of this process and the time.
// Throws Error if the log's last entry is not whole, its end was cut off, or the file is not this user's alone.
std::string append_audit(const std::filesystem::path& secure, const AuditEvent& event);

// Collective.  Rank 0 appends; every rank gets the hash, or throws the same Error.
std::string append_audit(const Communicator& comm, const std::filesystem::path& secure, const AuditEvent& event);

}  // namespace ligature
