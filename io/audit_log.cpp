#include "io/audit_log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <span>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/error.hpp"
#include "engine/sha256.hpp"
#include "io/clock.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"

namespace ligature {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kHashMember = ",\"hash\":\"";
constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::array<std::string_view, 7> kOwnMembers = {"sequence", "when",     "uid", "user",
                                                         "action",   "previous", "hash"};

std::string no_hash() {
  return std::string(kHashDigits, '0');
}

bool is_own(std::string_view name) {
  return std::find(kOwnMembers.begin(), kOwnMembers.end(), name) != kOwnMembers.end();
}

// The name of a user, or of the number where the system knows none.
std::string user_name(uid_t uid) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) return found->pw_name;
  return fmt::format("uid {}", uid);
}

// The entry's text and its hash, as one line without its end.
std::string line_of(const AuditEvent& event, std::uint64_t sequence, const std::string& previous, std::string& hash) {
  Json json;
  json["sequence"] = sequence;
  json["when"] = utc_now();
  json["uid"] = static_cast<std::uint64_t>(::geteuid());
  json["user"] = user_name(::geteuid());
  json["action"] = event.action;
  for (const auto& [name, value] : event.fields) {
    if (is_own(name)) throw Error("the log has a member of its own called " + name);
    std::visit([&, &key = name](const auto& of) { json[key] = of; }, value);
  }
  json["previous"] = previous;
  // What is not UTF-8 (a path, say) is replaced, not refused: an entry must never fail for a name.
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.pop_back();  // the closing brace
  hash = hex(sha256(text));
  text += std::string(kHashMember) + hash + "\"}";
  if (text.size() >= kMostAuditLine) throw Error("an entry of the audit log would be too long");
  return text;
}

// The entry of a line, if it is one with a right hash.
std::optional<AuditEntry> entry_of(std::string_view line) {
  const std::size_t tail = kHashMember.size() + kHashDigits + 2;
  if (line.size() < tail || line.size() >= kMostAuditLine) return std::nullopt;
  const std::string_view text = line.substr(0, line.size() - tail), end = line.substr(line.size() - tail);
  const std::string_view hash = end.substr(kHashMember.size(), kHashDigits);
  if (!end.starts_with(kHashMember) || !end.ends_with("\"}") || hex(sha256(text)) != hash) return std::nullopt;
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  AuditEntry entry;
  entry.hash = hash;
  std::size_t own = 0;
  for (const auto& [name, value] : json.items()) {
    AuditValue of;
    if (value.is_string()) {
      of = value.get<std::string>();
    } else if (value.is_number_unsigned()) {
      of = value.get<std::uint64_t>();
    } else {
      return std::nullopt;
    }
    if (!is_own(name)) {
      entry.fields.emplace_back(name, std::move(of));
      continue;
    }
    ++own;
    const bool is_number = name == "sequence" || name == "uid";
    if (is_number != std::holds_alternative<std::uint64_t>(of)) return std::nullopt;
    if (name == "sequence") entry.sequence = std::get<std::uint64_t>(of);
    if (name == "uid") entry.uid = std::get<std::uint64_t>(of);
    if (name == "when") entry.when = std::get<std::string>(of);
    if (name == "user") entry.user = std::get<std::string>(of);
    if (name == "action") entry.action = std::get<std::string>(of);
    if (name == "previous") entry.previous = std::get<std::string>(of);
  }
  if (own != kOwnMembers.size()) return std::nullopt;
  return entry;
}

// What a line that was cut short is accounted for by.
AuditEvent torn_event(std::string_view torn) {
  return {"torn", {{"bytes", std::uint64_t{torn.size()}}, {"sha256", hex(sha256(torn))}}};
}

// Where the log ends: its last entry, and what stands behind it.
struct LogEnd {
  std::uint64_t sequence = 0;
  std::string head = no_hash();
  std::string torn;
};

