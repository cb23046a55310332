// Checkpoints of a stage: what one number of ranks wrote, all of it and nothing else, whoever reads it; blocks of rows
// come back as they were, and nothing that is no block does.
#include "io/checkpoint.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "io/files.hpp"
#include "io/row_block_record.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {
namespace {

constexpr std::uint64_t kNumbers = 1, kOthers = 2, kPieces = 3;

// Writes count numbers, shares of them by as many ranks as write.
void write(const Communicator& comm, const std::filesystem::path& folder, std::uint64_t count) {
  const Range mine = share_of(count, comm.rank(), comm.size());
  std::vector<std::uint64_t> numbers(mine.size());
  std::iota(numbers.begin(), numbers.end(), mine.begin);
  CheckpointWriter writer(comm, folder);
  writer.add_items(kNumbers, std::span(numbers));
  writer.add_items(kOthers, std::span(numbers).first(numbers.size() / 2));
  for (const std::uint64_t number : numbers) {
    if (number % 1000 == 0) writer.file().add(kPieces, 1, std::as_bytes(std::span(&number, 1)));
  }
  writer.commit(comm.is_root() ? "what the stage says" : "", [] {});
}

TEST(Checkpoint, any_number_of_ranks_reads_what_any_other_wrote) {
  const Communicator comm = Communicator::world();
  const SharedFolder shared(comm);
  constexpr std::uint64_t kCount = 300'000;
  // Those of the first colour write, all read: one rank's, some ranks' and all ranks' files.
  for (int writers = 1; writers <= comm.size(); ++writers) {
    const auto folder = shared.path() / std::to_string(writers);
    {
      const Communicator part = comm.split(comm.rank() < writers ? 0 : 1);
      if (comm.rank() < writers) write(part, folder, kCount);
    }
    comm.barrier();
    ASSERT_TRUE(is_checkpoint(folder));
    const CheckpointReader reader(comm, folder);
    EXPECT_EQ(reader.account(), "what the stage says");
    EXPECT_EQ(reader.items(kNumbers), kCount);
    EXPECT_EQ(reader.items(99), 0U);

    const Range mine = share_of(kCount, comm.rank(), comm.size());
    const auto there = reader.at<std::uint64_t>(kNumbers, mine);
    ASSERT_EQ(there.size(), mine.size());
    for (std::uint64_t i = 0; i < there.size(); ++i) ASSERT_EQ(there[i], mine.begin + i);

    const auto dealt = reader.dealt<std::uint64_t>(kNumbers);
    const std::uint64_t before = comm.exclusive_sum(dealt.size());
    EXPECT_EQ(comm.sum(std::uint64_t{dealt.size()}), kCount);
    for (std::uint64_t i = 0; i < dealt.size(); ++i) ASSERT_EQ(dealt[i], before + i);
    EXPECT_EQ(comm.sum(std::uint64_t{reader.dealt<std::uint64_t>(kPieces).size()}), kCount / 1000);
    EXPECT_THROW(static_cast<void>(reader.at<std::uint64_t>(kNumbers, {kCount - 1, kCount + 1})), DamagedCheckpoint);
    EXPECT_THROW(static_cast<void>(reader.at<std::uint32_t>(kNumbers, {0, 1})), DamagedCheckpoint);
  }
}

TEST(Checkpoint, without_its_manifest_it_is_none_and_a_damaged_file_fails_on_every_rank) {
  const Communicator comm = Communicator::world();
  const SharedFolder shared(comm);
  const auto folder = shared.path() / "stage";
  EXPECT_FALSE(is_checkpoint(folder));
  {
    CheckpointWriter writer(comm, folder);
    writer.file().add(kNumbers, 0, {});
    writer.commit("", [&] {
      EXPECT_FALSE(is_checkpoint(folder));
      comm.barrier();  // the root's name must not come before another rank has looked
    });
  }
  comm.barrier();
  EXPECT_TRUE(is_checkpoint(folder));
  comm.barrier();
  if (comm.is_root()) {
    std::fstream file(folder / "00000.lck", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3);
    file.put('?');
  }
  comm.barrier();
  EXPECT_THROW(CheckpointReader(comm, folder), Error);
  { const CheckpointWriter anew(comm, folder); }
  EXPECT_FALSE(is_checkpoint(folder));
}

TEST(Checkpoint, what_is_removed_is_overwritten_if_that_is_asked_for) {
  const Communicator comm = Communicator::world();
  const SharedFolder shared(comm);
  for (const bool scrub : {false, true}) {
    const auto folder = shared.path() / (scrub ? "scrubbed" : "removed");
    const auto link = shared.path() / (folder.filename().string() + ".link");
    write(comm, folder, 50'000);
    // A second name shows what becomes of the bytes.
    if (comm.is_root()) std::filesystem::create_hard_link(folder / "00000.lck", link);
    comm.barrier();
    { const CheckpointWriter anew(comm, folder, scrub); }
    const std::string bytes = read_small_file(link);
    EXPECT_FALSE(bytes.empty());
    EXPECT_EQ(std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; }), scrub);
  }
}

