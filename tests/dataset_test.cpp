// The dataset's file: what is written is what is read, by this program and by others, whatever the number of ranks.
#include <array>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"
#include "io/content_digest.hpp"
#include "io/dataset_reader.hpp"
#include "io/files.hpp"
#include "tests/shared_folder.hpp"
#include "tests/tiny_run.hpp"

namespace ligature {
namespace {

// Runs a command on rank 0 and gives its output, standard error included; the exit code comes last, on a line of its
// own.
std::string output_of(const Communicator& comm, const std::string& command) {
  std::string output;
  if (comm.is_root()) {
    std::FILE* pipe = ::popen((command + " 2>&1; echo \"exit $?\"").c_str(), "r");
    std::array<char, 4096> buffer{};
    while (pipe != nullptr && std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
    if (pipe != nullptr) ::pclose(pipe);
  }
  comm.broadcast(output);
  return output;
}

std::string file_bytes(const std::filesystem::path& path) {
  return read_small_file(path);
}

TEST(Dataset, file_is_the_same_bytes_for_any_number_of_ranks) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  TinyRun by_all(folder.path() / "all");
  by_all.write(world);
  {
    const Communicator alone = world.split(world.rank());
    if (world.is_root()) TinyRun(folder.path() / "one").write(alone);
  }
  world.barrier();
  EXPECT_EQ(file_bytes(by_all.publish / kDatasetFile), file_bytes(folder.path() / "one/publish" / kDatasetFile));
}

TEST(Dataset, columns_attributes_and_tables_read_back_as_written) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  TinyRun run(folder.path());
  run.write(world);
  const DatasetReader dataset(run.publish / kDatasetFile);
  EXPECT_TRUE(dataset.unexpected().empty());
  EXPECT_EQ(dataset.columns().size(), run.columns().size());
  for (const ColumnSpec& written : run.columns()) {
    const ColumnSpec& read = dataset.columns()[dataset.column(written.path)];
    EXPECT_EQ(read.type, written.type) << written.path;
    EXPECT_EQ(read.rows, written.rows) << written.path;
    EXPECT_EQ(read.unit, written.unit) << written.path;
    EXPECT_EQ(read.meaning, written.meaning) << written.path;
    EXPECT_EQ(read.missing, written.missing) << written.path;
    EXPECT_EQ(read.dictionary, written.dictionary) << written.path;
    EXPECT_EQ(read.names, written.names) << written.path;
  }
  for (const Dictionary& dictionary : run.dictionaries()) {
    EXPECT_EQ(dataset.dictionary(dictionary.path).values, dictionary.values);
  }
  EXPECT_EQ(dataset.events(), (std::vector<std::string>{"ae", "gp"}));
  EXPECT_EQ(dataset.attribute("job_name"), "tiny");
  EXPECT_EQ(dataset.attribute("schema_version"), "1");
  EXPECT_EQ(dataset.attribute("no such attribute"), "");
  EXPECT_EQ(dataset.numbers("/provenance/files/rows_kept")[0], run.datasets[0].events.size());

  std::vector<std::uint64_t> dates;
  dataset.read_unsigned(dataset.column("/events/gp/event_date"), {10, 20}, dates);
  for (std::size_t i = 0; i < dates.size(); ++i) EXPECT_EQ(dates[i], run.datasets[0].events[10 + i].date);
  std::vector<std::array<char, 32>> pseudonyms(run.persons.size());
  dataset.read(dataset.column("/persons/pseudonym"), 0, std::as_writable_bytes(std::span(pseudonyms)));
  for (std::size_t p = 0; p < pseudonyms.size(); ++p) {
    EXPECT_EQ(std::string(pseudonyms[p].data(), 32), hex(run.persons[p].pseudonym));
  }
}

TEST(Dataset, name_appears_only_when_finished) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const TinyRun run(folder.path());
  Digest content;
  std::unique_ptr<DatasetWriter> writer = run.write_columns(world, content);
  world.barrier();
  EXPECT_FALSE(std::filesystem::exists(run.publish / kDatasetFile));
  EXPECT_TRUE(std::filesystem::exists(run.publish / "dataset.h5.partial"));
  writer->finish(world, {}, {});
  world.barrier();
  EXPECT_FALSE(std::filesystem::exists(run.publish / kDatasetFile));
  world.barrier();
  writer->name(world);
  EXPECT_TRUE(std::filesystem::exists(run.publish / kDatasetFile));
  EXPECT_FALSE(std::filesystem::exists(run.publish / "dataset.h5.partial"));
}

