// From slices of the dataset to records of persons, each with all that is released of them, dealt to the ranks and
// buckets that write them.
//
// A slice is gone through column by column, which puts its values into rows; then heads and events are copied to their
// places, those of persons with equally many events together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/parallel.hpp"
#include "engine/pseudonym.hpp"
#include "engine/secret_bytes.hpp"
#include "jobs/release/arrivals.hpp"

namespace ligature {

// The released persons of a slice, by columns; of each slot what is counted of them (ReleasedColumns::numbers), and
// then where that goes.
struct LeavingSlice {
  std::vector<Pseudonym> names;
  // A secret of each person under the agreement's key, which shuffles the events.
  std::vector<Pseudonym, WipingAllocator<Pseudonym>> seeds;
  std::vector<std::uint32_t> persons;  // of the slice
  std::vector<std::uint32_t> slots;    // the rank and the bucket that get each
  std::vector<std::uint64_t> counted;
  std::vector<std::byte*> next;
};

// Packs the persons of slices that belong to a round.  Its functions may be called from several threads for different
// slices.
class RecordPacker {
 public:
  // slots: ranks times buckets.  release must outlive this.
  RecordPacker(const Release& release, std::uint64_t slots, std::uint64_t round, std::uint64_t rounds);

  // Who of a slice is in the round, under which name.
  void name_persons(const Slice& slice, LeavingSlice& leaving);
  // Of each slot, over some slices; returns the bytes of their records.
  std::uint64_t count(std::span<const LeavingSlice> slices, std::vector<std::uint64_t>& counted) const;
  // Says where each record goes: by slot, then by slice.
  void lay_out(std::span<LeavingSlice> slices, std::byte* records) const;
  void pack(const Slice& slice, LeavingSlice& leaving);

 private:
  struct Naming {
    std::unique_ptr<Pseudonymiser> pseudonymiser;
    std::vector<Pseudonym> before;  // the dataset's own names
  };
  // Persons of a slice by how many events they have in a dataset.
  struct ByCount {
    static constexpr std::size_t kMost = 16;  // and more
    std::vector<std::uint32_t> persons;       // numbers in LeavingSlice
    std::vector<std::byte*> to;               // of each of LeavingSlice: where its events go
  };
  // What is known of the persons of a slice, as rows of one width.
  struct Rows {
    std::vector<std::byte> tails;                // heads without names
    std::vector<std::vector<std::byte>> events;  // of each dataset: those that are loaded
    std::vector<std::uint64_t> room;
    std::vector<DatasetRow> named;
    std::vector<Pseudonym> names;
    ByCount by_count;
  };
  void put_tails(const Slice& slice, const LeavingSlice& leaving, Rows& rows) const;
  void put_events(const Slice& slice, std::size_t dataset, Rows& rows) const;
  void copy_heads(LeavingSlice& leaving, const Rows& rows) const;
  void copy_events(const Slice& slice, LeavingSlice& leaving, std::size_t dataset, Rows& rows) const;
  void put_row_names(const Slice& slice, const LeavingSlice& leaving, std::size_t dataset, Rows& rows) const;

  const Release& release_;
  ReleasedValues values_;
  std::uint64_t slots_, round_, rounds_;
  std::vector<std::vector<DayNumber>> days_;  // of each dataset: every date as it is released
  PerThread<Naming> naming_;
  PerThread<Rows> rows_;
};

}  // namespace ligature
