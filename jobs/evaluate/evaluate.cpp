// The evaluate job: a run against the truth, as pairwise precision, recall and F1 and as persons exactly right.
//
// The measures leave out the rows that the run did not keep (opted out, quarantined) and those that the truth does not
// know; both are counted.
#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/manifest.hpp"
#include "io/progress.hpp"
#include "jobs/evaluate/join.hpp"
#include "jobs/evaluate/metrics.hpp"
#include "jobs/evaluate/truth.hpp"
#include "jobs/jobs.hpp"
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
Tally tally_rows(const Communicator& comm, std::vector<LabelledRow>&& rows, std::size_t datasets, std::size_t kinds) {
  Tally tally(datasets, kinds);
  tally_found(rows, tally);
  std::vector<LabelledRow> by_truth = to_true_persons(comm, std::move(rows));
  tally_truth(by_truth, tally);
  for (PairTally* const pairs : {&tally.agreed, &tally.found, &tally.truth}) comm.sum(pairs->counts());
  PersonCounts& persons = tally.persons;
  std::array<std::uint64_t, 6> sums = {persons.rows,  persons.true_persons,  persons.exactly_right,
                                       persons.split, persons.found_persons, persons.mixed};
  comm.sum(sums);
  persons = {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]};
  return tally;
}

struct Line {
  std::string name;
  Quality quality;
};

// The groups of pairs that are reported, in the order of the report.
struct Groups {
  std::vector<Line> all, touching, between, by_error;
};

Groups groups_of(const Tally& tally, const std::vector<std::string>& datasets, const std::vector<std::string>& kinds) {
  const auto quality = [&](const auto& count) {
    return Quality{count(tally.agreed), count(tally.found), count(tally.truth)};
  };
  Groups groups;
  groups.all.push_back({"all pairs", quality([](const PairTally& pairs) { return pairs.all(); })});
  for (std::size_t a = 0; a < datasets.size(); ++a) {
    groups.touching.push_back({datasets[a], quality([&](const PairTally& pairs) { return pairs.touching(a); })});
    for (std::size_t b = a; b < datasets.size(); ++b) {
      groups.between.push_back({a == b ? "within " + datasets[a] : datasets[a] + " - " + datasets[b],
                                quality([&](const PairTally& pairs) { return pairs.between(a, b); })});
    }
  }
  if (!kinds.empty()) {
    groups.by_error.push_back({"none in either row", quality([](const PairTally& pairs) { return pairs.clean(); })});
  }
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    groups.by_error.push_back({kinds[k], quality([&](const PairTally& pairs) { return pairs.with_error(k); })});
  }
  return groups;
}

