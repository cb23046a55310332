// Every spelling of an identifier is found wherever it is published, and named by place and form alone.
#include <array>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "jobs/jobs.hpp"
#include "jobs/process_privacy.hpp"
#include "jobs/verify/identifier_forms.hpp"
#include "jobs/verify/leak_report.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

class Leaks : public testing::Test {
 protected:
  // Collective.  What verify --leaks says and prints of a run beside which `plant` has put something.
  int code(const std::function<void(const TinyRun&)>& plant) {
    const SharedFolder folder(world_);
    TinyRun run(folder.path());
    run.write(world_);
    if (world_.is_root() && plant) plant(run);
    world_.barrier();
    testing::internal::CaptureStdout();
    int result = kExitFailed;
    try {
      result = verify_leaks(world_, {run.publish, {}, {}});
    } catch (...) {
      testing::internal::GetCapturedStdout();
      throw;
    }
    printed_ = testing::internal::GetCapturedStdout();
    world_.broadcast(printed_);
    return result;
  }
  int code_of_text(const std::string& text, const std::string& name = "release/note.csv") {
    return code([&](const TinyRun& run) {
      std::filesystem::create_directories((run.publish / name).parent_path());
      write_file_durably(run.publish / name, text, 0644);
    });
  }

  Communicator world_ = Communicator::world();
  std::string printed_;
};

const std::string kNumber = std::to_string(tiny_nhs_number(7));

std::string compact(std::string postcode) {
  std::erase(postcode, ' ');
  return postcode;
}

