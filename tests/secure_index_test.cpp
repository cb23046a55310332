// The secure index: read back whole by any number of ranks, or refused.
#include "io/secure_index.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "io/row_id_packing.hpp"
#include "partition/shard_map.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {
namespace {

// A row as plain text, for comparison.
std::string text_of(const IndexRow& row) {
  return std::to_string(row.dataset) + "|" + std::string(row.row_id) + "|" + std::to_string(row.person) + "|" +
         std::to_string(row.identity);
}

struct TestRow {
  std::uint32_t dataset;
  std::string row_id;
  std::uint64_t person;
  IdentityId identity;
};

TestRow row_number(std::uint64_t row) {
  std::string id = row % 13 == 0 ? std::string() : "row " + std::to_string(row);
  if (row % 1000 == 7) id += std::string(3000, 'x') + "\"\n,";
  return {static_cast<std::uint32_t>(row / 500 % 3), std::move(id), row * 0x9E3779B97F4A7C15U >> row % 64,
          row * 0xC2B2AE3D27D4EB4FU >> (row + 5) % 64};
}

// Collective.  Writes rows 0 .. count, each rank its share in order.
void write_rows(const Communicator& comm, const std::filesystem::path& secure, std::uint64_t count) {
  SecureIndexWriter index(secure, comm.rank());
  const Range share = share_of(count, comm.rank(), comm.size());
  for (std::uint64_t r = share.begin; r < share.end; ++r) {
    const TestRow row = row_number(r);
    index.add({row.dataset, row.row_id, row.person, row.identity});
  }
  index.finish(comm);
}

std::vector<std::string> read_all(const std::filesystem::path& secure, int ranks) {
  std::vector<std::string> rows;
  for (int rank = 0; rank < ranks; ++rank) {
    read_secure_index(secure, rank, ranks, [&](const IndexRow& row) { rows.push_back(text_of(row)); });
  }
  return rows;
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777U;
}

TEST(SecureIndex, any_number_of_ranks_reads_the_rows_by_dataset_in_their_order) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  constexpr std::uint64_t kRows = 60'000;  // several blocks a rank
  write_rows(world, folder.path(), kRows);
  std::vector<std::string> expected;
  for (std::uint32_t dataset = 0; dataset < 3; ++dataset) {
    for (std::uint64_t r = 0; r < kRows; ++r) {
      const TestRow row = row_number(r);
      if (row.dataset == dataset) expected.push_back(text_of({row.dataset, row.row_id, row.person, row.identity}));
    }
  }
  for (const int ranks : {1, 2, 3, 7}) EXPECT_EQ(read_all(folder.path(), ranks), expected) << ranks;
}

// Adds rows whose ids are packed already, dataset by dataset.
void add_packed(std::span<IndexRow> rows, IndexBlocks& blocks) {
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    std::vector<char> ids;
    std::vector<std::uint32_t> ends;
    for (; end < rows.size() && rows[end].dataset == rows[begin].dataset; ++end) {
      ids.insert(ids.end(), rows[end].row_id.begin(), rows[end].row_id.end());
      ends.push_back(static_cast<std::uint32_t>(ids.size()));
    }
    RowIdPacker packer;
    PackedRowIds packed(packer.pack(ids, ends));
    const std::span<IndexRow> of_dataset = rows.subspan(begin, end - begin);
    for (IndexRow& row : of_dataset) row.row_id = packed.next();
    blocks.add_coded(of_dataset.first(of_dataset.size() / 3));
    blocks.add_coded(of_dataset.subspan(of_dataset.size() / 3));
    blocks.end();
  }
}

TEST(SecureIndex, blocks_that_were_made_elsewhere_are_rows_like_others) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  constexpr std::uint64_t kRows = 60'000;
  SecureIndexWriter index(folder.path(), world.rank());
  const Range share = share_of(kRows, world.rank(), world.size());
  IndexBlocks blocks;
  for (std::uint64_t begin = share.begin, end = 0; begin < share.end; begin = end) {
    end = std::min(share.end, begin + 1 + begin % 7'000);
    std::vector<TestRow> rows;
    for (std::uint64_t r = begin; r < end; ++r) rows.push_back(row_number(r));
    std::vector<IndexRow> batch;
    for (const TestRow& row : rows) batch.push_back({row.dataset, row.row_id, row.person, row.identity});
    blocks.clear();
    if (begin % 2 == 0) {
      blocks.add(std::span(batch).first(batch.size() / 2));
      blocks.add(std::span(batch).subspan(batch.size() / 2));
    } else {
      add_packed(batch, blocks);
    }
    blocks.end();
    index.add(blocks);
  }
  index.finish(world);
  std::vector<std::string> expected;
  for (std::uint32_t dataset = 0; dataset < 3; ++dataset) {
    for (std::uint64_t r = 0; r < kRows; ++r) {
      const TestRow row = row_number(r);
      if (row.dataset == dataset) expected.push_back(text_of({row.dataset, row.row_id, row.person, row.identity}));
    }
  }
  for (const int ranks : {1, 4}) EXPECT_EQ(read_all(folder.path(), ranks), expected) << ranks;
}

