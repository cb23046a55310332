// Packed row ids come back in batches of any size, and a block that ends early is refused.
#include "io/row_id_packing.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

struct Block {
  std::vector<char> ids;
  std::vector<std::uint32_t> ends;
  void add(const std::string& id) {
    ids.insert(ids.end(), id.begin(), id.end());
    ends.push_back(static_cast<std::uint32_t>(ids.size()));
  }
};

std::vector<std::string> some_ids() {
  std::vector<std::string> ids{"", "a", "a", "", std::string(1'000, 'x'), std::string(999, 'x') + "y"};
  for (int i = 0; i < 1'000; ++i) ids.push_back("gp" + std::to_string(1'000'000 + 7 * i));
  ids.emplace_back(3, '\0');
  return ids;
}

TEST(RowIdPacking, ids_come_back_in_batches_of_any_size) {
  const std::vector<std::string> ids = some_ids();
  Block block;
  for (const std::string& id : ids) block.add(id);
  RowIdPacker packer;
  const std::span<const std::byte> packed = packer.pack(block.ids, block.ends);
  EXPECT_LT(packed.size(), 1'000U * 6 + 2'100);  // lengths and the last digits
  RowIdUnpacker unpacker;
  for (const std::size_t batch : {1U, 7U, 256U, 10'000U}) {
    unpacker.start(packed);
    std::vector<std::string> found;
    while (found.size() < ids.size()) {
      for (const std::string_view id : unpacker.next(std::min(batch, ids.size() - found.size())))
        found.emplace_back(id);
    }
    EXPECT_EQ(found, ids) << batch;
    EXPECT_THROW(unpacker.next(1), Error);
  }
}

TEST(RowIdPacking, ids_as_they_are_packed_are_the_whole_block) {
  const std::vector<std::string> ids = some_ids();
  Block block;
  for (const std::string& id : ids) block.add(id);
  RowIdPacker packer;
  const std::span<const std::byte> packed = packer.pack(block.ids, block.ends);
  PackedRowIds each(packed);
  std::string all;
  for (std::size_t i = 0; i < ids.size(); ++i) all += each.next();
  EXPECT_EQ(all, std::string_view(reinterpret_cast<const char*>(packed.data()), packed.size()));
  EXPECT_THROW(each.next(), Error);
}

TEST(RowIdPacking, a_block_knows_nothing_of_the_one_before_it) {
  RowIdPacker packer;
  RowIdUnpacker unpacker;
  for (const std::string& id : {std::string("gp00012"), std::string("gp00013"), std::string()}) {
    Block block;
    block.add(id);
    unpacker.start(packer.pack(block.ids, block.ends));
    EXPECT_EQ(unpacker.next(1)[0], id);
  }
}

TEST(RowIdPacking, what_is_no_packed_block_is_refused) {
  const std::vector<std::byte> shares_with_nothing{std::byte{1}, std::byte{0}};
  const std::vector<std::byte> more_than_there_is{std::byte{0}, std::byte{200}, std::byte{1}, std::byte{'x'}};
  RowIdUnpacker unpacker;
  unpacker.start(shares_with_nothing);
  EXPECT_THROW(unpacker.next(1), Error);
  unpacker.start(more_than_there_is);
  EXPECT_THROW(unpacker.next(1), Error);
  for (const std::vector<std::byte>& damaged : {shares_with_nothing, more_than_there_is}) {
    EXPECT_THROW(PackedRowIds(damaged).next(), Error);
  }
}

}  // namespace
}  // namespace ligature