// So many different candidates, of which so many millionths each are in use, and so many different hits.
LeakCounts counts_of(std::uint64_t candidates, std::uint64_t millionths, std::uint64_t hits) {
  LeakCounts counts;
  for (std::uint64_t i = 0; i < candidates; ++i) {
    ++counts.candidates;
    counts.chance += millionths;
    counts.different.add(nhs_key(4'000'000'000 + i));
  }
  counts.hits = hits;
  for (std::uint64_t i = 0; i < hits; ++i) counts.different_hits.add(nhs_key(4'000'000'000 + i));
  return counts;
}

TEST(LeakCounts, chance_explains_few_hits_among_many_numbers_and_no_hit_in_a_spelling_that_is_certain) {
  const LeakCounts few = counts_of(1000, 5000, 6);
  EXPECT_NEAR(few.expected(), 5, 0.5);
  EXPECT_TRUE(chance_explains(IdentifierForm::nhs_binary, false, few));
  EXPECT_FALSE(chance_explains(IdentifierForm::nhs_grouped, false, few));
  EXPECT_FALSE(chance_explains(IdentifierForm::nhs_binary, false, counts_of(1000, 5000, 46)));
}

TEST(LeakCounts, single_hit_among_few_words_is_a_leak_and_among_codes_that_look_like_words_is_not) {
  // As of the codes of 230 practices in a million rows: 300 look like a postcode, and a third of a hit is to be
  // expected.
  const LeakCounts once = counts_of(300, 1200, 1);
  EXPECT_NEAR(once.expected(), 0.36, 0.05);
  EXPECT_FALSE(chance_explains(IdentifierForm::postcode_compact, false, once));
  EXPECT_TRUE(chance_explains(IdentifierForm::postcode_compact, true, once));
  EXPECT_TRUE(chance_explains(IdentifierForm::postcode_spaced, true, counts_of(5, 5000, 1)));
  // Six would come once in 2,000,000 such runs; what is in use nowhere comes never.
  EXPECT_TRUE(chance_explains(IdentifierForm::postcode_compact, true, counts_of(300, 1200, 3)));
  EXPECT_FALSE(chance_explains(IdentifierForm::postcode_compact, true, counts_of(300, 1200, 6)));
  EXPECT_FALSE(chance_explains(IdentifierForm::birth_and_postcode, true, counts_of(300, 0, 1)));
}

TEST(ProcessPrivacy, no_core_is_written_and_nothing_can_be_written_by_others) {
  ::umask(0);
  keep_process_private();
  EXPECT_EQ(::umask(022), 022U);
  struct rlimit limit {};
  ASSERT_EQ(::getrlimit(RLIMIT_CORE, &limit), 0);
  EXPECT_LE(limit.rlim_cur, 1U);
  EXPECT_LE(limit.rlim_max, 1U);
  std::string filter;
  ASSERT_TRUE(std::ifstream("/proc/self/coredump_filter") >> filter);
  EXPECT_EQ(std::stoul(filter, nullptr, 16), 0U);
}

TEST_F(Leaks, clean_run_has_none) {
  EXPECT_EQ(code({}), kExitDone) << printed_;
}

TEST_F(Leaks, identifier_in_text_is_found_in_every_spelling_and_never_printed) {
  const std::string postcode = postcode_text(tiny_postcode(3));
  for (const std::string& text :
       {kNumber, kNumber.substr(0, 3) + " " + kNumber.substr(3, 3) + "-" + kNumber.substr(6), "NHS" + kNumber,
        "{\"nhs\": " + kNumber + "}", "a," + postcode + ",b", "a," + compact(postcode) + ",b"}) {
    EXPECT_EQ(code_of_text("line\n" + text + "\n"), kExitFailed) << printed_;
    EXPECT_EQ(printed_.find(kNumber), std::string::npos);
    EXPECT_EQ(printed_.find(postcode), std::string::npos);
    EXPECT_EQ(printed_.find(compact(postcode)), std::string::npos);
  }
}

TEST_F(Leaks, number_of_nobody_is_no_leak) {
  EXPECT_EQ(code_of_text("call 999 999 9999 or 4000000000 in SW99 9ZZ\n"), kExitDone) << printed_;
}

TEST_F(Leaks, compressed_file_is_searched_across_pieces) {
  EXPECT_EQ(code([](const TinyRun& run) {
              const gzFile out = gzopen((run.publish / "r.csv.gz").c_str(), "wb1");
              const std::string filler((std::size_t{4} << 20) - 5, '.');
              ASSERT_EQ(gzwrite(out, filler.data(), static_cast<unsigned>(filler.size())),
                        static_cast<int>(filler.size()));
              ASSERT_GT(gzwrite(out, kNumber.data(), 10), 0);
              gzclose(out);
            }),
            kExitFailed);
  EXPECT_NE(printed_.find("r.csv.gz"), std::string::npos) << printed_;
}

TEST_F(Leaks, text_in_two_bytes_a_letter_is_searched) {
  std::string wide = "\xFF\xFE";
  for (const char c : kNumber) wide += std::string{c, '\0'};
  EXPECT_EQ(code_of_text(wide), kExitFailed) << printed_;
}

TEST_F(Leaks, names_of_empty_files_and_folders_are_searched) {
  EXPECT_EQ(code_of_text("", kNumber + ".txt"), kExitFailed) << printed_;
  EXPECT_EQ(code([](const TinyRun& run) { std::filesystem::create_directory(run.publish / ("to " + kNumber)); }),
            kExitFailed)
      << printed_;
}

TEST_F(Leaks, what_cannot_be_looked_into_fails) {
  EXPECT_EQ(code_of_text("PK\x03\x04 ...", "release/book.xlsx"), kExitFailed);
  EXPECT_NE(printed_.find("cannot be searched"), std::string::npos);
}

TEST_F(Leaks, folder_that_anybody_may_write_fails) {
  EXPECT_EQ(code([](const TinyRun& run) {
              std::filesystem::permissions(run.publish, std::filesystem::perms::others_write,
                                           std::filesystem::perm_options::add);
            }),
            kExitFailed);
}

// Writes an HDF5 file of the newest format, beside the run's own.
void write_hdf5(const TinyRun& run, const std::function<void(hid_t)>& fill) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  const hid_t file = H5Fcreate((run.publish / "extract.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  fill(file);
  H5Fclose(file), H5Pclose(access);
}

// Columns of another HDF5 file, of every kind and layout.
TEST_F(Leaks, filtered_columns_of_numbers_of_any_type_are_read) {
  for (const hid_t type : {H5T_STD_I64LE, H5T_STD_U64BE, H5T_IEEE_F64LE, H5T_IEEE_F64BE}) {
    for (const bool chunked : {false, true}) {
      EXPECT_EQ(code([&](const TinyRun& run) {
                  write_hdf5(run, [&](hid_t file) {
                    const hsize_t rows = 1000, chunk = 64;
                    const hid_t space = H5Screate_simple(1, &rows, nullptr);
                    const hid_t made = H5Pcreate(H5P_DATASET_CREATE);
                    if (chunked) {
                      H5Pset_chunk(made, 1, &chunk);
                      H5Pset_shuffle(made);
                      H5Pset_deflate(made, 6);
                    }
                    const hid_t set = H5Dcreate2(file, "c", type, space, H5P_DEFAULT, made, H5P_DEFAULT);
                    std::vector<std::uint64_t> values(rows, 1);
                    values[777] = tiny_nhs_number(7);
                    EXPECT_GE(H5Dwrite(set, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
                    H5Dclose(set), H5Pclose(made), H5Sclose(space);
                  });
                }),
                kExitFailed)
          << printed_;
      EXPECT_NE(printed_.find("row 777"), std::string::npos) << printed_;
      EXPECT_NE(printed_.find("extract.h5:/c"), std::string::npos) << printed_;
    }
  }
}

TEST_F(Leaks, one_number_in_an_attribute_is_found) {
  for (const hid_t type : {H5T_STD_U64LE, H5T_STD_I64BE, H5T_IEEE_F64LE}) {
    EXPECT_EQ(code([&](const TinyRun& run) {
                write_hdf5(run, [&](hid_t file) {
                  const std::array<std::uint64_t, 3> values{1, tiny_nhs_number(7), 3};
                  const hsize_t size = values.size();
                  const hid_t space = H5Screate_simple(1, &size, nullptr);
                  const hid_t made = H5Acreate2(file, "totals", type, space, H5P_DEFAULT, H5P_DEFAULT);
                  EXPECT_GE(H5Awrite(made, H5T_NATIVE_UINT64, values.data()), 0);
                  H5Aclose(made), H5Sclose(space);
                });
              }),
              kExitFailed)
        << printed_;
    EXPECT_NE(printed_.find("extract.h5:/@totals"), std::string::npos) << printed_;
  }
}

// A postcode as bytes is a leak, unless the bytes have a unit, which says that they are numbers.
TEST_F(Leaks, bytes_that_spell_a_postcode_are_a_leak_unless_they_are_codes) {
  const std::string postcode = compact(postcode_text(tiny_postcode(3)));
  for (const bool codes : {false, true}) {
    EXPECT_EQ(code([&](const TinyRun& run) {
                write_hdf5(run, [&](hid_t file) {
                  // Codes of 120 practices, among which many spell what looks like a postcode.
                  std::string bytes;
                  std::uint32_t state = 1;
                  while (codes && bytes.size() < 2'000'000) {
                    state = state * 1664525 + 1013904223;
                    bytes += static_cast<char>((state >> 16) % 120);
                  }
                  bytes += '\0' + postcode + '\0';
                  const hsize_t size = bytes.size();
                  const hid_t space = H5Screate_simple(1, &size, nullptr);
                  const hid_t set = H5Dcreate2(file, "c", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
                  EXPECT_GE(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), 0);
                  const hid_t scalar = H5Screate(H5S_SCALAR);
                  const hid_t text = H5Tcopy(H5T_C_S1);
                  H5Tset_size(text, 4);
                  const hid_t unit = H5Acreate2(set, codes ? "unit" : "note", text, scalar, H5P_DEFAULT, H5P_DEFAULT);
                  EXPECT_GE(H5Awrite(unit, text, "code"), 0);
                  H5Aclose(unit), H5Tclose(text), H5Sclose(scalar), H5Dclose(set), H5Sclose(space);
                });
              }),
              codes ? kExitDone : kExitFailed)
        << printed_;
    EXPECT_NE(printed_.find(codes ? "chance?" : "LEAK"), std::string::npos) << printed_;
  }
}

TEST_F(Leaks, counts_of_ten_digits_in_the_manifest_are_none_and_a_changed_manifest_is_searched) {
  EXPECT_EQ(code([](const TinyRun& run) {
              Manifest manifest = read_manifest(run.publish);
              manifest.peak_memory_bytes = tiny_nhs_number(7);
              write_file_durably(run.publish / "manifest.json", to_json(manifest), 0644);
            }),
            kExitDone)
      << printed_;
  EXPECT_EQ(code([](const TinyRun& run) {
              std::string text = read_small_file(run.publish / "manifest.json", 1 << 20);
              text.insert(text.find('{') + 1, "\"note\": " + kNumber + ",");
              write_file_durably(run.publish / "manifest.json", text, 0644);
            }),
            kExitFailed)
      << printed_;
}

}  // namespace
}  // namespace ligature
