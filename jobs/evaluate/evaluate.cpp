// The evaluate job: a run against the truth, by pairs, rows and persons, over all and by kind of error and group.
//
// The measures leave out the rows that the run did not keep (opted out, quarantined) and those that the truth does not
// know; both are counted.  Rows go first to the owner of their found person, then to that of their true person: each
// measure is a sum of integers over one of the two.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "io/dataset_reader.hpp"
#include "io/files.hpp"
#include "io/finished_run.hpp"
#include "io/manifest.hpp"
#include "io/part_files.hpp"
#include "jobs/evaluate/join.hpp"
#include "jobs/evaluate/metrics.hpp"
#include "jobs/evaluate/published.hpp"
#include "jobs/evaluate/report.hpp"
#include "jobs/evaluate/truth.hpp"
#include "jobs/jobs.hpp"
#include "jobs/secure_output.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {
namespace {

// Rows to the owners of their true persons, in batches from the end, so that the memory of one side shrinks as the
// other side's grows.  Collective.
std::vector<LabelledRow> to_true_persons(const Communicator& comm, std::vector<LabelledRow>&& rows) {
  constexpr std::size_t kBatch = std::size_t{1} << 20;
  const ShardMap shards(comm.size());
  std::vector<LabelledRow> mine;
  const auto next = [&] {
    const std::size_t keep = rows.size() - std::min(kBatch, rows.size());
    std::vector<LabelledRow> batch(rows.begin() + static_cast<std::ptrdiff_t>(keep), rows.end());
    rows.resize(keep);
    if (rows.capacity() / 2 > rows.size() && rows.capacity() > kBatch) rows.shrink_to_fit();
    return batch;
  };
  shuffle_stream<LabelledRow>(
      comm, next, [&](const LabelledRow& row) { return shards.owner(shard_of(row.truth)); },
      [&](std::span<LabelledRow> received, int) { mine.insert(mine.end(), received.begin(), received.end()); });
  return mine;
}

// Collective.
Scores tally_rows(const Communicator& comm, const std::filesystem::path& publish,
                  const std::vector<std::string>& datasets, JoinedRows&& joined) {
  std::optional<Scores> scores;
  agreed_step(comm, [&] {
    const DatasetReader dataset(publish / kDatasetFile);
    PublishedPersons persons(dataset);
    scores.emplace(datasets.size(), joined.error_kinds.size(),
                   make_groupings(persons.areas(), datasets, joined.groups));
    tally_found(
        joined.rows, [&](std::uint64_t found) { return persons.at(found); }, *scores);
  });
  std::vector<LabelledRow> by_truth = to_true_persons(comm, std::move(joined.rows));
  tally_truth(by_truth, *scores);
  std::vector<std::uint64_t> sums;
  scores->for_each_count([&](std::uint64_t& count) { sums.push_back(count); });
  comm.sum(sums);
  auto sum = sums.begin();
  scores->for_each_count([&](std::uint64_t& count) { count = *sum++; });
  return std::move(*scores);
}

}  // namespace

int evaluate(const Communicator& comm, const EvaluateArguments& arguments) {
  std::optional<std::filesystem::path> json;
  if (arguments.json) json = output_path(*arguments.json, "--json");
  const std::filesystem::path publish = find_run(arguments.run);
  const Manifest manifest = read_manifest(publish);
  std::vector<std::string> datasets;
  for (const DatasetReport& dataset : manifest.datasets) datasets.push_back(dataset.name);
  if (datasets.size() > kMaxDatasets) throw Error("the manifest names more datasets than a run can have");
  const TruthFiles truth = find_truth(arguments.truth);
  JoinedRows joined = join_with_truth(comm, own_secure_folder(manifest, publish), datasets, manifest.persons, truth);
  if (joined.counts.joined == 0 && joined.counts.index_rows > 0) {
    throw UsageError(truth.has_dataset
                         ? "no row of the run is in the truth: are its record_id and dataset those of the job?"
                         : "no row of the run is in the truth: is its record_id the job's row_id?");
  }
  Figures figures{joined.counts, Scores(0, 0), datasets, joined.error_kinds, truth.has_birth_group, manifest.estimated};
  figures.scores = tally_rows(comm, publish, datasets, std::move(joined));
  if (comm.is_root()) {
    fmt::print("{}", report_text(figures));
    if (json) write_file_durably(*json, report_json(figures), 0644);
  }
  return kExitDone;
}

}  // namespace ligature
