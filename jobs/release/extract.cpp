// The HDF5 form.  Rounds and ranks are ranges of pseudonyms in order, so each rank's part of a round is a range of rows
// whose place follows from counts alone.
#include "jobs/release/extract.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/raw_vector.hpp"
#include "io/part_files.hpp"
#include "jobs/release/piece_writer.hpp"
namespace ligature {

namespace {

ColumnSpec person_column(PersonColumn column, const Release& release) {
  const std::string path = "/persons/" + std::string(person_column_name(column));
  switch (column) {
    case PersonColumn::year_of_birth:
      return {path, StoredType::u16, 0, "year", "year of birth", "0", ""};
    case PersonColumn::age_band:
      return {path,
              StoredType::u8,
              0,
              "years",
              "lowest age of a band of " + std::to_string(release.agreement.age_band) + " years; 90 is 90 and more",
              std::to_string(kNoAge),
              ""};
    case PersonColumn::sex:
      return {path, StoredType::u8, 0, "NHS code", "0 not known, 1 male, 2 female, 9 not specified", "0", ""};
    case PersonColumn::area: {
      const StoredType type = code_type(release.areas.values.size());
      return {path, type, 0, "code", "area", std::to_string(missing_code(type)), "/dictionaries/area"};
    }
    case PersonColumn::link_quality:
      return {path, StoredType::u8, 0, "percent", "posterior probability of the weakest link of the person", "", ""};
    case PersonColumn::id_type:
      break;
  }
  return {path, StoredType::u8, 0, "code", "what the person's link stands on", "", ""};
}

// The columns of the file in their order, and the numbers of those that are filled alike.
struct FileColumns {
  std::vector<ColumnSpec> specs;
  std::vector<Dictionary> dictionaries;
  std::vector<std::size_t> persons;  // of each person column
  struct Events {
    std::size_t offsets = 0, person = 0, row_id = 0;
    std::vector<std::size_t> columns;
  };
  std::vector<Events> events;
};

FileColumns lay_out(const Release& release, std::uint64_t persons) {
  FileColumns file;
  const auto add = [&](ColumnSpec spec, std::uint64_t rows) {
    spec.rows = rows;
    file.specs.push_back(std::move(spec));
    return file.specs.size() - 1;
  };
  add({"/persons/pseudonym", StoredType::text32, 0, "", "the agreement's own pseudonym of the person", "", ""},
      persons);
  for (const PersonColumn column : release.columns.persons) {
    file.persons.push_back(add(person_column(column, release), persons));
    if (column == PersonColumn::area) file.dictionaries.push_back({"/dictionaries/area", release.areas.values});
  }
  const StoredType person_type =
      persons < std::numeric_limits<std::uint32_t>::max() ? StoredType::u32 : StoredType::u64;
  for (const ReleasedEvents& released : release.columns.events) {
    const std::string group = "/events/" + released.name + "/";
    FileColumns::Events events;
    events.offsets =
        add({group + "offsets", StoredType::u64, 0, "row", "first event of each person, then their number", "", ""},
            persons + 1);
    events.person =
        add({group + "person", person_type, 0, "row of /persons", "person of the event", "", ""}, released.events);
    if (released.row_ids) {
      events.row_id = add({group + "row_id", StoredType::text32, 0, "", "the agreement's own id of the row", "", ""},
                          released.events);
    }
    for (const ReleasedColumn& column : released.columns) {
      ColumnSpec spec = column.spec;
      if (column.kind == ReleasedColumn::Kind::category) {
        spec.type = code_type(column.values.size());
        spec.missing = std::to_string(missing_code(spec.type));
        file.dictionaries.push_back({spec.dictionary, column.values});
      }
      events.columns.push_back(add(std::move(spec), released.events));
    }
    file.events.push_back(std::move(events));
  }
  return file;
}

template <typename T>
void put(std::byte*& to, const T& value) noexcept {
  std::memcpy(to, &value, sizeof value);
  to += sizeof value;
}

// Writes the columns of buckets, most of them right where the file's pieces come together.  Its functions may be called
// from several threads.
class BucketWriter {
 public:
  // rows: of each column those that will come.  All arguments must outlive this.
  BucketWriter(const Release& release, const FileColumns& file, std::span<const Range> rows, DatasetWriter& writer,
               std::vector<PieceDigest>& digests)
      : release_(release), file_(file), writer_(writer), pieces_(byte_ranges(rows), to_file(), digests) {}

