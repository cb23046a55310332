// A rank's persons with their events, a slice at a time: what is held does not grow with the dataset.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/pseudonym.hpp"
#include "jobs/release/source.hpp"

namespace ligature {

// The columns of one dataset that are wanted, by their numbers in the reader.
struct WantedEvents {
  std::string name;
  std::vector<std::size_t> columns;
};

// Consecutive persons.
struct Slice {
  Range persons;
  std::vector<Pseudonym> pseudonyms;
  std::vector<std::uint64_t> year_of_birth, sex, area, datasets, link_quality, id_type;  // as in /persons
  struct Events {
    std::vector<std::uint64_t> offsets;           // persons + 1: first row of each, and where the last one's end
    Range rows;                                   // of the dataset; those that are loaded
    std::vector<std::vector<std::byte>> columns;  // as they lie in the file, in the order wanted
  };
  std::vector<Events> events;
};

class SliceReader {
 public:
  // The arguments must outlive the reader.  pseudonyms: whether they are read.
  SliceReader(const ReleaseSource& source, std::span<const WantedEvents> wanted, Range persons, bool pseudonyms);
  // The next slice; false when there is none.
  bool next(Slice& slice);
  // The events of the persons of the slice from first to last (rows of /persons, last included).
  void load_events(Slice& slice, std::uint64_t first, std::uint64_t last) const;

 private:
  const ReleaseSource& source_;
  std::span<const WantedEvents> wanted_;
  std::uint64_t next_, end_;
  bool pseudonyms_;
};

}  // namespace ligature
