// Some slices at a time are read, named, counted by slot and packed.
#include "jobs/release/arrivals.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/radix_sort.hpp"
#include "io/part_files.hpp"
#include "jobs/release/packer.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::size_t kBucketBytes = std::size_t{1} << 19;  // of records: half of a second-level cache
constexpr std::size_t kMostBuckets = 1U << 12;              // that are filled at once
constexpr std::uint64_t kRanges = std::uint64_t{1} << 32;   // that range_of can tell apart

}  // namespace

Arrivals::Arrivals(const ReleasedColumns& columns, std::size_t buckets)
    : columns_(columns), words_(size_words(columns)), runs_(buckets), sizes_(buckets * words_) {}

void Arrivals::take_over(std::unique_ptr<std::byte[]> records, std::span<const std::uint64_t> sizes) {
  const std::lock_guard lock(mutex_);
  const std::byte* at = records.get();
  records_.push_back(std::move(records));
  for (std::size_t i = 0; i * words_ < sizes.size(); ++i) {
    const std::span<const std::uint64_t> of = sizes.subspan(i * words_, words_);
    if (of[0] == 0) continue;
    const std::size_t bucket = i % runs_.size();
    runs_[bucket].push_back({at, of[0]});
    at += of[0];
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
  Packer packer(release, ranks * buckets, round, rounds);
  const std::size_t words = Arrivals::size_words(release.columns);
  const auto load_and_name = [&](Slice& slice, LeavingSlice& leaving) {
    reader.load_persons(slice);
    packer.name_persons(slice, leaving);
    const std::span<const Leaving> those = leaving.persons;
    if (those.empty()) return;
    const std::uint64_t row = slice.persons.begin;
    reader.load_events(slice, row + those.front().person, row + those.back().person);
  };
  const auto bytes_of = [words](std::span<const std::uint64_t> sizes) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < sizes.size(); i += words) bytes += sizes[i];
    return bytes;
  };
  // What a thread, or for several ranks all of them, has of some slices.
  struct Packed {
    std::vector<LeavingSlice> leaving;
    std::vector<std::uint64_t> sizes;
  };
  if (ranks == 1) {
    // Alone, a rank packs its records where they stay, and no thread waits for another.
    agreed_step(comm, [&] {
      PerThread<Packed> per_thread;
      reader.for_each_batch(release.selection.persons, [&](std::span<Slice> slices) {
        Packed& packed = per_thread.local();
        packed.leaving.resize(slices.size());
        for (std::size_t s = 0; s < slices.size(); ++s) load_and_name(slices[s], packed.leaving[s]);
        packer.lay_out(packed.leaving, packed.sizes);
        auto records = std::make_unique_for_overwrite<std::byte[]>(bytes_of(packed.sizes));
        for (std::size_t s = 0; s < slices.size(); ++s) packer.pack(slices[s], packed.leaving[s], records.get());
        arrivals->take_over(std::move(records), packed.sizes);
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
      packer.lay_out(packed.leaving, packed.sizes);
      bytes.resize(std::max<std::size_t>(bytes.size(), bytes_of(packed.sizes)));
      for_each_item(slices.size(), [&](std::size_t s) { packer.pack(slices[s], packed.leaving[s], bytes.data()); });
    });
    std::vector<std::uint64_t> first(ranks + 1), first_size(ranks + 1);
    for (std::size_t r = 0; r < ranks; ++r) {
      first_size[r + 1] = (r + 1) * buckets * words;
      first[r + 1] = first[r];
      for (std::size_t i = first_size[r]; i < first_size[r + 1]; i += words) first[r + 1] += packed.sizes[i];
    }
    std::unique_ptr<std::byte[]> records;
    exchange_into(comm, bytes, first, [&](std::size_t size) {
      records = std::make_unique_for_overwrite<std::byte[]>(size);
      return records.get();
    });
    arrivals->take_over(std::move(records),
                        exchange(comm, std::span<const std::uint64_t>(packed.sizes), first_size).items);
  }
  return arrivals;
}

}  // namespace ligature
