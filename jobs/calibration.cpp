#include "jobs/calibration.hpp"

#include <algorithm>
#include <cstddef>
#include <system_error>

#include "engine/parallel.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "io/placement.hpp"
#include "io/progress.hpp"
#include "jobs/jobs.hpp"
#include "jobs/secure_output.hpp"
#include "jobs/synth/synth.hpp"

namespace ligature {

namespace {

namespace fs = std::filesystem;

// A stage of so many takes tenths of a second at least; of the most, some ten gigabytes of disk.
constexpr std::uint64_t kPeopleOfAThread = 250'000, kMostPeople = 20'000'000;

// Collective.  Links artificial people in a folder and keeps the account of the run.
void measure(const Communicator& comm, const JobFile& job, const fs::path& folder, std::uint64_t people,
             const fs::path& target) {
  SynthArguments population;
  const int threads = job.threads > 0 ? job.threads : examine_placement(comm).fair_threads;
  const auto all_threads = static_cast<std::uint64_t>(threads) * static_cast<std::uint64_t>(comm.size());
  population.people = people != 0 ? people : std::min(kMostPeople, kPeopleOfAThread * comm.max(all_threads));
  population.threads = job.threads;
  population.out = folder;
  log_info(comm, "calibrating with " + with_commas(population.people) + " artificial people");
  synth(comm, population);

  JobFile artificial = load_job_file(folder / "job.toml");
  artificial.threads = job.threads;
  artificial.memory = job.memory;
  artificial.checkpoint = job.checkpoint;
  rebuild(comm, artificial);
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    constexpr std::size_t kMost = std::size_t{1} << 30;
    write_file_durably(target, read_small_file(artificial.secure / "performance.json", kMost), 0600);
  });
}

}  // namespace

void calibrate(const Communicator& comm, const JobFile& job, const fs::path& file, std::uint64_t people) {
  const fs::path target = output_path(file, "--calibrate");
  const fs::path folder = job.secure / "calibration";
  const auto remove_folder = [&] {
    agreed_step(comm, [&] {
      if (comm.is_root()) fs::remove_all(folder);
    });
  };
  remove_folder();
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    make_private_directory(job.secure);
    make_private_directory(folder);
  });

  try {
    measure(comm, job, folder, people, target);
  } catch (...) {
    // Ranks may fail alone: nothing that needs the others.
    std::error_code ignored;
    if (comm.is_root()) fs::remove_all(folder, ignored);
    throw;
  }
  remove_folder();
}

}  // namespace ligature
