// The columns of an extract: what the agreement names of the dataset, with the categories that occur in what is
// released and no others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
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

// Where a number stands in the record of a person, and how many bytes it has: as few as will do, since what is brought
// is touched for the first time, which costs more than anything that is done with it.
struct NumberPlace {
  std::size_t at = 0, width = 0;
};

struct ReleasedColumns {
  std::vector<PersonColumn> persons;
  std::vector<ReleasedEvents> events;
  std::vector<WantedEvents> wanted;  // one of each of events, in its order
  // A person's record is the new name, the values of the columns, the number of events in each dataset, the events.
  std::vector<NumberPlace> values, counts;
  std::size_t head_bytes = 0;  // what is before the events
};

// Collective.  Counts the events that are released; with recode, finds the categories that occur among them.
ReleasedColumns release_columns(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                                const ReleasedAreas& areas, const Selection& selection, bool recode);

// The code of a category at its place in an event or a column, 1, 2, 4 or 8 bytes wide.
inline std::uint64_t code_at(const std::byte* bytes, std::size_t width) noexcept {
  const auto load = [&](auto code) {
    std::memcpy(&code, bytes, sizeof code);
    return std::uint64_t{code};
  };
  return width == 1   ? load(std::uint8_t{})
         : width == 2 ? load(std::uint16_t{})
         : width == 4 ? load(std::uint32_t{})
                      : load(std::uint64_t{});
}

// The other way round.
inline void put_low_bytes(std::byte* to, std::uint64_t value, std::size_t width) noexcept {
  const auto store = [&](auto narrow) { std::memcpy(to, &narrow, sizeof narrow); };
  if (width == 1) return store(static_cast<std::uint8_t>(value));
  if (width == 2) return store(static_cast<std::uint16_t>(value));
  if (width == 4) return store(static_cast<std::uint32_t>(value));
  store(value);
}

}  // namespace ligature
