// The job file: what is read, what is refused, and whether the message says where and what to do.
#include "io/job_file.hpp"

#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/comparison.hpp"
#include "engine/error.hpp"
#include "io/key_file.hpp"
#include "io/nearest_name.hpp"
#include "io/quantity.hpp"
#include "io/toml_precheck.hpp"
#include "tests/job_file_texts.hpp"

namespace ligature {
namespace {

const std::string kWhole = R"([job]
name = "england-2014-04"
secure = "run/secure"
publish = "run/publish/"
key = "/keys/england.key"
as_at = 2014-04-30
memory = "12GiB"
threads = 8
[[extract]]
dataset = "gp"
files = ["gp/*.csv", "/archive/gp.csv.zst"]
delimiter = "|"
extracted = 2014-04-01
[extract.columns]
row_id = "record_id"
provider = "practice_code"
nhs_number = "nhs_number"
date_of_birth = "date_of_birth"
postcode = "postcode"
gender = "gender"
event_date = "event_date"
local_id = "local_patient_id"
extracted = "uploaded"
[[extract.keep]]
column = "code"
type = "category"
[[extract.keep]]
column = "value"
type = "float32"
[[extract]]
dataset = "ae"
files = "ae.csv"
delimiter = "\t"
columns = { postcode = "Home Postcode" }
[reference]
superseded = "superseded.csv"
practices = "practices.csv"
[consent]
objections = ["optout.csv"]
after_opt_out = "withdraw"
[model]
threshold_bits = 4
margin_bits = 1.5
prior = 1e-8
use_local_id = false
estimate = "em"
passes = ["postcode", "nhs_number"]
term_frequency = false
number_ownership = false
returns = false
near_numbers = false
default_values = false
conflicts = false
twins = false
rivals = false
[[model.level]]
identifier = "postcode"
level = "near"
m = 0.01
u = 0.0001
[[model.level]]
identifier = "date_of_birth"
level = "two_parts"
merge = "other"
[publish]
event_date = "month"
area = "none"
[release]
customers = "customers.csv"
folder = "/releases"
[limits]
max_quarantined_share = 0.01
max_record_bytes = "128KiB"
max_categories = 1000
)";

std::string extract_of(const std::string& dataset, const std::string& more) {
  return "[[extract]]\ndataset = \"" + dataset + "\"\nfiles = \"a.csv\"\ncolumns = { gender = \"sex\" }\n" + more;
}

TEST(JobFile, an_empty_file_lacks_its_required_keys_and_an_extract) {
  const std::string found = mistakes("");
  for (const char* part : {"4 mistakes in the job file", "'secure' in [job] is required",
                           "'publish' in [job] is required", "'key' in [job] is required", "no extract"}) {
    EXPECT_NE(found.find(part), std::string::npos) << found;
  }
}

TEST(JobFile, the_shortest_job_file_is_enough) {
  const JobFile job = parse(kShortest);
  EXPECT_EQ(job.name, "england");
  EXPECT_EQ(job.path, "/jobs/england.toml");
  EXPECT_EQ(job.secure, "/jobs/run/secure");
  EXPECT_EQ(job.key, "/jobs/england.key");
  ASSERT_EQ(job.extracts.size(), 1U);
  EXPECT_EQ(job.extracts[0].files, std::vector<std::string>{"/jobs/people.csv"});
  EXPECT_EQ(job.extracts[0].delimiter, ',');
  EXPECT_EQ(job.extracts[0].columns.date_of_birth, "date_of_birth");
  EXPECT_FALSE(job.extracts[0].columns.event_date);
  EXPECT_TRUE(job.extracts[0].keep.empty());
  EXPECT_EQ(job.memory, 0U);
  EXPECT_TRUE(job.use_local_id);
  EXPECT_EQ(job.model.estimate, EstimateChoice::automatic);
  EXPECT_EQ(job.model.passes, (ChosenPasses{true, true, true}));
  EXPECT_TRUE(job.model.term_frequency && job.model.number_ownership && job.model.returns && job.model.near_numbers);
  EXPECT_TRUE(job.model.default_values && job.model.conflicts && job.model.twins && job.model.rivals);
  EXPECT_TRUE(job.model.levels.empty());
  EXPECT_EQ(job.threads, 0);
  EXPECT_EQ(job.consent.after_opt_out, AfterOptOut::keep_earlier);
  EXPECT_EQ(job.event_date, EventDatePolicy::day);
  EXPECT_EQ(job.area, AreaPolicy::outward);
  EXPECT_EQ(job.max_quarantined_share, 1.0);
}

TEST(JobFile, every_key_is_read) {
  const JobFile job = parse(kWhole);
  EXPECT_EQ(job.name, "england-2014-04");
  EXPECT_EQ(job.publish, "/jobs/run/publish");
  EXPECT_EQ(job.key, "/keys/england.key");
  EXPECT_EQ(job.as_at, day_number({2014, 4, 30}));
  EXPECT_EQ(job.customers, "/jobs/customers.csv");
  EXPECT_EQ(job.release_folder, "/releases");
  EXPECT_EQ(job.memory, std::uint64_t{12} << 30);
  EXPECT_EQ(job.threads, 8);
  ASSERT_EQ(job.extracts.size(), 2U);
  const Extract& gp = job.extracts[0];
  EXPECT_EQ(gp.files, (std::vector<std::string>{"/jobs/gp/*.csv", "/archive/gp.csv.zst"}));
  EXPECT_EQ(gp.delimiter, '|');
  EXPECT_EQ(gp.extracted, day_number({2014, 4, 1}));
  EXPECT_EQ(gp.columns.row_id, "record_id");
  EXPECT_EQ(gp.columns.provider, "practice_code");
  EXPECT_EQ(gp.columns.event_date, "event_date");
  EXPECT_EQ(gp.columns.local_id, "local_patient_id");
  EXPECT_EQ(gp.columns.extracted, "uploaded");
  EXPECT_EQ(gp.keep, (std::vector<KeptColumn>{{"code", ColumnType::category}, {"value", ColumnType::float32}}));
  EXPECT_EQ(job.extracts[1].delimiter, '\t');
  EXPECT_EQ(job.extracts[1].columns.postcode, "Home Postcode");
  EXPECT_EQ(job.superseded, "/jobs/superseded.csv");
  EXPECT_EQ(job.practices, "/jobs/practices.csv");
  EXPECT_EQ(job.consent.objections, std::vector<std::string>{"/jobs/optout.csv"});
  EXPECT_EQ(job.consent.after_opt_out, AfterOptOut::withdraw);
  EXPECT_EQ(job.threshold_bits, 4.0);
  EXPECT_EQ(job.margin_bits, 1.5);
  EXPECT_EQ(job.prior, 1e-8);
  EXPECT_FALSE(job.use_local_id);
  EXPECT_EQ(job.model.estimate, EstimateChoice::em);
  EXPECT_EQ(job.model.passes, (ChosenPasses{true, false, true}));
  EXPECT_FALSE(job.model.term_frequency || job.model.number_ownership || job.model.returns || job.model.near_numbers);
  EXPECT_FALSE(job.model.default_values || job.model.conflicts || job.model.twins || job.model.rivals);
  const auto near = static_cast<std::uint8_t>(PostcodeLevel::near);
  const auto two_parts = static_cast<std::uint8_t>(BirthLevel::two_parts);
  const auto other = static_cast<std::uint8_t>(BirthLevel::other);
  EXPECT_EQ(job.model.levels, (std::vector<LevelOverride>{
                                  {LinkageIdentifier::postcode, near, 0.01, 0.0001, std::nullopt},
                                  {LinkageIdentifier::date_of_birth, two_parts, std::nullopt, std::nullopt, other}}));
  EXPECT_EQ(job.event_date, EventDatePolicy::month);
  EXPECT_EQ(job.area, AreaPolicy::none);
  EXPECT_EQ(job.max_quarantined_share, 0.01);
  EXPECT_EQ(job.max_record_bytes, 128U * 1024U);
  EXPECT_EQ(job.max_categories, 1000U);
}

TEST(JobFile, says_what_changes_of_objections_stop_publication_and_which_are_known) {
  const JobFile job = parse(kShortest + R"(event_date = "seen"
objection_code = "code"
[[extract.keep]]
column = "code"
[reference]
partial_below = 0.8
late_after = 10
[consent]
previous = "../march/publish"
max_jump = 0.3
[[consent.acknowledge]]
code = "A81002"
reason = "closed"
[limits]
max_unusable_objections = 0
)");
  EXPECT_EQ(job.extracts[0].columns.objection_code, "code");
  EXPECT_EQ(job.extracts[0].columns.objection_date, "seen") << "the event's date";
  EXPECT_EQ(job.extracts[0].keep.size(), 1U) << "the code may be kept as well";
  EXPECT_EQ(job.partial_below, 0.8);
  EXPECT_EQ(job.late_after, 10);
  EXPECT_EQ(job.consent.previous, "/march/publish");
  EXPECT_EQ(job.consent.max_jump, 0.3);
  EXPECT_EQ(job.consent.acknowledged, (std::vector<Acknowledgement>{{"A81002", "closed"}}));
  EXPECT_EQ(job.consent.max_unusable, 0U);
  expect_mistake(kShortest + "objection_code = \"code\"\n", "needs nhs_number, and objection_date or event_date");
  expect_mistake(kShortest + "objection_date = \"seen\"\n", "of no use without objection_code");
  expect_mistake(kShortest + "[[consent.acknowledge]]\ncode = \"all\"\n",
                 "'reason' in [[consent.acknowledge]] is required");
}

TEST(JobFile, a_mistake_names_file_line_column_and_the_nearest_key) {
  EXPECT_EQ(mistakes(replaced(kShortest, "publish =", "pubish =")),
            "2 mistakes in the job file\n"
            "/jobs/england.toml:1:1: 'publish' in [job] is required, for instance publish = \"run/publish\"\n"
            "/jobs/england.toml:3:1: unknown key 'pubish' in [job]; did you mean 'publish'?");
}

TEST(JobFile, a_key_like_no_other_is_answered_with_those_that_exist) {
  expect_mistake(kShortest + "[consent]\nwombat = 1\n",
                 "unknown key 'wombat' in [consent]; known keys: objections, after_opt_out");
}

TEST(JobFile, a_syntax_error_names_its_line) {
  expect_mistake("[job]\nname = \"never closed\nkey = 1\n", "/jobs/england.toml:2:");
  expect_mistake("[job]\nname = 1\nname = 2\n", "/jobs/england.toml:3:");
  expect_mistake("[job]\nname = \"\xff\"\n", "/jobs/england.toml:2:");
}

TEST(JobFile, a_value_of_the_wrong_type_or_range_is_refused) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"[job]\nname = 5", "/jobs/england.toml:2:8: 'name' in [job] must be text, not a whole number"},
      {"[job]\nname = \"\"", "must not be empty"},
      {"[job]\nkey = \"a\\u0000b\"", "holds a control character"},
      {"[job]\nas_at = \"soon\"", "'as_at' in [job] must be a date"},
      {"[job]\nas_at = 1894-12-31", "'as_at' in [job] must be a date"},
      {"[job]\nthreads = -1", "'threads' in [job] must be from 0 to 4096"},
      {"[job]\nthreads = 1.5", "must be a whole number, not a number"},
      {"[job]\nmemory = \"12 GiBs\"", "'memory' in [job] must be 0 or a size"},
      {"[job]\nmemory = -1", "'memory' in [job] must be 0 or a size"},
      {"job = 5", "'job' in the job file must be a table, not a whole number"},
      {"[extract]\ndataset = \"gp\"", "[[extract]]"},
      {"extract = [1]", "must be an array of tables"},
      {"[[extract]]\nfiles = []", "must name at least one"},
      {"[[extract]]\nfiles = [1]", "must be text or an array of texts"},
      {"[[extract]]\ndelimiter = \":\"", "must be one of"},
      {"[[extract]]\ndelimiter = \"\"", "must be one of"},
      {"[[extract]]\nextracted = 12:00:00", "must be a date"},
      {"[[extract]]\ndataset = \"GP\"", "dataset name 'GP' must begin with a lower-case letter"},
      {"[[extract]]\ndataset = \"a/b\"", "dataset name 'a/b'"},
      {"[[extract]]\ncolumns = 1", "'columns' in [[extract]] must be a table"},
      {"[[extract]]\nkeep = 1", "[[extract.keep]]"},
      {"[[extract]]\n[[extract.keep]]\ntype = \"int8\"", "'column' in [[extract.keep]] is required"},
      {"[[extract]]\n[[extract.keep]]\ncolumn = \"a\"\ntype = \"in32\"", "did you mean \"int32\"?"},
      {"[consent]\nafter_opt_out = \"forget\"", "must be \"keep-earlier\" or \"withdraw\""},
      {"[model]\nprior = 0", "'prior' in [model] must be from"},
      {"[model]\nthreshold_bits = nan", "'threshold_bits' in [model] must be from"},
      {"[model]\nmargin_bits = -1", "'margin_bits' in [model] must be from"},
      {"[model]\nuse_local_id = 1", "'use_local_id' in [model] must be true or false"},
      {"[model]\nestimate = \"EM\"", "'estimate' in [model] must be one of \"auto\", \"anchored\", \"em\", \"docu"},
      {"[model]\nestimate = \"anchord\"", "did you mean \"anchored\"?"},
      {"[model]\nestimate = 1", "/jobs/england.toml:2:12: 'estimate' in [model] must be text, not a whole number"},
      {"[model]\npasses = []", "'passes' in [model] must name at least one of \"nhs_number\""},
      {"[model]\npasses = [\"postcode\", \"post_code\"]",
       "/jobs/england.toml:2:23: 'passes' in [model] must be one of"},
      {"[model]\npasses = [\"postcode\", \"postcode\"]",
       "/jobs/england.toml:2:23: 'passes' in [model] names \"postcod"},
      {"[model]\npasses = [1]", "'passes' in [model] must be text or an array of texts"},
      {"[model]\npasses = [[\"postcode\"]]", "'passes' in [model] must be text or an array of texts, not an array"},
      {"[model]\npasses = [\"\"]", "'passes' in [model] must not be empty"},
      {"[model]\npasses = {}", "'passes' in [model] must be text or an array of texts"},
      {"[model]\ntwins = \"no\"", "/jobs/england.toml:2:9: 'twins' in [model] must be true or false, not text"},
      {"[model]\nrival = true", "/jobs/england.toml:2:1: unknown key 'rival' in [model]; did you mean 'rivals'?"},
      {"[model]\nlevel = 1", "[[model.level]]"},
      {"[model.level]\nm = 0.1", "[[model.level]]"},
      {"[publish]\nevent_date = \"week\"", "must be one of \"day\", \"month\", \"year\""},
      {"[publish]\narea = \"full\"", "must be \"outward\" or \"none\""},
      {"[limits]\nmax_quarantined_share = 1.01", "must be from 0 to 1"},
      {"[limits]\nmax_record_bytes = 0", "must be a size from"},
      {"[limits]\nmax_categories = 4294967296", "must be from 1 to 4294967295"},
  };
  for (const auto& [text, message] : wrong) expect_mistake(text, message);
}

