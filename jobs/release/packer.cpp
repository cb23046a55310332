#include "jobs/release/packer.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/error.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPersonsAtOnce = 1024;         // whose rows are named together
constexpr std::size_t kDays = std::size_t{1} << 16;  // day numbers that there are

Range events_of(const Slice::Events& events, std::size_t person) noexcept {
  return {events.offsets[person], events.offsets[person + 1]};
}

// Random numbers from a secret: SplitMix64 with a step of its own (Steele, Lea and Flood, "Fast splittable pseudorandom
// number generators", OOPSLA 2014).
class SecretDraws {
 public:
  SecretDraws(const Pseudonym& seed, std::uint64_t dataset) noexcept
      : state_(seed.high ^ dataset), step_(seed.low | 1) {}
  // One of [0, count).
  std::uint64_t below(std::uint64_t count) noexcept {
    std::uint64_t x = state_ += step_;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
    x = (x ^ x >> 27) * 0x94D049BB133111EBU;
    return ((x ^ x >> 31) >> 32) * count >> 32;
  }

 private:
  std::uint64_t state_, step_;
};

// Copies the rows of a person in a random order: Fisher and Yates's shuffle from the inside out.
void copy_shuffled(std::byte* to, const std::byte* from, std::uint64_t count, std::size_t bytes, SecretDraws draws) {
  if (count > std::numeric_limits<std::uint32_t>::max()) {
    throw Error("one person has more events than a release can shuffle");
  }
  copy_short(to, from, bytes);
  for (std::uint64_t i = 1; i < count; ++i) {
    std::byte* const other = to + draws.below(i + 1) * bytes;
    copy_short(to + i * bytes, other, bytes);  // of itself, where the draw was i
    copy_short(other, from + i * bytes, bytes);
  }
}

}  // namespace

Packer::Packer(const Release& release, std::uint64_t slots, std::uint64_t round, std::uint64_t rounds)
    : release_(release),
      values_(release.areas, release.agreement.age_band, year_of(release.source)),
      slots_(slots),
      round_(round),
      rounds_(rounds) {
  for (const ReleasedEvents& events : release.columns.events) {
    days_.emplace_back(kDays);
    for (std::size_t day = 0; day < kDays; ++day) {
      days_.back()[day] = coarsened(static_cast<DayNumber>(day), events.dates);
    }
  }
}

void Packer::name_persons(const Slice& slice, LeavingSlice& leaving) const {
  std::vector<Pseudonym> persons;
  std::vector<std::uint32_t> at;
  for (std::size_t p = 0; p < slice.persons.size(); ++p) {
    if (!release_.selection.has(slice.persons.begin + p)) continue;
    persons.push_back(slice.pseudonyms[p]);
    at.push_back(static_cast<std::uint32_t>(p));
  }
  std::vector<Pseudonym> names(persons.size());
  std::vector<Pseudonym, WipingAllocator<Pseudonym>> seeds(persons.size());
  Pseudonymiser(release_.key).name(std::span<const Pseudonym>(persons), std::span(names), std::span(seeds));
  const ReleasedColumns& columns = release_.columns;
  const std::size_t words = Arrivals::size_words(columns);
  leaving.persons.clear();
  leaving.sizes.assign(slots_ * words, 0);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::uint64_t range = range_of(names[i], rounds_ * slots_);
    if (range / slots_ != round_) continue;
    const std::uint64_t slot = range % slots_;
    std::uint64_t* const sizes = &leaving.sizes[slot * words];
    sizes[0] += columns.head_bytes;
    ++sizes[1];
    for (std::size_t d = 0; d < columns.events.size(); ++d) {
      const std::uint64_t events = events_of(slice.events[d], at[i]).size();
      sizes[0] += events * columns.events[d].event_bytes;
      sizes[2 + d] += events;
    }
    leaving.persons.push_back({names[i], seeds[i], at[i], static_cast<std::uint32_t>(slot)});
  }
}

void Packer::lay_out(std::span<LeavingSlice> slices, std::vector<std::uint64_t>& sizes) const {
  const std::size_t words = Arrivals::size_words(release_.columns);
  sizes.assign(slots_ * words, 0);
  for (LeavingSlice& leaving : slices) leaving.at.resize(slots_);
  std::uint64_t next = 0;
  for (std::size_t slot = 0; slot < slots_; ++slot) {
    for (LeavingSlice& leaving : slices) {
      leaving.at[slot] = std::exchange(next, next + leaving.sizes[slot * words]);
      for (std::size_t w = 0; w < words; ++w) sizes[slot * words + w] += leaving.sizes[slot * words + w];
    }
  }
}

