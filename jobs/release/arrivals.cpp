// A record: the new name, its own bytes in all, the person's values, the number of events in each dataset (4 bytes
// each), then the events.
#include "jobs/release/arrivals.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <numeric>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "io/part_files.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPersonsAtOnce = 1024;         // of a task
constexpr std::size_t kDays = std::size_t{1} << 16;  // day numbers that there are
constexpr std::uint64_t kNoRow = ~std::uint64_t{0};  // its name is not a row's: it shuffles a person's rows

std::size_t fixed_bytes(const ReleasedColumns& columns) noexcept {
  return Arrivals::kHeadBytes + Arrivals::kNumberBytes * (columns.persons.size() + columns.events.size());
}

// A released person of a slice.
struct Leaving {
  std::size_t person = 0;  // of the slice
  Pseudonym name;
  std::size_t bytes = 0, at = 0;  // of its record, and where that is put
};

// Packs the persons of slices that belong to a round.  Its functions may be called from several threads.
class Packer {
 public:
  Packer(const Release& release, int ranks, std::uint64_t round, std::uint64_t rounds)
      : release_(release),
        year_(year_of(release.source)),
        ranks_(static_cast<std::uint64_t>(ranks)),
        round_(round),
        rounds_(rounds) {
    for (const ReleasedEvents& events : release.columns.events) {
      days_.emplace_back(kDays);
      for (std::size_t day = 0; day < kDays; ++day) {
        days_.back()[day] = coarsened(static_cast<DayNumber>(day), events.dates);
      }
    }
  }

