// The jobs of the command line, a source file or a folder each; jobs/main.cpp parses the arguments and calls them.
//
// Each is collective: every rank calls it with the same arguments.  Each returns an exit code (engine/error.hpp) and
// throws Error for what ends a job.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/job_file.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// How a run is watched, and where it begins: nothing here changes its answer or its run id.
struct RebuildOptions {
  bool resume = false;                          // go on after the last whole checkpoint
  bool results = false;                         // a line "RESULT key=value ..." a stage
  std::optional<std::filesystem::path> trace;   // write a timeline here
  std::optional<std::filesystem::path> bounds;  // what the machine can do at best
  std::uint64_t identities_per_round = 0;       // of a rank; 0, but in tests: as many as the memory allows
};
int rebuild(const Communicator& comm, const JobFile& job, const RebuildOptions& options = {});

struct PlanOptions {
  std::optional<std::filesystem::path> measured;   // the performance.json of an earlier run, whose rates hold here
  std::optional<std::filesystem::path> calibrate;  // measure the rates first, and keep them in this file
  std::uint64_t calibration_people = 0;            // 0: by the threads there are
};
int plan(const Communicator& comm, const JobFile& job, const PlanOptions& options = {});

struct EvaluateArguments {
  std::filesystem::path run;
  std::vector<std::string> truth;             // files or globs
  std::optional<std::filesystem::path> json;  // also write the figures here
};
int evaluate(const Communicator& comm, const EvaluateArguments& arguments);

struct ExportArguments {
  std::filesystem::path run;
  std::filesystem::path index;  // the file to write
  bool provenance = false;      // with columns that say how each row came to its person
};
int export_index(const Communicator& comm, const ExportArguments& arguments);

struct ExplainArguments {
  std::filesystem::path run;
  std::vector<std::string> rows;  // one or two: a row id, or dataset:row id
  bool values = false;            // show the identifiers themselves
  std::optional<std::filesystem::path> json;
};
int explain(const Communicator& comm, const ExplainArguments& arguments);

// Makes a key file; prints its key id.
int new_key(const Communicator& comm, const std::filesystem::path& path);
int show_key_id(const Communicator& comm, const std::filesystem::path& path);

// Gives a recipient what the agreement names.
int release(const Communicator& comm, const JobFile& job, const std::filesystem::path& agreement);
// Prints the public register of releases as CSV.
int print_register(const Communicator& comm, const JobFile& job);

int digest_run(const Communicator& comm, const std::filesystem::path& run);
int verify(const Communicator& comm, const std::filesystem::path& run);

struct LeakArguments {
  std::filesystem::path run;
  std::vector<std::string> searched;  // files and folders beside the publish folder
  std::vector<std::string> also;      // files whose identifiers are searched for as well as those of the run
};
int verify_leaks(const Communicator& comm, const LeakArguments& arguments);

}  // namespace ligature
