// The HDF5 form.  Rounds and ranks are ranges of pseudonyms in order, so each rank's part of a round is a range of rows
// whose place follows from counts alone.
#include "jobs/release/extract.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/part_files.hpp"

namespace ligature {

namespace {

constexpr std::size_t kChunkPersons = 1U << 14;
constexpr std::size_t kDigits = 32;

StoredType code_type(std::size_t values) {
  if (values < std::numeric_limits<std::uint8_t>::max()) return StoredType::u8;
  return values < std::numeric_limits<std::uint16_t>::max() ? StoredType::u16 : StoredType::u32;
}

std::uint64_t missing_code(StoredType type) {
  return type == StoredType::u8 ? 0xFFU : type == StoredType::u16 ? 0xFFFFU : 0xFFFFFFFFU;
}

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

// Values of one column on their way to the file.
class Staged {
 public:
  explicit Staged(std::size_t width) : width_(width) {}
  void put(std::uint64_t value) { put_bytes(reinterpret_cast<const std::byte*>(&value)); }
  void put_bytes(const std::byte* bytes) { bytes_.insert(bytes_.end(), bytes, bytes + width_); }
  void put_name(const Pseudonym& name) {
    const std::array<char, kDigits> digits = hex_digits(name);
    put_bytes(reinterpret_cast<const std::byte*>(digits.data()));
  }
  void reserve(std::size_t values) { bytes_.reserve(values * width_); }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::size_t width_;
  std::vector<std::byte> bytes_;
};

class ChunkWriter {
 public:
  ChunkWriter(const Release& release, const FileColumns& file, const Arrivals& arrivals, DatasetWriter& writer)
      : release_(release), file_(file), arrivals_(arrivals), writer_(writer) {}

  // Writes some persons.  row: of the first in /persons; events: the row of the first event of each dataset.
  void write(std::size_t begin, std::size_t end, std::uint64_t row, const std::vector<std::uint64_t>& events) {
    std::vector<Staged> staged = stage(begin, end);
    for (std::size_t p = begin; p < end; ++p) put_person(p, staged);
    std::vector<std::uint64_t> next = events;
    for (std::size_t p = begin; p < end; ++p) {
      for (std::size_t d = 0; d < next.size(); ++d) {
        staged[file_.events[d].offsets].put(next[d]);
        put_events(p, d, row + (p - begin), staged);
        next[d] += arrivals_.events(p, d);
      }
    }
    writer_.write(0, row, staged[0].bytes());
    for (const std::size_t column : file_.persons) writer_.write(column, row, staged[column].bytes());
    for (std::size_t d = 0; d < events.size(); ++d) {
      const FileColumns::Events& of = file_.events[d];
      writer_.write(of.offsets, row, staged[of.offsets].bytes());
      writer_.write(of.person, events[d], staged[of.person].bytes());
      if (of.row_id != 0) writer_.write(of.row_id, events[d], staged[of.row_id].bytes());
      for (const std::size_t column : of.columns) writer_.write(column, events[d], staged[column].bytes());
    }
  }

 private:
  // Room for the values of some persons in every column.
  [[nodiscard]] std::vector<Staged> stage(std::size_t begin, std::size_t end) const {
    std::vector<Staged> staged;
    for (const ColumnSpec& spec : file_.specs) staged.emplace_back(stored_bytes(spec.type));
    staged[0].reserve(end - begin);
    for (const std::size_t column : file_.persons) staged[column].reserve(end - begin);
    for (std::size_t d = 0; d < file_.events.size(); ++d) {
      const FileColumns::Events& of = file_.events[d];
      std::size_t events = 0;
      for (std::size_t p = begin; p < end; ++p) events += arrivals_.events(p, d);
      staged[of.offsets].reserve(end - begin);
      staged[of.person].reserve(events);
      if (of.row_id != 0) staged[of.row_id].reserve(events);
      for (const std::size_t column : of.columns) staged[column].reserve(events);
    }
    return staged;
  }

