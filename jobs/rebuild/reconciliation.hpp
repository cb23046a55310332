// Standing objections by practice and supplier, held against the last run.
//
// Once 150,000 objections were lost for three years because one supplier's system did not send a code; what showed it
// at last was a jump in counts.  So zero where there were some, and any jump beyond a bound, stops publication until
// the job file says that somebody has looked.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "io/job_file.hpp"
#include "io/later_syncs.hpp"
#include "io/ledger.hpp"
#include "io/manifest.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Persons with a standing objection, by ObjectionKind.
using StandingCounts = std::array<std::uint64_t, kObjectionKinds>;
// Scope ("all", "practice" or "supplier") and code, which is empty where it is not stated.
using CountKey = std::pair<std::string, std::string>;
using CountsByCode = std::map<CountKey, StandingCounts>;

enum class CountChange : std::uint8_t { none, zero, jump };

// zero: there were some and there are none.  jump: the difference is more than the share max_jump of what was, and more
// than ten persons.
CountChange judge_change(std::uint64_t before, std::uint64_t now, double max_jump) noexcept;

// The counts of the run that consent.previous names.  Throws Error unless it is a finished run in folders of its own,
// which has them.  Not collective.
CountsByCode previous_counts(const JobFile& job);

// Collective.  A person counts at each practice that sent an objection which stands, as its entries say.  suppliers: of
// practices, by code; practices without one belong to none.
CountsByCode count_standing(const Communicator& comm, const LedgerEntries& entries, const ObjectionLedger& ledger,
                            const std::map<std::string, std::string>& suppliers);

// Collective.  Writes the list objections-by-practice.csv and compares with that of the previous run, if the job names
// one.  Throws LimitError for changes that nobody has acknowledged.  Numbers of persons stay out of messages.
// The list is on the disk once syncs are.
void reconcile_objections(const Communicator& comm, const JobFile& job, const LedgerEntries& entries,
                          const ObjectionLedger& ledger, ConsentReport& report, LaterSyncs& syncs);

// Of secure/objections-by-practice.csv as it lies there; empty if it does not.  Not collective.
std::string digest_of_counts(const std::filesystem::path& secure);

}  // namespace ligature
