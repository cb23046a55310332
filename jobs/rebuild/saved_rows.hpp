// The checkpoint 'rows': the blocks of rows as intake read them, written while it reads.
//
// Blocks of a file are in its order over all ranks, so that any number of ranks can take them up again in it.  With
// shards it is 'rows-00' and on, each of some files that follow one another, written as soon as these are read: no rank
// holds their rows until all are there, and then each takes its run of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/checkpoint.hpp"
#include "io/intake.hpp"
#include "io/manifest.hpp"
#include "io/packing.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/checkpoints.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

class SavedRows {
 public:
  // Collective.
  explicit SavedRows(const Checkpoints& checkpoints, std::string_view stage = "rows");
  void restart();
  void add(const RowBlock& block);
  // Collective.  account: with the reports of files.
  void commit(const Manifest& account);
  // Collective.  Of a shard, with the reports of its files.
  void commit_shard(std::span<const FileReport> reports);

 private:
  const Checkpoints& checkpoints_;
  std::string stage_;
  std::unique_ptr<CheckpointWriter> writer_;
  Packer packer_;
};

// Collective.  Fills the store and the report as intake would, if there is such a checkpoint.
bool restore_rows(const Communicator& comm, Checkpoints& checkpoints, const Inputs& inputs, RowStore& rows,
                  IntakeReport& intake);

// The files of each shard: what follows from the input alone, so that it is the same on any number of ranks.
std::vector<Range> row_shards(const Inputs& inputs);
// Collective.  Whether rows are kept by shards: if they shall be, or some are there already.
bool keeps_row_shards(const Checkpoints& checkpoints, const Inputs& inputs);
// Collective.  Fills the store and the report.  read(files, restart, take) is read_extracts for these files; it is
// called for shards that are not there yet, or damaged.  Afterwards shard_done() is called.
IntakeReport read_row_shards(const Communicator& comm, const Checkpoints& checkpoints, const Inputs& inputs,
                             RowStore& rows,
                             const std::function<IntakeReport(Range, const std::function<void()>&,
                                                              const std::function<void(RowBlock&&)>&)>& read,
                             const std::function<void()>& shard_done);

}  // namespace ligature