TEST(JobFile, an_extract_must_name_at_least_one_identifier) {
  const std::string without = kShortest.substr(0, kShortest.find("[extract.columns]"));
  expect_mistake(without, "/jobs/england.toml:5:1: the extract names no identifier");
  expect_mistake(without + "columns = { row_id = \"id\" }\n", "the extract names no identifier");
  EXPECT_EQ(mistakes(without + "columns = { gender = \"sex\" }\n"), "");
}

TEST(JobFile, an_identifier_is_never_kept_under_its_own_name) {
  for (const char* column : {"nhs_number", "date_of_birth", "postcode", "gender", "record_id"}) {
    expect_mistake(kShortest + "[[extract.keep]]\ncolumn = \"" + column + "\"\n", "is never published");
  }
}

TEST(JobFile, a_kept_column_may_not_take_a_name_of_the_dataset) {
  for (const char* column : {"person", "event_date", "provider", "offsets"}) {
    expect_mistake(kShortest + "[[extract.keep]]\ncolumn = \"" + column + "\"\n",
                   "the dataset has a column of its own");
  }
  expect_mistake(kShortest + "[[extract.keep]]\ncolumn = \"a/b\"\n", "cannot name a column of an HDF5 file");
}

TEST(JobFile, a_column_is_kept_once) {
  expect_mistake(kShortest + "[[extract.keep]]\ncolumn = \"code\"\n[[extract.keep]]\ncolumn = \"code\"\n",
                 "/jobs/england.toml:17:10: column 'code' is kept twice");
}

