// Persons on their way from the order of the dataset to that of a release: by the release's own pseudonyms.
//
// The pseudonyms are cut into as many equal ranges as there are rounds and ranks: those of one round are brought to
// their ranks and written before the next is begun, so that memory is bounded by the number of rounds.  Events of a
// person are shuffled by a hash under the agreement's key; nothing of the order that they had survives.
//
// Within its range a rank deals records to buckets, ranges again, while they are packed: a bucket fits in a core's
// second-level cache, where it is sorted and gone through column by column when it is written.
//
// How many events a person has is nothing that a processor guesses right, and a wrong guess costs it as much as the
// copy of a record.  So heads of one size lie apart from events, and loops over events are over those of many persons.
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
#include "engine/raw_vector.hpp"
#include "jobs/release/columns.hpp"

namespace ligature {

// What one rank got of one round, in whatever order it came.
class Arrivals {
 public:
  Arrivals(const ReleasedColumns& columns, std::size_t buckets);

  // Takes over records that were packed together, by source and bucket.  counted: of each source and bucket
  // (ReleasedColumns::numbers).  May be called from several threads.
  void take_over(std::unique_ptr<std::byte[]> records, std::span<const std::uint64_t> counted);

  [[nodiscard]] const ReleasedColumns& columns() const noexcept { return columns_; }
  [[nodiscard]] std::size_t buckets() const noexcept { return buckets_.size(); }
  [[nodiscard]] std::uint64_t persons(std::size_t bucket) const noexcept { return buckets_[bucket].total[0]; }
  [[nodiscard]] std::uint64_t events(std::size_t bucket, std::size_t dataset) const noexcept {
    return buckets_[bucket].total[1 + dataset];
  }
  // Visits what was packed together of a bucket: visit(first byte, counted).
  template <typename Visit>
  void for_each_run(std::size_t bucket, const Visit& visit) const {
    const Held& held = buckets_[bucket];
    const std::size_t numbers = columns_.numbers();
    for (std::size_t run = 0; run < held.runs.size(); ++run) {
      visit(held.runs[run], std::span(held.counted).subspan(run * numbers, numbers));
    }
  }

 private:
  struct Held {
    std::vector<const std::byte*> runs;
    std::vector<std::uint64_t> counted;  // of each run
    std::vector<std::uint64_t> total;
  };
  const ReleasedColumns& columns_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::byte[]>> records_;  // not vectors: those would write zeros first
  std::vector<Held> buckets_;
};

// The persons of one bucket.  One object a thread, opened for one bucket after another.
class Bucket {
 public:
  // In the order of their names.  Throws Error if two persons have one pseudonym.
  void open(const Arrivals& arrivals, std::size_t bucket);

  [[nodiscard]] std::size_t persons() const noexcept { return persons_; }
  [[nodiscard]] Pseudonym name(std::size_t person) const noexcept { return name_at(head(person)); }
  // Where the head of a person is.
  [[nodiscard]] const std::byte* head(std::size_t person) const noexcept {
    return heads_.data() + person * columns_->head_bytes;
  }
  // How many events there are before those of a person, and of all of them.
  void number_events(std::size_t dataset, std::uint64_t first, std::byte* offsets) const;

  // The events of a dataset, of one person after the other.
  struct Events {
    const std::byte* rows = nullptr;        // event_bytes each, in the order in which they came
    std::span<const std::uint32_t> at;      // of each event its number among them
    std::span<const std::uint32_t> person;  // whose it is
  };
  // Valid until the next call.
  [[nodiscard]] Events events(std::size_t dataset);

 private:
  // As which of the bucket the person of a place came.
  static std::uint32_t came(std::uint64_t place) noexcept { return static_cast<std::uint32_t>(place); }
  static Pseudonym name_at(const std::byte* head) noexcept {
    Pseudonym name;
    std::memcpy(&name, head, sizeof name);
    return name;
  }
  void bring_together(const Arrivals& arrivals, std::size_t bucket);
  void sort();

  const ReleasedColumns* columns_ = nullptr;
  std::size_t persons_ = 0;
  // As they came: heads, then the events of each dataset; and of each dataset where each person's begin and all end.
  std::vector<RawVector<std::byte>> together_;
  std::vector<std::vector<std::uint32_t>> first_event_;
  // In the order of names.
  std::vector<std::uint64_t> places_, other_places_;  // bits of the name, and as which the person came
  RawVector<std::byte> heads_;
  RawVector<std::uint32_t> at_, person_;
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
    visit(bucket, b);
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
