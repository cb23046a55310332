// Rows of the secure index beside their truth, joined by record id.
//
// Record ids are partitioned by hash over the ranks and compared there as 128-bit digests.  What does not fit in memory
// at once is done in several passes over the inputs, each taking a share of the hashes, so that only the joined rows
// (32 bytes each, spread over all ranks) have to be held.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/linkage_key.hpp"
#include "jobs/evaluate/groups.hpp"
#include "jobs/evaluate/labelled_row.hpp"
#include "jobs/evaluate/truth.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct IndexItem {
  Digest key;
  std::uint64_t found = 0;  // LabelledRow::found
  std::uint64_t dataset = 0;
};

struct TruthItem {
  Digest key;
  std::uint64_t person = 0;
  std::uint32_t errors = 0;
  std::uint32_t birth_group = 0;
  std::uint64_t groups = 0;  // LabelledRow::truth_groups
};

// The key of a record id: with its dataset if the truth names datasets, else dataset is empty.
Digest record_key(std::string_view dataset, std::string_view record_id);

struct JoinCounts {
  std::uint64_t index_rows = 0;  // rows that the run kept
  std::uint64_t truth_rows = 0;
  std::uint64_t joined = 0;  // index rows with a truth
  std::uint64_t index_without_truth = 0;
  std::uint64_t truth_without_index = 0;  // truth rows that the run did not keep: opted out, quarantined, not read
  std::uint64_t index_repeated = 0;       // index rows beyond the first of their record id; they are joined too
  std::uint64_t truth_repeated = 0;       // truth rows beyond the first of their record id
  std::uint64_t index_in_conflict = 0;    // index rows left out because the truth gives their record id to two persons
  friend bool operator==(const JoinCounts&, const JoinCounts&) = default;
};
inline constexpr std::size_t kJoinCounters = sizeof(JoinCounts) / sizeof(std::uint64_t);

// Joins all items of the keys among them; appends to rows and adds to counts (all but the first two).
void join_items(std::vector<IndexItem>& index, std::vector<TruthItem>& truth, std::vector<LabelledRow>& rows,
                JoinCounts& counts);

struct JoinedRows {
  std::vector<LabelledRow> rows;         // of the found persons that this rank owns
  JoinCounts counts;                     // over all ranks
  std::vector<std::string> error_kinds;  // names of the bits of LabelledRow::errors, in byte order
  TruthGroups groups;                    // what LabelledRow::truth_groups means
};

// Collective.  datasets: names by the index's dataset numbers.  persons: how many the run has; those that a rank owns
// are its share of them.  items_at_once: of either side, a rank; tests make it small.  Throws UsageError for a truth
// that cannot be read, or has more than 32 kinds of error or 4,096 combinations of groups.
JoinedRows join_with_truth(const Communicator& comm, const std::filesystem::path& secure,
                           const std::vector<std::string>& datasets, std::uint64_t persons, const TruthFiles& truth,
                           std::uint64_t items_at_once = 16U << 20);

}  // namespace ligature