Inputs two_datasets() {
  Inputs inputs;
  inputs.datasets.push_back({"gp",
                             {{"provider", PayloadField::Role::provider, ColumnType::category, 0, 4},
                              {"code", PayloadField::Role::kept, ColumnType::category, 4, 4}},
                             8,
                             true});
  inputs.datasets.push_back({"ae", {}, 0, false});
  inputs.files.resize(2);
  inputs.files[1].dataset = 1;
  return inputs;
}

RowBlock some_block() {
  RowBlock block;
  block.lines = 7;
  block.identities = {{1, 2}, {3, 4}, {5, 6}};
  const std::vector<std::uint32_t> codes{0, 1, 1, kMissingCategory, 0, 0};
  const auto payload = std::as_bytes(std::span(codes));
  block.payload.assign(payload.begin(), payload.end());
  block.row_ids = {'a', 'b', 'b', 'c'};
  block.row_id_end = {1, 3, 4};
  block.local_keys = {9, 0, 8};
  block.providers.resize(2);
  block.providers[1].rows = 2;
  block.extracted = {10, 11, 12};
  block.barred = {{{7, 8}, 9}};
  block.dictionaries = {{"A81001", "B1"}, {"x", ""}};
  block.quarantined = {{3, QuarantineReason::nul_byte}};
  block.coded_providers = {"A81001"};
  block.coded.push_back({{{9434765919, 12, ObjectionKind::type2, true}, EntryProblem::no_date}, 0, 4});
  block.counts.read = 5;
  return block;
}

TEST(RowBlockRecord, a_block_comes_back_as_it_was) {
  const Inputs inputs = two_datasets();
  const RowBlock block = some_block();
  Packer packer;
  pack(block, packer);
  RowBlock again;
  again.row_line = {1, 2, 3};  // of an earlier use
  unpack(packer.bytes(), inputs, again);
  EXPECT_EQ(again.lines, block.lines);
  EXPECT_EQ(again.identities, block.identities);
  EXPECT_EQ(again.payload, block.payload);
  EXPECT_EQ(again.row_ids, block.row_ids);
  EXPECT_EQ(again.row_id_end, block.row_id_end);
  EXPECT_TRUE(again.row_line.empty());
  EXPECT_EQ(again.local_keys, block.local_keys);
  EXPECT_EQ(again.extracted, block.extracted);
  EXPECT_EQ(again.dictionaries, block.dictionaries);
  EXPECT_EQ(again.providers.at(1).rows, 2U);
  EXPECT_EQ(again.barred.at(0).identity, block.barred[0].identity);
  EXPECT_EQ(again.quarantined.at(0).reason, QuarantineReason::nul_byte);
  EXPECT_EQ(again.coded.at(0).read.preference, block.coded[0].read.preference);
  EXPECT_EQ(again.coded.at(0).read.problem, EntryProblem::no_date);
  EXPECT_EQ(again.coded.at(0).line, 4U);
  EXPECT_EQ(again.counts.read, 5U);
  Packer twice;
  pack(again, twice);
  EXPECT_TRUE(std::equal(packer.bytes().begin(), packer.bytes().end(), twice.bytes().begin(), twice.bytes().end()));
}

TEST(RowBlockRecord, what_cannot_be_a_block_of_these_inputs_is_refused) {
  const Inputs inputs = two_datasets();
  RowBlock into;
  const auto refused = [&](const auto& change) {
    RowBlock block = some_block();
    change(block);
    Packer packer;
    pack(block, packer);
    EXPECT_THROW(unpack(packer.bytes(), inputs, into), Error);
  };
  refused([](RowBlock& block) { block.file = 2; });
  refused([](RowBlock& block) { block.file = 1; });
  refused([](RowBlock& block) { block.payload.pop_back(); });
  refused([](RowBlock& block) { block.dictionaries[0].pop_back(); });
  refused([](RowBlock& block) { block.providers.resize(3); });
  refused([](RowBlock& block) { block.row_id_end[0] = 4; });
  refused([](RowBlock& block) { block.row_ids.pop_back(); });
  refused([](RowBlock& block) { block.extracted.pop_back(); });
  refused([](RowBlock& block) { block.local_keys.push_back(1); });
  refused([](RowBlock& block) { block.coded_providers.clear(); });
  refused([](RowBlock& block) { block.quarantined[0].reason = QuarantineReason{99}; });

  Packer packer;
  pack(some_block(), packer);
  for (std::size_t length = 0; length < packer.bytes().size(); ++length) {
    EXPECT_THROW(unpack(packer.bytes().first(length), inputs, into), Error) << length;
  }
  // Any byte may be any other: an error or a block, and nothing worse.
  std::mt19937_64 random(4);
  std::vector<std::byte> bytes(packer.bytes().begin(), packer.bytes().end());
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> changed = bytes;
    for (int c = 0; c < 1 + i % 3; ++c) changed[random() % changed.size()] = static_cast<std::byte>(random());
    try {
      unpack(changed, inputs, into);
    } catch (const Error&) {
      continue;
    }
  }
}

}  // namespace
}  // namespace ligature