TEST(JobFile, one_column_is_not_two_identifiers) {
  expect_mistake(replaced(kShortest, "gender = \"gender\"", "gender = \"postcode\""),
                 "column 'postcode' of the extract is named twice, as postcode and as gender");
}

TEST(JobFile, extracts_of_one_dataset_keep_the_same_columns_in_one_order) {
  const std::string head = "[job]\nsecure=\"s\"\npublish=\"p\"\nkey=\"k\"\n";
  const std::string a = "[[extract.keep]]\ncolumn=\"a\"\ntype=\"int8\"\n", b = "[[extract.keep]]\ncolumn=\"b\"\n";
  const JobFile job = parse(head + extract_of("gp", a + b) + extract_of("gp", b + a));
  EXPECT_EQ(job.extracts[0].keep, job.extracts[1].keep);
  expect_mistake(head + extract_of("gp", a + b) + extract_of("gp", a), "must keep the same columns");
  EXPECT_EQ(mistakes(head + extract_of("gp", a + b) + extract_of("ae", a)), "");
}

TEST(JobFile, dictionaries_of_two_datasets_do_not_share_a_name) {
  const std::string head = "[job]\nsecure=\"s\"\npublish=\"p\"\nkey=\"k\"\n";
  expect_mistake(head + extract_of("gp", "[[extract.keep]]\ncolumn=\"a_b\"\n") +
                     extract_of("gp_a", "[[extract.keep]]\ncolumn=\"b\"\n"),
                 "would share the dictionary gp_a_b");
}

