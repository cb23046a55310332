// Some slices at a time are read, named, counted by slot and packed.
#include "jobs/release/arrivals.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "io/part_files.hpp"
#include "jobs/release/record_packer.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kBucketBytes = std::size_t{1} << 19;  // of records: half of a second-level cache
constexpr std::size_t kMostBuckets = 1U << 12;              // that are filled at once
constexpr std::uint64_t kRanges = std::uint64_t{1} << 32;   // that range_of can tell apart
constexpr std::uint32_t kEventsAtOnce = 4;                  // most persons have fewer

}  // namespace

Arrivals::Arrivals(const ReleasedColumns& columns, std::size_t buckets) : columns_(columns), buckets_(buckets) {
  for (Held& held : buckets_) held.total.resize(columns.numbers());
}

void Arrivals::take_over(std::unique_ptr<std::byte[]> records, std::span<const std::uint64_t> counted) {
  const std::lock_guard lock(mutex_);
  const std::byte* at = records.get();
  records_.push_back(std::move(records));
  const std::size_t numbers = columns_.numbers();
  for (std::size_t i = 0; i * numbers < counted.size(); ++i) {
    const std::span<const std::uint64_t> of = counted.subspan(i * numbers, numbers);
    if (of[0] == 0) continue;
    Held& held = buckets_[i % buckets_.size()];
    held.runs.push_back(std::exchange(at, at + columns_.bytes_of(of)));
    held.counted.insert(held.counted.end(), of.begin(), of.end());
    for (std::size_t n = 0; n < numbers; ++n) held.total[n] += of[n];
  }
}

void Bucket::open(const Arrivals& arrivals, std::size_t bucket) {
  columns_ = &arrivals.columns();
  bring_together(arrivals, bucket);
  sort();
}

// One copy of everything, in whole runs, which the processor fetches ahead: what follows goes here and there.
void Bucket::bring_together(const Arrivals& arrivals, std::size_t bucket) {
  const std::size_t numbers = columns_->numbers(), persons = arrivals.persons(bucket);
  persons_ = persons;
  together_.resize(numbers);
  std::vector<std::byte*> next;
  for (std::size_t n = 0; n < numbers; ++n) {
    const std::uint64_t count = n == 0 ? persons : arrivals.events(bucket, n - 1);
    if (count > std::numeric_limits<std::uint32_t>::max() - kEventsAtOnce) {
      throw Error("a few persons have more events than a release can sort");
    }
    RawVector<std::byte>& room = together_[n];
    room.resize(std::max(room.size(), count * columns_->bytes_each(n)));
    next.push_back(room.data());
  }
  arrivals.for_each_run(bucket, [&](const std::byte* at, std::span<const std::uint64_t> counted) {
    for (std::size_t n = 0; n < numbers; ++n) {
      const std::size_t bytes = counted[n] * columns_->bytes_each(n);
      if (bytes == 0) continue;
      std::memcpy(next[n], at, bytes);
      next[n] += bytes;
      at += bytes;
    }
  });
  const std::size_t head_bytes = columns_->head_bytes;
  first_event_.resize(numbers - 1);
  for (std::size_t d = 0; d < first_event_.size(); ++d) {
    first_event_[d].resize(persons + 1);
    with_width(columns_->counts[d].width, [&](auto count) {
      const std::byte* from = together_[0].data() + columns_->counts[d].at;
      std::uint64_t events = 0;
      for (std::size_t p = 0; p < persons; ++p, from += head_bytes) {
        first_event_[d][p] = static_cast<std::uint32_t>(events);
        std::memcpy(&count, from, sizeof count);
        events += count;
      }
      first_event_[d][persons] = static_cast<std::uint32_t>(events);
    });
  }
}

