#include "jobs/rebuild/events.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/counting_sort.hpp"
#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "engine/parallel.hpp"
#include "engine/release.hpp"
#include "partition/shard_map.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kBatchRows = std::uint64_t{1} << 20;
constexpr std::uint64_t kBucketBytes = std::uint64_t{16} << 20;  // is sorted in the last-level cache
constexpr std::size_t kRowsPerTask = 1U << 15;

// An event travels as the number of its person on the receiving rank, then its payload with the exact date, then, if
// the quality screens ask for it, the number of its identity.
constexpr std::size_t kPersonBytes = sizeof(std::uint32_t);

template <typename T>
T load(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <typename T>
void store(std::byte* at, T value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

// The persons of this rank cut into buckets of whole shards.
class Buckets {
 public:
  Buckets(const Persons& persons, Range shards, std::uint64_t events, std::size_t event_bytes)
      : first_person_of_shard_(shards.size() + 1, 0) {
    for (const Person& person : persons.owned)
      ++first_person_of_shard_[shard_of(person.pseudonym.high) - shards.begin + 1];
    for (std::size_t s = 0; s < shards.size(); ++s) first_person_of_shard_[s + 1] += first_person_of_shard_[s];
    const std::uint64_t wanted = 1 + events * event_bytes / kBucketBytes;
    const std::uint64_t count = std::clamp<std::uint64_t>(shards.size(), 1, wanted);
    for (std::uint64_t b = 0; b <= count; ++b) first_shard_.push_back(b * shards.size() / count);
    for (const std::size_t shard : first_shard_) first_person_.push_back(first_person_of_shard_[shard]);
  }
  [[nodiscard]] std::size_t count() const noexcept { return first_shard_.size() - 1; }
  [[nodiscard]] std::size_t bucket_of(std::uint32_t person) const noexcept {
    // Pseudonyms are spread evenly over shards, so that the guess is hardly ever off by more than one.
    std::size_t bucket = std::uint64_t{person} * count() / first_person_.back();
    while (person < first_person_[bucket]) --bucket;
    while (person >= first_person_[bucket + 1]) ++bucket;
    return bucket;
  }
  // Shards are counted from this rank's first.
  [[nodiscard]] Range shards(std::size_t bucket) const noexcept {
    return {first_shard_[bucket], first_shard_[bucket + 1]};
  }
  [[nodiscard]] Range persons(std::size_t bucket) const noexcept {
    return {first_person_[bucket], first_person_[bucket + 1]};
  }
  [[nodiscard]] std::uint64_t first_person_of_shard(std::size_t shard) const noexcept {
    return first_person_of_shard_[shard];
  }

 private:
  std::vector<std::uint64_t> first_person_of_shard_;
  std::vector<std::size_t> first_shard_;
  std::vector<std::uint64_t> first_person_;
};

// Takes this rank's rows of a dataset in batches, ready to be sent.
class EventSource {
 public:
  EventSource(const DatasetSchema& schema, const EventTable& table, RowStore& rows, const Identities& identities,
              const Persons& persons, bool with_identity)
      : schema_(schema),
        table_(table),
        rows_(rows),
        identities_(identities),
        persons_(persons),
        with_identity_(with_identity) {}

  [[nodiscard]] std::size_t event_bytes() const noexcept {
    return kPersonBytes + schema_.payload_bytes + (with_identity_ ? sizeof(IdentityId) : 0);
  }
  [[nodiscard]] bool exhausted() const noexcept { return block_ == rows_.blocks().size(); }

  // Fills events by destination rank; first has ranks + 1 byte offsets.  Returns the number of rows.
  std::uint64_t next_batch(int ranks, std::vector<std::byte>& events, std::vector<std::uint64_t>& first) {
    addresses_.clear();
    payload_.clear();
    while (!exhausted() && addresses_.size() < kBatchRows) {
      const StoredBlock& block = rows_.blocks()[block_++];
      if (block.dataset != table_.dataset || block.rows == 0) continue;
      const std::size_t at = addresses_.size();
      addresses_.resize(at + block.rows);
      rows_.read_payload(block, block_payload_);
      payload_.insert(payload_.end(), block_payload_.begin(), block_payload_.end());
      for_blocks(block.rows, kRowsPerTask, [&](std::size_t begin, std::size_t end) {
        for (std::size_t row = begin; row < end; ++row) addresses_[at + row] = address_of(block.first_row + row);
      });
    }
    SortPlan plan = plan_sort(addresses_.size(), static_cast<std::size_t>(ranks),
                              [&](std::size_t row) { return addresses_[row].rank; });
    events.resize(addresses_.size() * event_bytes());
    for_blocks(addresses_.size(), plan.grain, [&](std::size_t begin, std::size_t end) {
      std::uint64_t* const next = plan.cursors_of(begin);
      for (std::size_t row = begin; row < end; ++row) {
        make_event(row, events.data() + next[addresses_[row].rank]++ * event_bytes());
      }
    });
    first = std::move(plan.first);
    for (std::uint64_t& offset : first) offset *= event_bytes();
    return addresses_.size();
  }

 private:
  struct Address {
    std::uint32_t rank = 0;
    std::uint32_t person = 0;  // of that rank
    std::uint32_t local = 0;   // different identity of this rank
  };

  [[nodiscard]] Address address_of(std::uint64_t row) const {
    const std::uint32_t local = identities_.local_of_row[row];
    const std::uint64_t person = persons_.of_local[local];
    const auto rank = static_cast<std::uint32_t>(persons_.owner(person));
    return {rank, static_cast<std::uint32_t>(person - persons_.first_row_of_rank[rank]), local};
  }

  void make_event(std::size_t row, std::byte* event) const {
    const Address& address = addresses_[row];
    store(event, address.person);
    std::byte* out = event + kPersonBytes;
    if (schema_.payload_bytes == 0) return;  // the extract keeps no column: there is no payload to point to
    std::memcpy(out, payload_.data() + row * schema_.payload_bytes, schema_.payload_bytes);
    for (std::size_t f = 0; f < schema_.fields.size(); ++f) {
      const PayloadField& field = schema_.fields[f];
      if (field.type == ColumnType::category) {
        const auto code = load<std::uint32_t>(out + field.offset);
        if (code != kMissingCategory) store(out + field.offset, table_.recode[f][code]);
      }
    }
    if (with_identity_) store(out + schema_.payload_bytes, persons_.id_of_local[address.local]);
  }

  const DatasetSchema& schema_;
  const EventTable& table_;
  RowStore& rows_;
  const Identities& identities_;
  const Persons& persons_;
  bool with_identity_;
  std::size_t block_ = 0;
  // Of the batch; kept, so that their memory is touched once.
  std::vector<Address> addresses_;
  std::vector<std::byte> payload_, block_payload_;
};

// Copies a field of every event: a column from rows that lie in order.
template <typename T>
void copy_column(std::span<const std::byte> events, std::size_t stride, std::size_t offset, std::byte* column) {
  const std::size_t rows = events.size() / stride;
  const std::byte* from = events.data() + offset;
  for (std::size_t row = 0; row < rows; ++row, from += stride) std::memcpy(column + row * sizeof(T), from, sizeof(T));
}

void copy_column(std::span<const std::byte> events, std::size_t stride, std::size_t offset, std::size_t width,
                 std::byte* column) {
  switch (width) {
    case 1:
      return copy_column<std::uint8_t>(events, stride, offset, column);
    case 2:
      return copy_column<std::uint16_t>(events, stride, offset, column);
    case 4:
      return copy_column<std::uint32_t>(events, stride, offset, column);
    default:
      return copy_column<std::uint64_t>(events, stride, offset, column);
  }
}

// Sorts the events of one person by date, then content.  They are few and short: they move themselves.
class EventSorter {
 public:
  // date_offset: 0 if events have no date.
  EventSorter(std::size_t stride, std::size_t date_offset, std::size_t payload_bytes)
      : stride_(stride), date_offset_(date_offset), payload_bytes_(payload_bytes) {}

  void sort(std::span<std::byte> events) {
    const std::size_t count = events.size() / stride_;
    const auto at = [&](std::uint32_t i) { return events.data() + i * stride_; };
    const auto earlier = [&](std::uint32_t x, std::uint32_t y) { return is_earlier(at(x), at(y)); };
    order_.resize(count);
    for (std::size_t i = 0; i < count; ++i) order_[i] = static_cast<std::uint32_t>(i);
    if (std::is_sorted(order_.begin(), order_.end(), earlier)) return;
    std::sort(order_.begin(), order_.end(), earlier);
    unsorted_.assign(events.begin(), events.end());
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(events.data() + i * stride_, unsorted_.data() + order_[i] * stride_, stride_);
    }
  }

 private:
  [[nodiscard]] bool is_earlier(const std::byte* a, const std::byte* b) const noexcept {
    if (date_offset_ != 0) {
      const auto date_a = load<DayNumber>(a + date_offset_), date_b = load<DayNumber>(b + date_offset_);
      if (date_a != date_b) return date_a < date_b;
    }
    return std::memcmp(a + kPersonBytes, b + kPersonBytes, payload_bytes_) < 0;
  }

  std::size_t stride_, date_offset_, payload_bytes_;
  std::vector<std::uint32_t> order_;
  std::vector<std::byte> unsorted_;
};

// The events of one bucket, sorted by person, then date, then content, and written as columns.
class BucketWriter {
 public:
  BucketWriter(const DatasetSchema& schema, const EventTable& table, const Persons& persons, std::size_t event_bytes,
               EventDatePolicy date_policy, EventScreens& screens, DatasetWriter& writer, ContentDigest& digest)
      : schema_(schema),
        table_(table),
        persons_(persons),
        event_bytes_(event_bytes),
        date_policy_(date_policy),
        screens_(screens),
        writer_(writer),
        digest_(digest) {
    for (const PayloadField& field : schema.fields) {
      if (field.role == PayloadField::Role::event_date) date_offset_ = kPersonBytes + field.offset;
    }
  }

  // events: of this bucket's persons, in any order.  first_row: row of the bucket's first event in the dataset.
  // Events move to their place, so that nothing after that is gathered.
  void write(const Buckets& buckets, std::size_t bucket, Range own_shards, std::span<const std::byte> events,
             std::uint64_t first_row) {
    const std::size_t stride = event_bytes_;
    const std::uint64_t rows = events.size() / stride;
    const Range people = buckets.persons(bucket);
    const auto person_of = [&](std::uint64_t row) {
      return load<std::uint32_t>(events.data() + row * stride) - people.begin;
    };
    std::vector<std::uint64_t> start(people.size() + 1, 0);
    for (std::uint64_t row = 0; row < rows; ++row) ++start[person_of(row) + 1];
    for (std::uint64_t p = 0; p < people.size(); ++p) start[p + 1] += start[p];
    sorted_.resize(events.size());
    {
      std::vector<std::uint64_t> next(start.begin(), start.end() - 1);
      for (std::uint64_t row = 0; row < rows; ++row) {
        std::memcpy(sorted_.data() + next[person_of(row)]++ * stride, events.data() + row * stride, stride);
      }
    }
    // The screens see exact dates; the order of what is published must not tell more than its dates do.
    for (std::size_t row = order_.size(); row < rows; ++row) order_.push_back(static_cast<std::uint32_t>(row));
    screens_.take(table_.dataset, {sorted_, stride, kPersonBytes, people.begin, start, std::span(order_).first(rows)});
    coarsen_dates(sorted_);
    for_blocks(people.size(), kRowsPerTask, [&](std::size_t begin, std::size_t end) {
      EventSorter sorter(stride, date_offset_, schema_.payload_bytes);
      for (std::size_t p = begin; p < end; ++p) {
        sorter.sort(std::span(sorted_).subspan(start[p] * stride, (start[p + 1] - start[p]) * stride));
      }
    });

    write_persons_and_offsets(buckets, bucket, own_shards, start, first_row);
    for (const EventColumn& out : table_.columns) {
      const std::size_t width = stored_bytes(out.type);
      column_.resize(rows * width);
      for_blocks(rows, kRowsPerTask, [&](std::size_t begin, std::size_t end) {
        // Little-endian: the low bytes of a code come first, and a missing code (all ones) stays all ones.
        copy_column(std::span(sorted_).subspan(begin * stride, (end - begin) * stride), stride,
                    kPersonBytes + out.offset, width, column_.data() + begin * width);
      });
      emit(out.column, width, buckets, bucket, own_shards, start, first_row, column_);
    }
  }

 private:
  void coarsen_dates(std::span<std::byte> events) const {
    if (date_offset_ == 0 || date_policy_ == EventDatePolicy::day) return;
    for_blocks(events.size() / event_bytes_, kRowsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) {
        std::byte* at = events.data() + row * event_bytes_ + date_offset_;
        store(at, coarsened(load<DayNumber>(at), date_policy_));
      }
    });
  }

  void write_persons_and_offsets(const Buckets& buckets, std::size_t bucket, Range own_shards,
                                 std::span<const std::uint64_t> start, std::uint64_t first_row) {
    const Range people = buckets.persons(bucket);
    const std::size_t width = stored_bytes(table_.person_type);
    column_.resize(start.back() * width);
    for_blocks(people.size(), kRowsPerTask, [&](std::size_t begin, std::size_t end) {
      for (std::size_t p = begin; p < end; ++p) {
        const std::uint64_t person = persons_.first_row + people.begin + p;
        for (std::uint64_t row = start[p]; row < start[p + 1]; ++row) {
          std::memcpy(column_.data() + row * width, &person, width);
        }
      }
    });
    emit(table_.person_column, width, buckets, bucket, own_shards, start, first_row, column_);

    // One offset a person, and after the last person of all the number of rows.
    const bool last = own_shards.end == kShards && buckets.shards(bucket).end == own_shards.size();
    std::vector<std::uint64_t> offsets;
    offsets.reserve(people.size() + 1);
    for (std::uint64_t p = 0; p < people.size() + (last ? 1 : 0); ++p) offsets.push_back(first_row + start[p]);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(offsets));
    writer_.write(table_.offsets_column, persons_.first_row + people.begin, bytes);
    const Range shards = buckets.shards(bucket);
    for (std::uint64_t s = shards.begin; s < shards.end; ++s) {
      const std::uint64_t begin = buckets.first_person_of_shard(s) - people.begin;
      std::uint64_t end = buckets.first_person_of_shard(s + 1) - people.begin;
      if (last && s + 1 == shards.end) ++end;
      digest_.set(table_.offsets_column, static_cast<ShardId>(own_shards.begin + s),
                  bytes.subspan(begin * sizeof(std::uint64_t), (end - begin) * sizeof(std::uint64_t)));
    }
  }

  // Writes a column's rows of the bucket and digests them shard by shard.
  void emit(std::size_t column, std::size_t width, const Buckets& buckets, std::size_t bucket, Range own_shards,
            std::span<const std::uint64_t> start, std::uint64_t first_row, std::span<const std::byte> bytes) {
    writer_.write(column, first_row, bytes);
    const Range people = buckets.persons(bucket), shards = buckets.shards(bucket);
    for_each_item(shards.size(), [&](std::size_t s) {
      const std::uint64_t begin = start[buckets.first_person_of_shard(shards.begin + s) - people.begin];
      const std::uint64_t end = start[buckets.first_person_of_shard(shards.begin + s + 1) - people.begin];
      digest_.set(column, static_cast<ShardId>(own_shards.begin + shards.begin + s),
                  bytes.subspan(begin * width, (end - begin) * width));
    });
  }

  const DatasetSchema& schema_;
  const EventTable& table_;
  const Persons& persons_;
  std::size_t event_bytes_;
  EventDatePolicy date_policy_;
  EventScreens& screens_;
  DatasetWriter& writer_;
  ContentDigest& digest_;
  std::size_t date_offset_ = 0;
  // Of one bucket; kept, so that their memory is touched once.
  std::vector<std::byte> sorted_, column_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

