// Persons on their way from the order of the dataset to that of a release: by the release's own pseudonyms.
//
// The pseudonyms are cut into as many equal ranges as there are rounds and ranks: those of one round are brought to
// their ranks and written before the next is begun, so that memory is bounded by the number of rounds.  Events of a
// person are shuffled by a hash under the agreement's key; nothing of the order that they had survives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "engine/pseudonym.hpp"
#include "jobs/release/columns.hpp"

namespace ligature {

// What one rank got of one round.
class Arrivals {
 public:
  explicit Arrivals(const ReleasedColumns& columns) : columns_(columns) {}

  // Takes records over, as they were packed.
  std::byte* grow(std::size_t bytes);
  // To be called when all have come.  Throws Error if two persons have one pseudonym.
  void sort();

  [[nodiscard]] std::size_t persons() const noexcept { return order_.size(); }
  [[nodiscard]] const Pseudonym& name(std::size_t person) const noexcept { return order_[person].name; }
  // The value of a column of persons, as released_value gives it.
  [[nodiscard]] std::uint64_t value(std::size_t person, std::size_t column) const noexcept {
    return word(order_[person].at + 8 * column);
  }
  [[nodiscard]] std::uint64_t events(std::size_t person, std::size_t dataset) const noexcept {
    return word(order_[person].at + 8 * (columns_.persons.size() + dataset));
  }
  // The person's events of a dataset, event_bytes each: the row's name where rows have ids, then the columns.
  [[nodiscard]] const std::byte* first_event(std::size_t person, std::size_t dataset) const noexcept {
    std::size_t at = order_[person].at + 8 * (columns_.persons.size() + columns_.events.size());
    for (std::size_t d = 0; d < dataset; ++d) at += events(person, d) * columns_.events[d].event_bytes;
    return bytes_.data() + at;
  }

  static constexpr std::size_t kHeadBytes = sizeof(Pseudonym) + 8;  // of a record: name and size

 private:
  struct Place {
    Pseudonym name;
    std::size_t at = 0;
  };
  [[nodiscard]] std::uint64_t word(std::size_t at) const noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }

  const ReleasedColumns& columns_;
  std::vector<std::byte> bytes_;
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
