// Events to their persons: rows of one dataset travel to the rank of their person and are laid out person by person.
//
// Rows are taken from the store in batches, so at most a batch is under way, and are dealt to buckets of whole person
// shards before they are sent (event_buckets.hpp).  On arrival buckets are kept in memory, or on scratch beyond the
// budget; then each is sorted by itself (event_writer.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "io/dataset.hpp"
#include "io/job_file.hpp"
#include "io/row_store.hpp"
#include "io/spool.hpp"
#include "jobs/rebuild/dictionaries.hpp"
#include "jobs/rebuild/event_buckets.hpp"
#include "jobs/rebuild/event_screens.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/persons.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// One published column of a dataset's events.
struct EventColumn {
  std::size_t column = 0;  // index into the writer's columns
  StoredType type = StoredType::u8;
  std::uint32_t offset = 0;  // in the payload
};

// Where one dataset's events go in the file.
struct EventTable {
  std::uint32_t dataset = 0;
  std::uint64_t rows = 0;  // over all ranks
  std::size_t person_column = 0, offsets_column = 0;
  StoredType person_type = StoredType::u32;
  std::vector<EventColumn> columns;
  // By payload field; the recoding of category codes.  Empty for other fields.
  std::vector<std::vector<std::uint32_t>> recode;
};

// Where the rows of each different identity of this rank go.
struct EventRoutes {
  // Collective.  Takes persons.of_local, whose entries become places.  event_bytes: as for EventBuckets.
  EventRoutes(const Communicator& comm, Persons& persons, std::uint64_t event_bytes);
  EventBuckets buckets;
  RawVector<std::uint64_t> place_of_local;  // EventPlace::packed
  const RawVector<IdentityId>& id_of_local;
};

class EventWriter;

// Collective.  Routes the events of one dataset, and hands them to their writer, whose finish() is left to the caller.
// Throws Error if a row is lost on the way.
void publish_events(const Communicator& comm, const JobFile& job, const Inputs& inputs, const EventTable& table,
                    RowStore& rows, const Identities& identities, const EventRoutes& routes,
                    const EventScreens& screens, SpoolBudget& budget, EventWriter& writer,
                    const std::function<void(std::uint64_t)>& progress);

}  // namespace ligature
