// verify passes a consistent run, and finds each way in which a run may be wrong, by the check that is meant to find
// it.
#include <algorithm>
#include <cctype>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/error.hpp"
#include "engine/xxhash.hpp"
#include "io/files.hpp"
#include "io/number_claims.hpp"
#include "io/record_parts.hpp"
#include "jobs/jobs.hpp"
#include "jobs/verify/checks.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

using Names = std::vector<std::string>;

constexpr char kNhs[] = "no NHS number of the input is published";
constexpr char kPostcode[] = "no postcode of the input is published";
constexpr char kContent[] = "content digest of the columns and dictionaries";
constexpr char kFolders[] = "secure folder is private, publish folder is complete";

// Makes a run with one thing changed before it is written and one afterwards, and verifies it.
class Verify : public testing::Test {
 protected:
  // Collective.  The names of the checks that fail.
  Names failures(const std::function<void(TinyRun&)>& before, const std::function<void(const TinyRun&)>& after = {}) {
    const SharedFolder folder(world_);
    TinyRun run(folder.path());
    if (before) before(run);
    run.write(world_);
    if (after && world_.is_root()) after(run);
    world_.barrier();
    RunFiles files(run.publish);
    Names failed;
    detail_.clear();
    for (const Check& check : verify_run(world_, files)) {
      if (check.violations == 0) continue;
      failed.push_back(check.name);
      if (detail_.empty()) detail_ = check.detail;
    }
    return failed;
  }
  Names failures_after(const std::function<void(const TinyRun&)>& after) { return failures({}, after); }

  // Where the first failure was found.
  std::string detail_;
  Communicator world_ = Communicator::world();
};

// Writes over bytes of a file that are known to be there.
void overwrite(const std::filesystem::path& path, std::uint64_t offset, std::string_view text) {
  File::open_update(path).write_at(offset, std::as_bytes(std::span(text)));
}

std::uint64_t offset_in_file(const std::filesystem::path& path, std::string_view text) {
  const std::size_t offset = read_small_file(path).find(text);
  if (offset == std::string::npos) throw Error("the text is not in the file");
  return offset;
}

// Changes a text in both manifests, so that they still agree with one another.
void change_manifests(const TinyRun& run, const std::string& from, const std::string& to) {
  for (const std::filesystem::path& folder : {run.secure, run.publish}) {
    std::string text = read_small_file(folder / "manifest.json");
    text.replace(text.find(from), from.size(), to);
    write_file_durably(folder / "manifest.json", text, 0600);
  }
}

// An NHS number of the run, between other words.
std::string nhs_text(std::size_t index, std::string_view before = {}, std::string_view after = {}) {
  std::string text(before);
  text += std::to_string(tiny_nhs_number(index));
  text += after;
  return text;
}

TEST_F(Verify, consistent_run_passes_every_check) {
  EXPECT_EQ(failures({}), Names{});
}

TEST_F(Verify, run_without_a_person_passes) {
  const SharedFolder folder(world_);
  TinyRun run(folder.path(), 0);
  run.quarantined = 0;
  run.write(world_);
  RunFiles files(run.publish);
  for (const Check& check : verify_run(world_, files)) EXPECT_EQ(check.violations, 0U) << check.name << check.detail;
}

TEST_F(Verify, job_ends_with_one_if_a_check_fails_and_with_zero_if_none_does) {
  const SharedFolder folder(world_);
  TinyRun run(folder.path());
  run.write(world_);
  EXPECT_EQ(verify(world_, run.publish), kExitDone);
  EXPECT_EQ(verify(world_, run.secure), kExitDone);
  world_.barrier();
  if (world_.is_root()) write_file_durably(run.publish / "note.txt", nhs_text(0, "see 943 476 5919 or "), 0644);
  world_.barrier();
  EXPECT_EQ(verify(world_, run.publish), kExitFailed);
}

// The dataset's own bytes.

