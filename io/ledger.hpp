// The ledger of objections: read from CSV files, with an account of every entry that has no effect.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/consent.hpp"
#include "engine/supersession.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct LedgerSources {
  std::vector<std::string> files;  // paths and globs of tables nhs_number,kind,date and, if they like, practice_code
  DayNumber as_at = kMissingDay;   // later entries are reported and have no effect; kMissingDay: none is too late
  std::uint64_t max_record_bytes = 64 * 1024;
};

struct LedgerCounts {
  std::uint64_t rows = 0;
  std::array<std::uint64_t, kEntryProblems> problems{};   // rows without effect, by EntryProblem
  [[nodiscard]] std::uint64_t unusable() const noexcept;  // all but ties, which are outranked and not wrong
};

// Where an entry stands.
struct LedgerPlace {
  std::uint32_t file = 0;  // of ledger_files, or after them of the run's input files
  std::uint64_t line = 0;  // from 1
};

// Told of each entry without effect, on the rank that read it.
using OnLedgerProblem = std::function<void(const LedgerPlace&, EntryProblem)>;

// Collective.  The files that the sources name, in order, globs expanded.  Throws UsageError if a pattern has none.
std::vector<std::string> ledger_files(const Communicator& comm, const LedgerSources& sources);

// Entries as this rank has read them, and where.  Memory: 36 bytes an entry.
struct LedgerEntries {
  std::vector<Preference> preferences;
  std::vector<LedgerPlace> places;
  std::vector<std::uint32_t> practices;         // who sent the entry: index into practice_names
  std::vector<std::string> practice_names{""};  // the first: not stated
  LedgerCounts counts;                          // of this rank
};

// Not collective.  A number that was replaced stands for the current one: rows carry that.
LedgerEntries read_ledger_here(const LedgerSources& sources, const std::vector<std::string>& files,
                               const SupersessionTable& superseded, const OnLedgerProblem& on_problem);
// Collective.  Rank 0 reads the files; the other ranks get no entries.
LedgerEntries read_ledger_files(const Communicator& comm, const LedgerSources& sources,
                                const std::vector<std::string>& files, const SupersessionTable& superseded,
                                const OnLedgerProblem& on_problem);

// Collective.  The ledger of all ranks' entries, on every rank; counts its ties, over all ranks, in counts, which
// becomes the sum over ranks.
ObjectionLedger make_ledger(const Communicator& comm, const LedgerEntries& entries, const OnLedgerProblem& on_problem,
                            LedgerCounts& counts);

// Collective.  All of the above, for a job that has no other entries than the files'.
ObjectionLedger load_ledger(const Communicator& comm, const LedgerSources& sources, const SupersessionTable& superseded,
                            LedgerCounts& counts);

}  // namespace ligature
