// Why two rows are one person or two, or why one row is where it is (docs/explain.md).
//
// All ranks search the secure index; what is found is a handful of records, which rank 0 reads and puts into words.
#include <cstdio>
#include <optional>
#include <string>

#include "engine/error.hpp"
#include "io/audit_log.hpp"
#include "io/dataset.hpp"
#include "io/files.hpp"
#include "io/finished_run.hpp"
#include "io/part_files.hpp"
#include "jobs/explain/explanation.hpp"
#include "jobs/jobs.hpp"
#include "jobs/secure_output.hpp"

namespace ligature {

namespace {

// Collective.  Names the ends of the links by their first rows; rank 0's explanation is filled in.
void name_links(const Communicator& comm, const std::filesystem::path& secure, const Manifest& manifest,
                Explanation& explanation) {
  std::vector<IdentityId> ends;
  for (const PathLink& link : explanation.path) {
    ends.push_back(link.from);
    ends.push_back(link.to);
  }
  ends = comm.all_gather(std::span<const IdentityId>(ends));
  const std::vector<std::string> names = first_rows(comm, secure, manifest.datasets, ends);
  for (std::size_t i = 0; i < explanation.path.size(); ++i) {
    explanation.path[i].from_row = names[2 * i];
    explanation.path[i].to_row = names[2 * i + 1];
  }
}

}  // namespace

int explain(const Communicator& comm, const ExplainArguments& arguments) {
  const std::filesystem::path publish = find_run(arguments.run);
  const Manifest manifest = read_manifest(publish);
  const std::filesystem::path secure = own_secure_folder(manifest, publish);
  std::optional<std::filesystem::path> json;
  if (arguments.json) json = secure_output_path(publish, *arguments.json, "--json");
  keep_private(comm, secure);

  std::vector<FoundRow> rows = find_rows(comm, secure, manifest.datasets, arguments.rows);
  std::string persons;
  Explanation explanation;  // of rank 0, as all else that is read of persons
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    const DatasetReader dataset(publish / kDatasetFile);
    explanation = explain_rows(manifest, secure, dataset, std::move(rows));
    for (const ExplainedRow& row : explanation.rows) persons += (persons.empty() ? "" : " ") + row.person;
  });
  name_links(comm, secure, manifest, explanation);
  // Accounted for before anything is shown; of whom, by pseudonym.
  append_audit(comm, secure,
               {"explain",
                {{"run_id", manifest.run_id},
                 {"content_digest", manifest.content_digest},
                 {"persons", persons},
                 {"values", std::uint64_t{arguments.values}}}});
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    std::fputs(explanation_text(explanation, arguments.values).c_str(), stdout);
    if (json) write_file_durably(*json, explanation_json(explanation, arguments.values), 0600);
  });
  return kExitDone;
}

}  // namespace ligature
