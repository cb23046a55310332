#include "jobs/rebuild/events.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "engine/counting_sort.hpp"
#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/release.hpp"
#include "jobs/rebuild/event_layout.hpp"
#include "jobs/rebuild/event_writer.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kLeastBatchRows = std::uint64_t{1} << 16, kMostBatchRows = std::uint64_t{1} << 19;
constexpr std::uint64_t kTimesHeld = 3;  // an event of the batch: as it was read, as it is sent, as it came
constexpr std::size_t kRowsPerTask = 1U << 14;
constexpr std::size_t kSpoolsPerTask = 4;
constexpr std::size_t kAhead = 16;  // rows whose place is fetched before it is asked for

// What a rank sends to another in a round: how many events each bucket of the other gets, then the events by bucket.
using EventCount = std::uint64_t;

// Takes this rank's rows of a dataset in batches, ready to be sent.
class EventSource {
 public:
  EventSource(const DatasetSchema& schema, const EventTable& table, RowStore& rows, const Identities& identities,
              const EventRoutes& routes, bool with_identity, std::uint64_t memory)
      : schema_(schema),
        table_(table),
        rows_(rows),
        identities_(identities),
        routes_(routes),
        with_identity_(with_identity),
        batch_rows_(std::clamp(memory / (kTimesHeld * event_bytes()), kLeastBatchRows, kMostBatchRows)) {}

  [[nodiscard]] std::size_t event_bytes() const noexcept {
    return kEventPersonBytes + schema_.payload_bytes + (with_identity_ ? sizeof(IdentityId) : 0);
  }
  [[nodiscard]] bool exhausted() const noexcept { return block_ == rows_.blocks().size(); }

  // Fills send by destination rank; first has ranks + 1 byte offsets.  Returns the number of rows.
  std::uint64_t next_batch(std::size_t ranks, std::vector<std::byte>& send, std::vector<std::uint64_t>& first) {
    read_rows();
    const EventBuckets& buckets = routes_.buckets;
    SortPlan plan = plan_sort(places_.size(), buckets.total(), [&](std::size_t row) { return places_[row].bucket(); });
    // Before the events of a bucket lie the counts of its rank and of all ranks before it.
    std::vector<std::uint64_t> counts_before(buckets.total());
    first.assign(1, 0);
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const Range own = buckets.of_rank(rank);
      for (std::uint64_t b = own.begin; b < own.end; ++b) counts_before[b] = own.end * sizeof(EventCount);
      first.push_back(own.end * sizeof(EventCount) + plan.first[own.end] * event_bytes());
    }
    send.resize(first.back());
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      std::byte* at = send.data() + first[rank];
      const Range own = buckets.of_rank(rank);
      for (std::uint64_t b = own.begin; b < own.end; ++b, at += sizeof(EventCount)) {
        store_to(at, EventCount{plan.first[b + 1] - plan.first[b]});
      }
    }
    for_blocks(places_.size(), plan.grain, [&](std::size_t begin, std::size_t end) {
      std::uint64_t* const next = plan.cursors_of(begin);
      for (std::size_t row = begin; row < end; ++row) {
        const std::uint32_t bucket = places_[row].bucket();
        put_event(row, send.data() + counts_before[bucket] + next[bucket]++ * event_bytes());
      }
    });
    return places_.size();
  }

 private:
  // Some rows of a block, and their place in the batch.
  struct Piece {
    const StoredBlock* block = nullptr;
    std::size_t begin = 0, rows = 0;
    std::size_t at = 0;
  };

  // The rows of some blocks: their places, and their payloads with the codes of the dataset's dictionaries.
  void read_rows() {
    const std::size_t width = schema_.payload_bytes;
    std::vector<Piece> blocks, pieces;
    std::size_t rows = 0;
    while (!exhausted() && rows < batch_rows_) {
      const StoredBlock& block = rows_.blocks()[block_++];
      if (block.dataset != table_.dataset || block.rows == 0) continue;
      blocks.push_back({&block, 0, block.rows, rows});
      for (std::size_t begin = 0; begin < block.rows; begin += kRowsPerTask) {
        pieces.push_back({&block, begin, std::min<std::size_t>(block.rows - begin, kRowsPerTask), rows + begin});
      }
      rows += block.rows;
    }
    places_.resize(rows);
    if (with_identity_) local_.resize(rows);
    payload_.resize(std::max(payload_.size(), rows * width));
    for_each_item(blocks.size(), [&](std::size_t b) { read_payload(blocks[b], width); });
    for_each_item(pieces.size(), [&](std::size_t p) {
      const auto& [block, begin, count, at] = pieces[p];
      const auto local = std::span(identities_.local_of_row).subspan(block->first_row + begin, count);
      for (std::size_t row = 0; row < count; ++row) {
        __builtin_prefetch(&routes_.place_of_local[local[std::min(row + kAhead, count - 1)]]);
        places_[at + row] = EventPlace(routes_.place_of_local[local[row]]);
      }
      recode(payload_.data() + at * width, count);
      if (with_identity_) std::copy(local.begin(), local.end(), local_.begin() + static_cast<std::ptrdiff_t>(at));
    });
  }

  // A whole block's payload to its place.  Where rows were dropped there is no room for them.
  void read_payload(const Piece& of, std::size_t width) {
    const auto place = std::span(payload_).subspan(of.at * width, of.rows * width);
    if (of.block->dropped.empty()) return rows_.read_payload(*of.block, place);
    std::vector<std::byte> kept;
    rows_.read_payload(*of.block, kept);
    std::copy(kept.begin(), kept.end(), place.begin());
  }

  void recode(std::byte* payload, std::size_t rows) const {
    for (std::size_t f = 0; f < schema_.fields.size(); ++f) {
      if (schema_.fields[f].type != ColumnType::category) continue;
      const std::vector<std::uint32_t>& codes = table_.recode[f];
      std::byte* at = payload + schema_.fields[f].offset;
      for (std::size_t row = 0; row < rows; ++row, at += schema_.payload_bytes) {
        const auto code = load_from<std::uint32_t>(at);
        if (code != kMissingCategory) store_to(at, codes[code]);
      }
    }
  }

  void put_event(std::size_t row, std::byte* event) const {
    store_to(event, places_[row].person());
    const std::size_t bytes = schema_.payload_bytes;
    copy_few(event + kEventPersonBytes, payload_.data() + row * bytes, bytes);
    if (with_identity_) store_to(event + kEventPersonBytes + bytes, routes_.id_of_local[local_[row]]);
  }

  const DatasetSchema& schema_;
  const EventTable& table_;
  RowStore& rows_;
  const Identities& identities_;
  const EventRoutes& routes_;
  bool with_identity_;
  std::uint64_t batch_rows_;
  std::size_t block_ = 0;
  // Of the batch; kept, so that their memory is touched once.
  std::vector<EventPlace> places_;
  std::vector<std::byte> payload_;    // may be longer than the batch
  std::vector<std::uint32_t> local_;  // different identities of this rank; only with_identity
};

