#include "io/ledger.hpp"

#include <algorithm>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "engine/error.hpp"
#include "engine/field_text.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "io/reference_file.hpp"

namespace ligature {

namespace {

std::vector<std::uint32_t> ledger_columns(const Header& header, std::vector<std::string>& problems) {
  std::vector<std::uint32_t> columns = columns_named({"nhs_number", "kind", "date"})(header, problems);
  const auto practice = std::find(header.names.begin(), header.names.end(), "practice_code");
  if (practice != header.names.end()) columns.push_back(find_column(header, "practice_code", problems));
  return columns;
}

}  // namespace

std::uint64_t LedgerCounts::unusable() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t p = 0; p < kEntryProblems; ++p) {
    if (static_cast<EntryProblem>(p) != EntryProblem::tie) sum += problems[p];
  }
  return sum;
}

std::vector<std::string> ledger_files(const Communicator& comm, const LedgerSources& sources) {
  std::string paths;  // each ended by a NUL
  std::optional<std::string> missing;
  if (comm.is_root()) {
    for (const std::string& pattern : sources.files) {
      const std::vector<std::string> found = expand_glob(pattern);
      if (found.empty() && !missing) missing = pattern + ": no such file";
      for (const std::string& path : found) paths.append(path).push_back('\0');
    }
  }
  comm.agree(missing, kExitWrongUse);
  comm.broadcast(paths);
  std::vector<std::string> files;
  for (std::size_t at = 0, end = 0; at < paths.size(); at = end + 1) {
    end = paths.find('\0', at);
    files.push_back(paths.substr(at, end - at));
  }
  return files;
}

LedgerEntries read_ledger_here(const LedgerSources& sources, const std::vector<std::string>& files,
                               const SupersessionTable& superseded, const OnLedgerProblem& on_problem) {
  LedgerEntries entries;
  std::uint32_t file = 0;
  const auto refuse = [&](std::uint64_t line, EntryProblem problem) {
    ++entries.counts.problems[static_cast<std::size_t>(problem)];
    if (on_problem) on_problem({file, line}, problem);
  };
  std::unordered_map<std::string, std::uint32_t> practices{{"", 0}};
  const auto practice = [&](std::string_view name) {
    const auto [entry, is_new] =
        practices.try_emplace(std::string(trimmed(name)), static_cast<std::uint32_t>(entries.practice_names.size()));
    if (is_new) entries.practice_names.push_back(entry->first);
    return entry->second;
  };
  const ReferenceRows rows{[&](Fields values, std::uint64_t line) {
                             ++entries.counts.rows;
                             ReadPreference read = read_preference(values[0], values[1], values[2], sources.as_at);
                             if (read.problem) return refuse(line, *read.problem);
                             read.preference.nhs = superseded.current(read.preference.nhs);
                             entries.preferences.push_back(read.preference);
                             entries.places.push_back({file, line});
                             entries.practices.push_back(practice(values.size() > 3 ? values[3] : std::string_view()));
                           },
                           [&](std::uint64_t line) {
                             ++entries.counts.rows;
                             refuse(line, EntryProblem::broken_row);
                           }};
  read_each(files, [&](const std::string& path) {
    read_reference_file(path, sources.max_record_bytes, ledger_columns, rows);
    ++file;
  });
  return entries;
}

LedgerEntries read_ledger_files(const Communicator& comm, const LedgerSources& sources,
                                const std::vector<std::string>& files, const SupersessionTable& superseded,
                                const OnLedgerProblem& on_problem) {
  LedgerEntries entries;
  agreed_step(comm, [&] {
    if (comm.is_root()) entries = read_ledger_here(sources, files, superseded, on_problem);
  });
  return entries;
}

ObjectionLedger make_ledger(const Communicator& comm, const LedgerEntries& entries, const OnLedgerProblem& on_problem,
                            LedgerCounts& counts) {
  std::vector<Preference> different = entries.preferences;
  if (comm.size() > 1) {
    // Practices send the same entries month after month: once each is enough to travel.
    std::sort(different.begin(), different.end());
    different.erase(std::unique(different.begin(), different.end()), different.end());
    different = comm.all_gather(std::span<const Preference>(different));
  }
  ObjectionLedger ledger(std::move(different));

  counts = entries.counts;
  for (std::size_t i = 0; i < entries.preferences.size(); ++i) {
    if (!ledger.is_outranked(entries.preferences[i])) continue;
    ++counts.problems[static_cast<std::size_t>(EntryProblem::tie)];
    if (on_problem) on_problem(entries.places[i], EntryProblem::tie);
  }
  comm.sum(counts.problems);
  counts.rows = comm.sum(counts.rows);
  return ledger;
}

ObjectionLedger load_ledger(const Communicator& comm, const LedgerSources& sources, const SupersessionTable& superseded,
                            LedgerCounts& counts) {
  const std::vector<std::string> files = ledger_files(comm, sources);
  return make_ledger(comm, read_ledger_files(comm, sources, files, superseded, {}), {}, counts);
}

}  // namespace ligature