TEST(JobFile, at_most_32_datasets_are_possible) {
  std::string text = "[job]\nsecure=\"s\"\npublish=\"p\"\nkey=\"k\"\n";
  for (int i = 1; i <= 32; ++i) text += extract_of(std::string("d").append(std::to_string(i)), "");
  EXPECT_EQ(parse(text + extract_of("d1", "")).extracts.size(), 33U);
  expect_mistake(text + extract_of("d33", ""), "33 different datasets; at most 32");
}

TEST(JobFile, secure_and_publish_stay_apart) {
  const auto with = [](const std::string& secure, const std::string& publish) {
    return replaced(replaced(kShortest, "run/secure", secure), "run/publish", publish);
  };
  expect_mistake(with("run", "run/"), "must be two different folders");
  expect_mistake(with("run/a/../b", "/jobs/run/b"), "must be two different folders");
  expect_mistake(with("run/publish/secure", "run/publish"), "'secure' in [job] must not lie inside 'publish'");
  expect_mistake(with("run", "run/publish"), "'publish' in [job] must not lie inside 'secure'");
  expect_mistake(replaced(kShortest, "england.key", "run/publish/england.key"), "the key would be published");
  EXPECT_EQ(mistakes(with("run/out", "run/output")), "");
}

TEST(JobFile, releases_are_put_where_nothing_else_is) {
  const auto with = [](const std::string& folder) {
    return std::string(kShortest) + "[release]\nfolder = \"" + folder + "\"\n";
  };
  EXPECT_EQ(mistakes(with("releases")), "");
  expect_mistake(with("run/publish/releases"),
                 "'folder' in [release] and 'publish' in [job] must not lie in one another");
  expect_mistake(with("run"), "'folder' in [release] and 'publish' in [job] must not lie in one another");
  expect_mistake(with("run/secure"), "'folder' in [release] and 'secure' in [job] must not lie in one another");
  expect_mistake(with("releases\"\nclients = \"c.csv"), "unknown key 'clients' in [release]");
}

