// A rank's persons with their events, a few slices a thread at a time: threads read and work on slices of their own and
// never wait for each other, and what is held does not grow with the dataset.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/parallel.hpp"
#include "engine/pseudonym.hpp"
#include "jobs/release/source.hpp"

namespace ligature {

// The columns of one dataset that are wanted, by their numbers in the reader.
struct WantedEvents {
  std::string name;
  std::vector<std::size_t> columns;
};

// The columns of /persons that are wanted.
struct WantedPersons {
  bool pseudonym = false, year_of_birth = false, sex = false, area = false, datasets = false, link_quality = false,
       id_type = false;
  void add(PersonColumn column) noexcept;
};
WantedPersons wanted_for(std::span<const PersonColumn> columns) noexcept;

// Consecutive persons.
struct Slice {
  Range persons;
  std::vector<Pseudonym> pseudonyms;
  // As in /persons; empty if not wanted.
  std::vector<std::uint64_t> year_of_birth, sex, area, datasets, link_quality, id_type;
  struct Events {
    std::vector<std::uint64_t> offsets;           // persons + 1: first row of each, and where the last one's end
    Range rows;                                   // of the dataset; those that are loaded
    std::vector<std::vector<std::byte>> columns;  // as they lie in the file, in the order wanted
  };
  std::vector<Events> events;
};

class SliceReader {
 public:
  // What a thread reads into, used again.
  struct Batch {
    std::vector<Slice> slices;
    std::uint64_t slice_persons = 0;  // that are asked for; 0: as many as a slice may have
  };

  // source and wanted must outlive the reader.
  SliceReader(const ReleaseSource& source, std::span<const WantedEvents> wanted, const WantedPersons& wanted_persons)
      : source_(source), wanted_(wanted), wanted_persons_(wanted_persons) {}

  // All functions may be called from several threads, with batches of their own.

  // The slices of persons from next on, of which only persons and offsets are known yet: a limited number of persons
  // and events together, but one person at least.  Sets next to the person after them.
  std::span<Slice> read_next(std::uint64_t& next, std::uint64_t end, Batch& batch) const;
  // Of a slice the persons, and the events of those from first to last (rows of /persons, last included).
  void load_persons(Slice& slice) const;
  void load_events(Slice& slice, std::uint64_t first, std::uint64_t last) const;

  // Calls work(slices) for the slices of persons, some neighbours at a time, from several threads.
  template <typename Work>
  void for_each_batch(Range persons, const Work& work) const {
    PerThread<Batch> batches;
    for_blocks(persons.size(), kBatchPersons, [&](std::size_t begin, std::size_t end) {
      Batch& batch = batches.local();
      for (std::uint64_t next = persons.begin + begin; next < persons.begin + end;) {
        work(read_next(next, persons.begin + end, batch));
      }
    });
  }
  // Calls work(slice) for each, its persons loaded.
  template <typename Work>
  void for_each_slice(Range persons, const Work& work) const {
    for_each_batch(persons, [&](std::span<Slice> slices) {
      for (Slice& slice : slices) {
        load_persons(slice);
        work(slice);
      }
    });
  }

 private:
  static constexpr std::uint64_t kSlicePersons = 1U << 12;
  static constexpr std::size_t kSlicesAtOnce = 16;
  static constexpr std::uint64_t kBatchPersons = kSlicesAtOnce * kSlicePersons;

  void load_offsets(Slice& slice) const;
  static std::uint64_t persons_that_fit(const Slice& slice);

  const ReleaseSource& source_;
  std::span<const WantedEvents> wanted_;
  WantedPersons wanted_persons_;
};

}  // namespace ligature
