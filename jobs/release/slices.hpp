// A rank's persons with their events, a few slices at a time: they are read and worked on by all threads, and what is
// held does not grow with the dataset.
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
  // source and wanted must outlive the reader.
  SliceReader(const ReleaseSource& source, std::span<const WantedEvents> wanted, Range persons,
              const WantedPersons& wanted_persons);
  // The next slices, of which only persons and offsets are known yet: a limited number of persons and events together,
  // but one person at least.  Nothing when there are none.
  std::span<Slice> next();
  // Of a slice the persons, and the events of those from first to last (rows of /persons, last included).  Both may be
  // called from several threads for different slices.
  void load_persons(Slice& slice) const;
  void load_events(Slice& slice, std::uint64_t first, std::uint64_t last) const;

 private:
  void load_offsets(Slice& slice) const;
  static std::uint64_t persons_that_fit(const Slice& slice);

  const ReleaseSource& source_;
  std::span<const WantedEvents> wanted_;
  std::uint64_t next_, end_;
  WantedPersons wanted_persons_;
  std::uint64_t slice_persons_;  // that are asked for
  std::size_t slices_at_once_;
  std::vector<Slice> slices_;
};

// Loads all slices of some persons one after another and calls work(slice) for each, from several threads.
template <typename Work>
void for_each_slice(SliceReader&& reader, const Work& work) {
  for (std::span<Slice> slices = reader.next(); !slices.empty(); slices = reader.next()) {
    for_each_item(slices.size(), [&](std::size_t s) {
      reader.load_persons(slices[s]);
      work(slices[s]);
    });
  }
}

}  // namespace ligature
