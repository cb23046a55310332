#include "jobs/rebuild/event_writer.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "engine/parallel.hpp"
#include "jobs/rebuild/event_layout.hpp"

namespace ligature {

namespace {

constexpr std::size_t kFewestBucketsOfGroup = 8;
constexpr std::size_t kFewEvents = 32;    // of a person: sorted by insertion
constexpr std::size_t kEventsAhead = 16;  // are fetched before their person's turn
constexpr std::uint64_t kRowOfKey = 0xFFFFFFFFU;

// Copies a field of every event: a column from rows that lie in order.
template <typename T>
void copy_column(const std::byte* from, std::size_t stride, std::size_t rows, std::byte* column) {
  for (std::size_t row = 0; row < rows; ++row, from += stride) std::memcpy(column + row * sizeof(T), from, sizeof(T));
}

// Little-endian: the low bytes of a code come first, and a missing code (all ones) stays all ones.
void copy_column(const std::byte* from, std::size_t stride, std::size_t rows, std::size_t width, std::byte* column) {
  switch (width) {
    case 1:
      return copy_column<std::uint8_t>(from, stride, rows, column);
    case 2:
      return copy_column<std::uint16_t>(from, stride, rows, column);
    case 4:
      return copy_column<std::uint32_t>(from, stride, rows, column);
    default:
      return copy_column<std::uint64_t>(from, stride, rows, column);
  }
}

// start: of each person's rows, then their number.  first_person: row of /persons of the first.
template <typename T>
void fill_persons(std::span<const std::uint64_t> start, std::uint64_t first_person, std::byte* column) {
  for (std::size_t p = 0; p + 1 < start.size(); ++p) {
    const auto person = static_cast<T>(first_person + p);
    for (std::uint64_t row = start[p]; row < start[p + 1]; ++row) store_to(column + row * sizeof(T), person);
  }
}

}  // namespace

EventWriter::EventWriter(const EventBuckets& buckets, const Persons& persons, EventDatePolicy date_policy,
                         EventScreens& screens, DatasetWriter& writer, ContentDigest& digest)
    : buckets_(buckets),
      persons_(persons),
      date_policy_(date_policy),
      screens_(screens),
      writer_(writer),
      digest_(digest) {}

void EventWriter::write(const DatasetSchema& schema, const EventTable& table, std::size_t event_bytes,
                        std::span<Spool> spools, std::uint64_t first_row) {
  schema_ = &schema;
  table_ = &table;
  stride_ = event_bytes;
  date_offset_ = 0;
  for (const PayloadField& field : schema.fields) {
    if (field.role == PayloadField::Role::event_date) date_offset_ = kEventPersonBytes + field.offset;
  }
  const std::size_t at_once = std::max(kFewestBucketsOfGroup, static_cast<std::size_t>(num_threads()));
  for (std::size_t begin = 0; begin < spools.size(); begin += at_once) {
    Columns& columns = columns_[turn_++ % columns_.size()];
    group_.first_bucket = begin;
    group_.buckets = std::min(at_once, spools.size() - begin);
    columns.first_row = first_row;
    columns.first_person = buckets_.persons(begin).begin;
    read_group(spools.subspan(begin, group_.buckets), columns);
    for_each_item(group_.buckets, [&](std::size_t b) { lay_out(b, columns); });
    for (const EventScreens::Taken& taken : group_.taken) screens_.keep(table.dataset, taken);
    first_row += group_.row.back();
    writing_.run([this, &table, &columns] {
      write_columns(table, columns);
      columns = {};
    });
  }
  group_ = {};  // what comes until the next dataset is written needs the room
}

void EventWriter::read_group(std::span<Spool> spools, Columns& columns) {
  group_.row.assign(1, 0);
  for (const Spool& spool : spools) group_.row.push_back(group_.row.back() + spool.size() / stride_);
  const std::uint64_t rows = group_.row.back();
  group_.events.resize(rows * stride_);
  for_each_item(spools.size(), [&](std::size_t b) {
    const std::uint64_t begin = group_.row[b] * stride_, bytes = spools[b].size();
    spools[b].read(std::span(group_.events).subspan(begin, bytes));
    spools[b].clear();
  });
  columns.persons.resize(rows * stored_bytes(table_->person_type));
  columns.others.resize(table_->columns.size());
  for (std::size_t c = 0; c < table_->columns.size(); ++c) {
    columns.others[c].resize(rows * stored_bytes(table_->columns[c].type));
  }
  // One offset a person, and after the last person of all the number of rows.
  const std::size_t last = group_.first_bucket + group_.buckets - 1;
  columns.offsets.resize(buckets_.persons(last).end - columns.first_person + (is_last(last) ? 1 : 0));
  group_.taken.assign(group_.buckets, {});
}

bool EventWriter::is_last(std::size_t bucket) const noexcept {
  return buckets_.shards(bucket).end == kShards && bucket + 1 == buckets_.count();
}

// The bucket's events move once, to the places that their order gives them: person by person, so that what a person's
// are read for is read while they are in the first-level cache.
void EventWriter::lay_out(std::size_t index, Columns& columns) {
  const std::size_t bucket = group_.first_bucket + index;
  const std::uint64_t first = group_.row[index], rows = group_.row[index + 1] - first;
  const std::span<std::byte> events = std::span(group_.events).subspan(first * stride_, rows * stride_);
  const Range people = buckets_.persons(bucket);
  std::vector<std::uint64_t> start;
  std::vector<std::uint32_t> order(rows);
  sort_by_person(bucket, events, start, order);
  const auto sorted = std::make_unique_for_overwrite<std::byte[]>(rows * stride_);
  std::byte* to = sorted.get();
  std::vector<std::uint64_t> keys;
  for (std::size_t p = 0; p < people.size(); ++p) {
    const auto own = std::span<const std::uint32_t>(order).subspan(start[p], start[p + 1] - start[p]);
    const std::size_t ahead = std::min(start[p] + kEventsAhead, order.size());
    for (const std::uint32_t row : std::span(order).subspan(ahead, std::min(own.size(), order.size() - ahead))) {
      __builtin_prefetch(events.data() + row * stride_);
    }
    // The screens see exact dates; the order of what is published must not tell more than its dates do.
    screens_.examine(table_->dataset,
                     {events, stride_, kEventPersonBytes, static_cast<std::uint32_t>(people.begin + p), own},
                     group_.taken[index]);
    coarsen_dates(events, own);
    sort_by_date(events, own, keys);
    for (const std::uint64_t key : keys) {
      copy_few(to, events.data() + (key & kRowOfKey) * stride_, stride_);
      to += stride_;
    }
  }

  const std::size_t person_width = stored_bytes(table_->person_type);
  std::byte* const persons = columns.persons.data() + first * person_width;
  const auto fill = person_width == sizeof(std::uint32_t) ? fill_persons<std::uint32_t> : fill_persons<std::uint64_t>;
  fill(start, persons_.first_row + people.begin, persons);
  digest_column(table_->person_column, person_width, bucket, start, persons);
  for (std::size_t c = 0; c < table_->columns.size(); ++c) {
    const EventColumn& out = table_->columns[c];
    const std::size_t width = stored_bytes(out.type);
    std::byte* const column = columns.others[c].data() + first * width;
    copy_column(sorted.get() + kEventPersonBytes + out.offset, stride_, rows, width, column);
    digest_column(out.column, width, bucket, start, column);
  }

  std::uint64_t* const offsets = columns.offsets.data() + (people.begin - columns.first_person);
  const std::size_t entries = people.size() + (is_last(bucket) ? 1 : 0);
  for (std::size_t p = 0; p < entries; ++p) offsets[p] = columns.first_row + first + start[p];
  const Range shards = buckets_.shards(bucket);
  for (std::uint64_t s = shards.begin; s < shards.end; ++s) {
    const std::uint64_t begin = buckets_.first_person_of_shard(s) - people.begin;
    const std::uint64_t end = s + 1 == shards.end ? entries : buckets_.first_person_of_shard(s + 1) - people.begin;
    digest_.set(table_->offsets_column, static_cast<ShardId>(s),
                std::as_bytes(std::span(offsets + begin, end - begin)));
  }
}

// start: of each person's events in order, then their number.
void EventWriter::sort_by_person(std::size_t bucket, std::span<const std::byte> events,
                                 std::vector<std::uint64_t>& start, std::span<std::uint32_t> order) const {
  const Range people = buckets_.persons(bucket);
  const auto person_of = [&](std::size_t row) {
    return load_from<std::uint32_t>(events.data() + row * stride_) - people.begin;
  };
  // Counted one place ahead: when all rows are placed, every entry has become the start of its person.
  start.assign(people.size() + 2, 0);
  for (std::size_t row = 0; row < order.size(); ++row) ++start[person_of(row) + 2];
  for (std::size_t p = 2; p < start.size(); ++p) start[p] += start[p - 1];
  for (std::size_t row = 0; row < order.size(); ++row) {
    order[start[person_of(row) + 1]++] = static_cast<std::uint32_t>(row);
  }
  start.pop_back();
}

// The rows of one person by date, then content: keys gets a row's date, and the row in its low half.
void EventWriter::sort_by_date(std::span<const std::byte> events, std::span<const std::uint32_t> rows,
                               std::vector<std::uint64_t>& keys) const {
  const auto content = [&](std::uint64_t key) {
    return events.data() + (key & kRowOfKey) * stride_ + kEventPersonBytes;
  };
  const auto earlier = [&](std::uint64_t a, std::uint64_t b) {
    if (a >> 32 != b >> 32) return a < b;
    return std::memcmp(content(a), content(b), schema_->payload_bytes) < 0;
  };
  keys.resize(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::byte* const event = events.data() + rows[i] * stride_;
    const std::uint64_t date = date_offset_ == 0 ? 0 : load_from<DayNumber>(event + date_offset_);
    keys[i] = date << 32 | rows[i];
  }
  if (keys.size() > kFewEvents) {
    std::sort(keys.begin(), keys.end(), earlier);
    return;
  }
  for (std::size_t i = 1; i < keys.size(); ++i) {
    const std::uint64_t key = keys[i];
    std::size_t to = i;
    for (; to > 0 && earlier(key, keys[to - 1]); --to) keys[to] = keys[to - 1];
    keys[to] = key;
  }
}

void EventWriter::coarsen_dates(std::span<std::byte> events, std::span<const std::uint32_t> rows) const {
  if (date_offset_ == 0 || date_policy_ == EventDatePolicy::day) return;
  for (const std::uint32_t row : rows) {
    std::byte* const date = events.data() + row * stride_ + date_offset_;
    store_to(date, coarsened(load_from<DayNumber>(date), date_policy_));
  }
}

// Digests a column of the bucket's rows, shard by shard.
void EventWriter::digest_column(std::size_t column, std::size_t width, std::size_t bucket,
                                std::span<const std::uint64_t> start, const std::byte* bytes) {
  const Range people = buckets_.persons(bucket), shards = buckets_.shards(bucket);
  for (std::uint64_t s = shards.begin; s < shards.end; ++s) {
    const std::uint64_t begin = start[buckets_.first_person_of_shard(s) - people.begin];
    const std::uint64_t end = start[buckets_.first_person_of_shard(s + 1) - people.begin];
    digest_.set(column, static_cast<ShardId>(s), std::span(bytes + begin * width, (end - begin) * width));
  }
}

void EventWriter::write_columns(const EventTable& table, const Columns& columns) {
  writer_.write(table.person_column, columns.first_row, columns.persons);
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    writer_.write(table.columns[c].column, columns.first_row, columns.others[c]);
  }
  writer_.write(table.offsets_column, persons_.first_row + columns.first_person,
                std::as_bytes(std::span(columns.offsets)));
}

}  // namespace ligature