TEST_F(Verify, changed_byte_of_a_column_is_found) {
  EXPECT_EQ(failures_after([](const TinyRun& run) {
              // The amounts of a person's events have no rule but the digest.
              const DatasetReader dataset(run.publish / kDatasetFile);
              const std::int64_t amount = run.datasets[0].events[5].amount;
              std::string bytes(16, '\0');
              std::memcpy(bytes.data(), &amount, 8);
              std::memcpy(bytes.data() + 8, &run.datasets[0].events[6].amount, 8);
              overwrite(run.publish / kDatasetFile, offset_in_file(run.publish / kDatasetFile, bytes), "\x7F");
            }),
            Names{kContent});
}

TEST_F(Verify, changed_dictionary_is_found) {
  EXPECT_EQ(failures_after([](const TinyRun& run) {
              const std::filesystem::path file = run.publish / kDatasetFile;
              overwrite(file, offset_in_file(file, "nausea, mild"), "nausea, wild");
            }),
            Names{kContent});
}

TEST_F(Verify, persons_out_of_order_are_found) {
  const Names failed = failures([](TinyRun& run) { std::swap(run.persons[10].pseudonym, run.persons[200].pseudonym); });
  EXPECT_NE(std::find(failed.begin(), failed.end(), "persons are unique and ordered by pseudonym"), failed.end());
}

TEST_F(Verify, repeated_pseudonym_is_found) {
  const Names failed = failures([](TinyRun& run) { run.persons[10].pseudonym = run.persons[11].pseudonym; });
  EXPECT_NE(std::find(failed.begin(), failed.end(), "persons are unique and ordered by pseudonym"), failed.end());
}

TEST_F(Verify, malformed_pseudonym_is_found) {
  const Names failed = failures_after([](const TinyRun& run) {
    const std::filesystem::path file = run.publish / kDatasetFile;
    overwrite(file, offset_in_file(file, hex(run.persons[42].pseudonym)) + 31, "G");
  });
  EXPECT_NE(std::find(failed.begin(), failed.end(), "pseudonyms are 32 lower-case hexadecimal digits"), failed.end());
  EXPECT_NE(std::find(failed.begin(), failed.end(), kContent), failed.end());
}

TEST_F(Verify, values_out_of_range_are_found) {
  EXPECT_EQ(failures([](TinyRun& run) { run.persons[3].year_of_birth = 1894; }),
            Names{"year of birth is missing or from 1895 to 2074"});
  EXPECT_EQ(failures([](TinyRun& run) { run.persons[299].sex = 3; }), Names{"sex is 0, 1, 2 or 9"});
  EXPECT_EQ(failures([](TinyRun& run) { run.persons[3].link_quality = 101; }),
            Names{"link quality is at most 100 percent"});
  EXPECT_EQ(failures([](TinyRun& run) { run.persons[3].area = 4; }),
            Names{"codes are in their dictionaries, or missing"});
  EXPECT_EQ(failures([](TinyRun& run) { run.datasets[1].events[7].code = 2; }),
            Names{"codes are in their dictionaries, or missing"});
  EXPECT_EQ(detail_, "/events/ae/code");
}

TEST_F(Verify, persons_of_another_id_type_than_the_manifest_counts_are_found) {
  EXPECT_EQ(failures_after([](const TinyRun& run) {
              const std::string count = std::to_string(run.manifest.persons_by_id_type[1]);
              change_manifests(run, "    " + count + ",", "    " + std::to_string(1) + ",");
            }),
            Names{"id_type is known, and counted right in the manifest"});
}

TEST_F(Verify, unsorted_dictionary_is_found) {
  EXPECT_EQ(failures([](TinyRun& run) { std::swap(run.datasets[0].codes[0], run.datasets[0].codes[1]); }),
            Names{"dictionaries are sorted, without repeats"});
  EXPECT_EQ(failures([](TinyRun& run) { run.areas[1] = run.areas[0]; }),
            Names{"dictionaries are sorted, without repeats"});
}