// By 32 bits of their names and as which they came; the few that those do not tell apart by comparing.
void Bucket::sort() {
  const std::size_t head_bytes = columns_->head_bytes;
  const std::byte* const heads = together_[0].data();
  const auto name_of = [&](std::size_t person) { return name_at(heads + person * head_bytes); };
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max(), most = 0;
  for (std::size_t p = 0; p < persons_; ++p) {
    const std::uint64_t high = name_of(p).high;
    least = std::min(least, high);
    most = std::max(most, high);
  }
  const int shift = persons_ == 0 || most == least ? 0 : std::countl_zero(most - least);
  places_.resize(persons_);
  for (std::size_t p = 0; p < persons_; ++p) places_[p] = (name_of(p).high - least) << shift >> 32 << 32 | p;
  radix_sort_detail::sort_places(places_, other_places_);
  const auto bits = [](std::uint64_t place) { return place >> 32; };
  radix_sort_detail::for_each_run(std::span(places_), bits, [&](std::uint64_t* first, std::uint64_t* last) {
    if (last - first == 1) return;
    const auto name = [&](std::uint64_t place) { return name_of(came(place)); };
    std::sort(first, last, [&](std::uint64_t a, std::uint64_t b) { return name(a) < name(b); });
    const auto same = [&](std::uint64_t a, std::uint64_t b) { return name(a) == name(b); };
    if (std::adjacent_find(first, last, same) != last) throw Error("two persons have one pseudonym");
  });
  heads_.resize(std::max(heads_.size(), persons_ * head_bytes));
  with_copy(head_bytes, [&](const auto& copy) {
    std::byte* to = heads_.data();
    for (const std::uint64_t place : places_) {
      copy(to, heads + came(place) * head_bytes);
      to += head_bytes;
    }
  });
}

void Bucket::number_events(std::size_t dataset, std::uint64_t first, std::byte* offsets) const {
  const std::vector<std::uint32_t>& before = first_event_[dataset];
  for (const std::uint64_t place : places_) {
    std::memcpy(offsets, &first, sizeof first);
    offsets += sizeof first;
    first += before[came(place) + 1] - before[came(place)];
  }
}

// Some numbers are written for each person, and those that are too many written over by the next.
Bucket::Events Bucket::events(std::size_t dataset) {
  const std::vector<std::uint32_t>& first_event = first_event_[dataset];
  const std::size_t events = first_event.back();
  at_.resize(std::max(at_.size(), events + kEventsAtOnce));
  person_.resize(at_.size());
  std::uint32_t* at = at_.data();
  std::uint32_t* person = person_.data();
  for (std::uint32_t p = 0; p < persons_; ++p) {
    const std::uint32_t first = first_event[came(places_[p])];
    const std::uint32_t count = first_event[came(places_[p]) + 1] - first;
    for (std::uint32_t e = 0; e < kEventsAtOnce; ++e) {
      at[e] = first + e;
      person[e] = p;
    }
    for (std::uint32_t e = kEventsAtOnce; e < count; ++e) {
      at[e] = first + e;
      person[e] = p;
    }
    at += count;
    person += count;
  }
  return {together_[1 + dataset].data(), std::span(at_).first(events), std::span(person_).first(events)};
}

std::uint64_t range_of(const Pseudonym& name, std::uint64_t ranges) noexcept {
  return (name.high >> 32) * ranges >> 32;
}

