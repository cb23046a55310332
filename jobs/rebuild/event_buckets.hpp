// The persons of all ranks cut into buckets of whole shards, whose events are sorted and written by themselves.
//
// Every rank knows every bucket, so that a row is dealt to its bucket where it is read, and is never dealt again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "jobs/rebuild/persons.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

// A bucket, and the person's place on the bucket's rank; in one number, to take the place of rows of /persons.
class EventPlace {
 public:
  EventPlace() = default;
  explicit EventPlace(std::uint64_t packed) noexcept : packed_(packed) {}
  EventPlace(std::size_t bucket, std::uint64_t person) noexcept : packed_(std::uint64_t{bucket} << 32 | person) {}
  [[nodiscard]] std::uint64_t packed() const noexcept { return packed_; }
  [[nodiscard]] std::uint32_t bucket() const noexcept { return static_cast<std::uint32_t>(packed_ >> 32); }
  [[nodiscard]] std::uint32_t person() const noexcept { return static_cast<std::uint32_t>(packed_); }

 private:
  std::uint64_t packed_ = 0;
};

class EventBuckets {
 public:
  // Collective.  event_bytes: about how many bytes of events the largest dataset has, over all ranks.
  EventBuckets(const Communicator& comm, const Persons& persons, std::uint64_t event_bytes);

  // Buckets of all ranks.
  [[nodiscard]] std::size_t total() const noexcept { return first_of_rank_.back(); }
  [[nodiscard]] Range of_rank(std::size_t rank) const noexcept {
    return {first_of_rank_[rank], first_of_rank_[rank + 1]};
  }
  // Where the events of a person go, given the person's row in /persons.
  [[nodiscard]] EventPlace place_of(std::uint64_t person) const noexcept;

  // Buckets of this rank, counted from its first; persons are counted from its first as well.
  [[nodiscard]] std::size_t count() const noexcept { return first_shard_.size() - 1; }
  [[nodiscard]] Range shards(std::size_t bucket) const noexcept {
    return {first_shard_[bucket], first_shard_[bucket + 1]};
  }
  [[nodiscard]] Range persons(std::size_t bucket) const noexcept {
    return {first_person_of_shard(first_shard_[bucket]), first_person_of_shard(first_shard_[bucket + 1])};
  }
  // shard: of this rank, or the one after its last.
  [[nodiscard]] std::uint64_t first_person_of_shard(std::uint64_t shard) const noexcept {
    return first_person_of_shard_[shard - own_shards_.begin];
  }

 private:
  Range own_shards_;
  std::vector<std::uint64_t> first_person_of_shard_;
  std::vector<std::uint64_t> first_shard_;
  // Of all ranks: rows of /persons, by bucket and then the number of persons; and by rank.
  std::vector<std::uint64_t> first_person_;
  std::vector<std::size_t> first_of_rank_;
  std::vector<std::uint64_t> first_person_of_bucket_rank_;  // by bucket: of the first person on its rank
};

}  // namespace ligature
