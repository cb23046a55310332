// Re-checks every invariant of a finished run from its files (docs/dataset.md, "What verify checks").
//
// Nothing of the run's memory is used: the job that wrote the files may be wrong, or the files may have been changed.
// Work is spread over ranks by rows, and nothing larger than a piece, a rank's share of persons and a rank's share of
// the identifiers is held in memory.
#include <cstdio>
#include <string>
#include <vector>

#include "engine/error.hpp"
#include "io/content_digest.hpp"
#include "io/progress.hpp"
#include "jobs/jobs.hpp"
#include "jobs/verify/checks.hpp"

namespace ligature {

namespace {

// Prints the table on rank 0; true if every check holds.
bool report(const Communicator& comm, const RunFiles& run, const std::vector<Check>& checks) {
  std::vector<std::vector<std::string>> rows{{"check", "examined", "violations", "result"}};
  std::string details;
  std::size_t failed = 0;
  for (const Check& check : checks) {
    const bool ok = check.violations == 0;
    rows.push_back({check.name, with_commas(check.examined), with_commas(check.violations), ok ? "ok" : "FAILED"});
    if (ok) continue;
    ++failed;
    details += "FAILED " + check.name + (check.detail.empty() ? std::string() : ": " + check.detail) + "\n";
  }
  if (comm.is_root()) {
    const std::string verdict =
        failed == 0 ? "verified: all " + std::to_string(checks.size()) + " checks hold\n"
                    : std::to_string(failed) + " of " + std::to_string(checks.size()) + " checks FAILED\n";
    const std::string text = "verify " + run.publish.string() + "\n" + text_table(rows) + details + verdict +
                             "to make the dataset again: ligature rebuild " + run.manifest.job_file + "\n";
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  }
  return failed == 0;
}

}  // namespace

void check_content_digest(const Communicator& comm, const RunFiles& run, CheckTable& table) {
  const std::string computed = hex(recompute_content_digest(comm, run.dataset));
  const bool same = computed == run.dataset.attribute("content_digest");
  const std::uint64_t columns = run.dataset.columns().size();
  table.add("content digest of the columns and dictionaries", comm.is_root() ? columns : 0,
            comm.is_root() && !same ? 1 : 0, "the content is not what was published: its digest is " + computed);
}

std::vector<Check> verify_run(const Communicator& comm, RunFiles& run) {
  CheckTable table;
  if (check_layout(comm, run, table)) {
    check_manifest(comm, run, table);
    check_counts(comm, run, table);
    check_persons(comm, run, table);
    check_dictionaries(comm, run, table);
    check_events(comm, run, table);
    check_index(comm, run, table);
    check_content_digest(comm, run, table);
    check_account(comm, run, table);
    check_identifiers(comm, run, table);
  }
  return table.combine(comm);
}

int verify(const Communicator& comm, const std::filesystem::path& run) {
  RunFiles files(run);
  return report(comm, files, verify_run(comm, files)) ? kExitDone : kExitFailed;
}

}  // namespace ligature