TEST(JobFile, folders_joined_by_a_link_are_one_folder) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "ligature_job_file_links";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder / "real");
  std::filesystem::create_directory_symlink(folder / "real", folder / "link");
  const std::string text = replaced(replaced(kShortest, "run/secure", (folder / "real").string()), "run/publish",
                                    (folder / "link" / "publish").string());
  expect_mistake(text, "'publish' in [job] must not lie inside 'secure'");
  std::filesystem::remove_all(folder);
}

TEST(JobFile, globs_are_taken_from_a_folder_whose_name_looks_like_a_glob) {
  const JobFile job = parse_job_file(replaced(kShortest, "people.csv", "*.csv"), "/jobs[1]/england.toml");
  EXPECT_EQ(job.extracts[0].files, std::vector<std::string>{"/jobs\\[1]/*.csv"});
  EXPECT_EQ(parse_job_file(kShortest, "/jobs[1]/england.toml").extracts[0].files,
            std::vector<std::string>{"/jobs[1]/people.csv"});
}

TEST(Override, it_replaces_or_adds_any_key) {
  const JobFile job = parse(
      kWhole, {"job.name=two words", "job.threads=2", "extract.0.delimiter=;", "extract.1.files=[\"x.csv\", \"y.csv\"]",
               "extract.0.keep.1.type=int16", "extract.1.extracted=2013-01-31", "limits.max_categories = 7",
               "consent.after_opt_out=keep-earlier"});
  EXPECT_EQ(job.name, "two words");
  EXPECT_EQ(job.threads, 2);
  EXPECT_EQ(job.extracts[0].delimiter, ';');
  EXPECT_EQ(job.extracts[1].files, (std::vector<std::string>{"/jobs/x.csv", "/jobs/y.csv"}));
  EXPECT_EQ(job.extracts[0].keep[1].type, ColumnType::int16);
  EXPECT_EQ(job.extracts[1].extracted, day_number({2013, 1, 31}));
  EXPECT_EQ(job.max_categories, 7U);
  EXPECT_EQ(job.consent.after_opt_out, AfterOptOut::keep_earlier);
  EXPECT_EQ(parse(kShortest, {"model.threshold_bits=-2.5"}).threshold_bits, -2.5);
  EXPECT_FALSE(parse(kShortest, {"model.use_local_id=false"}).use_local_id);
  EXPECT_FALSE(parse(kShortest, {"model.term_frequency=false"}).model.term_frequency);
  EXPECT_TRUE(parse(kWhole, {"model.twins=true"}).model.twins);
  EXPECT_EQ(parse(kShortest, {"model.estimate=documented"}).model.estimate, EstimateChoice::documented);
  EXPECT_EQ(parse(kShortest, {"model.passes=nhs_number"}).model.passes, (ChosenPasses{true, false, false}));
  EXPECT_EQ(parse(kShortest, {"model.passes=[\"date_of_birth\", \"postcode\"]"}).model.passes,
            (ChosenPasses{false, true, true}));
  EXPECT_EQ(parse(kWhole, {"model.level.0.m=0.25"}).model.levels.at(0).m, 0.25);
  const JobFile added = parse(kShortest, {"model.level=[{identifier=\"gender\", level=\"same\", u=0.5}]"});
  EXPECT_EQ(added.model.levels.at(0).u, 0.5);
}

