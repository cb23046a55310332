// Slices are read, named, counted by slot and packed by all threads, each step for all slices of a batch.
#include "jobs/release/arrivals.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "io/part_files.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kPersonsAtOnce = 1024;                // of a task
constexpr std::size_t kDays = std::size_t{1} << 16;         // day numbers that there are
constexpr std::size_t kBucketBytes = std::size_t{1} << 19;  // of records: half of a second-level cache
constexpr std::size_t kMostBuckets = 1U << 12;              // that are filled at once
constexpr std::uint64_t kRanges = std::uint64_t{1} << 32;   // that range_of can tell apart

// A released person of a slice.
struct Leaving {
  Pseudonym name, seed;      // the seed shuffles its events
  std::uint32_t person = 0;  // of the slice
  std::uint32_t slot = 0;    // the rank and the bucket that get it
  std::uint32_t bytes = 0;   // of its record
};

// The released persons of a slice, and of each slot their sizes (Arrivals::size_words), then where their records go.
struct LeavingSlice {
  std::vector<Leaving> persons;
  std::vector<std::uint64_t> sizes, at;
};

// Packs the persons of slices that belong to a round.  Its functions may be called from several threads.
class Packer {
 public:
  Packer(const Release& release, std::uint64_t slots, std::uint64_t round, std::uint64_t rounds)
      : release_(release), year_(year_of(release.source)), slots_(slots), round_(round), rounds_(rounds) {
    for (const ReleasedEvents& events : release.columns.events) {
      days_.emplace_back(kDays);
      for (std::size_t day = 0; day < kDays; ++day) {
        days_.back()[day] = coarsened(static_cast<DayNumber>(day), events.dates);
      }
    }
  }

  // Who of a slice is in the round, under which name.
  void name_persons(const Slice& slice, LeavingSlice& leaving) const {
    std::vector<Pseudonym> persons;
    std::vector<std::uint32_t> at;
    for (std::size_t p = 0; p < slice.persons.size(); ++p) {
      if (!release_.selection.has(slice.persons.begin + p)) continue;
      persons.push_back(slice.pseudonyms[p]);
      at.push_back(static_cast<std::uint32_t>(p));
    }
    std::vector<Pseudonym> names(persons.size()), seeds(persons.size());
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
      std::uint64_t bytes = columns.head_bytes;
      for (std::size_t d = 0; d < columns.events.size(); ++d) {
        const std::uint64_t events = events_of(slice.events[d], at[i]).size();
        bytes += events * columns.events[d].event_bytes;
        sizes[2 + d] += events;
      }
      if (bytes > std::numeric_limits<std::uint32_t>::max()) {
        throw Error("one person has more events than a release can hold");
      }
      sizes[0] += bytes;
      ++sizes[1];
      leaving.persons.push_back(
          {names[i], seeds[i], at[i], static_cast<std::uint32_t>(slot), static_cast<std::uint32_t>(bytes)});
    }
  }

  // Says where each record goes: by slot, then by slice.  sizes: of each slot, over all slices.
  void lay_out(std::span<LeavingSlice> slices, std::vector<std::uint64_t>& sizes) const {
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

  void pack(const Slice& slice, LeavingSlice& leaving, std::byte* bytes) const {
    const std::span<const Leaving> persons = leaving.persons;
    for (std::size_t begin = 0; begin < persons.size(); begin += kPersonsAtOnce) {
      pack_some(slice, persons.subspan(begin, std::min(kPersonsAtOnce, persons.size() - begin)), leaving.at, bytes);
    }
  }

 private:
  // Asks for all names of some persons' rows at once, where they have ids.
  void ask_names(const Slice& slice, std::span<const Leaving> persons, std::vector<DatasetRow>& rows) const {
    for (const Leaving& person : persons) {
      for (std::size_t d = 0; d < slice.events.size(); ++d) {
        const ReleasedEvents& released = release_.columns.events[d];
        const std::uint64_t count = events_of(slice.events[d], person.person).size();
        for (std::uint64_t i = 0; released.row_ids && i < count; ++i) {
          rows.push_back({slice.pseudonyms[person.person], released.key, i});
        }
      }
    }
  }
  static Range events_of(const Slice::Events& events, std::size_t person) noexcept {
    return {events.offsets[person], events.offsets[person + 1]};
  }

  // at: of each slot the place of its next record.
  void pack_some(const Slice& slice, std::span<const Leaving> persons, std::vector<std::uint64_t>& at,
                 std::byte* bytes) const {
    const ReleasedColumns& columns = release_.columns;
    std::vector<DatasetRow> rows;
    ask_names(slice, persons, rows);
    std::vector<Pseudonym> names(rows.size());
    if (!rows.empty()) Pseudonymiser(release_.key).name(std::span<const DatasetRow>(rows), std::span(names));
    auto name = names.cbegin();
    std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
    for (const Leaving& person : persons) {
      std::byte* to = bytes + std::exchange(at[person.slot], at[person.slot] + person.bytes);
      const auto put = [&](const auto& value) {
        std::memcpy(to, &value, sizeof value);
        to += sizeof value;
      };
      const auto put_number = [&](std::uint64_t value, const NumberPlace& place) {
        put_low_bytes(to, value, place.width);
        to += place.width;
      };
      put(person.name);
      for (std::size_t c = 0; c < columns.persons.size(); ++c) {
        put_number(released_value(slice, person.person, columns.persons[c], release_.areas, release_.agreement.age_band,
                                  year_),
                   columns.values[c]);
      }
      for (std::size_t d = 0; d < columns.events.size(); ++d) {
        put_number(events_of(slice.events[d], person.person).size(), columns.counts[d]);
      }
      for (std::size_t d = 0; d < columns.events.size(); ++d) {
        const Range range = events_of(slice.events[d], person.person);
        if (range.size() == 0) continue;
        if (range.size() == 1) {
          if (columns.events[d].row_ids) put(*name++);
          put_event(d, slice.events[d], range.begin - slice.events[d].rows.begin, to);
          continue;
        }
        shuffle_rows(person.seed, columns.events[d].key, range.size(), order);
        for (const auto& [hash, i] : order) {
          if (columns.events[d].row_ids) put(name[i]);
          put_event(d, slice.events[d], range.begin + i - slice.events[d].rows.begin, to);
        }
        if (columns.events[d].row_ids) name += static_cast<std::ptrdiff_t>(range.size());
      }
    }
  }

  // The order of a person's rows: by a hash of secret seed, dataset and number.
  static void shuffle_rows(const Pseudonym& seed, std::uint64_t dataset, std::uint64_t count,
                           std::vector<std::pair<std::uint64_t, std::uint32_t>>& order) {
    if (count > std::uint32_t(-1)) throw Error("one person has more events than a release can shuffle");
    order.clear();
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::array<std::uint64_t, 4> message = {seed.high, seed.low, dataset, i};
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
  std::uint64_t slots_, round_, rounds_;
  std::vector<std::vector<DayNumber>> days_;  // of each dataset: every date as it is released
};

}  // namespace