  // Who of a slice is in the round, under which name.
  void name_persons(const Slice& slice, std::vector<Leaving>& leaving) const {
    std::vector<Pseudonym> persons;
    std::vector<std::size_t> at;
    for (std::size_t p = 0; p < slice.persons.size(); ++p) {
      if (!release_.selection.has(slice.persons.begin + p)) continue;
      persons.push_back(slice.pseudonyms[p]);
      at.push_back(p);
    }
    std::vector<Pseudonym> names(persons.size());
    Pseudonymiser(release_.key).name(std::span<const Pseudonym>(persons), std::span(names));
    const ReleasedColumns& columns = release_.columns;
    leaving.clear();
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (range_of(names[i], rounds_ * ranks_) / ranks_ != round_) continue;
      Leaving person{at[i], names[i], fixed_bytes(columns), 0};
      for (std::size_t d = 0; d < columns.events.size(); ++d) {
        person.bytes += events_of(slice.events[d], person).size() * columns.events[d].event_bytes;
      }
      if (person.bytes > std::numeric_limits<Arrivals::Number>::max()) {
        throw Error("one person has more events than a release can hold");
      }
      leaving.push_back(person);
    }
  }

  // Says where each record goes.  first: ranks + 1 offsets, by the rank that gets the record.
  void lay_out(std::span<std::vector<Leaving>> slices, std::vector<std::uint64_t>& first) const {
    first.assign(ranks_ + 1, 0);
    for (const std::vector<Leaving>& leaving : slices) {
      for (const Leaving& person : leaving) first[rank_of(person.name) + 1] += person.bytes;
    }
    std::partial_sum(first.begin(), first.end(), first.begin());
    std::vector<std::uint64_t> next(first.begin(), first.end() - 1);
    for (std::vector<Leaving>& leaving : slices) {
      for (Leaving& person : leaving) {
        person.at = next[rank_of(person.name)];
        next[rank_of(person.name)] += person.bytes;
      }
    }
  }

  void pack(const Slice& slice, std::span<const Leaving> leaving, std::byte* bytes) const {
    for (std::size_t begin = 0; begin < leaving.size(); begin += kPersonsAtOnce) {
      pack_some(slice, leaving.subspan(begin, std::min(kPersonsAtOnce, leaving.size() - begin)), bytes);
    }
  }

 private:
  [[nodiscard]] std::size_t rank_of(const Pseudonym& name) const noexcept {
    return range_of(name, rounds_ * ranks_) % ranks_;
  }

  // Asks for all names of some persons' rows at once: of each person and dataset the one that shuffles its rows, then
  // those of the rows, where they have ids.
  void ask_names(const Slice& slice, std::span<const Leaving> persons, std::vector<DatasetRow>& rows) const {
    for (const Leaving& person : persons) {
      const Pseudonym& who = slice.pseudonyms[person.person];
      for (std::size_t d = 0; d < slice.events.size(); ++d) {
        const ReleasedEvents& released = release_.columns.events[d];
        const std::uint64_t count = events_of(slice.events[d], person).size();
        if (count > 1) rows.push_back({who, released.key, kNoRow});
        for (std::uint64_t i = 0; released.row_ids && i < count; ++i) rows.push_back({who, released.key, i});
      }
    }
  }
  static Range events_of(const Slice::Events& events, const Leaving& person) noexcept {
    return {events.offsets[person.person], events.offsets[person.person + 1]};
  }

  void pack_some(const Slice& slice, std::span<const Leaving> persons, std::byte* bytes) const {
    const ReleasedColumns& columns = release_.columns;
    std::vector<DatasetRow> rows;
    ask_names(slice, persons, rows);
    std::vector<Pseudonym> names(rows.size());
    Pseudonymiser(release_.key).name(std::span<const DatasetRow>(rows), std::span(names));
    auto name = names.cbegin();
    std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
    for (const Leaving& person : persons) {
      std::byte* to = bytes + person.at;
      const auto put = [&](const auto& value) {
        std::memcpy(to, &value, sizeof value);
        to += sizeof value;
      };
      put(person.name);
      put(static_cast<Arrivals::Number>(person.bytes));
      for (const PersonColumn column : columns.persons) {
        put(static_cast<Arrivals::Number>(
            released_value(slice, person.person, column, release_.areas, release_.agreement.age_band, year_)));
      }
      for (const Slice::Events& events : slice.events) {
        put(static_cast<Arrivals::Number>(events_of(events, person).size()));
      }
      for (std::size_t d = 0; d < columns.events.size(); ++d) {
        const Range range = events_of(slice.events[d], person);
        if (range.size() == 0) continue;
        if (range.size() == 1) {
          if (columns.events[d].row_ids) put(*name++);
          put_event(d, slice.events[d], range.begin - slice.events[d].rows.begin, to);
          continue;
        }
        const Pseudonym seed = *name++;
        shuffle_rows(seed, range.size(), order);
        for (const auto& [hash, i] : order) {
          if (columns.events[d].row_ids) put(name[i]);
          put_event(d, slice.events[d], range.begin + i - slice.events[d].rows.begin, to);
        }
        if (columns.events[d].row_ids) name += static_cast<std::ptrdiff_t>(range.size());
      }
    }
  }

  // The order of a person's rows: by a hash of secret seed and number.
  static void shuffle_rows(const Pseudonym& seed, std::uint64_t count,
                           std::vector<std::pair<std::uint64_t, std::uint32_t>>& order) {
    if (count > std::uint32_t(-1)) throw Error("one person has more events than a release can shuffle");
    order.clear();
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::array<std::uint64_t, 3> message = {seed.high, seed.low, i};
      order.emplace_back(linkage_key(std::as_bytes(std::span(message))), static_cast<std::uint32_t>(i));
    }
    std::sort(order.begin(), order.end());
  }

  void put_event(std::size_t dataset, const Slice::Events& events, std::uint64_t row, std::byte*& to) const {
    const ReleasedEvents& released = release_.columns.events[dataset];
    for (std::size_t c = 0; c < released.columns.size(); ++c) {
      const ReleasedColumn& column = released.columns[c];
      const std::byte* const from = &events.columns[c][row * column.width];
      std::uint64_t value = code_at(from, column.width);
      if (column.kind == ReleasedColumn::Kind::date) value = days_[dataset][value];
      put_low_bytes(to, value, column.width);
      to += column.width;
    }
  }

  const Release& release_;
  int year_;
  std::uint64_t ranks_, round_, rounds_;
  std::vector<std::vector<DayNumber>> days_;  // of each dataset: every date as it is released
};

}  // namespace

void Arrivals::reserve(std::size_t bytes, std::size_t persons) {
  if (bytes > room_) enlarge(bytes);
  order_.reserve(persons);
}

void Arrivals::enlarge(std::size_t bytes) {
  auto larger = std::make_unique_for_overwrite<std::byte[]>(bytes);
  if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
  bytes_ = std::move(larger);
  room_ = bytes;
}