TEST(Override, a_text_may_look_like_a_number_or_a_date) {
  EXPECT_EQ(parse(kShortest, {"job.name=2014"}).name, "2014");
  EXPECT_EQ(parse(kShortest, {"job.name=2014-04-01"}).name, "2014-04-01");
  EXPECT_EQ(parse(kShortest, {"job.name=true"}).name, "true");
}

TEST(Override, its_mistakes_name_it) {
  expect_mistake(kShortest, "--set job.threds: unknown key 'threds' in [job]; did you mean 'threads'?",
                 {"job.threds=1"});
  expect_mistake(kShortest, "--set job.threads: 'threads' in [job] must be from 0 to 4096", {"job.threads=99999"});
  expect_mistake(kShortest, "--set model.twin: unknown key 'twin' in [model]; did you mean 'twins'?",
                 {"model.twin=false"});
  expect_mistake(kShortest, "--set model.twins: 'twins' in [model] must be true or false", {"model.twins=0"});
  expect_mistake(kShortest, "--set model.passes: 'passes' in [model] must be one of", {"model.passes=all"});
  expect_mistake(kWhole, "--set model.level.0.m: 'm' in [[model.level]] must be greater than 0", {"model.level.0.m=2"});
  expect_mistake(kShortest, "--set extract.1.files: 'extract' has no item 1", {"extract.1.files=a.csv"});
  expect_mistake(kShortest, "must be the number of an item", {"extract.first.files=a.csv"});
  expect_mistake(kShortest, "'job.key' is text, not a table", {"job.key.x=1"});
  expect_mistake(kShortest, "--set job.threads: expected key=value", {"job.threads"});
  expect_mistake(kShortest, "expected key=value", {"=1"});
  expect_mistake(kShortest, "expected key=value", {""});
  expect_mistake(kShortest, "parted by single dots", {"job..threads=1"});
  expect_mistake(kShortest, "parted by single dots", {"job.=1"});
  expect_mistake(kShortest, "must be UTF-8", {"job.name=\xff"});
}

TEST(Override, its_value_adds_no_other_key) {
  expect_mistake(kShortest, "control character", {"job.name=1\nkey=2"});
}