TEST(Dataset, unfinished_file_is_removed) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const TinyRun run(folder.path());
  {
    Digest content;
    const std::unique_ptr<DatasetWriter> writer = run.write_columns(world, content);
    world.barrier();
  }
  world.barrier();
  EXPECT_TRUE(std::filesystem::is_empty(run.publish));
}

TEST(Dataset, rows_beyond_a_column_are_refused) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  DatasetWriter writer(world, folder.path(), {{"/persons/sex", StoredType::u16, 10, "", "gender", "", ""}}, {});
  const std::vector<std::byte> bytes(8);
  EXPECT_NO_THROW(writer.write(0, 6, bytes));
  EXPECT_THROW(writer.write(0, 7, bytes), Error);
  EXPECT_THROW(writer.write(0, ~std::uint64_t{0}, bytes), Error);
  EXPECT_THROW(writer.write(0, 0, std::span(bytes).first(3)), Error);
  world.barrier();
}

TEST(Dataset, column_name_with_a_slash_is_refused_on_every_rank) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  EXPECT_THROW(DatasetWriter(world, folder.path(), {{"/events/gp/a/b", StoredType::u8, 1, "", "", "", ""}}, {}), Error);
}

TEST(Dataset, dictionary_beyond_four_gibibytes_is_a_broken_limit) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  Dictionary dictionary{"/dictionaries/gp_code", std::vector<std::string>(70'000, "a")};
  dictionary.values.back() = std::string(65'000, 'z');
  try {
    const DatasetWriter writer(world, folder.path(), {}, {dictionary});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), kExitLimit);
    EXPECT_NE(std::string(error.what()).find("/dictionaries/gp_code"), std::string::npos);
  }
}

TEST(Dataset, no_person_at_all_is_a_dataset) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  TinyRun run(folder.path(), 0);
  run.write(world);
  const DatasetReader dataset(run.publish / kDatasetFile);
  EXPECT_EQ(dataset.columns()[dataset.column("/persons/sex")].rows, 0U);
  EXPECT_EQ(dataset.columns()[dataset.column("/events/gp/offsets")].rows, 1U);
  EXPECT_EQ(hex(recompute_content_digest(world, dataset)), run.manifest.content_digest);
}

TEST(Dataset, other_programs_read_it) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  TinyRun run(folder.path());
  run.write(world);
  const std::string file = (run.publish / kDatasetFile).string();
  const std::string h5py = output_of(world, "/usr/bin/python3 " LIGATURE_TESTS_DIR "/read_dataset.py " + file);
  const std::size_t events = run.datasets[0].events.size() + run.datasets[1].events.size();
  EXPECT_EQ(h5py, "persons=300 events=" + std::to_string(events) + " content_digest=" + run.manifest.content_digest +
                      "\nexit 0\n");
  const std::string h5dump = output_of(world, "h5dump -H " + file);
  EXPECT_NE(h5dump.find("DATASET \"pseudonym\""), std::string::npos) << h5dump;
  EXPECT_NE(h5dump.find("exit 0"), std::string::npos) << h5dump;
}

TEST(Dataset, compressed_copy_has_the_same_content) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  TinyRun run(folder.path());
  run.write(world);
  const std::filesystem::path packed = folder.path() / "packed.h5";
  const std::string output = output_of(world, "h5repack -L -c 100 -d 100 -l CHUNK=100 -f GZIP=1 -m 1 " +
                                                  (run.publish / kDatasetFile).string() + " " + packed.string());
  EXPECT_EQ(output, "exit 0\n");
  const DatasetReader dataset(packed);
  EXPECT_EQ(hex(recompute_content_digest(world, dataset)), run.manifest.content_digest);
}