std::string table_of(const std::string& title, const std::vector<Line>& lines) {
  std::vector<std::vector<std::string>> table = {
      {title, "true pairs", "found pairs", "right", "precision", "recall", "F1"}};
  for (const auto& [name, quality] : lines) {
    table.push_back({name, with_commas(quality.truth), with_commas(quality.found), with_commas(quality.agreed),
                     fmt::format("{:.6f}", quality.precision()), fmt::format("{:.6f}", quality.recall()),
                     fmt::format("{:.6f}", quality.f1())});
  }
  return text_table(table);
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

void print(const JoinCounts& rows, const PersonCounts& persons, const Groups& groups) {
  std::vector<std::vector<std::string>> table = {
      {"rows", ""},
      {"kept by the run", with_commas(rows.index_rows)},
      {"with a true person (scored)", with_commas(rows.joined)},
      {"without a truth", with_commas(rows.index_without_truth)},
      {"in the truth, not kept", with_commas(rows.truth_without_index)},
  };
  if (rows.index_repeated > 0) table.push_back({"kept, record id repeated", with_commas(rows.index_repeated)});
  if (rows.truth_repeated > 0) table.push_back({"truth, record id repeated", with_commas(rows.truth_repeated)});
  if (rows.index_in_conflict > 0) {
    table.push_back({"left out: the truth names two persons", with_commas(rows.index_in_conflict)});
  }
  fmt::print("{}\n", text_table(table));
  fmt::print("{}\n", text_table({{"persons", "", "share"},
                                 {"true persons", with_commas(persons.true_persons), ""},
                                 {"  exactly right", with_commas(persons.exactly_right),
                                  fmt::format("{:.6f}", share(persons.exactly_right, persons.true_persons))},
                                 {"  split", with_commas(persons.split),
                                  fmt::format("{:.6f}", share(persons.split, persons.true_persons))},
                                 {"found persons", with_commas(persons.found_persons), ""},
                                 {"  mixing true persons", with_commas(persons.mixed),
                                  fmt::format("{:.6f}", share(persons.mixed, persons.found_persons))}}));
  fmt::print("{}\n", table_of("pairs", groups.all));
  fmt::print("{}\n", table_of("a row in", groups.touching));
  fmt::print("{}\n", table_of("datasets", groups.between));
  if (!groups.by_error.empty()) fmt::print("{}\n", table_of("error in a row", groups.by_error));
}

nlohmann::ordered_json json_of(const Quality& quality) {
  return {{"true_pairs", quality.truth},      {"found_pairs", quality.found}, {"right_pairs", quality.agreed},
          {"precision", quality.precision()}, {"recall", quality.recall()},   {"f1", quality.f1()}};
}

nlohmann::ordered_json json_of(const std::vector<Line>& lines) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Line& line : lines) json[line.name] = json_of(line.quality);
  return json;
}

std::string report_json(const JoinCounts& rows, const PersonCounts& persons, const Groups& groups) {
  const nlohmann::ordered_json json = {
      {"rows",
       {{"kept", rows.index_rows},
        {"scored", rows.joined},
        {"without_truth", rows.index_without_truth},
        {"truth_rows", rows.truth_rows},
        {"truth_not_kept", rows.truth_without_index},
        {"kept_record_id_repeated", rows.index_repeated},
        {"truth_record_id_repeated", rows.truth_repeated},
        {"in_conflict", rows.index_in_conflict}}},
      {"persons",
       {{"true_persons", persons.true_persons},
        {"exactly_right", persons.exactly_right},
        {"exactly_right_share", share(persons.exactly_right, persons.true_persons)},
        {"split", persons.split},
        {"found_persons", persons.found_persons},
        {"mixed", persons.mixed}}},
      {"pairs", json_of(groups.all.front().quality)},
      {"by_dataset", json_of(groups.touching)},
      {"by_dataset_pair", json_of(groups.between)},
      {"by_error", json_of(groups.by_error)},
  };
  return json.dump(2) + "\n";
}

}  // namespace

int evaluate(const Communicator& comm, const EvaluateArguments& arguments) {
  const std::filesystem::path publish = find_run(arguments.run);
  const Manifest manifest = read_manifest(publish);
  std::vector<std::string> datasets;
  for (const DatasetReport& dataset : manifest.datasets) datasets.push_back(dataset.name);
  if (datasets.size() > kMaxDatasets) throw Error("the manifest names more datasets than a run can have");
  const TruthFiles truth = find_truth(arguments.truth);
  JoinedRows joined = join_with_truth(comm, secure_folder(manifest, publish), datasets, truth);
  if (joined.counts.joined == 0 && joined.counts.index_rows > 0) {
    throw UsageError(truth.has_dataset
                         ? "no row of the run is in the truth: are its record_id and dataset those of the job?"
                         : "no row of the run is in the truth: is its record_id the job's row_id?");
  }
  const Tally tally = tally_rows(comm, std::move(joined.rows), datasets.size(), joined.error_kinds.size());
  const Groups groups = groups_of(tally, datasets, joined.error_kinds);
  if (comm.is_root()) {
    print(joined.counts, tally.persons, groups);
    if (arguments.json) {
      write_file_durably(std::filesystem::absolute(*arguments.json), report_json(joined.counts, tally.persons, groups),
                         0644);
    }
  }
  return kExitDone;
}

}  // namespace ligature