// Appends what came from one rank to the spools of this rank's buckets.
void deal(std::span<const std::byte> received, std::size_t event_bytes, std::span<Spool> spools) {
  std::vector<std::uint64_t> first(1, spools.size() * sizeof(EventCount));
  for (std::size_t b = 0; b < spools.size(); ++b) {
    first.push_back(first.back() + load_from<EventCount>(received.data() + b * sizeof(EventCount)) * event_bytes);
  }
  if (first.back() > received.size()) throw Error("fewer events came than were sent");
  for_blocks(spools.size(), kSpoolsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t b = begin; b < end; ++b) spools[b].append(received.subspan(first[b], first[b + 1] - first[b]));
  });
}

}  // namespace

EventRoutes::EventRoutes(const Communicator& comm, Persons& persons, std::uint64_t event_bytes)
    : buckets(comm, persons, event_bytes),
      place_of_local(std::move(persons.of_local)),
      id_of_local(persons.id_of_local) {
  const std::uint64_t total = persons.total();
  for_blocks(place_of_local.size(), kRowsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (place_of_local[i] >= total) continue;  // of a suppressed identity, which no row has
      place_of_local[i] = buckets.place_of(place_of_local[i]).packed();
    }
  });
}

void publish_events(const Communicator& comm, const JobFile& job, const Inputs& inputs, const EventTable& table,
                    RowStore& rows, const Identities& identities, const EventRoutes& routes,
                    const EventScreens& screens, SpoolBudget& budget, EventWriter& writer,
                    const std::function<void(std::uint64_t)>& progress) {
  const DatasetSchema& schema = inputs.datasets[table.dataset];
  EventSource source(schema, table, rows, identities, routes, screens.compares_rows(table.dataset), budget.bytes());
  const std::size_t stride = source.event_bytes();
  std::vector<Spool> spools;
  spools.reserve(routes.buckets.count());
  for (std::size_t b = 0; b < routes.buckets.count(); ++b) spools.emplace_back(job.secure / "scratch", budget);

  std::vector<std::byte> send, received;
  std::vector<std::uint64_t> send_first;
  while (comm.any(!source.exhausted())) {
    progress(source.next_batch(static_cast<std::size_t>(comm.size()), send, send_first));
    const std::vector<std::uint64_t> first = exchange_into(
        comm, send, send_first,
        [&](std::size_t bytes) {
          received.resize(bytes);
          return received.data();
        },
        OwnPart::left);
    for (std::size_t rank = 0; rank + 1 < first.size(); ++rank) {
      const bool is_own = rank == static_cast<std::size_t>(comm.rank());
      const auto from = is_own ? std::span(send).subspan(send_first[rank], send_first[rank + 1] - send_first[rank])
                               : std::span(received).subspan(first[rank], first[rank + 1] - first[rank]);
      deal(from, stride, spools);
    }
  }
  release(send);
  release(received);

  std::uint64_t local_rows = 0;
  for (const Spool& spool : spools) local_rows += spool.size() / stride;
  const std::uint64_t first_row = comm.exclusive_sum(local_rows);
  if (comm.sum(local_rows) != table.rows) throw Error("rows were lost on the way to their persons");
  writer.write(schema, table, stride, spools, first_row);
}

}  // namespace ligature
