// From slices of the dataset to records of persons, each with all that is released of them, dealt to the ranks and
// buckets that write them.
//
// A slice is gone through column by column, which puts its values into rows; then person by person, each with one copy
// of the head and one of each event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/parallel.hpp"
#include "engine/pseudonym.hpp"
#include "engine/secret_bytes.hpp"
#include "jobs/release/arrivals.hpp"

namespace ligature {

// A released person of a slice.
struct Leaving {
  Pseudonym name;
  Pseudonym seed;            // a secret of the person under the agreement's key, which shuffles the events
  std::uint32_t person = 0;  // of the slice
  std::uint32_t slot = 0;    // the rank and the bucket that get it
};

// The released persons of a slice, and of each slot their sizes (Arrivals::size_words), then where their records go.
struct LeavingSlice {
  std::vector<Leaving, WipingAllocator<Leaving>> persons;
  std::vector<std::uint64_t> sizes, at;
};

// Packs the persons of slices that belong to a round.  Its functions may be called from several threads for different
// slices.
class Packer {
 public:
  // slots: ranks times buckets.  release must outlive this.
  Packer(const Release& release, std::uint64_t slots, std::uint64_t round, std::uint64_t rounds);

  // Who of a slice is in the round, under which name.
  void name_persons(const Slice& slice, LeavingSlice& leaving) const;
  // Says where each record goes: by slot, then by slice.  sizes: of each slot, over all slices.
  void lay_out(std::span<LeavingSlice> slices, std::vector<std::uint64_t>& sizes) const;
  void pack(const Slice& slice, LeavingSlice& leaving, std::byte* bytes);

 private:
  // What is known of the persons of a slice, as rows of one width.
  struct Rows {
    std::vector<std::byte> heads;
    std::vector<std::vector<std::byte>> events;  // of each dataset: those that are loaded
    std::vector<std::uint64_t> room;
    std::vector<DatasetRow> named;
    std::vector<Pseudonym> names;
  };
  void put_heads(const Slice& slice, std::span<const Leaving> persons, Rows& rows) const;
  void put_events(const Slice& slice, std::size_t dataset, Rows& rows) const;
  void put_row_names(const Slice& slice, std::span<const Leaving> persons, std::size_t dataset, Rows& rows) const;

  const Release& release_;
  ReleasedValues values_;
  std::uint64_t slots_, round_, rounds_;
  std::vector<std::vector<DayNumber>> days_;  // of each dataset: every date as it is released
  PerThread<Rows> rows_;
};

}  // namespace ligature