Arrivals::Arrivals(const ReleasedColumns& columns, std::size_t buckets)
    : columns_(columns), words_(size_words(columns)), runs_(buckets), sizes_(buckets * words_) {}

void Arrivals::reserve(std::size_t bytes) {
  if (bytes > room_) enlarge(bytes);
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

void Arrivals::take_over(std::span<const std::uint64_t> sizes) {
  for (std::size_t i = 0; i * words_ < sizes.size(); ++i) {
    const std::span<const std::uint64_t> of = sizes.subspan(i * words_, words_);
    if (of[0] == 0) continue;
    const std::size_t bucket = i % runs_.size();
    runs_[bucket].push_back({placed_, of[0]});
    placed_ += of[0];
    for (std::size_t w = 0; w < words_; ++w) sizes_[bucket * words_ + w] += of[w];
  }
}

void Bucket::open(const Arrivals& arrivals, std::size_t bucket) {
  columns_ = &arrivals.columns();
  order_.clear();
  arrivals.for_each_run(bucket, [&](const std::byte* record, std::size_t bytes) {
    for (const std::byte* const end = record + bytes; record < end; record = end_of(record)) {
      order_.push_back({name_at(record).high, record});
    }
  });
}

const std::byte* Bucket::end_of(const std::byte* record) const noexcept {
  std::size_t bytes = columns_->head_bytes;
  for (std::size_t d = 0; d < columns_->events.size(); ++d) {
    bytes += number(record, columns_->counts[d]) * columns_->events[d].event_bytes;
  }
  return record + bytes;
}

void Bucket::sort() {
  if (order_.empty()) return;
  const auto high = [](const Place& place) { return place.high; };
  const auto [least, most] =
      std::minmax_element(order_.begin(), order_.end(), [](const Place& a, const Place& b) { return a.high < b.high; });
  const std::uint64_t range = most->high - least->high;
  const radix_sort_detail::Stretch stretch{least->high,
                                           range == 0 ? 0U : static_cast<unsigned>(std::countl_zero(range))};
  other_.resize(order_.size());
  radix_sort_detail::sort_bucket(std::span<const Place>(order_), std::span(other_), high, stretch, 0, places_,
                                 other_places_);
  order_.swap(other_);
  radix_sort_detail::for_each_run(std::span(order_), high, [](Place* first, Place* last) {
    if (last - first == 1) return;
    std::sort(first, last, [](const Place& a, const Place& b) { return name_at(a.record) < name_at(b.record); });
    const auto same = [](const Place& a, const Place& b) { return name_at(a.record) == name_at(b.record); };
    if (std::adjacent_find(first, last, same) != last) throw Error("two persons have one pseudonym");
  });
}

std::uint64_t range_of(const Pseudonym& name, std::uint64_t ranges) noexcept {
  return (name.high >> 32) * ranges >> 32;
}

namespace {

// Of all records of a release, over all ranks.
std::uint64_t record_bytes(const ReleasedColumns& columns, std::uint64_t persons) {
  std::uint64_t bytes = persons * columns.head_bytes;
  for (const ReleasedEvents& events : columns.events) bytes += events.events * events.event_bytes;
  return bytes;
}

}  // namespace

std::uint64_t rounds_needed(const Communicator& comm, const ReleasedColumns& columns, std::uint64_t persons,
                            std::uint64_t bytes_of_rank) {
  const std::uint64_t bytes = record_bytes(columns, persons);
  // Names are spread evenly, but histories are not all of one length.
  const std::uint64_t room =
      std::max<std::uint64_t>(1, comm.min(bytes_of_rank) / 2) * static_cast<std::uint64_t>(comm.size());
  return std::min<std::uint64_t>(1 + bytes / room, 1U << 16);
}

Arrivals bring(const Communicator& comm, const Release& release, std::uint64_t persons, std::uint64_t round,
               std::uint64_t rounds) {
  const auto ranks = static_cast<std::uint64_t>(comm.size());
  const std::uint64_t share = record_bytes(release.columns, persons) / (rounds * ranks);
  // Names are told apart by 32 bits of theirs where ranges are formed.
  const std::uint64_t buckets = std::clamp<std::uint64_t>(
      share / kBucketBytes, 1, std::min<std::uint64_t>(kMostBuckets, kRanges / (rounds * ranks)));
  Arrivals arrivals(release.columns, buckets);
  arrivals.reserve(share * 17 / 16);
  WantedPersons wanted_persons = wanted_for(release.columns.persons);
  wanted_persons.pseudonym = true;
  SliceReader reader(release.source, release.columns.wanted, release.selection.persons, wanted_persons);
  const Packer packer(release, ranks * buckets, round, rounds);
  const std::size_t words = Arrivals::size_words(release.columns);
  std::vector<LeavingSlice> leaving;
  std::vector<std::byte> bytes;
  std::vector<std::uint64_t> sizes(ranks * buckets * words);
  for (bool more = true; comm.any(more);) {
    std::fill(sizes.begin(), sizes.end(), 0);
    agreed_step(comm, [&] {
      if (!more) return;
      const std::span<Slice> slices = reader.next();
      more = !slices.empty();
      leaving.resize(slices.size());
      for_each_item(slices.size(), [&](std::size_t s) {
        reader.load_persons(slices[s]);
        packer.name_persons(slices[s], leaving[s]);
        const std::vector<Leaving>& those = leaving[s].persons;
        if (those.empty()) return;
        const std::uint64_t row = slices[s].persons.begin;
        reader.load_events(slices[s], row + those.front().person, row + those.back().person);
      });
      packer.lay_out(leaving, sizes);
      std::uint64_t all = 0;
      for (std::size_t i = 0; i < sizes.size(); i += words) all += sizes[i];
      // Alone, a rank packs its records where they stay.
      if (ranks > 1) bytes.resize(std::max(bytes.size(), std::size_t{all}));
      std::byte* const to = ranks > 1 ? bytes.data() : arrivals.grow(all);
      for_each_item(slices.size(), [&](std::size_t s) { packer.pack(slices[s], leaving[s], to); });
    });
    if (ranks == 1) {
      arrivals.take_over(sizes);
      continue;
    }
    std::vector<std::uint64_t> first(ranks + 1), first_size(ranks + 1);
    for (std::size_t r = 0; r < ranks; ++r) {
      first_size[r + 1] = (r + 1) * buckets * words;
      first[r + 1] = first[r];
      for (std::size_t i = first_size[r]; i < first_size[r + 1]; i += words) first[r + 1] += sizes[i];
    }
    exchange_into(comm, bytes, first, [&](std::size_t size) { return arrivals.grow(size); });
    arrivals.take_over(exchange(comm, std::span<const std::uint64_t>(sizes), first_size).items);
  }
  return arrivals;
}

}  // namespace ligature
