// The identity records: read back whole by any number of ranks or one by one, or refused.
#include "io/identity_records.hpp"

#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/error.hpp"
#include "io/files.hpp"
#include "partition/shard_map.hpp"
#include "tests/shared_folder.hpp"

namespace ligature {
namespace {

IdentityRecord record_number(IdentityId id) {
  IdentityRecord record;
  record.identity = {id * 3, ~id};
  record.evidence = {static_cast<Rarity>(id % 128), static_cast<Rarity>(id % 77), static_cast<std::uint8_t>(id % 8), 0};
  record.rows = static_cast<std::uint32_t>(id % 1000 + 1);
  record.datasets = static_cast<std::uint32_t>(id % 31);
  record.person = {id * 0x9E3779B97F4A7C15U, id};
  record.provenance.linked_to = id / 2;
  record.provenance.weight = static_cast<Weight>(id % 5000) - 2500;
  record.provenance.lead = id % 3 == 0 ? kNoRival : 12;
  record.provenance.kind = LinkKind::returned;
  record.provenance.rank = MatchRank::r7;
  return record;
}

bool same(const IdentityRecord& a, const IdentityRecord& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// Collective.  Writes records 0 .. count, each rank a range of them, in pieces of odd sizes; their digest.
std::string write_records(const Communicator& comm, const std::filesystem::path& secure, Range own,
                          std::uint64_t offset = 0) {
  IdentityRecordWriter writer(secure, comm.rank(), own.begin);
  std::vector<IdentityRecord> records;
  for (IdentityId id = own.begin; id < own.end; ++id) {
    records.push_back(record_number(id + offset));
    if (records.size() < id % 700) continue;
    if (id % 2 == 0) {
      writer.add(records, std::vector<std::uint64_t>(records.size()));
    } else {
      writer.add_later({records.begin(), records.end()}, RawVector<std::uint64_t>(records.size(), 0));
    }
    records.clear();
  }
  writer.add(records, std::vector<std::uint64_t>(records.size()));
  writer.finish(comm);
  return writer.digest();
}

std::string write_records(const Communicator& comm, const std::filesystem::path& secure, std::uint64_t count) {
  return write_records(comm, secure, share_of(count, comm.rank(), comm.size()));
}

// Reads as so many ranks, expecting each to go on where the one before it ended; returns the number of records.
std::uint64_t read_all(const std::filesystem::path& secure, const std::string& run, int ranks) {
  IdentityId next = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    IdentityRecordReader reader(secure, run, rank, ranks);
    for (auto piece = reader.next_piece(); !piece.empty(); piece = reader.next_piece()) {
      EXPECT_EQ(reader.first_id(), next);
      for (const IdentityRecord& record : piece) EXPECT_TRUE(same(record, record_number(next++)));
    }
  }
  return next;
}

TEST(IdentityRecords, any_number_of_ranks_reads_each_once_and_in_order) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  constexpr std::uint64_t kRecords = 100'000;  // several pieces a part
  const std::string run = write_records(world, folder.path(), kRecords);
  for (const int ranks : {1, 2, 3, 9}) EXPECT_EQ(read_all(folder.path(), run, ranks), kRecords) << ranks;
}

TEST(IdentityRecords, one_is_found_by_its_number) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  constexpr std::uint64_t kRecords = 50'000;
  write_records(world, folder.path(), kRecords);
  for (IdentityId id = 0; id < kRecords;
       id += id % 16384 < 2 || id % 16384 > 16381 ? IdentityId{1} : IdentityId{1237}) {
    EXPECT_TRUE(same(read_identity_record(folder.path(), id), record_number(id))) << id;
  }
  EXPECT_TRUE(same(read_identity_record(folder.path(), kRecords - 1), record_number(kRecords - 1)));
  for (const IdentityId id : {kRecords, kRecords + 1, ~std::uint64_t{0}}) {
    EXPECT_THROW(read_identity_record(folder.path(), id), Error) << id;
  }
}

TEST(IdentityRecords, parts_without_records_are_passed_over) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  // All on the last rank; the others begin, and end, where it begins.
  constexpr std::uint64_t kRecords = 40'000;
  const bool last = world.rank() == world.size() - 1;
  const std::string of_last = write_records(world, folder.path() / "last", last ? Range{0, kRecords} : Range{0, 0});
  const std::string of_first =
      write_records(world, folder.path() / "first", world.is_root() ? Range{0, kRecords} : Range{kRecords, kRecords});
  for (const auto& [name, run] : {std::pair{"last", of_last}, std::pair{"first", of_first}}) {
    EXPECT_EQ(read_all(folder.path() / name, run, 3), kRecords) << name;
    for (const IdentityId id : {0U, 1U, 16383U, 16384U, 39999U}) {
      EXPECT_TRUE(same(read_identity_record(folder.path() / name, id), record_number(id))) << name << id;
    }
    EXPECT_THROW(read_identity_record(folder.path() / name, kRecords), Error);
  }
}

