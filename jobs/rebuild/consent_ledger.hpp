// The ledger of a run: from CSV files before the first row is read, and from rows that state a preference by a code.
//
// An extract is read once.  Where rows carry codes, the ledger is whole only when the last row is in; so then no row is
// barred as it is read, and the rows that the whole ledger bars are dropped from the store afterwards.  That costs one
// look into the ledger for each row, as it would have at intake, and a day a row of scratch; reading the extracts twice
// would cost the longest stage again.
#pragma once

#include <string>
#include <vector>

#include "engine/supersession.hpp"
#include "io/job_file.hpp"
#include "io/later_syncs.hpp"
#include "io/ledger.hpp"
#include "io/manifest.hpp"
#include "io/row_store.hpp"
#include "partition/communicator.hpp"

namespace ligature {

class ConsentLedger {
 public:
  // Collective.  Reads the files that the job names.
  ConsentLedger(const Communicator& comm, const JobFile& job, const SupersessionTable& superseded, DayNumber as_at);

  // How intake is to treat rows.  Refers to this object.
  [[nodiscard]] RowRules rules(const SupersessionTable& superseded, DayNumber as_at) const noexcept;

  // Collective.  Adds the coded preferences of the rows that were read, drops those that the whole ledger bars, and
  // writes under secure/: objections.csv, the ledger as it now stands, as a ledger file; objections-unused.csv, file
  // and line of each entry without effect; objections-by-practice.csv (reconciliation.hpp).  Throws LimitError where
  // the job file's limits are broken.  The three are on the disk once syncs are.
  void complete(const Communicator& comm, const JobFile& job, const Inputs& inputs, RowStore& rows,
                IntakeReport& intake, ConsentReport& report, LaterSyncs& syncs);

  [[nodiscard]] const ObjectionLedger& ledger() const noexcept { return ledger_; }

 private:
  struct Problem {
    LedgerPlace place;
    EntryProblem problem;
  };

  void add_coded(RowStore& rows, const IntakeReport& intake, ConsentReport& report);
  void write_unused(const Communicator& comm, const JobFile& job, const Inputs& inputs, LaterSyncs& syncs);
  void write_ledger(const Communicator& comm, const JobFile& job, LaterSyncs& syncs) const;

  bool coded_ = false;  // an extract says where its codes are
  std::vector<std::string> files_;
  LedgerEntries entries_;
  LedgerCounts counts_;
  std::vector<Problem> problems_;  // that this rank met
  OnLedgerProblem on_problem_;
  ObjectionLedger ledger_;
};

}  // namespace ligature