namespace {

// Of all records of a release, over all ranks.
std::uint64_t record_bytes(const ReleasedColumns& columns, std::uint64_t persons) {
  std::vector<std::uint64_t> counted = {persons};
  for (const ReleasedEvents& events : columns.events) counted.push_back(events.events);
  return columns.bytes_of(counted);
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

std::unique_ptr<const Arrivals> bring(const Communicator& comm, const Release& release, std::uint64_t persons,
                                      std::uint64_t round, std::uint64_t rounds) {
  const auto ranks = static_cast<std::uint64_t>(comm.size());
  const std::uint64_t share = record_bytes(release.columns, persons) / (rounds * ranks);
  // Names are told apart by 32 bits of theirs where ranges are formed.
  const std::uint64_t buckets = std::clamp<std::uint64_t>(
      share / kBucketBytes, 1, std::min<std::uint64_t>(kMostBuckets, kRanges / (rounds * ranks)));
  auto arrivals = std::make_unique<Arrivals>(release.columns, buckets);
  WantedPersons wanted_persons = wanted_for(release.columns.persons);
  wanted_persons.pseudonym = true;
  const SliceReader reader(release.source, release.columns.wanted, wanted_persons);
  RecordPacker packer(release, ranks * buckets, round, rounds);
  const std::size_t numbers = release.columns.numbers();
  const auto load_and_name = [&](Slice& slice, LeavingSlice& leaving) {
    reader.load_persons(slice);
    packer.name_persons(slice, leaving);
    const std::vector<std::uint32_t>& those = leaving.persons;
    if (those.empty()) return;
    const std::uint64_t row = slice.persons.begin;
    reader.load_events(slice, row + those.front(), row + those.back());
  };
  // Of some slots.
  const auto bytes_of = [&](std::span<const std::uint64_t> counted) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < counted.size(); i += numbers) {
      bytes += release.columns.bytes_of(counted.subspan(i, numbers));
    }
    return bytes;
  };
  // What a thread, or for several ranks all of them, has of some slices.
  struct Packed {
    std::vector<LeavingSlice> leaving;
    std::vector<std::uint64_t> counted;
  };
  if (ranks == 1) {
    // Alone, a rank packs its records where they stay, and no thread waits for another.
    agreed_step(comm, [&] {
      PerThread<Packed> per_thread;
      reader.for_each_batch(release.selection.persons, [&](std::span<Slice> slices) {
        Packed& packed = per_thread.local();
        packed.leaving.resize(slices.size());
        for (std::size_t s = 0; s < slices.size(); ++s) load_and_name(slices[s], packed.leaving[s]);
        auto records = std::make_unique_for_overwrite<std::byte[]>(packer.count(packed.leaving, packed.counted));
        packer.lay_out(packed.leaving, records.get());
        for (std::size_t s = 0; s < slices.size(); ++s) packer.pack(slices[s], packed.leaving[s]);
        arrivals->take_over(std::move(records), packed.counted);
      });
    });
    return arrivals;
  }
  SliceReader::Batch batch;
  Packed packed;
  std::vector<std::byte> bytes;
  std::uint64_t next = release.selection.persons.begin;
  const std::uint64_t end = release.selection.persons.end;
  while (comm.any(next < end)) {
    agreed_step(comm, [&] {
      const std::span<Slice> slices = reader.read_next(next, end, batch);
      packed.leaving.resize(slices.size());
      for_each_item(slices.size(), [&](std::size_t s) { load_and_name(slices[s], packed.leaving[s]); });
      bytes.resize(std::max<std::size_t>(bytes.size(), packer.count(packed.leaving, packed.counted)));
      packer.lay_out(packed.leaving, bytes.data());
      for_each_item(slices.size(), [&](std::size_t s) { packer.pack(slices[s], packed.leaving[s]); });
    });
    std::vector<std::uint64_t> first(ranks + 1), first_counted(ranks + 1);
    const std::size_t of_rank = buckets * numbers;
    for (std::size_t r = 0; r < ranks; ++r) {
      first_counted[r + 1] = (r + 1) * of_rank;
      first[r + 1] = first[r] + bytes_of(std::span(packed.counted).subspan(r * of_rank, of_rank));
    }
    std::unique_ptr<std::byte[]> records;
    exchange_into(comm, bytes, first, [&](std::size_t size) {
      records = std::make_unique_for_overwrite<std::byte[]>(size);
      return records.get();
    });
    arrivals->take_over(std::move(records),
                        exchange(comm, std::span<const std::uint64_t>(packed.counted), first_counted).items);
  }
  return arrivals;
}

}  // namespace ligature