TEST(IdentityRecords, run_without_identities_has_parts) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const std::string run = write_records(world, folder.path(), 0);
  EXPECT_EQ(read_all(folder.path(), run, 1), 0U);
  EXPECT_EQ(read_all(folder.path(), run, 4), 0U);
  EXPECT_THROW(read_identity_record(folder.path(), 0), Error);
}

TEST(IdentityRecords, are_for_their_owner_alone) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  write_records(world, folder.path(), 10);
  struct stat status {};
  ASSERT_EQ(::stat((folder.path() / "identities").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
  ASSERT_EQ(::stat((folder.path() / "identities/part-00000").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST(IdentityRecords, unfinished_ones_leave_the_earlier_alone) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const std::string run = write_records(world, folder.path(), 1000);
  {
    IdentityRecordWriter writer(folder.path(), world.rank(), 0);
    const IdentityRecord record = record_number(3);
    writer.add(std::span(&record, 1), std::array<std::uint64_t, 1>{});
  }
  world.barrier();
  EXPECT_EQ(read_all(folder.path(), run, 1), 1000U);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path() / "identities")) ++files;
  EXPECT_EQ(files, static_cast<std::size_t>(world.size()));
}

TEST(IdentityRecords, any_changed_byte_is_noticed) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const std::string run = write_records(world, folder.path(), 3 * static_cast<std::uint64_t>(world.size()));
  if (world.is_root()) {
    const File part = File::open_update(folder.path() / "identities/part-00000");
    for (std::uint64_t at = 0; at < part.size(); ++at) {
      std::byte was{};
      part.read_exactly_at(at, std::span(&was, 1));
      const std::byte changed = was ^ std::byte{0x41};
      part.write_at(at, std::span(&changed, 1));
      EXPECT_THROW(read_all(folder.path(), run, 1), Error) << "byte " << at;
      EXPECT_THROW(read_identity_record(folder.path(), 1), Error) << "byte " << at;
      part.write_at(at, std::span(&was, 1));
    }
    EXPECT_NO_THROW(read_all(folder.path(), run, 1));
  }
}

TEST(IdentityRecords, pieces_that_changed_places_are_noticed) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const std::uint64_t own = 40'000, first = own * static_cast<std::uint64_t>(world.rank());
  const std::string run = write_records(world, folder.path(), {first, first + own});
  if (world.is_root()) {
    constexpr std::uint64_t kHeader = 64, kPiece = 8 + 16384 * sizeof(IdentityRecord);
    const File part = File::open_update(folder.path() / "identities/part-00000");
    std::vector<std::byte> a(kPiece), b(kPiece);
    part.read_exactly_at(kHeader, a);
    part.read_exactly_at(kHeader + kPiece, b);
    part.write_at(kHeader, b);
    part.write_at(kHeader + kPiece, a);
    EXPECT_THROW(IdentityRecordReader(folder.path(), run, 0, 1).next_piece(), Error);
    EXPECT_THROW(read_identity_record(folder.path(), 5), Error);
  }
}

TEST(IdentityRecords, missing_cut_or_foreign_part_is_noticed) {
  const Communicator world = Communicator::world();
  const SharedFolder folder(world);
  const Range own = share_of(100, world.rank(), world.size());
  const std::string run = write_records(world, folder.path() / "a", own);
  const std::string other = write_records(world, folder.path() / "b", own, 1);
  if (world.is_root()) {
    EXPECT_THROW(IdentityRecordReader(folder.path() / "a", other, 0, 1), Error);
    EXPECT_THROW(IdentityRecordReader(folder.path() / "b", run, 0, 1), Error);
    const std::string last = "identities/part-0000" + std::to_string(world.size() - 1);
    EXPECT_EQ(read_all(folder.path() / "a", run, 2), 100U);
    if (world.size() > 1) {
      std::filesystem::copy_file(folder.path() / "b" / last, folder.path() / "a" / last,
                                 std::filesystem::copy_options::overwrite_existing);
      EXPECT_THROW(IdentityRecordReader(folder.path() / "a", run, 0, 2), Error);
      EXPECT_THROW(read_identity_record(folder.path() / "a", 99), Error);
    }
    std::filesystem::resize_file(folder.path() / "a" / last, 100);
    EXPECT_THROW(IdentityRecordReader(folder.path() / "a", run, 0, 1), Error);
    std::filesystem::remove(folder.path() / "a" / last);
    EXPECT_THROW(IdentityRecordReader(folder.path() / "a", run, 0, 1), Error);
    EXPECT_THROW(IdentityRecordReader(folder.path() / "nowhere", run, 0, 1), Error);
  }
}

}  // namespace
}  // namespace ligature
