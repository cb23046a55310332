// The manifest: nothing is lost between writing and reading, and every way to name a run finds it.
#include "io/manifest.hpp"

#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/finished_run.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {
namespace {

// A manifest in which no two numbers are the same, so that none can stand in for another.
Manifest full_manifest(const std::filesystem::path& folder) {
  std::uint64_t number = 1'000;
  const auto next = [&number] { return ++number; };
  const auto rows = [&] {
    RowCounts counts;
    counts.read = next(), counts.kept = next(), counts.opted_out = next();
    counts.opted_out_by_linkage = next();
    for (std::uint64_t& reason : counts.quarantined) reason = next();
    counts.nhs_valid = next(), counts.nhs_invalid = next(), counts.nhs_missing = next(), counts.nhs_superseded = next();
    counts.birth_missing = next(), counts.birth_placeholder = next(), counts.postcode_missing = next();
    counts.postcode_pseudo = next(), counts.gender_missing = next(), counts.one_time = next();
    counts.values_not_understood = next();
    return counts;
  };
  Manifest m;
  m.software_version = "0.1.0", m.run_id = "run", m.job_name = "England \"test\"\n", m.job_file = "/jobs/job.toml";
  m.started_utc = "2014-04-01T00:00:00Z", m.job_file_digest = "a", m.input_digest = "b", m.model_digest = "c";
  m.key_id = "d", m.content_digest = "e", m.providers_digest = "f", m.identity_records_digest = "g",
  m.as_at = "2014-04-01";
  m.secure = (folder / "secure").string(), m.publish = (folder / "publish").string();
  m.ranks = 7, m.threads_per_rank = 3;
  m.files = {{"/extracts/a.csv", 0, 0, Compression::none, next()},
             {"/extracts/b.csv.zst", 1, 1, Compression::zstd, ~0UL}};
  m.file_reports = {{{next(), next()}, rows()}, {{~0UL, 0}, rows()}};
  m.datasets = {{"gp", next()}, {"ae", next()}};
  m.rows = rows();
  m.identities = next(), m.identity_records = next(), m.linkable_identities = next(), m.distinct_nhs = next();
  m.local_ids = {next(), next(), next()};
  m.passes = {{"nhs_number", next(), next(), next(), next(), next(), next()}};
  double probability = 0.1;
  for (auto* levels : {&m.model.birth, &m.model.postcode}) {
    for (std::size_t l = 1; l < levels->size(); ++l) (*levels)[l] = {probability /= 3, probability / 7};
  }
  for (std::size_t l = 1; l < kNhsLevels; ++l) m.model.nhs[l] = {probability /= 3, probability / 7};
  for (std::size_t l = 1; l < kGenderLevels; ++l) m.model.gender[l] = {probability /= 3, probability / 7};
  m.model.prior = 1e-9, m.model.threshold_bits = -3.25, m.model.margin_bits = 2.5;
  for (double& share : m.model.several_providers) share = probability /= 2;
  m.model.provider_shared_by_one = 0.125, m.model.provider_shared_by_two = 0.625;
  m.model.several_rows_of_one = 0.25, m.model.several_rows_of_two = 0.03125, m.model.several_patients = 0.0625;
  for (HeldOutCounts& of : m.moves.held_out) {
    of.records = next();
    for (auto& counts : of.alone) counts = {next(), next(), next(), next(), next()};
  }
  m.components = next(), m.largest_component = next(), m.component_rounds = next();
  m.clusters = {next(), next(), next()};
  m.persons = next();
  m.persons_by_id_type = {0, next(), next(), next(), next(), next()};
  m.rows_linked = next();
  m.rows_apart = next();
  m.consent.ledger_version = "fe", m.consent.counts_digest = "fd", m.consent.entries = next(),
  m.consent.coded_rows = next();
  for (std::uint64_t& count : m.consent.problems) count = next();
  for (std::uint64_t& count : m.consent.standing) count = next();
  m.consent.rows_by_linkage = next(), m.consent.identities_barred = next(), m.consent.identities_dropped = next();
  m.consent.identities_apart = next(), m.consent.changes = next(), m.consent.changes_acknowledged = next();
  m.consent.acknowledgements_unused = next(), m.providers_late = next(), m.providers_partial = next();
  m.practices_registered = next(), m.practices_silent = next(), m.providers_unregistered = next();
  m.stages = {{"intake", 1.0 / 3.0, next(), "rows"}, {"pairs", 1e-300, next(), "pairs"}};
  m.total_seconds = 12.75;
  m.peak_memory_bytes = next();
  return m;
}

// Collective.  Writes a manifest, and an empty file where the dataset would be.
void write_run(const Communicator& comm, const Manifest& manifest) {
  if (comm.is_root()) {
    make_private_directory(manifest.secure);
    std::filesystem::create_directories(manifest.publish);
    write_file_durably(std::filesystem::path(manifest.publish) / "dataset.h5", "", 0644);
    write_manifest(manifest);
  }
  comm.barrier();
}

TEST(Manifest, everything_comes_back_as_it_was_written) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const Manifest written = full_manifest(folder.path());
  write_run(world, written);
  const Manifest read = read_manifest(folder.path() / "publish");
  EXPECT_EQ(to_json(read), to_json(written));
  EXPECT_EQ(read.job_name, written.job_name);
  EXPECT_EQ(read.files[1].bytes, ~0UL);
  EXPECT_EQ(read.files[1].compression, Compression::zstd);
  EXPECT_EQ(read.file_reports[1].digest, written.file_reports[1].digest);
  EXPECT_EQ(read.rows.quarantined, written.rows.quarantined);
  EXPECT_EQ(read.stages[0].seconds, 1.0 / 3.0);
  EXPECT_EQ(read.model.postcode[3].u, written.model.postcode[3].u);
  EXPECT_EQ(read.persons_by_id_type, written.persons_by_id_type);
}