TEST(JobFile, dots_beyond_number_are_refused_before_they_exhaust_the_stack) {
  std::string dots = "a";
  for (int i = 0; i < 200'000; ++i) dots += ".a";
  expect_mistake(dots + " = 1", "more than 16 dots on one line");
  expect_mistake("[" + dots + "]", "more than 16 dots on one line");
  expect_mistake(kShortest, "unknown key 'v'", {"v=" + dots});
  // Dots in quoted text are no keys.
  EXPECT_EQ(mistakes(replaced(kShortest, "people.csv", dots + ".csv")), "");
  EXPECT_EQ(mistakes(kShortest + "# " + dots), "");
}

TEST(JobFile, what_the_parser_must_not_see_is_refused) {
  expect_mistake("\xEF\xBB\xBF" + kShortest + "a = \xE2\x80\x9Cx\xE2\x80\x9D",
                 "/jobs/england.toml:14:5: a character that is not ASCII outside quoted text");
  expect_mistake("[job]\nname = \"caf\xE9\"", "/jobs/england.toml:2:12: not UTF-8");
  expect_mistake("[\x01", "/jobs/england.toml:1:1: not TOML");
  EXPECT_EQ(mistakes(replaced(kShortest, "\"gender\"", "\"\"\"\\\n g\\\\\xC3\xA9\"\"\"")), "");
  EXPECT_EQ(parse("\xEF\xBB\xBF" + replaced(kShortest, "gender\"", "g\xC3\xA9nero\" # \xE2\x80\x9C"))
                .extracts[0]
                .columns.gender,
            "g\xC3\xA9nero");
}

// Characters for which toml++ 3.3 has no answer of its own: not blanks, and not among the scripts that its tables name.
TEST(JobFile, any_character_may_stand_where_a_blank_may) {
  expect_mistake("[job]\nas_at = 2070-\"\xCD\xA6\"", "/jobs/england.toml:2:14: Error while parsing date");
  expect_mistake("[job]\nname = \"\"\"x\n\\\xC3\xA9\"\"\"", "/jobs/england.toml:3:2: Error while parsing string");
  for (const std::string character : {"\xC2\xA3", "\xC3\xA9", "\xE3\x80\x81", "\xEF\xB7\xBA", "\xEF\xBB\xBE"}) {
    const std::string column = character + "name";
    EXPECT_EQ(parse(replaced(kShortest, "\"gender\"", "\"\"\"\\\n " + column + "\"\"\"")).extracts[0].columns.gender,
              column);
  }
}

TEST(JobFile, the_deepest_document_that_the_parser_takes_is_refused) {
  std::string text = "a.a.a.a.a.a.a.a = ";
  for (int level = 0; level < 127; ++level) text += "[\n{a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = ";
  text += "1";
  for (int level = 0; level < 127; ++level) text += "}\n]";
  expect_mistake(text, "nested too deep");
}

TEST(JobFile, thousands_of_extracts_are_possible) {
  std::string text = "[job]\nsecure=\"s\"\npublish=\"p\"\nkey=\"k\"\n";
  for (int practice = 0; practice < 8000; ++practice) {
    text += "[[extract]]\ndataset=\"gp\"\nfiles=\"a.csv\"\nextracted=2014-04-01\n[extract.columns]\nnhs_number=\"n\"\n";
    text += "[[extract.keep]]\ncolumn=\"code\"\n";
  }
  EXPECT_EQ(parse(text).extracts.size(), 8000U);
}

TEST(JobFile, a_flood_of_extracts_columns_or_keys_is_refused) {
  std::string extracts, kept = kShortest, keys;
  for (int i = 0; i < 70'000; ++i) extracts += "[[extract]]\n";
  for (int i = 0; i < 1001; ++i) kept.append("[[extract.keep]]\ncolumn=\"c").append(std::to_string(i)).append("\"\n");
  for (int i = 0; i < 70'000; ++i) keys.append("k").append(std::to_string(i)).append("=1\n");
  expect_mistake(extracts, "70000 extracts; at most 65536");
  expect_mistake(kept, "1001 kept columns; at most 1000");
  expect_mistake(keys, "104 mistakes in the job file");
}

TEST(JobFile, brackets_beyond_number_are_refused) {
  expect_mistake("a = " + std::string(100'000, '['), "/jobs/england.toml:1:");
  expect_mistake("a = " + std::string(100, '[') + std::string(100, ']'), "nested too deep");
}

TEST(JobFile, every_beginning_of_a_job_file_is_read_or_refused) {
  for (std::size_t length = 0; length <= kWhole.size(); ++length) {
    const std::string found = mistakes(kWhole.substr(0, length));
    EXPECT_TRUE(found.empty() || found.find("/jobs/england.toml:") != std::string::npos) << found;
  }
}

TEST(JobFile, a_job_file_with_bytes_changed_is_read_or_refused) {
  std::mt19937 random(20140401);
  for (int round = 0; round < 2000; ++round) {
    std::string text = kWhole;
    for (int change = 0; change < 3; ++change) text[random() % text.size()] = static_cast<char>(random() % 256);
    const std::string found = mistakes(text);
    EXPECT_TRUE(found.empty() || found.find("/jobs/england.toml:") != std::string::npos) << found;
  }
}

TEST(JobFile, only_a_regular_file_is_read) {
  EXPECT_THROW(load_job_file("/no/such/job.toml"), UsageError);
  EXPECT_THROW(load_job_file("/"), UsageError);
  EXPECT_THROW(load_job_file("/dev/zero"), UsageError);
}

class KeyFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::string text(std::size_t bytes) { return bytes == 0 ? std::string() : std::string(bytes - 1, 'k') + 'e'; }
  std::filesystem::path write(std::size_t bytes, mode_t mode) const {
    std::filesystem::path path = folder_ / "a.key";
    std::ofstream(path, std::ios::binary) << text(bytes);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
  static std::string refusal(const std::filesystem::path& path) {
    try {
      load_key_file(path);
      return {};
    } catch (const UsageError& error) {
      return error.what();
    }
  }
  const std::filesystem::path folder_ = std::filesystem::path(::testing::TempDir()) / "ligature_key_file";
};

TEST_F(KeyFile, its_bytes_are_the_key) {
  const SecretBytes key = load_key_file(write(32, 0600));
  SecretBytes expected(32, std::byte{'k'});
  expected.back() = std::byte{'e'};
  EXPECT_EQ(key, expected);
  EXPECT_EQ(load_key_file(write(4096, 0600)).size(), 4096U);
}

TEST_F(KeyFile, of_one_byte_over_and_over_is_refused) {
  const std::filesystem::path path = write(32, 0600);
  for (const char byte : {'\0', 'k', '\xFF'}) {
    std::ofstream(path, std::ios::binary) << std::string(32, byte);
    EXPECT_NE(refusal(path).find("one byte over and over"), std::string::npos);
  }
}

TEST_F(KeyFile, its_owner_may_have_made_it_read_only) {
  EXPECT_EQ(refusal(write(32, 0400)), "");
}

TEST_F(KeyFile, a_mode_that_others_can_use_is_refused_with_the_command_that_mends_it) {
  for (const mode_t mode : {0644U, 0640U, 0660U, 0604U, 0700U, 0666U}) {
    const std::filesystem::path path = write(32, mode);
    EXPECT_NE(refusal(path).find("chmod 600 '" + path.string() + "'"), std::string::npos) << refusal(path);
  }
}

TEST_F(KeyFile, too_short_and_too_long_are_refused) {
  EXPECT_NE(refusal(write(31, 0600)).find("must hold 32 to 4096"), std::string::npos);
  EXPECT_NE(refusal(write(0, 0600)).find("holds 0"), std::string::npos);
  EXPECT_NE(refusal(write(4097, 0600)).find("holds more"), std::string::npos);
}

TEST_F(KeyFile, a_missing_file_a_folder_a_link_and_a_pipe_are_refused) {
  EXPECT_NE(refusal(folder_ / "none.key").find("no such key file"), std::string::npos);
  EXPECT_NE(refusal(folder_).find("not a regular file"), std::string::npos);
  const std::filesystem::path path = write(32, 0600);
  std::filesystem::create_symlink(path, folder_ / "link.key");
  EXPECT_NE(refusal(folder_ / "link.key").find("symbolic link"), std::string::npos);
  ASSERT_EQ(::mkfifo((folder_ / "pipe.key").c_str(), 0600), 0);
  EXPECT_NE(refusal(folder_ / "pipe.key").find("not a regular file"), std::string::npos);
}

TEST(NearestName, a_typing_error_is_one_edit_away) {
  EXPECT_EQ(edit_distance("publish", "publish"), 0U);
  EXPECT_EQ(edit_distance("pubish", "publish"), 1U);
  EXPECT_EQ(edit_distance("pulbish", "publish"), 1U);
  EXPECT_EQ(edit_distance("", "publish"), 7U);
  const std::vector<std::string_view> known = {"secure", "publish", "key"};
  EXPECT_EQ(nearest_name("Pubish", known), "publish");
  EXPECT_EQ(nearest_name("wombat", known), std::nullopt);
  EXPECT_EQ(nearest_name("", known), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(1 << 20, 'p'), known), std::nullopt);
}

TEST(Quantity, counts_and_sizes_are_read_as_people_write_them) {
  EXPECT_EQ(parse_count("60000"), 60'000U);
  EXPECT_EQ(parse_count("20k"), 20'000U);
  EXPECT_EQ(parse_count("1.5M"), 1'500'000U);
  EXPECT_EQ(parse_count("2G"), 2'000'000'000U);
  EXPECT_EQ(parse_count("18446744073709551615"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse_bytes("12GiB"), std::uint64_t{12} << 30);
  EXPECT_EQ(parse_bytes("12 gb"), 12'000'000'000U);
  EXPECT_EQ(parse_bytes("0.5K"), 512U);
  for (const char* wrong : {"", "M", "-1", "+1", "1.", ".5", "1e6", "1.2.3", "0.0001k", "18446744073709551616",
                            "99999999999999999999G", "20000000000G", "1 Q", "0x10", " 1"}) {
    EXPECT_EQ(parse_count(wrong), std::nullopt) << wrong;
    EXPECT_EQ(parse_bytes(wrong), std::nullopt) << wrong;
  }
}

TEST(Utf8, only_well_formed_text_passes) {
  for (const char* good :
       {"", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x92\x89", "\xEF\xBF\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

}  // namespace
}  // namespace ligature
