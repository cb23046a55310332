// Rows are called by their place in the input, on whatever ranks they lie and in whatever order these hold files.
#include "jobs/rebuild/row_numbers.hpp"

#include <cstdint>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "partition/communicator.hpp"

namespace ligature {
namespace {

// Every rank has a part of files 0 and 1; the parts differ in size, and file 1 comes first on odd ranks.
std::vector<FileRows> blocks_of(int rank) {
  const auto r = static_cast<std::uint64_t>(rank);
  std::vector<FileRows> blocks{{0, 2 + r}, {0, 0}, {0, 3}, {1, 4}};
  if (rank % 2 != 0) blocks = {{1, 4}, {0, 2 + r}, {0, 3}};
  return blocks;
}

TEST(RowNumbers, AreThoseOfTheInputWhateverTheRanks) {
  const Communicator comm = Communicator::world();
  const std::vector<FileRows> blocks = blocks_of(comm.rank());
  const RowNumbers numbers(comm, blocks);

  std::uint64_t of_file_0 = 0, before_0 = 0, before_1 = 0;
  for (int rank = 0; rank < comm.size(); ++rank) {
    for (const FileRows& block : blocks_of(rank)) {
      if (block.file == 0) of_file_0 += block.rows;
      if (rank < comm.rank()) (block.file == 0 ? before_0 : before_1) += block.rows;
    }
  }
  std::uint64_t row = 0, next_of_0 = before_0, next_of_1 = of_file_0 + before_1;
  for (const FileRows& block : blocks) {
    for (std::uint64_t i = 0; i < block.rows; ++i, ++row) {
      const std::uint64_t number = (block.file == 0 ? next_of_0 : next_of_1)++;
      EXPECT_EQ(numbers.number_of(row), number);
      EXPECT_EQ(numbers.row_of(number), row);
      EXPECT_EQ(numbers.rank_of(number), comm.rank());
    }
  }
}

TEST(RowNumbers, AreRestoredWhereARankHasTheFilesOneAfterAnother) {
  // What ranks had as above is dealt out anew: the first takes it all, and meets each file as often as there were
  // ranks.
  const Communicator comm = Communicator::world();
  const RowNumbers before(comm, blocks_of(comm.rank()));
  std::vector<FileRows> all;
  std::vector<std::uint64_t> first_row_of_rank;
  std::uint64_t rows = 0;
  for (int rank = 0; rank < comm.size(); ++rank) {
    first_row_of_rank.push_back(rows);
    for (const FileRows& block : blocks_of(rank)) {
      rows += block.rows;
      if (comm.is_root()) all.push_back(block);
    }
  }
  const RowNumbers after(comm, all);
  std::vector<std::uint64_t> called;
  std::uint64_t mine = 0;
  for (const FileRows& block : blocks_of(comm.rank())) mine += block.rows;
  for (std::uint64_t row = 0; row < mine; ++row) called.push_back(before.number_of(row));
  const std::vector<std::uint64_t> all_called = comm.all_gather(std::span<const std::uint64_t>(called));
  for (std::uint64_t row = 0; row < all_called.size(); ++row) {
    EXPECT_EQ(after.rank_of(all_called[row]), 0);
    if (comm.is_root()) {
      EXPECT_EQ(after.row_of(all_called[row]), row);
    }
  }
}

}  // namespace
}  // namespace ligature