TEST_F(Verify, events_out_of_order_of_date_are_found) {
  EXPECT_EQ(failures([](TinyRun& run) {
              for (std::size_t e = 1; e < run.datasets[0].events.size(); ++e) {
                TinyEvent &a = run.datasets[0].events[e - 1], &b = run.datasets[0].events[e];
                if (a.person == b.person && a.date < b.date) return std::swap(a.date, b.date);
              }
            }),
            Names{"events of a person are in order of date"});
}

TEST_F(Verify, event_of_another_person_is_found) {
  // The column person says 200 where the offsets, which are digested with it, say otherwise.
  const Names failed = failures_after([](const TinyRun& run) {
    const std::filesystem::path file = run.publish / kDatasetFile;
    std::string rows;
    for (std::size_t e = 0; e < 8; ++e) {
      const auto person = static_cast<std::uint32_t>(run.datasets[0].events[e].person);
      rows.append(reinterpret_cast<const char*>(&person), sizeof person);
    }
    overwrite(file, offset_in_file(file, rows), "\xC8");
  });
  EXPECT_EQ(failed, (Names{"events name the person whose rows they are among", kContent}));
}

// The secure folder and the manifest.

TEST_F(Verify, rows_missing_in_the_index_are_found) {
  EXPECT_EQ(
      failures([](TinyRun& run) { run.indexed_less = 1; }),
      (Names{"each dataset: rows of the secure index = events", "each person: rows of the secure index = events"}));
}

TEST_F(Verify, damaged_index_is_found) {
  const Names failed =
      failures_after([](const TinyRun& run) { overwrite(run.secure / "index/part-00000", 100, "?????"); });
  ASSERT_FALSE(failed.empty());
  EXPECT_EQ(failed[0], "secure index is whole");
  EXPECT_NE(detail_.find("part-00000"), std::string::npos);
}

TEST_F(Verify, row_put_to_another_person_in_the_index_is_found) {
  EXPECT_EQ(failures([](TinyRun& run) { run.first_row_person = run.persons.size() - 1; }),
            Names{"each person: rows of the secure index = events"});
  EXPECT_EQ(failures([](TinyRun& run) { run.first_row_person = run.persons.size(); }),
            (Names{"persons of the secure index are in /persons", "each person: rows of the secure index = events"}));
}

TEST_F(Verify, quarantine_list_of_another_length_is_found) {
  EXPECT_EQ(failures_after([](const TinyRun& run) {
              write_file_durably(run.secure / "quarantine.csv", "file,line,reason\na.csv,2,nul_byte\n", 0600);
            }),
            Names{"quarantined rows are listed one by one"});
  EXPECT_EQ(failures_after([](const TinyRun& run) { std::filesystem::remove(run.secure / "quarantine.csv"); }),
            Names{"quarantined rows are listed one by one"});
}

TEST_F(Verify, wrong_count_in_the_manifest_is_found) {
  EXPECT_EQ(
      failures_after([](const TinyRun& run) {
        const std::string kept = "\"kept\": " + std::to_string(run.manifest.rows.kept);
        change_manifests(run, kept, "\"kept\": " + std::to_string(run.manifest.rows.kept - 1));
      }),
      (Names{"all files: rows read = kept + quarantined + opted out", "rows of the identity records = rows kept"}));
  EXPECT_EQ(failures_after([](const TinyRun& run) { change_manifests(run, "\"persons\": 300", "\"persons\": 301"); }),
            Names{"persons of the manifest = rows of /persons"});
}

TEST_F(Verify, manifest_of_another_run_is_found) {
  EXPECT_EQ(failures_after([](const TinyRun& run) { change_manifests(run, run.manifest.run_id, "another"); }),
            (Names{"manifest and attributes of the dataset agree", "audit log has the making of this run"}));
}

TEST_F(Verify, folder_that_others_can_read_is_found) {
  EXPECT_EQ(failures_after([](const TinyRun& run) { ::chmod(run.secure.c_str(), 0755); }), Names{kFolders});
  EXPECT_EQ(failures_after([](const TinyRun& run) { ::chmod((run.secure / "index").c_str(), 0750); }), Names{kFolders});
}

