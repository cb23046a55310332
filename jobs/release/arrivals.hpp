// Persons on their way from the order of the dataset to that of a release: by the release's own pseudonyms.
//
// The pseudonyms are cut into as many equal ranges as there are rounds and ranks: those of one round are brought to
// their ranks and written before the next is begun, so that memory is bounded by the number of rounds.  Events of a
// person are shuffled by a hash under the agreement's key; nothing of the order that they had survives.
//
// Within its range a rank deals records to buckets, ranges again, while they are packed: a bucket fits in a core's
// second-level cache, where it is sorted and gone through column by column when it is written.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "engine/parallel.hpp"
#include "engine/pseudonym.hpp"
#include "jobs/release/columns.hpp"

namespace ligature {

// What one rank got of one round, in whatever order it came.
class Arrivals {
 public:
  Arrivals(const ReleasedColumns& columns, std::size_t buckets);

  // Takes over records that were packed together, by source and bucket.  sizes: of each source and bucket its bytes,
  // persons, and events of each dataset (size_words numbers).  May be called from several threads.
  void take_over(std::unique_ptr<std::byte[]> records, std::span<const std::uint64_t> sizes);
  [[nodiscard]] static std::size_t size_words(const ReleasedColumns& columns) noexcept {
    return 2 + columns.events.size();
  }

  [[nodiscard]] const ReleasedColumns& columns() const noexcept { return columns_; }
  [[nodiscard]] std::size_t buckets() const noexcept { return runs_.size(); }
  [[nodiscard]] std::uint64_t persons(std::size_t bucket) const noexcept { return sizes_[bucket * words_ + 1]; }
  [[nodiscard]] std::uint64_t events(std::size_t bucket, std::size_t dataset) const noexcept {
    return sizes_[bucket * words_ + 2 + dataset];
  }
  // Visits each stretch of records of a bucket: visit(first byte, bytes).
  template <typename Visit>
  void for_each_run(std::size_t bucket, const Visit& visit) const {
    for (const Run& run : runs_[bucket]) visit(run.at, run.bytes);
  }

 private:
  struct Run {
    const std::byte* at = nullptr;
    std::size_t bytes = 0;
  };
  const ReleasedColumns& columns_;
  std::size_t words_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::byte[]>> records_;  // not vectors: those would write zeros first
  std::vector<std::vector<Run>> runs_;
  std::vector<std::uint64_t> sizes_;  // of each bucket, size_words
};

// The persons of one bucket.  One object a thread, opened for one bucket after another.
class Bucket {
 public:
  // In the order in which they came; arrivals must outlive this.
  void open(const Arrivals& arrivals, std::size_t bucket);
  // From here on in the order of their names.  Throws Error if two persons have one pseudonym.
  void sort();

  [[nodiscard]] std::size_t persons() const noexcept { return order_.size(); }
  [[nodiscard]] Pseudonym name(std::size_t person) const noexcept { return name_at(order_[person].record); }
  // The value of a column of persons, as released_value gives it.
  [[nodiscard]] std::uint64_t value(std::size_t person, std::size_t column) const noexcept {
    return number(order_[person].record, columns_->values[column]);
  }
  [[nodiscard]] std::uint64_t events(std::size_t person, std::size_t dataset) const noexcept {
    return number(order_[person].record, columns_->counts[dataset]);
  }
  // Where its events begin, dataset after dataset.
  [[nodiscard]] const std::byte* all_events(std::size_t person) const noexcept {
    return order_[person].record + columns_->head_bytes;
  }
  // The person's events of a dataset, event_bytes each: the row's name where rows have ids, then the columns.
  [[nodiscard]] const std::byte* first_event(std::size_t person, std::size_t dataset) const noexcept {
    const std::byte* at = all_events(person);
    for (std::size_t d = 0; d < dataset; ++d) at += events(person, d) * columns_->events[d].event_bytes;
    return at;
  }

 private:
  struct Place {
    std::uint64_t high = 0;  // of the name
    const std::byte* record = nullptr;
  };
  [[nodiscard]] static Pseudonym name_at(const std::byte* record) noexcept {
    Pseudonym name;
    std::memcpy(&name, record, sizeof name);
    return name;
  }
  [[nodiscard]] static std::uint64_t number(const std::byte* record, const NumberPlace& place) noexcept {
    return code_at(record + place.at, place.width);
  }
  [[nodiscard]] const std::byte* end_of(const std::byte* record) const noexcept;

  const ReleasedColumns* columns_ = nullptr;
  std::vector<Place> order_, other_;
  std::vector<std::uint64_t> places_, other_places_;
};

// Calls visit(bucket, number) for each bucket, sorted, from several threads; they are taken in order, whichever thread
// comes, so that few pieces of the output are open at a time.
template <typename Visit>
void for_each_bucket(const Arrivals& arrivals, const Visit& visit) {
  PerThread<Bucket> buckets;
  std::atomic<std::size_t> next{0};
  for_each_item(arrivals.buckets(), [&](std::size_t) {
    const std::size_t b = next++;
    Bucket& bucket = buckets.local();
    bucket.open(arrivals, b);
    bucket.sort();
    visit(std::as_const(bucket), b);
  });
}

// Everything that decides what travels.
struct Release {
  const ReleaseSource& source;
  const Agreement& agreement;
  const ReleasedAreas& areas;
  const Selection& selection;
  const ReleasedColumns& columns;
  std::span<const std::byte> key;  // the agreement's
};

// How many rounds keep each rank's part of one within a number of bytes.  persons: released, over all ranks.
std::uint64_t rounds_needed(const Communicator& comm, const ReleasedColumns& columns, std::uint64_t persons,
                            std::uint64_t bytes_of_rank);

// The range of pseudonyms, of `ranges` equal ones in order, that a name falls into.
std::uint64_t range_of(const Pseudonym& name, std::uint64_t ranges) noexcept;

// Collective.  The persons of a round that fall to this rank.  persons: released, over all ranks.
std::unique_ptr<const Arrivals> bring(const Communicator& comm, const Release& release, std::uint64_t persons,
                                      std::uint64_t round, std::uint64_t rounds);

}  // namespace ligature