LogEnd end_of(const File& file) {
  const std::uint64_t size = file.size();
  // The last entry and a torn one behind it, each shorter than a longest line.
  const std::uint64_t take = std::min<std::uint64_t>(size, 2 * kMostAuditLine);
  std::string tail(take, '\0');
  file.read_exactly_at(size - take, std::as_writable_bytes(std::span(tail)));
  LogEnd end;
  for (std::size_t line_end = tail.rfind('\n'); line_end != std::string::npos;) {
    const std::size_t before = line_end == 0 ? std::string::npos : tail.rfind('\n', line_end - 1);
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    if (const auto entry = entry_of(std::string_view(tail).substr(begin, line_end - begin))) {
      end.sequence = entry->sequence;
      end.head = entry->hash;
      end.torn = tail.substr(line_end + 1);
      return end;
    }
    line_end = before;
  }
  if (take < size) throw Error("the audit log does not end with an entry: " + file.path().string());
  end.torn = std::move(tail);
  return end;
}

// What the file of the head names: an entry that is on the disk, the last one or one of the last.
struct LogHead {
  std::uint64_t sequence = 0;
  std::string hash;
};

std::optional<LogHead> head_of(const std::filesystem::path& secure) {
  const std::filesystem::path path = secure / kAuditHeadFile;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    return std::nullopt;  // there is no log yet, or it is of an earlier build
  const std::string text = read_small_file(path);
  LogHead head;
  const char* const end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, head.sequence);
  if (error != std::errc() || static_cast<std::size_t>(end - after) != kHashDigits + 2 || *after != ' ') {
    throw Error("not the head of an audit log: " + path.string());
  }
  head.hash.assign(after + 1, kHashDigits);
  return head;
}

void put_head(const std::filesystem::path& secure, std::uint64_t sequence, const std::string& hash) {
  write_file_durably(secure / kAuditHeadFile, fmt::format("{} {}\n", sequence, hash), S_IRUSR | S_IWUSR);
}

[[noreturn]] void fail_cut_off(const std::filesystem::path& secure, const LogHead& head) {
  throw Error(
      fmt::format("{}: its end was cut off, or it stands in the place of another: {} says that it has entry {} with "
                  "hash {}.  Bring the log back",
                  (secure / kAuditFile).string(), kAuditHeadFile, head.sequence, head.hash));
}

// The log, open for appending and locked until it is closed.
File open_log(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
  if (descriptor < 0) throw Error("cannot open the audit log " + path.string() + ": " + std::strerror(errno));
  File file = File::adopt(descriptor, path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) {
    throw Error("the audit log is not a file of this user: " + path.string());
  }
  if ((status.st_mode & 07777U) != (S_IRUSR | S_IWUSR) && ::fchmod(descriptor, S_IRUSR | S_IWUSR) != 0) {
    throw Error("cannot set the mode of " + path.string());
  }
  while (::flock(descriptor, LOCK_EX) != 0) {
    if (errno != EINTR) throw Error("cannot lock the audit log " + path.string() + ": " + std::strerror(errno));
  }
  return file;
}

// In one call where the system can: what a crash leaves is then all of it, or a torn line.
void append_text(const File& file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(file.descriptor(), text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw Error("cannot write the audit log " + file.path().string() + ": " + std::strerror(errno));
    text.remove_prefix(static_cast<std::size_t>(put));
  }
}

const AuditValue* find_field(const AuditFields& fields, std::string_view name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == name; });
  return found == fields.end() ? nullptr : &found->second;
}

}  // namespace

std::string AuditEntry::text(std::string_view name) const {
  const AuditValue* const value = find_field(fields, name);
  const auto* const text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? std::string() : *text;
}

std::uint64_t AuditEntry::number(std::string_view name) const {
  const AuditValue* const value = find_field(fields, name);
  const auto* const number = value == nullptr ? nullptr : std::get_if<std::uint64_t>(value);
  return number == nullptr ? 0 : *number;
}

void AuditReader::add(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    rest_ += bytes.substr(0, end);
    if (rest_.size() + stray_.size() > 2 * kMostAuditLine) {
      throw Error(fmt::format("audit log, line {}: longer than any entry", line_ + 1));
    }
    if (end == std::string_view::npos) return;
    take_line(rest_);
    rest_.clear();
    bytes.remove_prefix(end + 1);
  }
}

