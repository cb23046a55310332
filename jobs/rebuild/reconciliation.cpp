#include "jobs/rebuild/reconciliation.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "engine/date.hpp"
#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/postcode.hpp"
#include "engine/sort_items.hpp"
#include "io/csv_field.hpp"
#include "io/files.hpp"
#include "io/finished_run.hpp"
#include "io/progress.hpp"
#include "io/reference_file.hpp"
#include "jobs/rebuild/secure_files.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr const char* kFile = "objections-by-practice.csv";
constexpr std::size_t kMostNamed = 20;  // changes that a message names

// A standing objection as one practice sent it.
struct Standing {
  std::uint64_t nhs = 0;
  std::uint32_t practice = 0;  // of all ranks' names
  std::uint32_t kind = 0;
};

// Collective.  The different texts of all ranks, sorted.
std::vector<std::string> all_names(const Communicator& comm, std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string joined;  // each ended by a NUL, which no field holds
  for (const std::string& name : names) joined.append(name).push_back('\0');
  const std::vector<std::byte> bytes = comm.all_gather_bytes(std::as_bytes(std::span(joined)));
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<std::string> result;
  for (std::size_t at = 0, end = 0; at < all.size(); at = end + 1) {
    end = all.find('\0', at);
    result.emplace_back(all.substr(at, end - at));
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

// The counts of an earlier run's file, on the root.
CountsByCode read_counts(const std::filesystem::path& secure, const Manifest& manifest,
                         std::uint64_t max_record_bytes) {
  const std::filesystem::path path = secure / kFile;
  if (!std::filesystem::exists(path)) {
    throw UsageError("the run has no numbers of its objections: there is no " + path.string());
  }
  const std::string& written = manifest.consent.counts_digest;  // runs of earlier versions have none
  if (!written.empty() && digest_of_counts(secure) != written) {
    throw UsageError(path.string() +
                     " is not what that run wrote: it was changed, or a later run into that folder wrote over it");
  }
  CountsByCode counts;
  const auto wrong = [&](std::uint64_t line) {
    throw UsageError(fmt::format("{}:{}: not a line of a finished run", path.string(), line));
  };
  const auto take = [&](Fields fields, std::uint64_t line) {
    StandingCounts standing{};
    for (std::size_t k = 0; k < kObjectionKinds; ++k) {
      const std::string_view text = fields[2 + k];
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), standing[k]);
      if (error != std::errc() || end != text.data() + text.size()) wrong(line);
    }
    counts[{std::string(fields[0]), std::string(fields[1])}] = standing;
  };
  read_reference_file(path.string(), max_record_bytes, columns_named({"scope", "code", "type1", "type2", "ndoo"}),
                      {take, wrong});
  return counts;
}

// Letters and digits, as organisations are coded; no number and no postcode, which a ledger has there by mistake.
bool is_organisation_code(std::string_view code) noexcept {
  constexpr std::size_t kLongest = 8;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  return code.size() <= kLongest && std::any_of(code.begin(), code.end(), is_letter) &&
         std::all_of(code.begin(), code.end(), [&](char c) { return is_digit(c) || is_letter(c); }) &&
         standardise_postcode(code).packed == 0 && !parse_date(code);
}

// registered: the practices and suppliers of the register.
std::string name_of(const CountKey& key, const std::set<std::string>& registered) {
  if (key.first == kAllObjections) return "all objections";
  if (key.second.empty()) return key.first + " not stated";
  const bool shown = registered.contains(key.second) || is_organisation_code(key.second);
  return key.first + " " + (shown ? key.second : "whose code is not shown");
}

// A ledger need not say who sent its entries: what has no code is acknowledged with all.
bool is_acknowledged(const ConsentSettings& consent, const CountKey& key, std::set<std::string>& used) {
  const std::string code = key.second.empty() ? kAllObjections : key.second;
  const bool found = std::any_of(consent.acknowledged.begin(), consent.acknowledged.end(),
                                 [&](const Acknowledgement& known) { return known.code == code; });
  if (found) used.insert(code);
  return found;
}

// What the previous run counted.  Of a practice or supplier that it does not name, none; unless it names none at all,
// because no register said whose the practices are, or no ledger who sent its entries.
std::optional<StandingCounts> counted_before(const CountsByCode& before, const CountKey& key) {
  if (const auto was = before.find(key); was != before.end()) return was->second;
  const auto first_named = before.upper_bound({key.first, ""});
  const bool names_some = first_named != before.end() && first_named->first.first == key.first;
  if (names_some) return StandingCounts{};
  return std::nullopt;
}

