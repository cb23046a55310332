// What a rebuild would read, hold and write, reckoned from a sample of its input.
//
// Evenly spaced blocks of the input are parsed as intake would; of a compressed file, blocks of its beginning.  Rows
// scale with bytes.  The rows of a person, and people of one postcode, stand together in many files, so that the block
// is what is sampled and not the row.  The number of different identities follows from how many stand in one block of
// the sample, in two, and so on (richness.hpp).  Of the pairs of a pass, those within a block are met as often as the
// block; of the others one is met as often as its block, and the other as often as identities are.
#pragma once

#include <cstdint>

#include "io/intake.hpp"
#include "io/job_file.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Of an identity in a pass, and of a row whose identity is being collapsed: bytes for the time that it lasts.
inline constexpr double kBytesInAPass = 96, kBytesOfBatchedRow = 40;
inline constexpr std::uint64_t kSampleBytes = std::uint64_t{256} << 20;

struct Estimate {
  double rows = 0, kept = 0, identities = 0, input_bytes = 0;
  double payload_bytes = 0, event_bytes = 0;  // as rows wait to be published, ids included; and as events are published
  double birth_pairs = 0, postcode_pairs = 0, number_pairs = 0;
  double largest_birth = 0, largest_postcode = 0;
};

// Collective.
Estimate estimate(const Communicator& comm, const JobFile& job, const Inputs& inputs);

// Bytes of all ranks together, at the peak.  spool_budget: what rows may take before they go to scratch.  threads: of a
// rank.
double peak_memory(const Estimate& e, double spool_budget, double ranks, double threads);
// The least that a run can do with: rows on scratch, pieces of input and rounds as small as they get.
double least_memory(const Estimate& e, double ranks, double threads);
// Bytes on disk under secure/scratch: rows beyond the budget, and checkpoints if they are kept.
double scratch_bytes(const Estimate& e, double spool_budget, CheckpointLevel level);
// Of the dataset; of the row index and the identities, which stay under secure/.
double published_bytes(const Estimate& e);
double secure_bytes(const Estimate& e);

}  // namespace ligature