void AuditReader::take_line(std::string_view line) {
  ++line_;
  if (chain_.head.empty()) chain_.head = no_hash();
  const std::optional<AuditEntry> entry = entry_of(line);
  if (!entry) {
    if (strays_) stray_ += '\n';
    strays_ = true;
    stray_ += line;
    return;
  }
  const auto broken = [&](const char* how) { throw Error(fmt::format("audit log, line {}: {}", line_, how)); };
  if (entry->previous != chain_.head) broken("does not follow the entry before it: entries were changed or taken out");
  if (entry->sequence != chain_.entries + 1) broken("its number does not follow");
  if (strays_ != (entry->action == "torn")) {
    broken(strays_ ? "the lines before it are no entries, and it does not account for them"
                   : "accounts for a torn line that is not there");
  }
  if (strays_ && (entry->number("bytes") != stray_.size() || entry->text("sha256") != hex(sha256(stray_)))) {
    broken("the torn line before it is not the one that it accounts for");
  }
  if (strays_) ++chain_.torn_lines;
  strays_ = false;
  stray_.clear();
  chain_.head = entry->hash;
  chain_.entries = entry->sequence;
  if (visit_) visit_(*entry);
}

AuditChain AuditReader::finish() const {
  AuditChain chain = chain_;
  if (chain.head.empty()) chain.head = no_hash();
  chain.torn_bytes = rest_.size() + stray_.size() + (strays_ ? 1 : 0);
  return chain;
}

AuditChain read_audit_log(const std::filesystem::path& secure, const std::function<void(const AuditEntry&)>& visit) {
  const std::filesystem::path path = secure / kAuditFile;
  const std::optional<LogHead> head = head_of(secure);  // first, so that what is added meanwhile is no fault
  bool has_head = !head;
  AuditReader reader([&](const AuditEntry& entry) {
    has_head = has_head || (entry.sequence == head->sequence && entry.hash == head->hash);
    if (visit) visit(entry);
  });
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    const File file = File::open_read(path);
    std::string piece(kPieceBytes, '\0');
    for (std::uint64_t offset = 0; offset == 0 || piece.size() == kPieceBytes;) {
      piece.resize(file.read_at(offset, std::as_writable_bytes(std::span(piece))));
      reader.add(piece);
      offset += kPieceBytes;
    }
  }
  if (!has_head) fail_cut_off(secure, *head);
  return reader.finish();
}

void check_audit_end(const std::filesystem::path& secure) {
  const std::optional<LogHead> head = head_of(secure);
  if (!head) return;
  const std::filesystem::path path = secure / kAuditFile;
  std::error_code ignored;
  const LogEnd end = std::filesystem::exists(path, ignored) ? end_of(File::open_read(path)) : LogEnd{};
  // A crash may have left it an entry longer than its head says.
  if (end.sequence > head->sequence) {
    read_audit_log(secure, {});
  } else if (end.sequence < head->sequence || end.head != head->hash) {
    fail_cut_off(secure, *head);
  }
}

std::string append_audit(const std::filesystem::path& secure, const AuditEvent& event) {
  const std::filesystem::path path = secure / kAuditFile;
  std::error_code ignored;
  const bool is_new = !std::filesystem::exists(path, ignored);
  File file = open_log(path);
  check_audit_end(secure);
  LogEnd end = end_of(file);
  std::string hash, text;
  if (!end.torn.empty()) {
    // The line end that follows a torn line is not part of what is accounted for, be it there or not.
    if (end.torn.ends_with('\n')) {
      end.torn.pop_back();
    } else {
      text = "\n";
    }
    text += line_of(torn_event(end.torn), ++end.sequence, end.head, hash) + "\n";
    end.head = hash;
  }
  text += line_of(event, ++end.sequence, end.head, hash) + "\n";
  append_text(file, text);
  file.sync();
  put_head(secure, end.sequence, hash);  // while the log is locked
  file.close();
  if (is_new) sync_folder(secure);
  return hash;
}

std::string append_audit(const Communicator& comm, const std::filesystem::path& secure, const AuditEvent& event) {
  std::string hash;
  agreed_step(comm, [&] {
    if (comm.is_root()) hash = append_audit(secure, event);
  });
  comm.broadcast(hash);
  return hash;
}

}  // namespace ligature
