#include "jobs/release/record_packer.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/cache_line.hpp"
#include "engine/error.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPersonsAtOnce = 1024;         // whose rows are named together
constexpr std::size_t kDays = std::size_t{1} << 16;  // day numbers that there are

Range events_of(const Slice::Events& events, std::size_t person) noexcept {
  return {events.offsets[person], events.offsets[person + 1]};
}

// A place where somebody writes soon, some hundred persons later: without it, each write waits for the one before it to
// have its line from memory.
void fetch_to_write(const std::byte* place) noexcept {
  __builtin_prefetch(place, 1);
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
template <typename Copy>
void copy_shuffled(std::byte* to, const std::byte* from, std::uint64_t count, std::size_t bytes, SecretDraws draws,
                   const Copy& copy) {
  if (count > std::numeric_limits<std::uint32_t>::max()) {
    throw Error("one person has more events than a release can shuffle");
  }
  copy(to, from);
  for (std::uint64_t i = 1; i < count; ++i) {
    std::byte* const other = to + draws.below(i + 1) * bytes;
    copy(to + i * bytes, other);  // of itself, where the draw was i
    copy(other, from + i * bytes);
  }
}

}  // namespace

RecordPacker::RecordPacker(const Release& release, std::uint64_t slots, std::uint64_t round, std::uint64_t rounds)
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

void RecordPacker::name_persons(const Slice& slice, LeavingSlice& leaving) {
  Naming& naming = naming_.local();
  const std::size_t most = slice.persons.size();
  naming.before.resize(std::max(naming.before.size(), most));
  leaving.persons.resize(most);
  std::size_t count = 0;
  for (std::size_t p = 0; p < most; ++p) {
    naming.before[count] = slice.pseudonyms[p];
    leaving.persons[count] = static_cast<std::uint32_t>(p);
    count += release_.selection.has(slice.persons.begin + p) ? 1U : 0U;
  }
  leaving.names.resize(count);
  leaving.seeds.resize(count);
  leaving.slots.resize(count);
  if (!naming.pseudonymiser) naming.pseudonymiser = std::make_unique<Pseudonymiser>(release_.key);
  naming.pseudonymiser->name(std::span<const Pseudonym>(naming.before).first(count), std::span(leaving.names),
                             std::span(leaving.seeds));
  const std::size_t numbers = release_.columns.numbers();
  leaving.counted.assign(slots_ * numbers, 0);
  std::size_t left = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t slot = range_of(leaving.names[i], rounds_ * slots_) - round_ * slots_;
    if (slot >= slots_) continue;  // of another round
    if (left != i) {
      leaving.names[left] = leaving.names[i];
      leaving.seeds[left] = leaving.seeds[i];
      leaving.persons[left] = leaving.persons[i];
    }
    leaving.slots[left] = static_cast<std::uint32_t>(slot);
    std::uint64_t* const counted = &leaving.counted[slot * numbers];
    ++counted[0];
    for (std::size_t n = 1; n < numbers; ++n)
      counted[n] += events_of(slice.events[n - 1], leaving.persons[left]).size();
    ++left;
  }
  leaving.names.resize(left);
  leaving.seeds.resize(left);
  leaving.persons.resize(left);
  leaving.slots.resize(left);
}

std::uint64_t RecordPacker::count(std::span<const LeavingSlice> slices, std::vector<std::uint64_t>& counted) const {
  const std::size_t numbers = release_.columns.numbers();
  counted.assign(slots_ * numbers, 0);
  for (const LeavingSlice& leaving : slices) {
    for (std::size_t i = 0; i < counted.size(); ++i) counted[i] += leaving.counted[i];
  }
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < counted.size(); ++i) bytes += counted[i] * release_.columns.bytes_each(i % numbers);
  return bytes;
}

void RecordPacker::lay_out(std::span<LeavingSlice> slices, std::byte* records) const {
  const std::size_t numbers = release_.columns.numbers();
  for (LeavingSlice& leaving : slices) leaving.next.resize(leaving.counted.size());
  for (std::size_t i = 0; i < slots_ * numbers; ++i) {
    const std::size_t bytes_each = release_.columns.bytes_each(i % numbers);
    for (LeavingSlice& leaving : slices) {
      leaving.next[i] = std::exchange(records, records + leaving.counted[i] * bytes_each);
    }
  }
}

void RecordPacker::pack(const Slice& slice, LeavingSlice& leaving) {
  if (leaving.persons.empty()) return;
  const ReleasedColumns& columns = release_.columns;
  Rows& rows = rows_.local();
  put_tails(slice, leaving, rows);
  copy_heads(leaving, rows);
  rows.events.resize(columns.events.size());
  for (std::size_t d = 0; d < columns.events.size(); ++d) {
    put_events(slice, d, rows);
    if (columns.events[d].row_ids) put_row_names(slice, leaving, d, rows);
    copy_events(slice, leaving, d, rows);
  }
}

