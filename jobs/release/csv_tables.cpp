// The CSV form.  Every rank formats its part of a round twice: to learn its size, and so where its lines begin; then to
// write them in place.
#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/csv_field.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "jobs/release/extract.hpp"

namespace ligature {

namespace {

constexpr std::size_t kBlockPersons = 1U << 12;

template <typename T>
T value_at(const std::byte* bytes) {
  T value{};
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T>
void append_number(std::string& line, const std::byte* bytes) {
  const T value = value_at<T>(bytes);
  if constexpr (std::is_floating_point_v<T>) {
    if (value != value) return;
  } else if constexpr (std::is_signed_v<T>) {
    if (value == std::numeric_limits<T>::min()) return;
  }
  fmt::format_to(std::back_inserter(line), "{}", value);
}

void append_as_it_is(std::string& line, StoredType type, const std::byte* bytes) {
  switch (type) {
    case StoredType::u8:
      return append_number<std::uint8_t>(line, bytes);
    case StoredType::u16:
      return append_number<std::uint16_t>(line, bytes);
    case StoredType::u32:
      return append_number<std::uint32_t>(line, bytes);
    case StoredType::u64:
      return append_number<std::uint64_t>(line, bytes);
    case StoredType::i8:
      return append_number<std::int8_t>(line, bytes);
    case StoredType::i16:
      return append_number<std::int16_t>(line, bytes);
    case StoredType::i32:
      return append_number<std::int32_t>(line, bytes);
    case StoredType::i64:
      return append_number<std::int64_t>(line, bytes);
    case StoredType::f32:
      return append_number<float>(line, bytes);
    case StoredType::f64:
      return append_number<double>(line, bytes);
    case StoredType::text32:
      break;
  }
}

void append_name(std::string& line, const Pseudonym& name) {
  const std::array<char, 32> digits = hex_digits(name);
  line.append(digits.data(), digits.size());
}

void append_day(std::string& line, DayNumber day, EventDatePolicy dates) {
  if (day == kMissingDay) return;
  const std::string text = iso_date(day);
  line += std::string_view(text).substr(0, dates == EventDatePolicy::day     ? 10
                                           : dates == EventDatePolicy::month ? 7
                                                                             : 4);
}

// The lines of one person in one file.
class Lines {
 public:
  Lines(const Release& release, const Arrivals& arrivals) : release_(release), arrivals_(arrivals) {}

  void append_person(std::string& text, std::size_t p) const {
    append_name(text, arrivals_.name(p));
    for (std::size_t c = 0; c < release_.columns.persons.size(); ++c) {
      text += ',';
      append_person_value(text, release_.columns.persons[c], arrivals_.value(p, c));
    }
    text += '\n';
  }

  void append_events(std::string& text, std::size_t p, std::size_t d) const {
    const ReleasedEvents& released = release_.columns.events[d];
    const std::byte* event = arrivals_.first_event(p, d);
    for (std::uint64_t i = 0; i < arrivals_.events(p, d); ++i, event += released.event_bytes) {
      append_name(text, arrivals_.name(p));
      if (released.row_ids) {
        text += ',';
        append_name(text, value_at<Pseudonym>(event));
      }
      for (const ReleasedColumn& column : released.columns) {
        text += ',';
        append_value(text, released, column, event + column.at);
      }
      text += '\n';
    }
  }

 private:
  void append_person_value(std::string& text, PersonColumn column, std::uint64_t value) const {
    switch (column) {
      case PersonColumn::year_of_birth:
        if (value == 0) return;
        break;
      case PersonColumn::age_band:
        if (value != kNoAge) text += age_band_text(value, release_.agreement.age_band);
        return;
      case PersonColumn::area:
        if (value < release_.areas.missing()) append_csv_field(text, release_.areas.values[value]);
        return;
      case PersonColumn::sex:
      case PersonColumn::link_quality:
      case PersonColumn::id_type:
        break;
    }
    text += std::to_string(value);
  }

  static void append_value(std::string& text, const ReleasedEvents& released, const ReleasedColumn& column,
                           const std::byte* value) {
    if (column.kind == ReleasedColumn::Kind::date) {
      append_day(text, value_at<DayNumber>(value), released.dates);
    } else if (column.kind == ReleasedColumn::Kind::as_it_is) {
      append_as_it_is(text, column.spec.type, value);
    } else if (const std::uint64_t code = code_at(value, column.width); code < column.values.size()) {
      append_csv_field(text, column.values[code]);
    }
  }

  const Release& release_;
  const Arrivals& arrivals_;
};

// One file that all ranks write.
class SharedCsv {
 public:
  // Collective.
  SharedCsv(const Communicator& comm, const std::filesystem::path& path, const std::string& header)
      : next_(header.size()) {
    agreed_step(comm, [&] {
      if (comm.is_root()) File::create(path, 0600).write_at(0, std::as_bytes(std::span(header)));
    });
    agreed_step(comm, [&] { file_ = File::open_update(path); });
  }
  // Collective.  The lines of persons [0, count) of this rank, after those of earlier ranks and calls.
  void write(const Communicator& comm, std::size_t count,
             const std::function<void(std::string&, std::size_t)>& append) {
    const std::size_t blocks = (count + kBlockPersons - 1) / kBlockPersons;
    std::vector<std::uint64_t> at(blocks + 1);
    const auto text_of = [&](std::size_t block) {
      std::string text;
      for (std::size_t p = block * kBlockPersons; p < std::min(count, (block + 1) * kBlockPersons); ++p)
        append(text, p);
      return text;
    };
    agreed_step(comm, [&] { for_each_item(blocks, [&](std::size_t b) { at[b + 1] = text_of(b).size(); }); });
    for (std::size_t b = 0; b < blocks; ++b) at[b + 1] += at[b];
    const std::uint64_t first = next_ + comm.exclusive_sum(at.back());
    next_ += comm.sum(at.back());
    agreed_step(comm, [&] {
      for_each_item(blocks, [&](std::size_t b) {
        const std::string text = text_of(b);
        file_.write_at(first + at[b], std::as_bytes(std::span(text)));
      });
    });
  }
  // Collective.
  void finish(const Communicator& comm) {
    agreed_step(comm, [&] {
      file_.sync();
      file_.close();
    });
  }

 private:
  File file_;
  std::uint64_t next_;
};

}  // namespace

std::vector<std::string> write_csv_extract(const Communicator& comm, const Release& release, std::uint64_t rounds,
                                           const std::filesystem::path& folder) {
  std::vector<std::string> names = {"persons.csv"};
  std::string header = "pseudonym";
  for (const PersonColumn column : release.columns.persons) {
    header += ',';
    header += person_column_name(column);
  }
  header += '\n';
  SharedCsv persons(comm, folder / names.front(), header);
  std::vector<SharedCsv> events;
  for (const ReleasedEvents& released : release.columns.events) {
    std::string line = released.row_ids ? "pseudonym,row_id" : "pseudonym";
    for (const ReleasedColumn& column : released.columns) {
      line += ',';
      append_csv_field(line, column.name);
    }
    line += '\n';
    names.push_back("events_" + released.name + ".csv");
    events.emplace_back(comm, folder / names.back(), line);
  }
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const Arrivals arrivals = bring(comm, release, round, rounds);
    const Lines lines(release, arrivals);
    persons.write(comm, arrivals.persons(), [&](std::string& text, std::size_t p) { lines.append_person(text, p); });
    for (std::size_t d = 0; d < events.size(); ++d) {
      events[d].write(comm, arrivals.persons(),
                      [&](std::string& text, std::size_t p) { lines.append_events(text, p, d); });
    }
  }
  persons.finish(comm);
  for (SharedCsv& file : events) file.finish(comm);
  return names;
}

}  // namespace ligature