void Packer::pack(const Slice& slice, LeavingSlice& leaving, std::byte* bytes) {
  if (leaving.persons.empty()) return;
  const ReleasedColumns& columns = release_.columns;
  Rows& rows = rows_.local();
  put_heads(slice, leaving.persons, rows);
  rows.events.resize(columns.events.size());
  for (std::size_t d = 0; d < columns.events.size(); ++d) {
    put_events(slice, d, rows);
    if (columns.events[d].row_ids) put_row_names(slice, leaving.persons, d, rows);
  }
  const std::byte* head = rows.heads.data();
  for (const Leaving& person : leaving.persons) {
    std::uint64_t& at = leaving.at[person.slot];
    copy_short(bytes + at, head, columns.head_bytes);
    head += columns.head_bytes;
    at += columns.head_bytes;
    for (std::size_t d = 0; d < columns.events.size(); ++d) {
      const Range range = events_of(slice.events[d], person.person);
      if (range.size() == 0) continue;
      const std::size_t event_bytes = columns.events[d].event_bytes;
      const std::byte* const from = rows.events[d].data() + (range.begin - slice.events[d].rows.begin) * event_bytes;
      copy_shuffled(bytes + at, from, range.size(), event_bytes, {person.seed, columns.events[d].key});
      at += range.size() * event_bytes;
    }
  }
}

void Packer::put_heads(const Slice& slice, std::span<const Leaving> persons, Rows& rows) const {
  const ReleasedColumns& columns = release_.columns;
  const std::size_t stride = columns.head_bytes;
  rows.heads.resize(persons.size() * stride);
  for (std::size_t i = 0; i < persons.size(); ++i) {
    std::memcpy(&rows.heads[i * stride], &persons[i].name, sizeof(Pseudonym));
  }
  const auto put = [&](const NumberPlace& place, const auto& value_of) {
    with_width(place.width, [&](auto narrow) {
      std::byte* to = rows.heads.data() + place.at;
      for (const Leaving& person : persons) {
        narrow = static_cast<decltype(narrow)>(value_of(person.person));
        std::memcpy(to, &narrow, sizeof narrow);
        to += stride;
      }
    });
  };
  for (std::size_t c = 0; c < columns.persons.size(); ++c) {
    const std::span<const std::uint64_t> values = values_.of(slice, columns.persons[c], rows.room);
    put(columns.values[c], [&](std::uint32_t person) { return values[person]; });
  }
  for (std::size_t d = 0; d < columns.events.size(); ++d) {
    put(columns.counts[d], [&](std::uint32_t person) { return events_of(slice.events[d], person).size(); });
  }
}

void Packer::put_events(const Slice& slice, std::size_t dataset, Rows& rows) const {
  const ReleasedEvents& released = release_.columns.events[dataset];
  const Slice::Events& events = slice.events[dataset];
  const std::size_t stride = released.event_bytes;
  std::vector<std::byte>& to = rows.events[dataset];
  to.resize(events.rows.size() * stride);
  for (std::size_t c = 0; c < released.columns.size(); ++c) {
    const ReleasedColumn& column = released.columns[c];
    const auto put = [&](auto value, const auto& as_released) {
      const std::byte* from = events.columns[c].data();
      for (std::size_t at = column.at; at < to.size(); at += stride, from += sizeof value) {
        std::memcpy(&value, from, sizeof value);
        value = as_released(value);
        std::memcpy(&to[at], &value, sizeof value);
      }
    };
    if (column.kind == ReleasedColumn::Kind::date) {
      put(DayNumber{}, [&, days = days_[dataset].data()](DayNumber day) { return days[day]; });
    } else {
      with_width(column.width, [&](auto value) { put(value, [](auto same) { return same; }); });
    }
  }
}

// Many names are asked for at once, which is several times as fast as one by one.
void Packer::put_row_names(const Slice& slice, std::span<const Leaving> persons, std::size_t dataset,
                           Rows& rows) const {
  const ReleasedEvents& released = release_.columns.events[dataset];
  const Slice::Events& events = slice.events[dataset];
  for (std::size_t begin = 0; begin < persons.size(); begin += kPersonsAtOnce) {
    const std::span<const Leaving> some = persons.subspan(begin, std::min(kPersonsAtOnce, persons.size() - begin));
    rows.named.clear();
    for (const Leaving& person : some) {
      for (std::uint64_t i = 0; i < events_of(events, person.person).size(); ++i) {
        rows.named.push_back({slice.pseudonyms[person.person], released.key, i});
      }
    }
    rows.names.resize(rows.named.size());
    Pseudonymiser(release_.key).name(std::span<const DatasetRow>(rows.named), std::span(rows.names));
    const Pseudonym* name = rows.names.data();
    for (const Leaving& person : some) {
      const Range range = events_of(events, person.person);
      for (std::uint64_t row = range.begin; row < range.end; ++row, ++name) {
        std::memcpy(&rows.events[dataset][(row - events.rows.begin) * released.event_bytes], name, sizeof *name);
      }
    }
  }
}

}  // namespace ligature