void RecordPacker::copy_heads(LeavingSlice& leaving, const Rows& rows) const {
  const std::size_t tail_bytes = release_.columns.head_bytes - sizeof(Pseudonym), numbers = release_.columns.numbers();
  with_copy(tail_bytes, [&](const auto& copy) {
    const std::byte* tail = rows.tails.data();
    for (std::size_t i = 0; i < leaving.names.size(); ++i) {
      std::byte*& next = leaving.next[leaving.slots[i] * numbers];
      std::memcpy(next, &leaving.names[i], sizeof(Pseudonym));
      next += sizeof(Pseudonym);
      copy(next, tail);
      next += tail_bytes;
      tail += tail_bytes;
      fetch_to_write(next + kLineBytes);
    }
  });
}

// Where each person's events go is settled first, in the order of heads; then those with equally many are copied one
// after the other, so that the processor knows how often it will go round.
void RecordPacker::copy_events(const Slice& slice, LeavingSlice& leaving, std::size_t dataset, Rows& rows) const {
  const ReleasedEvents& released = release_.columns.events[dataset];
  const Slice::Events& events = slice.events[dataset];
  const std::size_t numbers = release_.columns.numbers(), event_bytes = released.event_bytes;
  const std::span<const std::uint32_t> persons = leaving.persons;
  ByCount& by_count = rows.by_count;
  const auto class_of = [&](std::uint32_t person) {
    return std::min<std::uint64_t>(events_of(events, person).size(), ByCount::kMost);
  };
  std::array<std::uint32_t, ByCount::kMost + 2> first{};
  by_count.to.resize(persons.size());
  for (std::size_t i = 0; i < persons.size(); ++i) {
    std::byte*& next = leaving.next[leaving.slots[i] * numbers + 1 + dataset];
    by_count.to[i] = next;
    next += events_of(events, persons[i]).size() * event_bytes;
    fetch_to_write(next);
    ++first[class_of(persons[i]) + 1];
  }
  for (std::size_t c = 1; c < first.size(); ++c) first[c] += first[c - 1];
  const std::uint32_t without = first[1];
  by_count.persons.resize(persons.size());
  for (std::size_t i = 0; i < persons.size(); ++i) {
    by_count.persons[first[class_of(persons[i])]++] = static_cast<std::uint32_t>(i);
  }
  with_copy(event_bytes, [&](const auto& copy) {
    for (const std::uint32_t i : std::span(by_count.persons).subspan(without)) {
      const Range range = events_of(events, persons[i]);
      const std::byte* const from = rows.events[dataset].data() + (range.begin - events.rows.begin) * event_bytes;
      copy_shuffled(by_count.to[i], from, range.size(), event_bytes, {leaving.seeds[i], released.key}, copy);
    }
  });
}

void RecordPacker::put_tails(const Slice& slice, const LeavingSlice& leaving, Rows& rows) const {
  const ReleasedColumns& columns = release_.columns;
  const std::size_t stride = columns.head_bytes - sizeof(Pseudonym);
  rows.tails.resize(leaving.persons.size() * stride);
  const auto put = [&](const NumberPlace& place, const auto& value_of) {
    with_width(place.width, [&](auto narrow) {
      std::byte* to = rows.tails.data() + (place.at - sizeof(Pseudonym));
      for (const std::uint32_t person : leaving.persons) {
        narrow = static_cast<decltype(narrow)>(value_of(person));
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

void RecordPacker::put_events(const Slice& slice, std::size_t dataset, Rows& rows) const {
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
void RecordPacker::put_row_names(const Slice& slice, const LeavingSlice& leaving, std::size_t dataset,
                                 Rows& rows) const {
  const ReleasedEvents& released = release_.columns.events[dataset];
  const Slice::Events& events = slice.events[dataset];
  const std::span<const std::uint32_t> persons = leaving.persons;
  for (std::size_t begin = 0; begin < persons.size(); begin += kPersonsAtOnce) {
    const auto some = persons.subspan(begin, std::min(kPersonsAtOnce, persons.size() - begin));
    rows.named.clear();
    for (const std::uint32_t person : some) {
      for (std::uint64_t i = 0; i < events_of(events, person).size(); ++i) {
        rows.named.push_back({slice.pseudonyms[person], released.key, i});
      }
    }
    rows.names.resize(rows.named.size());
    Pseudonymiser(release_.key).name(std::span<const DatasetRow>(rows.named), std::span(rows.names));
    const Pseudonym* name = rows.names.data();
    for (const std::uint32_t person : some) {
      const Range range = events_of(events, person);
      for (std::uint64_t row = range.begin; row < range.end; ++row, ++name) {
        std::memcpy(&rows.events[dataset][(row - events.rows.begin) * released.event_bytes], name, sizeof *name);
      }
    }
  }
}

}  // namespace ligature
