// Writes the events of whole buckets: each sorted by person, then date, then content, and laid out as columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "io/dataset.hpp"
#include "io/job_file.hpp"
#include "io/spool.hpp"
#include "jobs/rebuild/event_buckets.hpp"
#include "jobs/rebuild/event_screens.hpp"
#include "jobs/rebuild/events.hpp"
#include "jobs/rebuild/persons.hpp"

namespace ligature {

class EventWriter {
 public:
  // event_bytes: of an event as it travels (event_layout.hpp).
  EventWriter(const DatasetSchema& schema, const EventTable& table, const EventBuckets& buckets, const Persons& persons,
              std::size_t event_bytes, EventDatePolicy date_policy, EventScreens& screens, DatasetWriter& writer,
              ContentDigest& digest);

  // Takes the events of all buckets of this rank out of their spools and writes them.  first_row: of the first event in
  // the dataset.  Some buckets are in memory at a time, one a thread and no fewer than a few: they are written
  // together.
  void write(std::span<Spool> spools, std::uint64_t first_row);

 private:
  // Some buckets, their events and, by column, what is written of them.
  struct Group {
    std::size_t first_bucket = 0, buckets = 0;
    std::uint64_t first_row = 0;
    std::vector<std::uint64_t> row;  // of each bucket's first event, counted from the group's first; then their number
    std::vector<std::byte> events;
    std::vector<std::byte> persons;  // the column of that name
    std::vector<std::vector<std::byte>> columns;
    std::vector<std::uint64_t> offsets;
    std::vector<EventScreens::Taken> taken;
  };
  void read_group(std::span<Spool> spools);
  void lay_out(std::size_t bucket);
  void write_group();
  void sort_by_person(std::size_t bucket, std::span<const std::byte> events, std::vector<std::uint64_t>& start,
                      std::span<std::uint32_t> order) const;
  void sort_by_date(std::span<const std::byte> events, std::span<const std::uint32_t> rows,
                    std::vector<std::uint64_t>& keys) const;
  void coarsen_dates(std::span<std::byte> events, std::span<const std::uint32_t> rows) const;
  void digest_column(std::size_t column, std::size_t width, std::size_t bucket, std::span<const std::uint64_t> start,
                     const std::byte* bytes);
  [[nodiscard]] bool is_last(std::size_t bucket) const noexcept;

  const DatasetSchema& schema_;
  const EventTable& table_;
  const EventBuckets& buckets_;
  const Persons& persons_;
  std::size_t stride_;
  EventDatePolicy date_policy_;
  EventScreens& screens_;
  DatasetWriter& writer_;
  ContentDigest& digest_;
  std::size_t date_offset_ = 0;  // 0 if events have no date
  Group group_;                  // kept, so that its memory is touched once
};

}  // namespace ligature
