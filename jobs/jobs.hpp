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

int rebuild(const Communicator& comm, const JobFile& job);
int plan(const Communicator& comm, const JobFile& job);

struct EvaluateArguments {
  std::filesystem::path run;
  std::vector<std::string> truth;             // files or globs
  std::optional<std::filesystem::path> json;  // also write the figures here
};
int evaluate(const Communicator& comm, const EvaluateArguments& arguments);

int export_index(const Communicator& comm, const std::filesystem::path& run, const std::filesystem::path& out);
int digest_run(const Communicator& comm, const std::filesystem::path& run);
int verify(const Communicator& comm, const std::filesystem::path& run);

}  // namespace ligature