// Writes the table and lists the changes that nobody has acknowledged.
std::vector<std::string> write_table(const JobFile& job, const CountsByCode& now,
                                     const std::optional<CountsByCode>& before, const std::set<std::string>& registered,
                                     ConsentReport& report, LaterSyncs& syncs) {
  CountsByCode all = now;
  if (before) all.insert(before->begin(), before->end());
  std::string text = "scope,code,type1,type2,ndoo,previous_type1,previous_type2,previous_ndoo,change\n";
  std::vector<std::string> changes;
  std::set<std::string> used;
  for (const auto& [key, any] : all) {
    const auto found = now.find(key);
    const StandingCounts is = found == now.end() ? StandingCounts{} : found->second;
    text += csv_field(key.first) + ',' + csv_field(key.second);
    for (const std::uint64_t count : is) text += fmt::format(",{}", count);
    std::string change;
    const std::optional<StandingCounts> was = before ? counted_before(*before, key) : std::nullopt;
    for (std::size_t k = 0; k < kObjectionKinds; ++k) {
      text += was ? fmt::format(",{}", (*was)[k]) : ",";
      if (!was) continue;
      const CountChange judged = judge_change((*was)[k], is[k], job.consent.max_jump);
      if (judged == CountChange::none) continue;
      if (!change.empty()) change += ' ';
      change += fmt::format("{}:{}", objection_kind_name(static_cast<ObjectionKind>(k)),
                            judged == CountChange::zero ? "zero" : "jump");
    }
    if (!change.empty()) {
      ++report.changes;
      const bool acknowledged = is_acknowledged(job.consent, key, used);
      report.changes_acknowledged += acknowledged;
      if (acknowledged) {
        change += " acknowledged";
      } else {
        changes.push_back(name_of(key, registered) + " (" + change + ")");
      }
    }
    text += ',' + change + '\n';
  }
  File list = File::create(unnamed_list(job.secure / kFile), 0600);
  list.write_at(0, std::as_bytes(std::span(text)));
  syncs.add(std::move(list));
  report.counts_digest = hex(digest(std::as_bytes(std::span(text))));
  report.acknowledgements_unused = job.consent.acknowledged.size() - used.size();
  return changes;
}

}  // namespace

std::string digest_of_counts(const std::filesystem::path& secure) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;
  if (!std::filesystem::exists(secure / kFile)) return {};
  const std::string text = read_small_file(secure / kFile, kMostBytes);
  return hex(digest(std::as_bytes(std::span(text))));
}

CountChange judge_change(std::uint64_t before, std::uint64_t now, double max_jump) noexcept {
  constexpr std::uint64_t kFew = 10;
  if (before > 0 && now == 0) return CountChange::zero;
  const std::uint64_t difference = before > now ? before - now : now - before;
  const bool jumps = static_cast<double>(difference) > max_jump * static_cast<double>(before);
  return difference > kFew && jumps ? CountChange::jump : CountChange::none;
}

CountsByCode previous_counts(const JobFile& job) {
  const std::filesystem::path run = find_run(*job.consent.previous);
  const Manifest manifest = read_manifest(run);
  const std::filesystem::path secure = secure_folder(manifest, run);
  std::error_code none;
  if (std::filesystem::equivalent(secure, job.secure, none) && !none) {
    throw UsageError("it is this job's own folder, which this run writes over: keep each run");
  }
  return read_counts(secure, manifest, job.max_record_bytes);
}

