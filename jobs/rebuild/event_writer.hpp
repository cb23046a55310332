// Writes the events of whole buckets: each sorted by person, then date, then content, and laid out as columns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/raw_vector.hpp"
#include "io/background.hpp"
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
  EventWriter(const EventBuckets& buckets, const Persons& persons, EventDatePolicy date_policy, EventScreens& screens,
              DatasetWriter& writer, ContentDigest& digest);

  // Takes the events of all buckets of this rank out of their spools and writes them, the last of them while the caller
  // goes on.  schema, table: of a dataset; must last until finish().  event_bytes: of an event as it travels
  // (event_layout.hpp).  first_row: of the first event in the dataset.  Some buckets are in memory at a time, one a
  // thread and no fewer than a few: they are written together, while the next are laid out.
  void write(const DatasetSchema& schema, const EventTable& table, std::size_t event_bytes, std::span<Spool> spools,
             std::uint64_t first_row);
  // Waits for what is being written.  Throws what that met.
  void finish() { writing_.wait(); }

 private:
  // What is written of some buckets.
  struct Columns {
    std::uint64_t first_row = 0, first_person = 0;  // the latter of this rank
    RawVector<std::byte> persons;                   // the column of that name
    std::vector<RawVector<std::byte>> others;
    RawVector<std::uint64_t> offsets;
  };
  // Some buckets and their events.
  struct Group {
    std::size_t first_bucket = 0, buckets = 0;
    std::vector<std::uint64_t> row;  // of each bucket's first event, counted from the group's first; then their number
    RawVector<std::byte> events;
    std::vector<EventScreens::Taken> taken;
  };
  void read_group(std::span<Spool> spools, Columns& columns);
  void lay_out(std::size_t bucket, Columns& columns);
  void write_columns(const EventTable& table, const Columns& columns);
  void sort_by_person(std::size_t bucket, std::span<const std::byte> events, std::vector<std::uint64_t>& start,
                      std::span<std::uint32_t> order) const;
  void sort_by_date(std::span<const std::byte> events, std::span<const std::uint32_t> rows,
                    std::vector<std::uint64_t>& keys) const;
  void coarsen_dates(std::span<std::byte> events, std::span<const std::uint32_t> rows) const;
  void digest_column(std::size_t column, std::size_t width, std::size_t bucket, std::span<const std::uint64_t> start,
                     const std::byte* bytes);
  [[nodiscard]] bool is_last(std::size_t bucket) const noexcept;

  const EventBuckets& buckets_;
  const Persons& persons_;
  EventDatePolicy date_policy_;
  EventScreens& screens_;
  DatasetWriter& writer_;
  ContentDigest& digest_;
  // Of the dataset that is written.
  const DatasetSchema* schema_ = nullptr;
  const EventTable* table_ = nullptr;
  std::size_t stride_ = 0;
  std::size_t date_offset_ = 0;  // 0 if events have no date
  Group group_;
  std::array<Columns, 2> columns_;  // that are laid out, and that are written, in turn
  std::size_t turn_ = 0;
  Background writing_;  // last: it ends before what it uses
};

}  // namespace ligature