  void put_person(std::size_t p, std::vector<Staged>& staged) const {
    staged[0].put_name(arrivals_.name(p));
    for (std::size_t c = 0; c < file_.persons.size(); ++c) {
      std::uint64_t value = arrivals_.value(p, c);
      const bool is_area = release_.columns.persons[c] == PersonColumn::area;
      if (is_area && value == release_.areas.missing()) value = missing_code(file_.specs[file_.persons[c]].type);
      staged[file_.persons[c]].put(value);
    }
  }

  void put_events(std::size_t p, std::size_t d, std::uint64_t row, std::vector<Staged>& staged) const {
    const ReleasedEvents& released = release_.columns.events[d];
    const FileColumns::Events& of = file_.events[d];
    const std::byte* event = arrivals_.first_event(p, d);
    for (std::uint64_t i = 0; i < arrivals_.events(p, d); ++i, event += released.event_bytes) {
      staged[of.person].put(row);
      if (released.row_ids) {
        Pseudonym name;
        std::memcpy(&name, event, sizeof name);
        staged[of.row_id].put_name(name);
      }
      for (std::size_t c = 0; c < released.columns.size(); ++c) {
        const ReleasedColumn& column = released.columns[c];
        const std::byte* const value = event + column.at;
        if (column.kind != ReleasedColumn::Kind::category) {
          staged[of.columns[c]].put_bytes(value);
          continue;
        }
        const std::uint64_t code = code_at(value, column.width);
        staged[of.columns[c]].put(code < column.recode.size() ? column.recode[code]
                                                              : missing_code(file_.specs[of.columns[c]].type));
      }
    }
  }

  const Release& release_;
  const FileColumns& file_;
  const Arrivals& arrivals_;
  DatasetWriter& writer_;
};

}  // namespace

void write_hdf5_extract(const Communicator& comm, const Release& release, std::uint64_t persons, std::uint64_t rounds,
                        const std::filesystem::path& folder, const Attributes& attributes) {
  const FileColumns file = lay_out(release, persons);
  DatasetWriter writer(comm, folder, file.specs, file.dictionaries);
  const std::size_t datasets = release.columns.events.size();
  std::uint64_t person_base = 0;
  std::vector<std::uint64_t> event_base(datasets);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const Arrivals arrivals = bring(comm, release, round, rounds);
    // Chunks of persons, and where each begins.
    std::vector<std::vector<std::uint64_t>> chunk_events;
    std::vector<std::uint64_t> here(datasets);
    for (std::size_t p = 0; p < arrivals.persons(); ++p) {
      if (p % kChunkPersons == 0) chunk_events.push_back(here);
      for (std::size_t d = 0; d < datasets; ++d) here[d] += arrivals.events(p, d);
    }
    const std::uint64_t first_row = person_base + comm.exclusive_sum(std::uint64_t{arrivals.persons()});
    person_base += comm.sum(std::uint64_t{arrivals.persons()});
    for (std::size_t d = 0; d < datasets; ++d) {
      const std::uint64_t first = event_base[d] + comm.exclusive_sum(here[d]);
      event_base[d] += comm.sum(here[d]);
      for (std::vector<std::uint64_t>& chunk : chunk_events) chunk[d] += first;
    }
    agreed_step(comm, [&] {
      ChunkWriter chunks(release, file, arrivals, writer);
      for_each_item(chunk_events.size(), [&](std::size_t c) {
        const std::size_t begin = c * kChunkPersons, end = std::min(begin + kChunkPersons, arrivals.persons());
        chunks.write(begin, end, first_row + begin, chunk_events[c]);
      });
    });
  }
  if (person_base != persons) throw Error("the dataset changed while it was released");
  if (comm.is_root()) {
    for (std::size_t d = 0; d < datasets; ++d) {
      writer.write(file.events[d].offsets, persons, std::as_bytes(std::span(&event_base[d], 1)));
    }
  }
  writer.finish(comm, attributes, {});
}

}  // namespace ligature