CountsByCode count_standing(const Communicator& comm, const LedgerEntries& entries, const ObjectionLedger& ledger,
                            const std::map<std::string, std::string>& suppliers) {
  const std::vector<std::string> names = all_names(comm, entries.practice_names);
  std::vector<std::uint32_t> global;
  for (const std::string& name : entries.practice_names) {
    global.push_back(static_cast<std::uint32_t>(std::lower_bound(names.begin(), names.end(), name) - names.begin()));
  }
  std::vector<Standing> standing;
  for (std::size_t i = 0; i < entries.preferences.size(); ++i) {
    const Preference& preference = entries.preferences[i];
    if (preference.withdrawn) continue;
    standing.push_back({preference.nhs, global[entries.practices[i]], static_cast<std::uint32_t>(preference.kind)});
  }
  const ShardMap shard_map(comm.size());
  standing = shuffle(comm, std::move(standing), [&](const Standing& item) {
               return shard_map.owner(shard_of(linkage_key(item.nhs)));
             }).items;
  // Asked for here, where entries are spread evenly: the rank that has read a file has all of its entries.
  std::erase_if(standing, [&](const Standing& item) {
    return !ledger.stands(item.nhs, kinds_of(static_cast<ObjectionKind>(item.kind)), kMissingDay);
  });
  // By supplier a person counts once, also with entries of two of its practices.
  std::vector<std::string> supplier_names;
  for (const auto& [practice, supplier] : suppliers) supplier_names.push_back(supplier);
  std::sort(supplier_names.begin(), supplier_names.end());
  supplier_names.erase(std::unique(supplier_names.begin(), supplier_names.end()), supplier_names.end());
  std::vector<std::uint32_t> supplier_of;
  for (const std::string& name : names) {
    const auto found = suppliers.find(name);
    supplier_of.push_back(
        found == suppliers.end()
            ? static_cast<std::uint32_t>(supplier_names.size())
            : static_cast<std::uint32_t>(std::lower_bound(supplier_names.begin(), supplier_names.end(), found->second) -
                                         supplier_names.begin()));
  }
  const auto count = [&](std::size_t codes) {
    sort_items(standing.begin(), standing.end(), [](const Standing& a, const Standing& b) {
      return std::tie(a.nhs, a.practice, a.kind) < std::tie(b.nhs, b.practice, b.kind);
    });
    std::vector<std::uint64_t> counts((codes + 1) * kObjectionKinds, 0);
    const Standing* before = nullptr;
    for (const Standing& item : standing) {
      const bool repeated = before != nullptr && before->nhs == item.nhs && before->practice == item.practice &&
                            before->kind == item.kind;
      if (!repeated) ++counts[item.practice * kObjectionKinds + item.kind];
      before = &item;
    }
    comm.sum(counts);
    return counts;
  };
  const auto put = [](CountsByCode& result, const std::string& scope, const std::vector<std::string>& codes,
                      const std::vector<std::uint64_t>& counts) {
    for (std::size_t c = 0; c < codes.size(); ++c) {
      StandingCounts& here = result[{scope, codes[c]}];
      for (std::size_t k = 0; k < kObjectionKinds; ++k) here[k] = counts[c * kObjectionKinds + k];
    }
  };
  CountsByCode result;
  put(result, "practice", names, count(names.size()));
  for (Standing& item : standing) item.practice = supplier_of[item.practice];
  put(result, "supplier", supplier_names, count(supplier_names.size()));
  for (std::size_t k = 0; k < kObjectionKinds; ++k) {
    result[{kAllObjections, ""}][k] = ledger.standing(static_cast<ObjectionKind>(k));
  }
  return result;
}

void reconcile_objections(const Communicator& comm, const JobFile& job, const LedgerEntries& entries,
                          const ObjectionLedger& ledger, ConsentReport& report, LaterSyncs& syncs) {
  std::map<std::string, std::string> suppliers;
  std::set<std::string> registered;  // practices and suppliers
  if (job.practices) {
    ReferenceCounts ignored;
    for (const RegisteredPractice& practice : load_practices(comm, job, ignored)) {
      registered.insert({practice.code, practice.supplier});
      if (!practice.supplier.empty()) suppliers.emplace(practice.code, practice.supplier);
    }
  }
  const CountsByCode now = count_standing(comm, entries, ledger, suppliers);
  std::vector<std::string> changes;
  std::optional<std::string> problem;
  int exit_code = kExitFailed;
  if (comm.is_root()) {
    try {
      std::optional<CountsByCode> before;
      if (job.consent.previous) before = previous_counts(job);
      changes = write_table(job, now, before, registered, report, syncs);
    } catch (const Error& error) {
      problem = error.what();
      exit_code = error.exit_code();
    }
  }
  comm.agree(problem, exit_code);
  comm.broadcast_value(report.changes);
  comm.broadcast_value(report.changes_acknowledged);
  comm.broadcast_value(report.acknowledgements_unused);
  if (report.acknowledgements_unused > 0) {
    log_warning(comm, with_commas(report.acknowledgements_unused) +
                          " of [[consent.acknowledge]] name no change of this run: take them out");
  }
  if (comm.is_root() && !changes.empty()) {
    std::string list;
    for (std::size_t c = 0; c < std::min(changes.size(), kMostNamed); ++c) list += "\n  " + changes[c];
    if (changes.size() > kMostNamed) list += fmt::format("\n  and {} more", changes.size() - kMostNamed);
    problem = fmt::format(
        "standing objections have changed since the last run beyond consent.max_jump:{}\nsee {}; "
        "what is true, acknowledge with [[consent.acknowledge]]",
        list, unnamed_list(job.secure / kFile).string());
  }
  comm.agree(problem, kExitLimit);
}

}  // namespace ligature