TEST(Manifest, one_of_an_earlier_version_is_read_and_written_as_it_was) {
  Manifest manifest = full_manifest("/run");
  manifest.consent.counts_digest.clear();
  const std::string text = to_json(manifest);
  EXPECT_EQ(text.find("counts_digest"), std::string::npos);
  EXPECT_EQ(to_json(manifest_of_json(text)), text);
}

TEST(Manifest, both_folders_hold_the_same_and_the_secure_one_is_private) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  write_run(world, full_manifest(folder.path()));
  EXPECT_EQ(read_small_file(folder.path() / "publish/manifest.json"),
            read_small_file(folder.path() / "secure/manifest.json"));
  struct stat status {};
  ASSERT_EQ(::stat((folder.path() / "secure/manifest.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST(Manifest, path_that_is_not_utf8_can_be_written) {
  Manifest manifest = full_manifest("/run");
  manifest.files[0].path = "/extracts/caf\xE9.csv";
  EXPECT_NE(to_json(manifest).find("/extracts/caf"), std::string::npos);
}

// The message with which a text is refused.
std::string refusal(const std::filesystem::path& folder, const std::string& text) {
  File::create(folder / "manifest.json", 0600).write_at(0, std::as_bytes(std::span(text)));
  try {
    read_manifest(folder);
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Manifest, mistake_is_named_by_its_place) {
  const Communicator world = Communicator::world();
  const Communicator alone = world.split(world.rank());
  if (!world.is_root()) return;
  const SharedFolder folder(alone);
  const std::string good = to_json(full_manifest(folder.path()));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return refusal(folder.path(), text);
  };
  EXPECT_EQ(refusal(folder.path(), good), "accepted");
  EXPECT_NE(changed("\"run_id\"", "\"other\"").find("no key \"run_id\""), std::string::npos);
  EXPECT_NE(changed("\"ranks\": 7", "\"ranks\": -7").find("ranks: not a whole number"), std::string::npos);
  EXPECT_NE(changed("\"ranks\": 7", "\"ranks\": 7000000000").find("ranks"), std::string::npos);
  EXPECT_NE(changed("\"ranks\": 7", "\"ranks\": null").find("ranks"), std::string::npos);
  EXPECT_NE(changed("\"zstd\"", "\"lz4\"").find("files[1].compression"), std::string::npos);
  EXPECT_NE(changed("\"extract\": 1", "\"extract\": 1.5").find("files[1].extract"), std::string::npos);
  EXPECT_NE(changed("\"dataset\": 1", "\"dataset\": 2").find("unknown dataset"), std::string::npos);
  EXPECT_NE(changed("\"run_id\"", "run_id").find("not JSON"), std::string::npos);
  EXPECT_NE(refusal(folder.path(), "[]").find("not an object"), std::string::npos);
  EXPECT_NE(refusal(folder.path(), std::string(100'000, '[')).find("not JSON"), std::string::npos);
  for (std::size_t length = 0; length + 2 < good.size(); length += 97) {
    EXPECT_NE(refusal(folder.path(), good.substr(0, length)), "accepted");
  }
}

TEST(FindRun, either_folder_their_parent_a_file_of_it_or_the_job_file_will_do) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  write_run(world, full_manifest(folder.path()));
  const std::filesystem::path publish = folder.path() / "publish";
  if (world.is_root()) {
    const std::string job =
        "[job]\nname = \"tiny\"\nsecure = \"secure\"\npublish = \"publish\"\nkey = \"k.key\"\n[[extract]]\n"
        "dataset = \"gp\"\nfiles = [\"a.csv\"]\n[extract.columns]\nnhs_number = \"nhs_number\"\n";
    write_file_durably(folder.path() / "job.toml", job, 0600);
  }
  world.barrier();
  EXPECT_EQ(find_run(publish), publish);
  EXPECT_EQ(find_run(folder.path() / "secure"), publish);
  EXPECT_EQ(find_run(folder.path()), publish);
  EXPECT_EQ(find_run(publish / "manifest.json"), publish);
  EXPECT_EQ(find_run(publish / "dataset.h5"), publish);
  EXPECT_EQ(find_run(folder.path() / "job.toml"), publish);
  // Where one stands in the folder, a file's own name will do.
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(publish);
  EXPECT_EQ(find_run("manifest.json"), publish);
  EXPECT_EQ(find_run("dataset.h5"), publish);
  std::filesystem::current_path(before);
}

TEST(FindRun, run_that_was_moved_as_a_whole_is_found) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const Manifest manifest = full_manifest(folder.path() / "before");
  write_run(world, manifest);
  if (world.is_root()) std::filesystem::rename(folder.path() / "before", folder.path() / "after");
  world.barrier();
  const std::filesystem::path publish = folder.path() / "after/publish";
  EXPECT_EQ(find_run(publish), publish);
  EXPECT_EQ(find_run(folder.path() / "after/secure"), publish);
  EXPECT_EQ(secure_folder(manifest, publish), folder.path() / "after/secure");
}

TEST(FindRun, what_is_no_run_is_a_wrong_use) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  EXPECT_THROW(find_run(folder.path()), UsageError);
  EXPECT_THROW(find_run(folder.path() / "nothing"), UsageError);
  if (world.is_root()) write_file_durably(folder.path() / "audit.log", "{\"entry\": 1}\n", 0600);
  world.barrier();
  try {
    find_run(folder.path() / "audit.log");
    ADD_FAILURE() << "a log is no run";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("was read as a job file"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ligature
