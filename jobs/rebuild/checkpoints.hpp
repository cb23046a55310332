// The checkpoints of one run: which there are, whether they are of this run, and how stages write and read theirs.
//
// Each stands for itself: where one is damaged its stage is done again, and those after it still serve.  What stages
// put in theirs is in saved_rows.hpp and saved_links.hpp; the order of stages is rebuild()'s.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "io/checkpoint.hpp"
#include "io/job_file.hpp"
#include "io/manifest.hpp"
#include "jobs/rebuild/run_terms.hpp"
#include "partition/communicator.hpp"

namespace ligature {

class Checkpoints {
 public:
  // Collective.  resume: later stages may go on from what lies under secure/scratch; throws UsageError if that is of
  // another run, with the difference named.  Otherwise it is removed.
  Checkpoints(const Communicator& comm, const JobFile& job, RunTerms terms, bool resume);

  // The day of the run that the checkpoints are of.
  [[nodiscard]] std::optional<DayNumber> as_at() const noexcept { return as_at_; }
  void set_as_at(DayNumber as_at) noexcept { as_at_ = as_at; }

  // Collective.  True if the stage has a whole checkpoint: then read was called on every rank, and account is what was
  // known of the run.  read may throw Error on some ranks alone; then, as with any damage, everybody gets false and a
  // warning is given.
  bool restore(std::string_view stage, Manifest& account, const std::function<void(const CheckpointReader&)>& read);

  // Collective.  The stage's checkpoint, whoever wrote it, once read was called on every rank, as in restore; nullptr,
  // with a warning if it is damaged, where there is none.
  std::unique_ptr<CheckpointReader> open(std::string_view stage,
                                         const std::function<void(const CheckpointReader&)>& read) const;
  // Collective.
  [[nodiscard]] bool has(std::string_view stage) const;

  // Collective.  A writer for the stage's checkpoint; nullptr if the run keeps none.
  [[nodiscard]] std::unique_ptr<CheckpointWriter> begin(std::string_view stage) const;
  // Collective.  account: what is known of the run so far.
  void commit(std::string_view stage, CheckpointWriter* writer, const Manifest& account) const;

  [[nodiscard]] CheckpointLevel level() const noexcept { return level_; }
  // The last stage that was restored or committed; empty if there is none.
  [[nodiscard]] const std::string& last() const noexcept { return last_; }

 private:
  [[nodiscard]] std::filesystem::path folder_of(std::string_view stage) const { return folder_ / stage; }

  const Communicator& comm_;
  std::filesystem::path folder_;
  CheckpointLevel level_;
  bool scrub_;
  RunTerms terms_;
  bool resume_;
  std::optional<DayNumber> as_at_;
  mutable std::string last_;
};

}  // namespace ligature
