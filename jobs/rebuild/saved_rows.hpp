// The checkpoint 'rows': the blocks of rows as intake read them, written while it reads.
//
// Blocks are in the order of the input over all ranks, so that any number of ranks can take them up again in it.
#pragma once

#include <memory>

#include "io/checkpoint.hpp"
#include "io/intake.hpp"
#include "io/manifest.hpp"
#include "io/packing.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/checkpoints.hpp"
#include "partition/communicator.hpp"

namespace ligature {

class SavedRows {
 public:
  // Collective.
  explicit SavedRows(const Checkpoints& checkpoints);
  void restart();
  void add(const RowBlock& block);
  // Collective.  account: with the reports of files.
  void commit(const Manifest& account);

 private:
  const Checkpoints& checkpoints_;
  std::unique_ptr<CheckpointWriter> writer_;
  Packer packer_;
};

// Collective.  Fills the store and the report as intake would, if there is such a checkpoint.
bool restore_rows(const Communicator& comm, Checkpoints& checkpoints, const Inputs& inputs, RowStore& rows,
                  IntakeReport& intake);

}  // namespace ligature
