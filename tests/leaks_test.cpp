// Every spelling of an identifier is found wherever it is published, and named by place and form alone.
#include <cstring>
#include <fstream>
#include <functional>
#include <set>
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

std::set<SearchKey> keys_in_text(std::string_view text) {
  std::set<SearchKey> keys;
  find_in_text(text, [&](const FoundForm& find) { keys.insert(find.key); });
  return keys;
}

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

TEST(IdentifierForms, dates_of_every_spelling_join_a_postcode) {
  const DayNumber day = *day_number({1970, 12, 31});
  const PackedPostcode postcode = standardise_postcode("SW1A 1AA").packed;
  for (const char* date :
       {"1970-12-31", "1970/12/31", "31/12/1970", "31-12-1970", "31.12.1970", "19701231", "31121970", "31-Dec-1970",
        "31 Dec 1970", "31 December 1970", "31DEC1970", "12/31/1970", "1970-12-31T00:00:00"}) {
    for (const char* code : {"SW1A 1AA", "SW1A1AA", "sw1a1aa"}) {
      for (const char* between : {",", ", ", "|", "\t", " ", ",1,9434765919,"}) {
        const std::string there = std::string(date) + between + code, back = std::string(code) + between + date;
        EXPECT_TRUE(keys_in_text(there).contains(birth_key(day, postcode))) << there;
        EXPECT_TRUE(keys_in_text(back).contains(birth_key(day, postcode))) << back;
      }
    }
  }
  for (const char* glued : {"19701231SW1A1AA", "31121970sw1a1aa", "SW1A1AA19701231", "19701231SW1A 1AA",
                            "SW1A 1AA19701231", "31DEC1970SW1A1AA"}) {
    EXPECT_TRUE(keys_in_text(glued).contains(birth_key(day, postcode))) << glued;
  }
  EXPECT_FALSE(keys_in_text("1970-12-31\nSW1A 1AA").contains(birth_key(day, postcode)));
}

TEST(IdentifierForms, numbers_are_found_in_every_spelling) {
  for (const char* text :
       {"9434765919", "943 476 5919", "943-476-5919", "943.476.5919", "943_476_5919", "94347 65919", "NHS9434765919",
        "000009434765919", "943476591919701231", "197012319434765919", "x,\"9434765919\",y", "id=9434765919;"}) {
    EXPECT_TRUE(keys_in_text(text).contains(nhs_key(9434765919))) << text;
  }
  for (const char* text :
       {"943476591", "94347659190", "943  476  5919", "943,476,5919", "0a1b9434765919c2d3e4f5a6b7"}) {
    EXPECT_FALSE(keys_in_text(text).contains(nhs_key(9434765919))) << text;
  }
}

TEST(IdentifierForms, both_byte_orders_and_packed_identities_are_found_at_any_byte) {
  const IdentityFields fields{
      {9434765919, NhsStatus::valid}, 20000, false, standardise_postcode("LS1 4AP"), Gender::male};
  const Identity identity = pack(fields);
  const auto found = [](std::uint64_t word, bool big) {
    if (big) word = __builtin_bswap64(word);
    std::string bytes = "\x01\x02\x03" + std::string(8, '\0') + "\xFF";
    std::memcpy(bytes.data() + 3, &word, 8);
    std::set<SearchKey> keys;
    find_in_bytes(bytes, [&](const FoundForm& find) { keys.insert(find.key); });
    return keys;
  };
  for (const bool big : {false, true}) {
    EXPECT_TRUE(found(9434765919, big).contains(nhs_key(9434765919)));
    EXPECT_TRUE(found(fields.postcode.packed, big).contains(postcode_key(fields.postcode.packed)));
    EXPECT_TRUE(found(identity.first, big).contains(nhs_key(9434765919)));
    EXPECT_TRUE(found(identity.second, big).contains(birth_key(20000, fields.postcode.packed)));
  }
}

TEST(IdentifierForms, pieces_with_context_find_what_the_whole_has) {
  const std::string text =
      "a 943-476-5919, 31/12/1970,1,x, SW1A   1AA; NHS9434765919 19701231LS14AP M1 1AE 01-Jan-1960 12345";
  std::multiset<std::pair<SearchKey, std::size_t>> whole;
  find_in_text(text, [&](const FoundForm& find) { whole.emplace(find.key, find.position); });
  ASSERT_GE(whole.size(), 8U);
  for (std::size_t piece = 1; piece < text.size(); ++piece) {
    std::multiset<std::pair<SearchKey, std::size_t>> parts;
    for (std::size_t begin = 0; begin < text.size(); begin += piece) {
      const std::size_t end = begin + piece, from = begin - std::min(begin, kFormContext);
      find_in_text(std::string_view(text).substr(from, end + kFormContext - from), [&](const FoundForm& find) {
        const std::size_t at = from + find.position;
        if (at >= begin && at < end) parts.emplace(find.key, at);
      });
    }
    EXPECT_EQ(parts, whole) << "pieces of " << piece;
  }
}

TEST(LeakCounts, chance_explains_few_hits_among_many_numbers_and_no_hit_in_a_spelling_that_is_certain) {
  LeakCounts counts;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ++counts.candidates;
    counts.chance += 5000;  // one in two hundred
    counts.different.add(nhs_key(4'000'000'000 + i));
  }
  EXPECT_NEAR(counts.expected(), 5, 0.5);
  counts.hits = 6;
  for (std::uint64_t i = 0; i < 6; ++i) counts.different_hits.add(nhs_key(i));
  EXPECT_TRUE(chance_explains(IdentifierForm::nhs_binary, counts));
  EXPECT_FALSE(chance_explains(IdentifierForm::nhs_grouped, counts));
  for (std::uint64_t i = 0; i < 40; ++i) counts.different_hits.add(nhs_key(i));
  EXPECT_FALSE(chance_explains(IdentifierForm::nhs_binary, counts));
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

// Columns of another HDF5 file, of every kind and layout.
TEST_F(Leaks, filtered_columns_of_numbers_of_any_type_are_read) {
  for (const hid_t type : {H5T_STD_I64LE, H5T_STD_U64BE, H5T_IEEE_F64LE, H5T_IEEE_F64BE}) {
    for (const bool chunked : {false, true}) {
      EXPECT_EQ(code([&](const TinyRun& run) {
                  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
                  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
                  const hid_t file =
                      H5Fcreate((run.publish / "extract.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
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
                  H5Dclose(set), H5Pclose(made), H5Sclose(space), H5Fclose(file), H5Pclose(access);
                }),
                kExitFailed)
          << printed_;
      EXPECT_NE(printed_.find("row 777"), std::string::npos) << printed_;
      EXPECT_NE(printed_.find("extract.h5:/c"), std::string::npos) << printed_;
    }
  }
}

}  // namespace
}  // namespace ligature
