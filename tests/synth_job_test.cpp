// The job that writes the artificial extracts: the same bytes on any number of ranks.
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/job_file.hpp"
#include "io/key_file.hpp"
#include "jobs/synth/extracts.hpp"
#include "jobs/synth/population.hpp"
#include "jobs/synth/reference.hpp"
#include "jobs/synth/synth.hpp"
#include "partition/communicator.hpp"
#include "tests/shared_folder.hpp"
#include "tests/synth_fixture.hpp"

namespace ligature {
namespace {

using namespace synthetic;

// What the files must be: the neighbourhoods' texts in order, made one after the other.
std::map<std::string, std::string> expected_files(const SynthArguments& arguments) {
  const Population population(arguments);
  const ExtractWriter writer(population, arguments);
  std::map<std::string, std::string> files = {{"truth.csv", std::string(kTruthHeader)},
                                              {"optout.csv", std::string(kOptOutHeader)},
                                              {"objectors.csv", std::string(kObjectorsHeader)},
                                              {"superseded.csv", std::string(kSupersededHeader)},
                                              {"practices.csv", std::string(kPracticesHeader)}};
  if (arguments.people_file) files["people.csv"] = kPeopleHeader;
  for (std::uint64_t n = 0; n < population.neighbourhoods(); ++n) {
    const NeighbourhoodText text = writer.write(n);
    files["truth.csv"] += text.truth;
    files["optout.csv"] += text.optout;
    files["objectors.csv"] += text.objectors;
    files["superseded.csv"] += text.superseded;
    files["practices.csv"] += text.practices;
    if (arguments.people_file) files["people.csv"] += text.people;
    for (std::size_t s = 0; s < kSources; ++s) {
      const std::string name(format_of(static_cast<Source>(s)).name);
      std::string& file = files[name + "/" + name + "-0000" + std::to_string(n / 25) + ".csv"];
      if (file.empty()) file = header_line(static_cast<Source>(s));
      file += text.extracts[s];
    }
  }
  return files;
}

void expect_files(const Communicator& comm, const std::filesystem::path& folder,
                  const std::map<std::string, std::string>& expected) {
  comm.barrier();
  if (!comm.is_root()) return;
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().extension() == ".csv") {
      found.insert(std::filesystem::relative(entry.path(), folder).string());
    }
  }
  for (const auto& [name, text] : expected) {
    EXPECT_TRUE(found.erase(name) == 1) << name;
    EXPECT_TRUE(read_small_file(folder / name, std::size_t{1} << 30) == text) << name;
  }
  EXPECT_TRUE(found.empty()) << "unexpected: " << *found.begin();
}

TEST(Synth, bytes_do_not_depend_on_ranks_or_threads) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  SynthArguments arguments = arguments_for(20'000);
  arguments.people_file = true;
  const auto expected = expected_files(arguments);
  for (const int threads : {1, 3}) {
    arguments.out = folder.path() / std::to_string(threads);
    arguments.threads = threads;
    EXPECT_EQ(synth(world, arguments), kExitDone);
    expect_files(world, arguments.out, expected);
  }
}

TEST(Synth, several_parts_and_a_last_neighbourhood_in_part_are_the_same_bytes_on_any_ranks) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  SynthArguments arguments = arguments_for(503'210);
  arguments.gp_rows = 0.02;
  arguments.inpatient_rows = arguments.outpatient_rows = 0.01;
  arguments.ae_rows = 0;
  arguments.out = folder.path();
  EXPECT_EQ(synth(world, arguments), kExitDone);
  expect_files(world, folder.path(), expected_files(arguments));
}

TEST(Synth, one_person_is_a_population) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  SynthArguments arguments = arguments_for(1);
  arguments.out = folder.path();
  EXPECT_EQ(synth(world, arguments), kExitDone);
  expect_files(world, folder.path(), expected_files(arguments));
}

TEST(Synth, the_job_file_names_four_extracts_that_are_there_and_the_key_is_private) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  SynthArguments arguments = arguments_for(1'000);
  arguments.out = folder.path();
  EXPECT_EQ(synth(world, arguments), kExitDone);
  const JobFile job = load_job_file(folder.path() / "job.toml");
  EXPECT_EQ(job.extracts.size(), kSources);
  for (const Extract& extract : job.extracts) {
    ASSERT_EQ(extract.files.size(), 1U);
    EXPECT_EQ(expand_glob(extract.files.front()).size(), 1U);
    EXPECT_EQ(extract.extracted, day_number(kAsAt));
    EXPECT_EQ(extract.columns.local_id, "local_patient_id");
  }
  EXPECT_EQ(load_key_file(job.key).size(), 32U);
}

TEST(Synth, a_second_run_keeps_the_key_and_leaves_no_part_of_a_larger_first_run) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  SynthArguments arguments = arguments_for(260'000);
  arguments.gp_rows = arguments.inpatient_rows = arguments.outpatient_rows = arguments.ae_rows = 0.01;
  arguments.out = folder.path();
  EXPECT_EQ(synth(world, arguments), kExitDone);
  world.barrier();
  const std::string key = read_small_file(folder.path() / "ligature.key");
  world.barrier();
  arguments.people = 5'000;
  EXPECT_EQ(synth(world, arguments), kExitDone);
  expect_files(world, folder.path(), expected_files(arguments));
  EXPECT_EQ(read_small_file(folder.path() / "ligature.key"), key);
}

TEST(Synth, refuses_no_people_and_more_than_there_are_numbers) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  SynthArguments arguments;
  arguments.out = folder.path();
  for (const std::uint64_t people : {std::uint64_t{0}, kSynthMaxPeople + 1}) {
    arguments.people = people;
    EXPECT_THROW(synth(world, arguments), UsageError);
  }
}

TEST(Synth, refuses_rates_that_are_no_shares) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  for (const double wrong : {-0.1, 1.1, std::nan("")}) {
    SynthArguments arguments = arguments_for(10);
    arguments.out = folder.path();
    arguments.rates.communal = wrong;
    EXPECT_THROW(synth(world, arguments), UsageError);
  }
  SynthArguments arguments = arguments_for(10);
  arguments.out = folder.path();
  arguments.rates.superseded = 0.2;  // one place of eight at most has a spare number
  EXPECT_THROW(synth(world, arguments), UsageError);
}

}  // namespace
}  // namespace ligature