TEST(ContentDigest, is_the_one_that_the_file_gives_again) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  TinyRun run(folder.path());
  run.write(world);
  const DatasetReader dataset(run.publish / kDatasetFile);
  EXPECT_EQ(hex(recompute_content_digest(world, dataset)), run.manifest.content_digest);
}

TEST(ContentDigest, differs_when_one_value_does) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  Digest content, other;
  TinyRun run(folder.path());
  { const auto writer = run.write_columns(world, content); }
  world.barrier();
  const auto digest_changed = [&](const auto& change) {
    TinyRun changed(folder.path());
    change(changed);
    { const auto writer = changed.write_columns(world, other); }
    world.barrier();
    return other != content;
  };
  EXPECT_FALSE(digest_changed([](TinyRun&) {}));
  EXPECT_TRUE(digest_changed([](TinyRun& r) { r.persons[7].sex = static_cast<std::uint8_t>(r.persons[7].sex ^ 1); }));
  EXPECT_TRUE(digest_changed([](TinyRun& r) { r.datasets[1].events.back().amount += 1; }));
  EXPECT_TRUE(digest_changed([](TinyRun& r) { r.datasets[0].codes[1] = "B13"; }));
  // An event moved to the next person of the same shard or another: only offsets and person say so.
  EXPECT_TRUE(digest_changed([](TinyRun& r) { r.datasets[0].events[0].person = 1; }));
}

TEST(ContentDigest, pieces_give_the_digest_of_the_whole) {
  std::vector<std::byte> bytes(100'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31);
  PiecewiseDigest pieces;
  for (std::size_t at = 0; at < bytes.size(); at += 999) {
    pieces.add(std::span(bytes).subspan(at, std::min<std::size_t>(999, bytes.size() - at)));
  }
  PiecewiseDigest whole;
  whole.add(bytes);
  EXPECT_EQ(pieces.finish(), whole.finish());
}

TEST(ShardRowRanges, cut_sorted_rows_without_gap_or_overlap) {
  const std::vector<std::uint64_t> shard_of_row{0, 0, 3, 3, 3, 7, kShards - 1};
  const auto ranges =
      shard_row_ranges({0, kShards}, shard_of_row.size(), [&](std::uint64_t row) { return shard_of_row[row]; });
  ASSERT_EQ(ranges.size(), kShards);
  std::uint64_t row = 0;
  for (std::uint64_t shard = 0; shard < kShards; ++shard) {
    EXPECT_EQ(ranges[shard].begin, row);
    for (; row < ranges[shard].end; ++row) EXPECT_EQ(shard_of_row[row], shard);
  }
  EXPECT_EQ(row, shard_of_row.size());
}

TEST(ShardRowRanges, part_of_the_shards_is_the_part_of_the_ranges) {
  const std::vector<std::uint64_t> shard_of_row{0, 0, 3, 3, 3, 7, kShards - 1};
  const auto of_row = [&](std::uint64_t row) { return shard_of_row[row]; };
  const auto all = shard_row_ranges({0, kShards}, shard_of_row.size(), of_row);
  const auto part = shard_row_ranges({3, 9}, shard_of_row.size(), of_row);
  ASSERT_EQ(part.size(), 6U);
  for (std::size_t i = 0; i < part.size(); ++i) {
    EXPECT_EQ(part[i].begin, all[3 + i].begin);
    EXPECT_EQ(part[i].end, all[3 + i].end);
  }
}

TEST(ShardRowRanges, rows_out_of_order_stay_within_bounds) {
  const std::vector<std::uint64_t> shard_of_row{9, 1, 4000, 2, 2, 0};
  const auto ranges =
      shard_row_ranges({0, kShards}, shard_of_row.size(), [&](std::uint64_t row) { return shard_of_row[row]; });
  for (const Range& range : ranges) {
    EXPECT_LE(range.begin, range.end);
    EXPECT_LE(range.end, shard_of_row.size());
  }
}

}  // namespace
}  // namespace ligature
