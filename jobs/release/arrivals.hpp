// Persons on their way from the order of the dataset to that of a release: by the release's own pseudonyms.
//
// The pseudonyms are cut into as many equal ranges as there are rounds and ranks: those of one round are brought to
// their ranks and written before the next is begun, so that memory is bounded by the number of rounds.  Events of a
// person are shuffled by a hash under the agreement's key; nothing of the order that they had survives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "engine/pseudonym.hpp"
#include "jobs/release/columns.hpp"

namespace ligature {

// What one rank got of one round.
class Arrivals {
 public:
  explicit Arrivals(const ReleasedColumns& columns) : columns_(columns) {}

  // Room for so many bytes of records of so many persons, which is not touched before they come.
  void reserve(std::size_t bytes, std::size_t persons);
  // Room for the records of one exchange, as they were packed; then, when they are there, where each lies.
  std::byte* grow(std::size_t bytes);
  void take_over();
  // To be called when all have come.  Throws Error if two persons have one pseudonym.
  void sort();

  [[nodiscard]] std::size_t persons() const noexcept { return order_.size(); }
  [[nodiscard]] Pseudonym name(std::size_t person) const noexcept { return name_at(order_[person].at); }
  // The value of a column of persons, as released_value gives it.
  [[nodiscard]] std::uint64_t value(std::size_t person, std::size_t column) const noexcept {
    return number(order_[person].at + kHeadBytes + kNumberBytes * column);
  }
  [[nodiscard]] std::uint64_t events(std::size_t person, std::size_t dataset) const noexcept {
    return number(order_[person].at + kHeadBytes + kNumberBytes * (columns_.persons.size() + dataset));
  }
  // The person's events of a dataset, event_bytes each: the row's name where rows have ids, then the columns.
  [[nodiscard]] const std::byte* first_event(std::size_t person, std::size_t dataset) const noexcept {
    std::size_t at = order_[person].at + kHeadBytes + kNumberBytes * (columns_.persons.size() + columns_.events.size());
    for (std::size_t d = 0; d < dataset; ++d) at += events(person, d) * columns_.events[d].event_bytes;
    return bytes_.get() + at;
  }
  // Records lie in another order than persons: asks for that of one who is looked at soon.
  void prefetch(std::size_t person) const noexcept {
    if (person >= order_.size()) return;
    const std::byte* const record = bytes_.get() + order_[person].at;
    __builtin_prefetch(record);
    __builtin_prefetch(record + kCacheLine);
  }

  // Numbers in records are as small as they can be: what is brought is touched for the first time, which costs more
  // than anything that is done with it.
  using Number = std::uint32_t;
  static constexpr std::size_t kNumberBytes = sizeof(Number);
  static constexpr std::size_t kHeadBytes = sizeof(Pseudonym) + kNumberBytes;  // of a record: name and size
  struct Place {
    std::uint64_t high = 0;  // of the name
    std::size_t at = 0;
  };

 private:
  [[nodiscard]] Pseudonym name_at(std::size_t at) const noexcept {
    Pseudonym name;
    std::memcpy(&name, bytes_.get() + at, sizeof name);
    return name;
  }
  [[nodiscard]] Number number(std::size_t at) const noexcept {
    Number value = 0;
    std::memcpy(&value, bytes_.get() + at, sizeof value);
    return value;
  }
  static constexpr std::size_t kCacheLine = 64;

  const ReleasedColumns& columns_;
  std::unique_ptr<std::byte[]> bytes_;  // not a vector: that would write zeros first
  void enlarge(std::size_t bytes);

  std::size_t room_ = 0, size_ = 0, placed_ = 0;
  std::vector<Place> order_;
};

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

// Collective.  The persons of a round that fall to this rank, sorted.
Arrivals bring(const Communicator& comm, const Release& release, std::uint64_t round, std::uint64_t rounds);

}  // namespace ligature