  // row: of the bucket's first person in /persons; events: the row of the first event of each dataset.
  void write(Bucket& bucket, std::uint64_t row, std::span<const std::uint64_t> events) {
    put_persons(bucket, row);
    for (std::size_t d = 0; d < events.size(); ++d) put_events(bucket, d, row, events[d]);
  }

  void finish() { pieces_.finish(); }

 private:
  [[nodiscard]] std::uint64_t width(std::size_t column) const { return stored_bytes(file_.specs[column].type); }

  [[nodiscard]] std::vector<Range> byte_ranges(std::span<const Range> rows) const {
    std::vector<Range> ranges;
    for (std::size_t column = 0; column < rows.size(); ++column) {
      const std::uint64_t at = writer_.offset(column);
      ranges.push_back({at + rows[column].begin * width(column), at + rows[column].end * width(column)});
    }
    return ranges;
  }
  [[nodiscard]] PieceWriter::Write to_file() {
    return [this](std::size_t column, std::uint64_t offset, std::span<const std::byte> bytes,
                  std::shared_ptr<const void> owner) {
      writer_.write(column, (offset - writer_.offset(column)) / width(column), bytes, std::move(owner));
    };
  }

  // Some rows of a column, which fill(to) writes.
  template <typename Fill>
  void put_rows(std::size_t column, std::uint64_t first, std::size_t count, const Fill& fill) {
    if (count == 0) return;
    const std::size_t bytes = count * width(column);
    const std::uint64_t offset = writer_.offset(column) + first * width(column);
    // A short column may lie where a piece would end within a row.
    const bool in_pieces = writer_.offset(column) % width(column) == 0;
    if (std::byte* const room = in_pieces ? pieces_.room(column, offset, bytes) : nullptr) {
      fill(room);
      return pieces_.filled(column, offset, bytes);
    }
    RawVector<std::byte>& staged = staged_.local();
    staged.resize(std::max(staged.size(), bytes));
    fill(staged.data());
    const std::span<const std::byte> text = std::span(staged).first(bytes);
    if (!in_pieces) return writer_.write(column, first, text);
    pieces_.put(column, offset, text);
  }

  void put_persons(const Bucket& bucket, std::uint64_t row) {
    const std::size_t persons = bucket.persons();
    put_rows(0, row, persons, [&](std::byte* to) {
      for (std::size_t p = 0; p < persons; ++p) put(to, hex_digits(bucket.name(p)));
    });
    for (std::size_t c = 0; c < release_.columns.persons.size(); ++c) {
      const StoredType type = file_.specs[file_.persons[c]].type;
      const bool is_area = release_.columns.persons[c] == PersonColumn::area;
      const NumberPlace place = release_.columns.values[c];
      put_rows(file_.persons[c], row, persons, [&](std::byte* to) {
        with_width(stored_bytes(type), [&](auto narrow) {
          for (std::size_t p = 0; p < persons; ++p) {
            std::uint64_t value = code_at(bucket.head(p) + place.at, place.width);
            if (is_area && value == release_.areas.missing()) value = missing_code(type);
            put(to, static_cast<decltype(narrow)>(value));
          }
        });
      });
    }
  }

  // first: the row of the first event.
  void put_events(Bucket& bucket, std::size_t d, std::uint64_t row, std::uint64_t first) {
    const ReleasedEvents& released = release_.columns.events[d];
    const FileColumns::Events& of = file_.events[d];
    put_rows(of.offsets, row, bucket.persons(), [&](std::byte* to) { bucket.number_events(d, first, to); });
    const Bucket::Events events = bucket.events(d);
    const std::size_t count = events.at.size();
    put_rows(of.person, first, count, [&](std::byte* to) {
      with_width(width(of.person), [&](auto narrow) {
        for (const std::uint32_t person : events.person) put(to, static_cast<decltype(narrow)>(row + person));
      });
    });
    if (released.row_ids) {
      put_rows(of.row_id, first, count, [&](std::byte* to) {
        for (const std::uint32_t at : events.at) {
          Pseudonym name;
          std::memcpy(&name, events.rows + at * released.event_bytes, sizeof name);
          put(to, hex_digits(name));
        }
      });
    }
    for (std::size_t c = 0; c < released.columns.size(); ++c) {
      put_rows(of.columns[c], first, count, [&](std::byte* to) { put_column(released, c, of.columns[c], events, to); });
    }
  }

