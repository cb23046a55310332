// The program: one subcommand a job, one exit code a kind of failure, one copy of every message.
//
// Every rank parses the same command line; rank 0 alone prints.  The job file is read by rank 0 and its text sent to
// the others, so that all ranks work on the same one or fail together.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iostream>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/error.hpp"
#include "io/hdf5_handle.hpp"
#include "io/job_file.hpp"
#include "io/nearest_name.hpp"
#include "jobs/jobs.hpp"
#include "jobs/mpi_start.hpp"
#include "jobs/process_privacy.hpp"
#include "jobs/synth/synth.hpp"
#include "partition/communicator.hpp"
#include "partition/failure.hpp"

namespace {

using ligature::Communicator;

// How long a rank that failed waits for the others to fail of the same cause before it ends the job.
constexpr std::chrono::milliseconds kPatience{1000};

constexpr std::string_view kExitCodes =
    "Exit codes: 0 done; 1 the job failed; 2 the command or the job file is wrong; 3 the input breaks a limit that the "
    "job file sets; 4 stopped by a signal.";

// Everything the command line can say.
struct CommandLine {
  std::string job_file;
  std::vector<std::string> overrides;
  std::string run;
  std::string index;
  std::vector<std::string> truth;
  std::string json;
  bool resume = false;
  std::string checkpoint;
  bool results = false;
  std::string trace, bounds, measured, calibrate;
  std::uint64_t calibration_people = 0;
  bool provenance = false;
  std::string agreement, key;
  std::string row, other_row;
  bool leaks = false;
  std::vector<std::string> searched, also;
  bool values = false;
  ligature::SynthArguments synth;
  std::function<int(const Communicator&)> job;
};

// Collective.  Rank 0's reading of the job file on every rank, or its mistakes on every rank.
ligature::JobFile load_on_all_ranks(const Communicator& world, const CommandLine& command) {
  std::string text;
  std::optional<std::string> problem;
  if (world.is_root()) {
    try {
      text = ligature::read_job_file(command.job_file);
      static_cast<void>(ligature::parse_job_file(text, command.job_file, command.overrides));
    } catch (const ligature::Error& failure) {
      problem = failure.what();
    }
  }
  world.agree(problem, ligature::kExitWrongUse);
  world.broadcast(text);
  return ligature::parse_job_file(text, command.job_file, command.overrides);
}

std::optional<std::filesystem::path> path_if_given(const std::string& path) {
  if (path.empty()) return std::nullopt;
  return path;
}

CLI::App* add_job(CLI::App& app, const char* name, const char* summary) {
  CLI::App* const job = app.add_subcommand(name, summary);
  job->footer(std::string(kExitCodes));
  return job;
}

void add_job_file_options(CLI::App& job, CommandLine& command) {
  job.add_option("JOB.toml", command.job_file, "The job file (docs/job-file.md)")->required();
  job.add_option("--set", command.overrides,
                 "Overrides one key of the job file, e.g. --set job.threads=4 --set 'extract.0.files=\"new/*.csv\"'")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

void add_run_option(CLI::App& job, CommandLine& command) {
  job.add_option("RUN", command.run, "A finished run: its publish or secure folder, or its job file")->required();
}

void add_jobs(CLI::App& app, CommandLine& command) {
  CLI::App* const synth = add_job(app, "synth", "Makes artificial extracts with realistic errors, and the truth");
  ligature::add_synth_options(*synth, command.synth);
  synth->callback(
      [&command] { command.job = [&](const Communicator& world) { return ligature::synth(world, command.synth); }; });

  CLI::App* const plan = add_job(app, "plan", "Says what a rebuild would read, need and take, before anything runs");
  add_job_file_options(*plan, command);
  plan->add_option("--measured", command.measured,
                   "Reckons with the rates of an earlier run: its performance.json (docs/tuning.md)")
      ->type_name("FILE");
  plan->add_option("--calibrate", command.calibrate,
                   "First measures this machine's rates with artificial people, under the secure folder, keeps them in "
                   "FILE for --measured, and reckons with them")
      ->type_name("FILE")
      ->excludes("--measured");
  plan->add_option("--calibration-people", command.calibration_people,
                   "How many artificial people (default: 250,000 a thread, at most 20 million)")
      ->check(CLI::Range(1'000, 20'000'000))
      ->needs("--calibrate");
  plan->callback([&command] {
    command.job = [&](const Communicator& world) {
      return ligature::plan(
          world, load_on_all_ranks(world, command),
          {path_if_given(command.measured), path_if_given(command.calibrate), command.calibration_people});
    };
  });

  CLI::App* const rebuild = add_job(app, "rebuild", "Links the extracts and writes the pseudonymised dataset");
  add_job_file_options(*rebuild, command);
  rebuild->add_flag("--resume", command.resume, "Goes on after the last whole checkpoint of a run that ended early");
  rebuild->add_option("--checkpoint", command.checkpoint, "What is kept to resume from (docs/durability.md)")
      ->check(CLI::IsMember({"none", "stages", "shards"}))
      ->type_name("none|stages|shards");
  rebuild->add_flag("--results", command.results, "Also prints a line 'RESULT key=value ...' a stage");
  rebuild->add_option("--trace", command.trace, "Writes a timeline of all ranks and threads, for ui.perfetto.dev")
      ->type_name("FILE");
  rebuild
      ->add_option("--bounds", command.bounds,
                   "What this machine can do at best (bench/bounds.sh): stages are held against it")
      ->type_name("FILE");
  rebuild->callback([&command] {
    command.job = [&](const Communicator& world) {
      ligature::JobFile job = load_on_all_ranks(world, command);
      if (const auto level = ligature::parse_checkpoint_level(command.checkpoint)) job.checkpoint = *level;
      return ligature::rebuild(
          world, job, {command.resume, command.results, path_if_given(command.trace), path_if_given(command.bounds)});
    };
  });

  CLI::App* const evaluate = add_job(app, "evaluate", "Scores a run against the truth: precision, recall and F1");
  add_run_option(*evaluate, command);
  evaluate
      ->add_option("--truth", command.truth,
                   "CSV files or globs with the columns record_id,person_id and, where row ids repeat between "
                   "datasets, dataset")
      ->type_name("FILE")
      ->required();
  evaluate->add_option("--json", command.json, "Also writes the figures to this file as JSON")->type_name("FILE");
  evaluate->callback([&command] {
    command.job = [&](const Communicator& world) {
      ligature::EvaluateArguments arguments{command.run, command.truth, std::nullopt};
      if (!command.json.empty()) arguments.json = command.json;
      return ligature::evaluate(world, arguments);
    };
  });

  CLI::App* const export_index =
      add_job(app, "export", "Writes which person each kept row was put to (secure: it reverses the pseudonymisation)");
  add_run_option(*export_index, command);
  export_index->add_option("--index", command.index, "The CSV file to write: dataset,row_id,person")
      ->type_name("FILE")
      ->required();
  export_index->add_flag("--provenance", command.provenance,
                         "Adds columns that say how each row came to its person: how,rank,weight_bits,lead_bits,flags");
  export_index->callback([&command] {
    command.job = [&](const Communicator& world) {
      return ligature::export_index(world, {command.run, command.index, command.provenance});
    };
  });

  CLI::App* const explain =
      add_job(app, "explain", "Says why two rows are one person or two, or why a row is where it is (secure use)");
  add_run_option(*explain, command);
  explain->add_option("ROW", command.row, "A row id, or dataset:row_id where ids repeat")->required();
  explain->add_option("OTHER_ROW", command.other_row, "Another; without it, ROW's own place is explained");
  explain->add_flag("--values", command.values, "Shows the identifiers themselves, not only how they agree");
  explain->add_option("--json", command.json, "Also writes the explanation to this file as JSON")->type_name("FILE");
  explain->callback([&command] {
    command.job = [&](const Communicator& world) {
      ligature::ExplainArguments arguments{command.run, {command.row}, command.values, std::nullopt};
      if (!command.other_row.empty()) arguments.rows.push_back(command.other_row);
      if (!command.json.empty()) arguments.json = command.json;
      return ligature::explain(world, arguments);
    };
  });

  CLI::App* const release =
      add_job(app, "release", "Gives a recipient what an agreement names, and enters it in the log");
  add_job_file_options(*release, command);
  release->add_option("AGREEMENT.toml", command.agreement, "The agreement (docs/release.md)")->required();
  release->callback([&command] {
    command.job = [&](const Communicator& world) {
      return ligature::release(world, load_on_all_ranks(world, command), command.agreement);
    };
  });

  CLI::App* const public_register = add_job(app, "register", "Prints the public register of releases, as CSV");
  add_job_file_options(*public_register, command);
  public_register->callback([&command] {
    command.job = [&](const Communicator& world) {
      return ligature::print_register(world, load_on_all_ranks(world, command));
    };
  });

  CLI::App* const key = add_job(app, "key", "Makes a key file, or names a key by its id");
  key->require_subcommand(1);
  CLI::App* const new_key = key->add_subcommand("new", "Makes a key of 32 random bytes, mode 0600; prints its id");
  new_key->add_option("FILE", command.key, "The key file to make; there must be none yet")->required();
  new_key->callback(
      [&command] { command.job = [&](const Communicator& world) { return ligature::new_key(world, command.key); }; });
  CLI::App* const key_id =
      key->add_subcommand("id", "Prints the id of a key, from which nothing of the key can be told");
  key_id->add_option("FILE", command.key, "The key file")->required();
  key_id->callback([&command] {
    command.job = [&](const Communicator& world) { return ligature::show_key_id(world, command.key); };
  });

  CLI::App* const digest = add_job(app, "digest", "Prints the content digest of the published dataset, one line");
  add_run_option(*digest, command);
  digest->callback([&command] {
    command.job = [&](const Communicator& world) { return ligature::digest_run(world, command.run); };
  });

  CLI::App* const verify = add_job(app, "verify", "Re-checks every invariant of a finished run from its files");
  add_run_option(*verify, command);
  CLI::Option* const leaks =
      verify->add_flag("--leaks", command.leaks, "Searches everything published for every identifier of the input");
  verify->add_option("--in", command.searched, "Searches this file or folder too: releases that were made of the run")
      ->type_name("PATH")
      ->needs(leaks);
  verify
      ->add_option("--also", command.also,
                   "Searches for the identifiers in this file too: objections, extracts with rows that were left out")
      ->type_name("FILE")
      ->needs(leaks);
  verify->callback([&command] {
    command.job = [&](const Communicator& world) {
      if (!command.leaks) return ligature::verify(world, command.run);
      return ligature::verify_leaks(world, {command.run, command.searched, command.also});
    };
  });
}

// The first job or option that there is not; CLI11 would not say which was meant, and of a job only that one is
// missing.
std::string unknown_word(const CLI::App& app, int argc, char** argv) {
  const CLI::App* job = &app;
  std::string path;  // of jobs within jobs
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    const std::string word = argv[i];
    const std::vector<const CLI::App*> jobs = job->get_subcommands({});
    std::vector<std::string> names;
    if (word.starts_with("--")) {
      for (const CLI::Option* option : job->get_options({})) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      }
    } else if (!jobs.empty() && !word.starts_with("-")) {
      for (const CLI::App* inner : jobs) names.push_back(inner->get_name());
    } else {
      continue;
    }
    const std::string name = word.substr(0, word.find('='));
    const std::vector<std::string_view> known(names.begin(), names.end());
    const auto found = std::find(known.begin(), known.end(), name);
    const bool is_job = !word.starts_with("--");
    if (found == known.end()) {
      return fmt::format("there is no {} '{}{}'{}", is_job ? "job" : "option", is_job ? path : "", name,
                         ligature::suggestion(name, known, is_job ? "jobs" : "options"));
    }
    if (!is_job) continue;
    job = jobs[static_cast<std::size_t>(found - known.begin())];
    path += name + " ";
  }
  return {};
}

// Parses the command line.  A number is the exit code of a program that has nothing more to do.
std::optional<int> parse_command_line(int argc, char** argv, bool prints, CommandLine& command) {
  CLI::App app("Ligature links health-service extracts and writes one pseudonymised dataset.", "ligature");
  app.set_version_flag("--version", "ligature " LIGATURE_VERSION);
  app.require_subcommand(1);
  app.footer("ligature JOB --help explains a job.  On many ranks: mpirun -n 16 --bind-to none ligature JOB ...\n" +
             std::string(kExitCodes));
  add_jobs(app, command);

  std::ostringstream out, error;
  int code = ligature::kExitDone;
  if (argc < 2) {
    error << app.help();
    code = ligature::kExitWrongUse;
  } else if (const std::string wrong = unknown_word(app, argc, argv); !wrong.empty()) {
    error << "ligature: " << wrong << '\n';
    code = ligature::kExitWrongUse;
  } else {
    try {
      app.parse(argc, argv);
      return std::nullopt;
    } catch (const CLI::ParseError& failure) {
      std::ostringstream message;
      if (app.exit(failure, out, message) != 0) {
        error << "ligature: " << message.str();
        code = ligature::kExitWrongUse;
      }
    }
  }
  if (!prints) return code;
  std::cout << out.str() << std::flush;
  std::cerr << error.str() << std::flush;
  return std::cout ? code : ligature::kExitFailed;
}

struct Failure {
  std::string message;
  int exit_code = ligature::kExitFailed;
};

// The exception that is being handled.
Failure current_failure() {
  try {
    throw;
  } catch (const ligature::Error& error) {
    return {error.what(), error.exit_code()};
  } catch (const std::bad_alloc&) {
    return {
        "out of memory: run on more hosts, allow the job more memory, or lower job.memory so that rows wait on disk"};
  } catch (const std::exception& error) {
    return {error.what()};
  } catch (...) {
    return {"an exception of an unknown type"};
  }
}

// Runs the job on this rank and turns what it throws into an exit code: of all ranks in good order if all threw, else
// by ending the job at once.
int run_job(const Communicator& world, const CommandLine& command) {
  ligature::FailureAgreement agreement(world);
  Failure failure;
  try {
    const int code = command.job(world);
    std::cout << std::flush;
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) {
      throw ligature::Error("standard output could not be written");
    }
    return code;
  } catch (...) {
    failure = current_failure();
  }
  if (!agreement.all_failed(kPatience)) ligature::abort_job(failure.message, failure.exit_code);
  if (agreement.should_print(failure.message)) {
    const std::string rank = world.is_root() ? "" : "rank " + std::to_string(world.rank()) + ": ";
    std::fprintf(stderr, "ligature: %s%s\n", rank.c_str(), failure.message.c_str());
  }
  if (ligature::hdf5_is_unsound()) {
    std::fflush(nullptr);
    std::_Exit(failure.exit_code);
  }
  return failure.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  ligature::keep_process_private();
  try {
    std::optional<ligature::MpiStart> start(std::in_place);
    const ligature::MpiEnvironment environment(argc, argv);
    start.reset();
    const Communicator world = Communicator::world();
    CommandLine command;
    if (const std::optional<int> code = parse_command_line(argc, argv, world.is_root(), command)) return *code;
    return run_job(world, command);
  } catch (...) {
    // MPI itself did not start, or broke.
    std::fprintf(stderr, "ligature: %s\n", current_failure().message.c_str());
    return ligature::kExitFailed;
  }
}