TEST_F(Verify, unfinished_file_is_found) {
  EXPECT_EQ(
      failures_after([](const TinyRun& run) { write_file_durably(run.publish / "dataset.h5.partial", "half", 0644); }),
      Names{kFolders});
}

TEST_F(Verify, link_to_an_identity_beyond_the_run_is_found) {
  EXPECT_EQ(failures([](TinyRun& run) { run.persons[7].provenance.linked_to = 300; }),
            Names{"identities are linked to identities of the run"});
}

TEST_F(Verify, damaged_identity_records_are_found) {
  EXPECT_EQ(failures_after([](const TinyRun& run) { overwrite(run.secure / "identities/part-00000", 40, "?????"); }),
            Names{"identity records are whole"});
}

// Whoever changes them would choose whom a release leaves out.
TEST_F(Verify, claims_to_numbers_that_are_not_those_of_the_records_are_found) {
  const Names kClaims{"claims to numbers are those of the identity records"};
  EXPECT_EQ(failures_after([](const TinyRun& run) { overwrite(run.secure / "claims/part-00000", 90, "?"); }), kClaims);
  EXPECT_EQ(failures_after([](const TinyRun& run) {
              // Somebody else's, in a piece that is whole by its checksum.
              const RecordPart part = open_record_part(kNumberClaimForm, run.secure, 0);
              std::vector<NumberClaim> claims(part.header.count);
              read_record_piece(kNumberClaimForm, part, 0, std::as_writable_bytes(std::span(claims)));
              claims[3] = {claims[3].nhs(), claims[3].claim(), claims[3].row() ^ 1};
              const std::uint64_t checksum =
                  XXH3_64bits_withSeed(claims.data(), claims.size() * sizeof claims[0], part.header.first_id);
              const File file = File::open_update(part.file.path());
              file.write_at(sizeof(PartHeader), std::as_bytes(std::span(&checksum, 1)));
              file.write_at(sizeof(PartHeader) + sizeof checksum, std::as_bytes(std::span(claims)));
            }),
            kClaims);
}

TEST_F(Verify, claims_that_are_not_there_are_missed) {
  EXPECT_EQ(failures_after([](const TinyRun& run) { std::filesystem::remove_all(run.secure / "claims"); }),
            (Names{kFolders, "claims to numbers are those of the identity records"}));
}

// Identifiers where they must not be.

TEST_F(Verify, nhs_number_in_the_manifest_is_found) {
  EXPECT_EQ(failures([](TinyRun& run) { run.manifest.job_name = nhs_text(7, "run of "); }), Names{kNhs});
  EXPECT_NE(detail_.find("manifest.json (1)"), std::string::npos) << detail_;
  EXPECT_EQ(detail_.find(nhs_text(7)), std::string::npos) << "the value itself must not be shown";
}

TEST_F(Verify, nhs_number_added_to_the_manifest_by_hand_is_found) {
  EXPECT_EQ(failures_after([](const TinyRun& run) {
              change_manifests(run, "\"ranks\": 0", nhs_text(7, "\"note\": ", ", \"ranks\": 0"));
            }),
            Names{kNhs});
}

TEST_F(Verify, count_of_ten_digits_in_the_manifest_is_no_nhs_number) {
  EXPECT_EQ(failures([](TinyRun& run) { run.manifest.peak_memory_bytes = tiny_nhs_number(7); }), Names{});
}

TEST_F(Verify, nhs_number_in_a_log_is_found) {
  for (const char* form : {"plain", "spaced", "hyphens"}) {
    EXPECT_EQ(failures_after([&](const TinyRun& run) {
                std::string number = nhs_text(120);
                const std::string separator = *form == 's' ? " " : "-";
                if (*form != 'p') {
                  number = number.substr(0, 3) + separator + number.substr(3, 3) + separator + number.substr(6);
                }
                std::filesystem::create_directory(run.publish / "logs");
                write_file_durably(run.publish / "logs/run.log", std::string(3'000'000, '.') + number + "\n", 0644);
              }),
              Names{kNhs})
        << form;
    EXPECT_EQ(detail_, "logs/run.log (1)");
  }
}