  void put_column(const ReleasedEvents& released, std::size_t c, std::size_t in_file, const Bucket::Events& events,
                  std::byte* to) const {
    const ReleasedColumn& column = released.columns[c];
    const StoredType type = file_.specs[in_file].type;
    with_width(column.width, [&](auto value) {
      const auto put_each = [&](const auto& as_stored) {
        const std::byte* const from = events.rows + column.at;
        for (const std::uint32_t at : events.at) {
          std::memcpy(&value, from + at * released.event_bytes, sizeof value);
          put(to, as_stored(value));
        }
      };
      if (column.kind != ReleasedColumn::Kind::category) return put_each([](auto same) { return same; });
      with_width(stored_bytes(type), [&](auto narrow) {
        const auto missing = static_cast<std::uint32_t>(missing_code(type));
        put_each([&](std::uint64_t code) {
          return static_cast<decltype(narrow)>(code < column.recode.size() ? column.recode[code] : missing);
        });
      });
    });
  }

  const Release& release_;
  const FileColumns& file_;
  DatasetWriter& writer_;
  PieceWriter pieces_;
  PerThread<RawVector<std::byte>> staged_;  // rows that lie in two pieces
};

// The rows of each column that this rank writes in a round.
std::vector<Range> rows_of_round(const FileColumns& file, Range persons, std::span<const Range> events) {
  std::vector<Range> rows(file.specs.size());
  rows[0] = persons;
  for (const std::size_t column : file.persons) rows[column] = persons;
  for (std::size_t d = 0; d < file.events.size(); ++d) {
    const FileColumns::Events& of = file.events[d];
    rows[of.offsets] = persons;
    rows[of.person] = events[d];
    if (of.row_id != 0) rows[of.row_id] = events[d];
    for (const std::size_t column : of.columns) rows[column] = events[d];
  }
  return rows;
}

}  // namespace

WrittenFile write_hdf5_extract(const Communicator& comm, const Release& release, std::uint64_t persons,
                               std::uint64_t rounds, const std::filesystem::path& folder,
                               const Attributes& attributes) {
  const FileColumns file = lay_out(release, persons);
  DatasetWriter writer(comm, folder, file.specs, file.dictionaries);
  const std::size_t datasets = release.columns.events.size();
  std::uint64_t person_base = 0;
  std::vector<std::uint64_t> event_base(datasets);
  std::vector<PieceDigest> digests;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::unique_ptr<const Arrivals> brought = bring(comm, release, persons, round, rounds);
    const Arrivals& arrivals = *brought;
    // Where the rows of each bucket begin: in /persons, and in each dataset.
    std::vector<std::uint64_t> first_row, first_event;
    std::uint64_t persons_here = 0;
    std::vector<std::uint64_t> events_here(datasets);
    for (std::size_t b = 0; b < arrivals.buckets(); ++b) {
      first_row.push_back(std::exchange(persons_here, persons_here + arrivals.persons(b)));
      for (std::size_t d = 0; d < datasets; ++d) {
        first_event.push_back(std::exchange(events_here[d], events_here[d] + arrivals.events(b, d)));
      }
    }
    const std::uint64_t row = person_base + comm.exclusive_sum(persons_here);
    person_base += comm.sum(persons_here);
    for (std::uint64_t& first : first_row) first += row;
    std::vector<Range> events;
    for (std::size_t d = 0; d < datasets; ++d) {
      const std::uint64_t first = event_base[d] + comm.exclusive_sum(events_here[d]);
      events.push_back({first, first + events_here[d]});
      event_base[d] += comm.sum(events_here[d]);
      for (std::size_t b = 0; b < arrivals.buckets(); ++b) first_event[b * datasets + d] += first;
    }
    agreed_step(comm, [&] {
      const std::vector<Range> rows = rows_of_round(file, {row, row + persons_here}, events);
      BucketWriter columns(release, file, rows, writer, digests);
      for_each_bucket(arrivals, [&](Bucket& bucket, std::size_t b) {
        columns.write(bucket, first_row[b], std::span(first_event).subspan(b * datasets, datasets));
      });
      columns.finish();
    });
  }
  if (person_base != persons) throw Error("the dataset changed while it was released");
  if (comm.is_root()) {
    for (std::size_t d = 0; d < datasets; ++d) {
      writer.write(file.events[d].offsets, persons, std::as_bytes(std::span(&event_base[d], 1)));
    }
  }
  writer.finish(comm, attributes, {});
  writer.name(comm);
  return {std::string(kDatasetFile), file_digest(comm, folder / kDatasetFile, digests)};
}

}  // namespace ligature
