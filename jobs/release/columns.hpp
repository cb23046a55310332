// The columns of an extract: what the agreement names of the dataset, with the categories that occur in what is
// released and no others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "io/agreement.hpp"
#include "jobs/release/selection.hpp"
#include "jobs/release/slices.hpp"

namespace ligature {

struct ReleasedColumn {
  enum class Kind : std::uint8_t { as_it_is, date, category };
  std::string name;
  Kind kind = Kind::as_it_is;
  ColumnSpec spec;                    // in the dataset
  std::size_t width = 0;              // bytes a value, there and on the way
  std::size_t at = 0;                 // its place in an event on the way
  std::vector<std::string> values;    // of a category: those that are released, ascending, where codes are recoded
  std::vector<std::uint32_t> recode;  // of a category: for each code of the dataset, that in values
};

struct ReleasedEvents {
  std::string name;
  std::uint64_t key = 0;  // of the dataset's name, for row ids
  EventDatePolicy dates = EventDatePolicy::month;
  bool row_ids = false;                 // the agreement names them
  std::vector<ReleasedColumn> columns;  // in the order of the agreement, without row_id
  std::size_t event_bytes = 0;          // of one event on the way
  std::uint64_t events = 0;             // released, over all ranks
};

// Where a number stands in the head of a person, and how many bytes it has: as few as will do, since what is brought
// is touched for the first time, which costs more than anything that is done with it.
struct NumberPlace {
  std::size_t at = 0, width = 0;
};

struct ReleasedColumns {
  std::vector<PersonColumn> persons;
  std::vector<ReleasedEvents> events;
  std::vector<WantedEvents> wanted;  // one of each of events, in its order
  // A person's head is the new name, the values of the columns, the number of events in each dataset.
  std::vector<NumberPlace> values, counts;
  std::size_t head_bytes = 0;

  // The records of some persons lie as their heads, then the events of all of them in the first dataset, and so on.
  // What is counted of them: persons, then events of each dataset.
  [[nodiscard]] std::size_t numbers() const noexcept { return 1 + events.size(); }
  [[nodiscard]] std::size_t bytes_each(std::size_t number) const noexcept {
    return number == 0 ? head_bytes : events[number - 1].event_bytes;
  }
  [[nodiscard]] std::uint64_t bytes_of(std::span<const std::uint64_t> counted) const noexcept {
    std::uint64_t bytes = 0;
    for (std::size_t n = 0; n < numbers(); ++n) bytes += counted[n] * bytes_each(n);
    return bytes;
  }
};

// Collective.  Counts the events that are released; with recode, finds the categories that occur among them.
ReleasedColumns release_columns(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                                const ReleasedAreas& areas, const Selection& selection, bool recode);

// Calls work(T{}) with the unsigned type of a width of 1, 2, 4 or 8 bytes: loops over values are made for each.
template <typename Work>
void with_width(std::size_t width, const Work& work) {
  if (width == 1) return work(std::uint8_t{});
  if (width == 2) return work(std::uint16_t{});
  if (width == 4) return work(std::uint32_t{});
  work(std::uint64_t{});
}

// A number at its place in a record or a column, 1, 2, 4 or 8 bytes wide.
inline std::uint64_t code_at(const std::byte* bytes, std::size_t width) noexcept {
  std::uint64_t code = 0;
  with_width(width, [&](auto narrow) {
    std::memcpy(&narrow, bytes, sizeof narrow);
    code = narrow;
  });
  return code;
}

// Calls work(copy), where copy(to, from) copies so many bytes: two copies of one size, which may overlap, are faster
// than a call.
template <typename Work>
void with_copy(std::size_t bytes, const Work& work) {
  const auto ends = [&](auto word) {
    work([bytes](std::byte* to, const std::byte* from) {
      auto first = decltype(word){}, last = decltype(word){};
      std::memcpy(&first, from, sizeof first);
      std::memcpy(&last, from + bytes - sizeof last, sizeof last);
      std::memcpy(to, &first, sizeof first);
      std::memcpy(to + bytes - sizeof last, &last, sizeof last);
    });
  };
  if (bytes > 32) return work([bytes](std::byte* to, const std::byte* from) { std::memcpy(to, from, bytes); });
  if (bytes >= 16) return ends(std::array<std::uint64_t, 2>{});
  if (bytes >= 8) return ends(std::uint64_t{});
  if (bytes >= 4) return ends(std::uint32_t{});
  if (bytes >= 2) return ends(std::uint16_t{});
  if (bytes == 1) return work([](std::byte* to, const std::byte* from) { *to = *from; });
  work([](std::byte*, const std::byte*) {});
}

}  // namespace ligature
