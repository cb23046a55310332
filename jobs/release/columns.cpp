#include "jobs/release/columns.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include "engine/linkage_key.hpp"
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

// Collective.  Leaves of a category's values those that any rank has seen.
void keep_seen(const Communicator& comm, std::vector<bool>& seen, ReleasedColumn& column) {
  std::vector<std::uint64_t> flags;
  for (std::size_t begin = 0; begin < seen.size(); begin += kFlagsAtOnce) {
    flags.resize(std::min(kFlagsAtOnce, seen.size() - begin));
    for (std::size_t i = 0; i < flags.size(); ++i) flags[i] = seen[begin + i];
    comm.sum(std::span(flags));
    for (std::size_t i = 0; i < flags.size(); ++i) seen[begin + i] = flags[i] > 0;
  }
  column.recode.assign(seen.size(), 0);
  std::size_t kept = 0;
  for (std::size_t code = 0; code < seen.size(); ++code) {
    if (!seen[code]) continue;
    column.recode[code] = static_cast<std::uint32_t>(kept);
    if (kept != code) column.values[kept] = std::move(column.values[code]);
    ++kept;
  }
  column.values.resize(kept);
}

}  // namespace

std::uint64_t code_at(const std::byte* bytes, std::size_t width) noexcept {
  std::uint64_t code = 0;
  std::memcpy(&code, bytes, width);
  return code;
}

DayNumber coarsened(DayNumber day, EventDatePolicy dates) noexcept {
  if (day == kMissingDay || dates == EventDatePolicy::day) return day;
  CivilDate date = civil_date(day);
  date.day = 1;
  if (dates == EventDatePolicy::year) date.month = 1;
  return day_number(date).value_or(kMissingDay);
}

ReleasedColumns release_columns(const Communicator& comm, const ReleaseSource& source, const Agreement& agreement,
                                const Selection& selection, bool recode) {
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
  std::vector<std::vector<std::vector<bool>>> seen;
  for (ReleasedEvents& events : columns.events) {
    categories.push_back({events.name, {}});
    of.emplace_back();
    seen.emplace_back();
    for (ReleasedColumn& column : events.columns) {
      if (!recode || column.kind != ReleasedColumn::Kind::category) continue;
      categories.back().columns.push_back(source.dataset.column(column.spec.path));
      of.back().push_back(&column);
      seen.back().emplace_back(column.values.size());
    }
  }
  std::vector<std::uint64_t> counts(columns.events.size());
  agreed_step(comm, [&] {
    SliceReader reader(source, categories, selection.persons, false);
    Slice slice;
    while (reader.next(slice)) {
      const auto first =
          selection.chosen.begin() + static_cast<std::ptrdiff_t>(slice.persons.begin - selection.persons.begin);
      const auto last = first + static_cast<std::ptrdiff_t>(slice.persons.size());
      if (std::find(first, last, true) == last) continue;
      if (recode) reader.load_events(slice, slice.persons.begin, slice.persons.end - 1);
      for (std::size_t d = 0; d < counts.size(); ++d) {
        const Slice::Events& events = slice.events[d];
        for (std::size_t p = 0; p < slice.persons.size(); ++p) {
          if (!first[static_cast<std::ptrdiff_t>(p)]) continue;
          const std::uint64_t begin = events.offsets[p], end = events.offsets[p + 1];
          counts[d] += end - begin;
          for (std::size_t c = 0; c < of[d].size(); ++c) {
            const std::size_t width = of[d][c]->width;
            for (std::uint64_t row = begin; row < end; ++row) {
              const std::uint64_t code = code_at(&events.columns[c][(row - events.rows.begin) * width], width);
              if (code < seen[d][c].size()) seen[d][c][code] = true;
            }
          }
        }
      }
    }
  });
  comm.sum(std::span(counts));
  for (std::size_t d = 0; d < counts.size(); ++d) {
    columns.events[d].events = counts[d];
    for (std::size_t c = 0; c < of[d].size(); ++c) keep_seen(comm, seen[d][c], *of[d][c]);
  }
  return columns;
}

}  // namespace ligature