TEST(SecureIndex, without_rows_is_an_index) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  write_rows(world, folder.path(), 0);
  EXPECT_TRUE(read_all(folder.path(), 1).empty());
  EXPECT_TRUE(read_all(folder.path(), 5).empty());
}

TEST(SecureIndex, is_for_its_owner_alone) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  write_rows(world, folder.path(), 10);
  EXPECT_EQ(mode_of(folder.path() / "index"), 0700U);
  EXPECT_EQ(mode_of(folder.path() / "index/part-00000"), 0600U);
}

TEST(SecureIndex, parts_of_an_earlier_run_with_more_ranks_are_removed) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  if (world.is_root()) {
    make_private_directory(folder.path() / "index");
    for (const char* name : {"part-00004", "part-00117", "part-00009.partial"}) {
      write_file_durably(folder.path() / "index" / name, "earlier", 0600);
    }
  }
  world.barrier();
  write_rows(world, folder.path(), 10);
  EXPECT_EQ(read_all(folder.path(), 2).size(), 10U);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path() / "index")) ++files;
  EXPECT_EQ(files, static_cast<std::size_t>(world.size()));
}

TEST(SecureIndex, unfinished_index_leaves_the_earlier_one_alone) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  write_rows(world, folder.path(), 10);
  {
    SecureIndexWriter index(folder.path(), world.rank());
    index.add({1, "another run", {}, 7});
  }
  world.barrier();
  EXPECT_EQ(read_all(folder.path(), 1).size(), 10U);
}

TEST(SecureIndex, any_changed_byte_is_noticed) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  write_rows(world, folder.path(), 4 * static_cast<std::uint64_t>(world.size()));
  if (world.is_root()) {
    const File part = File::open_update(folder.path() / "index/part-00000");
    for (std::uint64_t at = 0; at < part.size(); ++at) {
      std::byte was{};
      part.read_exactly_at(at, std::span(&was, 1));
      const std::byte changed = was ^ std::byte{0x41};
      part.write_at(at, std::span(&changed, 1));
      EXPECT_THROW(read_all(folder.path(), 1), Error) << "byte " << at;
      part.write_at(at, std::span(&was, 1));
    }
    EXPECT_NO_THROW(read_all(folder.path(), 1));
  }
}

TEST(SecureIndex, part_of_another_version_is_refused) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  write_rows(world, folder.path(), 20);
  if (world.is_root()) {
    const std::uint64_t version = 1;
    File::open_update(folder.path() / "index/part-00000").write_at(8, std::as_bytes(std::span(&version, 1)));
    try {
      read_all(folder.path(), 1);
      FAIL() << "it was read";
    } catch (const Error& error) {
      EXPECT_NE(std::string_view(error.what()).find("another version"), std::string_view::npos) << error.what();
    }
  }
}

TEST(SecureIndex, missing_or_foreign_part_is_noticed) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  write_rows(world, folder.path() / "a", 100);
  write_rows(world, folder.path() / "b", 101);
  if (world.is_root()) {
    const std::string last = "index/part-0000" + std::to_string(world.size() - 1);
    EXPECT_NO_THROW(read_all(folder.path() / "a", 2));
    if (world.size() > 1) {
      std::filesystem::copy_file(folder.path() / "b" / last, folder.path() / "a" / last,
                                 std::filesystem::copy_options::overwrite_existing);
      EXPECT_THROW(read_all(folder.path() / "a", 2), Error);
    }
    std::filesystem::remove(folder.path() / "a" / last);
    EXPECT_THROW(read_all(folder.path() / "a", 2), Error);
    EXPECT_THROW(read_all(folder.path() / "nowhere", 1), Error);
  }
}

}  // namespace
}  // namespace ligature