TEST_F(Verify, nhs_number_in_the_name_of_a_file_is_found) {
  EXPECT_EQ(failures_after(
                [](const TinyRun& run) { write_file_durably(run.publish / nhs_text(3, "letter-", ".txt"), "", 0644); }),
            Names{kNhs});
}

TEST_F(Verify, nhs_number_in_a_dictionary_is_found) {
  EXPECT_EQ(failures([](TinyRun& run) { run.datasets[0].codes.push_back(nhs_text(8, "see ")); }), Names{kNhs});
  EXPECT_EQ(detail_, "dataset.h5:/dictionaries/gp_code (1)");
  // Side by side in the file, two values of ten digits are twenty digits in a row: each is found all the same.
  EXPECT_EQ(failures([](TinyRun& run) { run.datasets[1].codes = {nhs_text(8), nhs_text(10)}; }), Names{kNhs});
  EXPECT_EQ(detail_, "dataset.h5:/dictionaries/ae_code (2)");
}

TEST_F(Verify, nhs_number_in_a_numeric_column_is_found) {
  EXPECT_EQ(failures([](TinyRun& run) {
              run.datasets[0].events[50].amount = static_cast<std::int64_t>(tiny_nhs_number(11));
            }),
            Names{kNhs});
  EXPECT_EQ(detail_, "dataset.h5:/events/gp/amount (1)");
  EXPECT_EQ(
      failures([](TinyRun& run) { run.datasets[1].events[50].measure = static_cast<double>(tiny_nhs_number(11)); }),
      Names{kNhs});
  EXPECT_EQ(detail_, "dataset.h5:/events/ae/measure (1)");
}

TEST_F(Verify, number_of_nobody_is_no_nhs_number_of_the_input) {
  EXPECT_EQ(failures([](TinyRun& run) {
              // Valid, but nobody's here: person 4 of the tiny run has no NHS number.
              run.datasets[0].events[50].amount = static_cast<std::int64_t>(tiny_nhs_number(4));
              run.datasets[0].codes.push_back(nhs_text(4, "see "));
            }),
            Names{});
}

TEST_F(Verify, nhs_number_in_an_attribute_is_found) {
  EXPECT_EQ(failures([](TinyRun& run) { run.datasets[1].name = nhs_text(12, "ae_"); }), Names{kNhs});
}

TEST_F(Verify, nhs_number_between_the_columns_of_the_dataset_is_found) {
  EXPECT_EQ(failures_after([](const TinyRun& run) {
              // Columns of 4 KiB and more begin at multiples of that: before them lie bytes that belong to nothing.
              const std::filesystem::path file = run.publish / kDatasetFile;
              const std::uint64_t column = offset_in_file(file, hex(run.persons[0].pseudonym));
              overwrite(file, column - 64, nhs_text(15, " ", " "));
            }),
            Names{kNhs});
  EXPECT_EQ(detail_, "dataset.h5 (1)");
}

TEST_F(Verify, postcode_is_found_in_any_spelling) {
  const std::string text = postcode_text(tiny_postcode(33));
  std::string compact = text;
  std::erase(compact, ' ');
  std::string small = text;
  for (char& c : small) c = static_cast<char>(std::tolower(c));
  for (const std::string& spelling : {text, compact, small}) {
    EXPECT_EQ(failures([&](TinyRun& run) { run.datasets[0].codes.push_back("visit: " + spelling + "."); }),
              Names{kPostcode})
        << spelling;
    EXPECT_EQ(detail_, "dataset.h5:/dictionaries/gp_code (1)");
  }
  EXPECT_EQ(
      failures_after([&](const TinyRun& run) { write_file_durably(run.publish / "x.csv", compact + ",1\n", 0644); }),
      Names{kPostcode});
}

TEST_F(Verify, postcode_of_nobody_is_no_postcode_of_the_input) {
  EXPECT_EQ(failures([](TinyRun& run) { run.datasets[0].codes.push_back("office: SW1A 1AA"); }), Names{});
}

}  // namespace
}  // namespace ligature