std::byte* Arrivals::grow(std::size_t bytes) {
  if (size_ + bytes > room_) enlarge(std::max(2 * room_, size_ + bytes));
  size_ += bytes;
  return bytes_.get() + size_ - bytes;
}

void Arrivals::take_over() {
  for (; placed_ < size_; placed_ += number(placed_ + sizeof(Pseudonym))) {
    order_.push_back({name_at(placed_).high, placed_});
  }
}

void Arrivals::sort() {
  const auto low = [&](const Place& place) { return name_at(place.at).low; };
  sort_by_key(
      order_, [](const Place& place) { return place.high; },
      [&](const Place& a, const Place& b) {
        if (a.high != b.high) return a.high < b.high;
        return low(a) != low(b) ? low(a) < low(b) : a.at < b.at;
      });
  const auto twice = std::adjacent_find(order_.begin(), order_.end(), [&](const Place& a, const Place& b) {
    return a.high == b.high && low(a) == low(b);
  });
  if (twice != order_.end()) throw Error("two persons have one pseudonym");
}

std::uint64_t range_of(const Pseudonym& name, std::uint64_t ranges) noexcept {
  return (name.high >> 32) * ranges >> 32;
}

namespace {

// Of all records of a release, over all ranks.
std::uint64_t record_bytes(const ReleasedColumns& columns, std::uint64_t persons) {
  std::uint64_t bytes = persons * fixed_bytes(columns);
  for (const ReleasedEvents& events : columns.events) bytes += events.events * events.event_bytes;
  return bytes;
}

}  // namespace

std::uint64_t rounds_needed(const Communicator& comm, const ReleasedColumns& columns, std::uint64_t persons,
                            std::uint64_t bytes_of_rank) {
  const std::uint64_t bytes = record_bytes(columns, persons) + persons * 2 * sizeof(Arrivals::Place);
  // Names are spread evenly, but histories are not all of one length.
  const std::uint64_t room =
      std::max<std::uint64_t>(1, comm.min(bytes_of_rank) / 2) * static_cast<std::uint64_t>(comm.size());
  return std::min<std::uint64_t>(1 + bytes / room, 1U << 16);
}

Arrivals bring(const Communicator& comm, const Release& release, std::uint64_t round, std::uint64_t rounds) {
  Arrivals arrivals(release.columns);
  const auto ranks = static_cast<std::uint64_t>(comm.size());
  const std::uint64_t persons = comm.sum(release.selection.count());
  const auto share = [&](std::uint64_t all) { return all / (rounds * ranks) * 17 / 16; };
  arrivals.reserve(share(record_bytes(release.columns, persons)), share(persons));
  WantedPersons wanted_persons = wanted_for(release.columns.persons);
  wanted_persons.pseudonym = true;
  SliceReader reader(release.source, release.columns.wanted, release.selection.persons, wanted_persons);
  const Packer packer(release, comm.size(), round, rounds);
  std::vector<std::vector<Leaving>> leaving;
  std::vector<std::byte> bytes;
  std::vector<std::uint64_t> first;
  for (bool more = true; comm.any(more);) {
    first.assign(ranks + 1, 0);
    agreed_step(comm, [&] {
      if (!more) return;
      const std::span<Slice> slices = reader.next();
      more = !slices.empty();
      leaving.resize(slices.size());
      for_each_item(slices.size(), [&](std::size_t s) {
        reader.load_persons(slices[s]);
        packer.name_persons(slices[s], leaving[s]);
        if (leaving[s].empty()) return;
        const std::uint64_t row = slices[s].persons.begin;
        reader.load_events(slices[s], row + leaving[s].front().person, row + leaving[s].back().person);
      });
      packer.lay_out(leaving, first);
      // Alone, a rank packs its records where they stay.
      if (ranks > 1) bytes.resize(std::max(bytes.size(), std::size_t{first.back()}));
      std::byte* const to = ranks > 1 ? bytes.data() : arrivals.grow(first.back());
      for_each_item(slices.size(), [&](std::size_t s) { packer.pack(slices[s], leaving[s], to); });
    });
    if (ranks > 1) exchange_into(comm, bytes, first, [&](std::size_t size) { return arrivals.grow(size); });
    arrivals.take_over();
  }
  agreed_step(comm, [&] { arrivals.sort(); });
  return arrivals;
}

}  // namespace ligature
