// The content digest's ground rules, shared by the job that writes a dataset and those that check it.
//
// A column's bytes are digested shard by shard (XXH3-128).  The shard of a person is the top kShardBits of the
// pseudonym, so it depends on neither ranks nor threads; rows are ordered by person, so a shard is a range of rows.
//   /persons/*               the rows of the shard's persons
//   /events/<name>/offsets   one entry a person of the shard; the final entry, one past the last person, to the last
//   shard /events/<name>/*         the rows from the offset of the shard's first person to that of the next shard's
// docs/dataset.md ("The content digest") has the exact bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/linkage_key.hpp"
#include "engine/pseudonym.hpp"
#include "io/dataset.hpp"
#include "io/dataset_reader.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

constexpr ShardId shard_of(const Pseudonym& pseudonym) noexcept {
  return shard_of(pseudonym.high);
}

// The ranges of rows of consecutive shards.  shards: the shards wanted; rows: how many rows there are, in the order of
// their shards; shard_of_row(row): the shard of a row.  Result: entry i is the range of shard shards.begin + i.
// Cost: one binary search a shard.  Rows out of order give some ranges, never one that is reversed or out of bounds.
template <typename ShardOfRow>
std::vector<Range> shard_row_ranges(Range shards, std::uint64_t rows, const ShardOfRow& shard_of_row) {
  const auto first_row_of = [&](std::uint64_t shard) {
    std::uint64_t begin = 0, end = rows;
    while (begin < end) {
      const std::uint64_t middle = begin + (end - begin) / 2;
      if (shard_of_row(middle) < shard) {
        begin = middle + 1;
      } else {
        end = middle;
      }
    }
    return begin;
  };
  std::vector<Range> ranges;
  ranges.reserve(shards.size());
  std::uint64_t begin = shards.begin == 0 ? 0 : first_row_of(shards.begin);
  for (std::uint64_t shard = shards.begin; shard < shards.end; ++shard) {
    const std::uint64_t next = shard + 1 == kShards ? rows : first_row_of(shard + 1);
    const std::uint64_t end = next < begin ? begin : next;
    ranges.push_back({begin, end});
    begin = end;
  }
  return ranges;
}

// The entries of an offsets column that are digested with a shard, given the rows of the shard's persons.
constexpr Range offsets_rows(ShardId shard, Range persons) noexcept {
  return {persons.begin, persons.end + (shard + 1 == kShards ? 1 : 0)};
}

// XXH3-128 of bytes that come in pieces: the same as of all of them at once.
class PiecewiseDigest {
 public:
  PiecewiseDigest();
  ~PiecewiseDigest();
  PiecewiseDigest(const PiecewiseDigest&) = delete;
  PiecewiseDigest& operator=(const PiecewiseDigest&) = delete;
  void add(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] Digest finish() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The rows of /persons of consecutive shards, found by binary search in the pseudonyms' first hexadecimal digits.
// Throws Error if the dataset has no pseudonyms.  Pseudonyms out of order give some ranges, all within the column.
std::vector<Range> persons_by_shard(const DatasetReader& dataset, Range shards);

// Collective.  The content digest of a dataset as it stands in its file, the same on every rank.  Each rank reads the
// shards that it owns, in pieces of bounded size.  Throws Error if the file lacks what the digest is made of.
Digest recompute_content_digest(const Communicator& comm, const DatasetReader& dataset);

}  // namespace ligature
