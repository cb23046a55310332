#include "jobs/rebuild/event_buckets.hpp"

#include <algorithm>
#include <span>

#include "engine/gallop.hpp"
#include "engine/linkage_key.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kBucketBytes = std::uint64_t{2} << 20;  // sorted in a core's cache
constexpr std::uint64_t kMostBucketsOfRank = 256;  // a bucket has memory of its own, and one of the cursors of a rank

std::vector<std::uint64_t> bucket_starts(Range shards, std::uint64_t wanted) {
  const std::uint64_t count = std::clamp<std::uint64_t>(shards.size(), 1, wanted);
  std::vector<std::uint64_t> starts;
  for (std::uint64_t b = 0; b <= count; ++b) starts.push_back(shards.begin + b * shards.size() / count);
  return starts;
}

}  // namespace

EventBuckets::EventBuckets(const Communicator& comm, const Persons& persons, std::uint64_t event_bytes)
    : own_shards_(ShardMap(comm.size()).shards_of(comm.rank())), first_person_of_shard_(own_shards_.size() + 1, 0) {
  // Persons are sorted by pseudonym, hence by shard.
  const std::span<const Person> owned = persons.owned;
  auto first = owned.begin();
  for (std::size_t s = 0; s < own_shards_.size(); ++s) {
    first = lower_bound_near(
        first, owned.end(), own_shards_.begin + s + 1,
        [](const Person& person, std::uint64_t shard) { return shard_of(person.pseudonym.high) < shard; });
    first_person_of_shard_[s + 1] = static_cast<std::uint64_t>(first - owned.begin());
  }

  const std::uint64_t of_rank = event_bytes / static_cast<std::uint64_t>(comm.size());
  const std::uint64_t wanted = std::min(1 + of_rank / kBucketBytes, kMostBucketsOfRank);
  first_shard_ = bucket_starts(own_shards_, wanted);
  std::vector<std::uint64_t> first_person;
  for (std::size_t b = 0; b < count(); ++b) first_person.push_back(persons.first_row + this->persons(b).begin);
  first_person_ = comm.all_gather(std::span<const std::uint64_t>(first_person));
  first_person_.push_back(persons.total());
  first_of_rank_.push_back(0);
  for (int rank = 0; rank < comm.size(); ++rank) {
    const std::size_t buckets = bucket_starts(ShardMap(comm.size()).shards_of(rank), wanted).size() - 1;
    first_of_rank_.push_back(first_of_rank_.back() + buckets);
    first_person_of_bucket_rank_.resize(first_of_rank_.back(),
                                        persons.first_row_of_rank[static_cast<std::size_t>(rank)]);
  }
}

EventPlace EventBuckets::place_of(std::uint64_t person) const noexcept {
  // Pseudonyms are spread evenly over shards, so that the guess is hardly ever off by more than one.
  std::size_t bucket = person * total() / first_person_.back();
  while (person < first_person_[bucket]) --bucket;
  while (person >= first_person_[bucket + 1]) ++bucket;
  return {bucket, person - first_person_of_bucket_rank_[bucket]};
}

}  // namespace ligature