void publish_events(const Communicator& comm, const JobFile& job, const Inputs& inputs, const EventTable& table,
                    RowStore& rows, const Identities& identities, const Persons& persons, EventScreens& screens,
                    SpoolBudget& budget, DatasetWriter& writer, ContentDigest& digest,
                    const std::function<void(std::uint64_t)>& progress) {
  const DatasetSchema& schema = inputs.datasets[table.dataset];
  const Range own_shards = ShardMap(comm.size()).shards_of(comm.rank());
  EventSource source(schema, table, rows, identities, persons, screens.compares_rows(table.dataset));
  const std::size_t stride = source.event_bytes();
  const Buckets buckets(persons, own_shards, table.rows / static_cast<std::uint64_t>(comm.size()), stride);
  std::vector<Spool> spools;
  spools.reserve(buckets.count());
  for (std::size_t b = 0; b < buckets.count(); ++b) spools.emplace_back(job.secure / "scratch", budget);

  std::vector<std::byte> send, received, by_bucket;
  std::vector<std::uint64_t> send_first;
  while (comm.any(!source.exhausted())) {
    progress(source.next_batch(comm.size(), send, send_first));
    exchange_into(comm, send, send_first, [&](std::size_t bytes) {
      received.resize(bytes);
      return received.data();
    });
    const auto event = [&](std::size_t i) { return received.data() + i * stride; };
    const auto bucket_of = [&](std::size_t i) { return buckets.bucket_of(load<std::uint32_t>(event(i))); };
    SortPlan plan = plan_sort(received.size() / stride, buckets.count(), bucket_of);
    by_bucket.resize(received.size());
    for_blocks(received.size() / stride, plan.grain, [&](std::size_t begin, std::size_t end) {
      std::uint64_t* const next = plan.cursors_of(begin);
      for (std::size_t i = begin; i < end; ++i) {
        std::memcpy(by_bucket.data() + next[bucket_of(i)]++ * stride, event(i), stride);
      }
    });
    for (std::size_t b = 0; b < buckets.count(); ++b) {
      spools[b].append(
          std::span(by_bucket).subspan(plan.first[b] * stride, (plan.first[b + 1] - plan.first[b]) * stride));
    }
  }
  release(send);
  release(received);
  release(by_bucket);

  std::uint64_t local_rows = 0;
  for (const Spool& spool : spools) local_rows += spool.size() / stride;
  std::uint64_t row = comm.exclusive_sum(local_rows);
  if (comm.sum(local_rows) != table.rows) throw Error("rows were lost on the way to their persons");
  BucketWriter bucket_writer(schema, table, persons, stride, job.event_date, screens, writer, digest);
  std::vector<std::byte> events;
  for (std::size_t b = 0; b < spools.size(); ++b) {
    events.resize(spools[b].size());
    spools[b].read(events);
    spools[b].clear();
    bucket_writer.write(buckets, b, own_shards, events, row);
    row += events.size() / stride;
  }
}

}  // namespace ligature
