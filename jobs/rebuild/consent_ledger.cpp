#include "jobs/rebuild/consent_ledger.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/release.hpp"
#include "io/csv_field.hpp"
#include "io/files.hpp"
#include "io/progress.hpp"
#include "jobs/rebuild/objector_search.hpp"
#include "jobs/rebuild/reconciliation.hpp"
#include "jobs/rebuild/secure_files.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

namespace {

// As it stands in objections.csv.
void append_line(const Preference& preference, std::string& text) {
  text += std::to_string(preference.nhs);
  text += ',';
  text += objection_kind_name(preference.kind);
  text += preference.withdrawn ? "-withdrawn," : ",";
  text += iso_date(preference.date);
  text += '\n';
}

}  // namespace

ConsentLedger::ConsentLedger(const Communicator& comm, const JobFile& job, const SupersessionTable& superseded,
                             DayNumber as_at)
    : coded_(std::any_of(job.extracts.begin(), job.extracts.end(),
                         [](const Extract& extract) { return extract.columns.objection_code.has_value(); })) {
  on_problem_ = [this](const LedgerPlace& place, EntryProblem problem) { problems_.push_back({place, problem}); };
  const LedgerSources sources{job.consent.objections, as_at, job.max_record_bytes};
  files_ = ledger_files(comm, sources);
  entries_ = read_ledger_files(comm, sources, files_, superseded, on_problem_);
  if (!coded_) ledger_ = make_ledger(comm, entries_, on_problem_, counts_);
}

RowRules ConsentLedger::rules(const SupersessionTable& superseded, DayNumber as_at) const noexcept {
  const bool bind = coded_ || ledger_.has_any(ObjectionKind::type1);
  return {bind && !coded_ ? &ledger_ : nullptr, &superseded, as_at, bind};
}

void ConsentLedger::add_coded(RowStore& rows, const IntakeReport& intake, ConsentReport& report) {
  const auto first = static_cast<std::uint32_t>(entries_.practice_names.size());
  const std::vector<std::string>& providers = rows.coded_providers();
  entries_.practice_names.insert(entries_.practice_names.end(), providers.begin(), providers.end());
  rows.for_each_coded(intake.lines_before, [&](const ReadPreference& read, const CodedPlace& at) {
    ++entries_.counts.rows;
    ++report.coded_rows;
    const LedgerPlace place{static_cast<std::uint32_t>(files_.size()) + at.file, at.line};
    if (read.problem) {
      ++entries_.counts.problems[static_cast<std::size_t>(*read.problem)];
      on_problem_(place, *read.problem);
      return;
    }
    entries_.preferences.push_back(read.preference);
    entries_.places.push_back(place);
    entries_.practices.push_back(first + at.provider);
  });
}

void ConsentLedger::write_unused(const Communicator& comm, const JobFile& job, const Inputs& inputs,
                                 LaterSyncs& syncs) {
  std::sort(problems_.begin(), problems_.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.place.file, a.place.line) < std::tie(b.place.file, b.place.line);
  });
  const auto lines = [&](const auto& visit) {
    for (const Problem& problem : problems_) {
      const std::uint32_t file = problem.place.file;
      const std::string& path = file < files_.size() ? files_[file] : inputs.files[file - files_.size()].path;
      visit(csv_field(path) + "," + std::to_string(problem.place.line) + "," +
            std::string(entry_problem_name(problem.problem)) + "\n");
    }
  };
  write_lines(comm, job.secure / "objections-unused.csv", "file,line,reason\n", {lines}, syncs);
}

void ConsentLedger::write_ledger(const Communicator& comm, const JobFile& job, LaterSyncs& syncs) const {
  // All ranks have all of it: each writes its share.
  const std::span<const Preference> all = ledger_.preferences();
  const Range share = share_of(all.size(), comm.rank(), comm.size());
  const std::span<const Preference> mine = all.subspan(share.begin, share.size());
  constexpr std::size_t kPerTask = std::size_t{1} << 10, kTasksAtOnce = 64;
  const auto lines = [&](const auto& visit) {
    for (std::size_t from = 0; from < mine.size(); from += kPerTask * kTasksAtOnce) {
      const auto some = mine.subspan(from, std::min(mine.size() - from, kPerTask * kTasksAtOnce));
      std::array<std::string, kTasksAtOnce> text;
      for_blocks(some.size(), kPerTask, [&](std::size_t begin, std::size_t end) {
        std::string& here = text[begin / kPerTask];
        for (const Preference& preference : some.subspan(begin, end - begin)) append_line(preference, here);
      });
      for (const std::string& of_task : text) visit(of_task);
    }
  };
  write_lines(comm, job.secure / "objections.csv", "nhs_number,kind,date\n", {lines}, syncs);
}

void ConsentLedger::complete(const Communicator& comm, const JobFile& job, const Inputs& inputs, RowStore& rows,
                             IntakeReport& intake, ConsentReport& report, LaterSyncs& syncs) {
  if (coded_) {
    add_coded(rows, intake, report);
    report.coded_rows = comm.sum(report.coded_rows);
    ledger_ = make_ledger(comm, entries_, on_problem_, counts_);
    bar_rows(comm, ledger_, job.consent.after_opt_out, rows, intake);
  }
  report.entries = counts_.rows;
  report.problems = counts_.problems;
  report.ledger_version = hex(ledger_.version());
  report.standing = {ledger_.standing(ObjectionKind::type1), ledger_.standing(ObjectionKind::type2),
                     ledger_.standing(ObjectionKind::national)};
  if (counts_.rows > 0) log_info(comm, "objections: " + with_commas(counts_.rows) + " entries");
  write_unused(comm, job, inputs, syncs);
  write_ledger(comm, job, syncs);
  if (counts_.unusable() > 0) {
    const std::filesystem::path list = job.secure / "objections-unused.csv";
    const std::string found = with_commas(counts_.unusable()) + " objections cannot be used and have no effect; see ";
    if (job.consent.max_unusable && counts_.unusable() > *job.consent.max_unusable) {
      throw LimitError(found + unnamed_list(list).string() + "; limits.max_unusable_objections allows " +
                       with_commas(*job.consent.max_unusable));
    }
    log_warning(comm, found + list.string() + " once the run is done");
  }
  reconcile_objections(comm, job, entries_, ledger_, report, syncs);
  entries_ = {};
  release(problems_);
}

}  // namespace ligature
