#include "jobs/release/columns.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "io/part_files.hpp"

namespace ligature {

namespace {

constexpr std::size_t kFlagsAtOnce = std::size_t{1} << 20;
constexpr std::string_view kRowId = "row_id";

ReleasedEvents lay_out(const ReleaseSource& source, const ReleasedDataset& released, WantedEvents& wanted) {
  ReleasedEvents events;
  events.name = wanted.name = released.name;
  events.key = linkage_key(std::as_bytes(std::span(released.name)));
  events.dates = released.dates;
  events.row_ids = std::find(released.columns.begin(), released.columns.end(), kRowId) != released.columns.end();
  events.event_bytes = events.row_ids ? sizeof(Pseudonym) : 0;
  for (const std::string& name : released.columns) {
    if (name == kRowId) continue;
    const std::size_t index = source.dataset.column("/events/" + released.name + "/" + name);
    ReleasedColumn column;
    column.name = name;
    column.spec = source.dataset.columns()[index];
    column.width = stored_bytes(column.spec.type);
    column.at = events.event_bytes;
    if (!column.spec.dictionary.empty()) {
      column.kind = ReleasedColumn::Kind::category;
      column.values = source.dataset.dictionary(column.spec.dictionary).values;
    } else if (column.spec.type == StoredType::u16 && column.spec.unit.starts_with("days since")) {
      column.kind = ReleasedColumn::Kind::date;
    }
    events.event_bytes += column.width;
    wanted.columns.push_back(index);
    events.columns.push_back(std::move(column));
  }
  return events;
}

std::size_t bytes_of_number(std::uint64_t largest) noexcept {
  return largest <= 0xFF ? 1 : largest <= 0xFFFF ? 2 : largest <= 0xFFFFFFFF ? 4 : 8;
}

std::size_t bytes_of_value(const ReleaseSource& source, PersonColumn column, const ReleasedAreas& areas) {
  if (column == PersonColumn::age_band) return bytes_of_number(kNoAge);
  if (column == PersonColumn::area) return bytes_of_number(areas.missing());
  const std::size_t in_dataset = source.dataset.column("/persons/" + std::string(person_column_name(column)));
  return stored_bytes(source.dataset.columns()[in_dataset].type);
}

// most_events: of one person, in each dataset.
void place_numbers(const ReleaseSource& source, const ReleasedAreas& areas, std::span<const std::uint64_t> most_events,
                   ReleasedColumns& columns) {
  columns.head_bytes = sizeof(Pseudonym);
  const auto place = [&](std::size_t width) {
    return NumberPlace{std::exchange(columns.head_bytes, columns.head_bytes + width), width};
  };
  for (const PersonColumn column : columns.persons) {
    columns.values.push_back(place(bytes_of_value(source, column, areas)));
  }
  for (const std::uint64_t most : most_events) columns.counts.push_back(place(bytes_of_number(most)));
}

// The chosen persons of a slice, by runs of neighbours: visit(first, last), numbered within the slice.
template <typename Visit>
void for_each_chosen_run(const Selection& selection, Range persons, const Visit& visit) {
  for (std::size_t first = 0, last = 0; first < persons.size(); first = last + 1) {
    for (last = first; last < persons.size() && selection.has(persons.begin + last);) ++last;
    if (last > first) visit(first, last);
  }
}

// Marks the codes that occur in some rows of a column.
void note_codes(std::span<const std::byte> column, std::size_t width, Range rows, std::span<std::uint8_t> seen) {
  with_width(width, [=](auto code) {
    for (std::uint64_t row = rows.begin; row < rows.end; ++row) {
      std::memcpy(&code, &column[row * sizeof code], sizeof code);
      if (code < seen.size()) seen[code] = 1;
    }
  });
}

// Collective.  Leaves of a category's values those that any rank has seen.
void keep_seen(const Communicator& comm, std::vector<std::uint8_t>& seen, ReleasedColumn& column) {
  std::vector<std::uint64_t> flags;
  for (std::size_t begin = 0; begin < seen.size(); begin += kFlagsAtOnce) {
    flags.resize(std::min(kFlagsAtOnce, seen.size() - begin));
    for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = seen[begin + i];
    comm.sum(std::span(flags));
    for (std::size_t i = 0; i < flags.size(); ++i) seen[begin + i] = flags[i] > 0 ? 1 : 0;
  }
  column.recode.assign(seen.size(), 0);
  std::size_t kept = 0;
  for (std::size_t code = 0; code < seen.size(); ++code) {
    if (seen[code] == 0) continue;
    column.recode[code] = static_cast<std::uint32_t>(kept);
    if (kept != code) column.values[kept] = std::move(column.values[code]);
    ++kept;
  }
  column.values.resize(kept);
}

}  // namespace

ReleasedColumns release_columns(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                                const ReleasedAreas& areas, const Selection& selection, bool recode) {
  ReleasedColumns columns;
  columns.persons = agreement.person_columns;
  agreed_step(comm, [&] {
    for (const ReleasedDataset& released : agreement.datasets) {
      columns.wanted.emplace_back();
      columns.events.push_back(lay_out(source, released, columns.wanted.back()));
    }
  });
  // The categories alone are read here.
  std::vector<WantedEvents> categories;
  std::vector<std::vector<ReleasedColumn*>> of;
  for (ReleasedEvents& events : columns.events) {
    categories.push_back({events.name, {}});
    of.emplace_back();
    for (ReleasedColumn& column : events.columns) {
      if (!recode || column.kind != ReleasedColumn::Kind::category) continue;
      categories.back().columns.push_back(source.dataset.column(column.spec.path));
      of.back().push_back(&column);
    }
  }
  // Of each dataset: its events, the most of one person, and for each category which codes were seen.
  struct Found {
    std::uint64_t events = 0, most = 0;
    std::vector<std::vector<std::uint8_t>> seen;
  };
  std::vector<Found> all(columns.events.size());
  const auto make_room = [&](std::vector<Found>& found) {
    found.resize(of.size());
    for (std::size_t d = 0; d < of.size(); ++d) {
      for (const ReleasedColumn* column : of[d]) found[d].seen.emplace_back(column->values.size());
    }
  };
  make_room(all);
  agreed_step(comm, [&] {
    PerThread<std::vector<Found>> per_thread;
    const SliceReader reader(source, categories, {});
    reader.for_each_batch(selection.persons, [&](std::span<Slice> slices) {
      std::vector<Found>& mine = per_thread.local();
      if (mine.empty()) make_room(mine);
      for (Slice& slice : slices) {
        if (recode) reader.load_events(slice, slice.persons.begin, slice.persons.end - 1);
        for (std::size_t d = 0; d < mine.size(); ++d) {
          const Slice::Events& events = slice.events[d];
          for (std::size_t p = 0; p < slice.persons.size(); ++p) {
            const std::uint64_t events_of = events.offsets[p + 1] - events.offsets[p];
            const std::uint64_t released = selection.has(slice.persons.begin + p) ? events_of : 0;
            mine[d].events += released;
            mine[d].most = std::max(mine[d].most, released);
          }
          if (of[d].empty()) continue;
          for_each_chosen_run(selection, slice.persons, [&](std::size_t first, std::size_t last) {
            for (std::size_t c = 0; c < of[d].size(); ++c) {
              note_codes(std::span(events.columns[c]), of[d][c]->width,
                         {events.offsets[first] - events.rows.begin, events.offsets[last] - events.rows.begin},
                         mine[d].seen[c]);
            }
          });
        }
      }
    });
    per_thread.for_each([&](const std::vector<Found>& mine) {
      for (std::size_t d = 0; d < mine.size(); ++d) {
        all[d].events += mine[d].events;
        all[d].most = std::max(all[d].most, mine[d].most);
        for (std::size_t c = 0; c < of[d].size(); ++c) {
          for (std::size_t v = 0; v < all[d].seen[c].size(); ++v) all[d].seen[c][v] |= mine[d].seen[c][v];
        }
      }
    });
  });
  std::vector<std::uint64_t> most_events;
  for (std::size_t d = 0; d < all.size(); ++d) {
    most_events.push_back(comm.max(all[d].most));
    columns.events[d].events = comm.sum(all[d].events);
    for (std::size_t c = 0; c < of[d].size(); ++c) keep_seen(comm, all[d].seen[c], *of[d][c]);
  }
  agreed_step(comm, [&] { place_numbers(source, areas, most_events, columns); });
  return columns;
}

}  // namespace ligature
