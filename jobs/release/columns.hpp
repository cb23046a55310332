// The columns of an extract: what the agreement names of the dataset, with the categories that occur in what is
// released and no others.
#pragma once

#include <cstdint>
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

struct ReleasedColumns {
  std::vector<PersonColumn> persons;
  std::vector<ReleasedEvents> events;
  std::vector<WantedEvents> wanted;  // one of each of events, in its order
};

// Collective.  Counts the events that are released; with recode, finds the categories that occur among them.
ReleasedColumns release_columns(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                                const Selection& selection, bool recode);

// The first day of a date's month or year; the day itself.
DayNumber coarsened(DayNumber day, EventDatePolicy dates) noexcept;

// The code of a category at its place in an event or a column.
std::uint64_t code_at(const std::byte* bytes, std::size_t width) noexcept;

}  // namespace ligature
