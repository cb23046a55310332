// The CSV form.  Every rank goes through its buckets of a round twice: to measure them, in whatever order their persons
// came, and so to learn where its lines begin; then in order, to write them in place.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <numeric>
#include <string_view>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "engine/raw_vector.hpp"
#include "io/csv_field.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "jobs/release/extract.hpp"
#include "jobs/release/piece_writer.hpp"

namespace ligature {

namespace {

constexpr std::size_t kDays = std::size_t{1} << 16;  // day numbers that there are

using NameDigits = std::array<char, 32>;

// A comma and a text, as values stand in a line.  Nearly all fit in a cell: a copy of fixed size, some of which the
// next text overwrites, is faster than one of just their own.
struct Cell {
  static constexpr std::size_t kMost = 15;
  std::array<char, kMost> text{};
  std::uint8_t bytes = 0;  // kMost + 1: text has the number of a longer one
};
static_assert(sizeof(Cell) == 16);

// Texts by number.
class Words {
 public:
  void add(std::string_view text) {
    const std::size_t bytes = text.size() + 1;
    Cell cell;
    if (bytes <= Cell::kMost) {
      cell.text[0] = ',';
      std::copy(text.begin(), text.end(), cell.text.begin() + 1);
      cell.bytes = static_cast<std::uint8_t>(bytes);
    } else {
      const std::size_t number = longer_.size();
      std::memcpy(cell.text.data(), &number, sizeof number);
      cell.bytes = Cell::kMost + 1;
      longer_.emplace_back(1, ',').append(text);
    }
    cells_.back() = cell;
    cells_.push_back(nothing());
  }
  void add_field(std::string_view value) {
    std::string field;
    append_csv_field(field, value);
    add(field);
  }
  // Nothing but the comma, if there is no such number.
  [[nodiscard]] const Cell& operator[](std::uint64_t number) const noexcept {
    return cells_[std::min<std::uint64_t>(number, cells_.size() - 1)];
  }
  [[nodiscard]] std::string_view longer(const Cell& cell) const noexcept {
    std::size_t number = 0;
    std::memcpy(&number, cell.text.data(), sizeof number);
    return longer_[number];
  }
  [[nodiscard]] std::size_t bytes(std::uint64_t number) const noexcept {
    const Cell& cell = (*this)[number];
    return cell.bytes <= Cell::kMost ? cell.bytes : longer(cell).size();
  }

 private:
  static Cell nothing() {
    Cell cell;
    cell.text[0] = ',';
    cell.bytes = 1;
    return cell;
  }
  std::vector<Cell> cells_ = {nothing()};
  std::vector<std::string> longer_;
};

// Writes where there are sizeof(Cell) bytes more than it needs.
struct Pen {
  char* at = nullptr;
  void character(char c) noexcept { *at++ = c; }
  void text(std::string_view text) noexcept {
    at = std::copy(text.begin(), text.end(), at);  // text may be of no bytes, and at no place
  }
  void word(const Words& words, std::uint64_t number) noexcept {
    const Cell& cell = words[number];
    if (cell.bytes > Cell::kMost) return text(words.longer(cell));
    std::memcpy(at, &cell, sizeof cell);
    at += cell.bytes;
  }
  void name(const NameDigits& digits) noexcept {
    std::memcpy(at, digits.data(), digits.size());
    at += digits.size();
  }
};

template <typename T>
T value_at(const std::byte* bytes) {
  T value{};
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// The number as text, a comma before it; the comma alone for what stands for "missing".
struct NumberText {
  std::array<char, 32> characters;  // the shortest text of a double that reads back has 24
  std::size_t bytes = 1;
  [[nodiscard]] std::string_view text() const noexcept { return {characters.data(), bytes}; }
};

template <typename T>
NumberText number_text(const std::byte* at) {
  NumberText text;
  text.characters[0] = ',';
  const T value = value_at<T>(at);
  if constexpr (std::is_floating_point_v<T>) {
    if (value != value) return text;
  } else if constexpr (std::is_signed_v<T>) {
    if (value == std::numeric_limits<T>::min()) return text;
  }
  const auto [end, problem] =
      std::to_chars(text.characters.data() + 1, text.characters.data() + text.characters.size(), value);
  text.bytes = static_cast<std::size_t>(end - text.characters.data());
  return text;
}

NumberText as_it_is(StoredType type, const std::byte* at) {
  switch (type) {
    case StoredType::u8:
      return number_text<std::uint8_t>(at);
    case StoredType::u16:
      return number_text<std::uint16_t>(at);
    case StoredType::u32:
      return number_text<std::uint32_t>(at);
    case StoredType::u64:
      return number_text<std::uint64_t>(at);
    case StoredType::i8:
      return number_text<std::int8_t>(at);
    case StoredType::i16:
      return number_text<std::int16_t>(at);
    case StoredType::i32:
      return number_text<std::int32_t>(at);
    case StoredType::i64:
      return number_text<std::int64_t>(at);
    case StoredType::f32:
      return number_text<float>(at);
    case StoredType::f64:
      return number_text<double>(at);
    case StoredType::text32:
      break;
  }
  throw Error("a release cannot write a column of texts");
}

// What values of a release are written as.
class Vocabulary {
 public:
  explicit Vocabulary(const Release& release) {
    for (const PersonColumn column : release.columns.persons) persons_.push_back(words_of(column, release));
    for (const ReleasedEvents& released : release.columns.events) {
      Events& events = events_.emplace_back();
      const std::size_t digits = released.dates == EventDatePolicy::day     ? 10
                                 : released.dates == EventDatePolicy::month ? 7
                                                                            : 4;
      for (std::size_t day = 0; day < kDays; ++day) {
        events.days.add(day == kMissingDay ? "" : iso_date(static_cast<DayNumber>(day)).substr(0, digits));
      }
      for (const ReleasedColumn& column : released.columns) {
        Words& values = events.categories.emplace_back();
        for (const std::string& value : column.values) values.add_field(value);
      }
    }
  }
  [[nodiscard]] const Words& person(std::size_t column) const noexcept { return persons_[column]; }
  // Of a column of events that is a date or a category.
  [[nodiscard]] const Words& event(std::size_t dataset, std::size_t column, ReleasedColumn::Kind kind) const noexcept {
    return kind == ReleasedColumn::Kind::date ? events_[dataset].days : events_[dataset].categories[column];
  }

 private:
  static Words words_of(PersonColumn column, const Release& release) {
    Words words;
    if (column == PersonColumn::area) {
      for (const std::string& area : release.areas.values) words.add_field(area);
      return words;
    }
    // Two bytes at the most are all that the other columns have.
    for (std::uint64_t value = 0; value <= std::numeric_limits<std::uint16_t>::max(); ++value) {
      if (column == PersonColumn::age_band) {
        words.add(value == kNoAge ? std::string() : age_band_text(value, release.agreement.age_band));
      } else {
        words.add(column == PersonColumn::year_of_birth && value == 0 ? std::string() : std::to_string(value));
      }
    }
    return words;
  }

  struct Events {
    Words days;
    std::vector<Words> categories;
  };
  std::vector<Words> persons_;
  std::vector<Events> events_;
};

// The lines of a bucket's persons in each file: /persons is the first, then the datasets.
class Lines {
 public:
  Lines(const Release& release, const Vocabulary& words) : columns_(release.columns), words_(words) {}

  // Adds what the lines of some records have in bytes to those of each file.
  void measure(const std::byte* records, std::span<const std::uint64_t> counted, std::span<std::uint64_t> bytes) const {
    bytes[0] += counted[0] * (sizeof(NameDigits) + 1);
    for (std::size_t c = 0; c < columns_.persons.size(); ++c) {
      bytes[0] += measured(records + columns_.values[c].at, counted[0], columns_.head_bytes, columns_.values[c].width,
                           words_.person(c));
    }
    records += counted[0] * columns_.head_bytes;
    for (std::size_t d = 0; d < columns_.events.size(); ++d) {
      const ReleasedEvents& released = columns_.events[d];
      const std::uint64_t events = counted[1 + d];
      const std::size_t row_id = released.row_ids ? 1 + sizeof(NameDigits) : 0;
      bytes[1 + d] += events * (sizeof(NameDigits) + row_id + 1);
      for (std::size_t c = 0; c < released.columns.size(); ++c) {
        const ReleasedColumn& column = released.columns[c];
        const std::byte* at = records + column.at;
        if (column.kind != ReleasedColumn::Kind::as_it_is) {
          bytes[1 + d] += measured(at, events, released.event_bytes, column.width, words_.event(d, c, column.kind));
          continue;
        }
        for (std::uint64_t e = 0; e < events; ++e, at += released.event_bytes) {
          bytes[1 + d] += as_it_is(column.spec.type, at).bytes;
        }
      }
      records += events * released.event_bytes;
    }
  }

  void put_persons(Pen& pen, const Bucket& bucket, std::span<const NameDigits> names) const {
    for (std::size_t p = 0; p < bucket.persons(); ++p) {
      pen.name(names[p]);
      for (std::size_t c = 0; c < columns_.persons.size(); ++c) {
        const NumberPlace place = columns_.values[c];
        pen.word(words_.person(c), code_at(bucket.head(p) + place.at, place.width));
      }
      pen.character('\n');
    }
  }

  void put_events(Pen& pen, const Bucket::Events& events, std::size_t d, std::span<const NameDigits> names) const {
    const ReleasedEvents& released = columns_.events[d];
    for (std::size_t e = 0; e < events.at.size(); ++e) {
      const std::byte* const event = events.rows + events.at[e] * released.event_bytes;
      pen.name(names[events.person[e]]);
      if (released.row_ids) {
        pen.character(',');
        pen.name(hex_digits(value_at<Pseudonym>(event)));
      }
      for (std::size_t c = 0; c < released.columns.size(); ++c) {
        const ReleasedColumn& column = released.columns[c];
        if (column.kind == ReleasedColumn::Kind::as_it_is) {
          pen.text(as_it_is(column.spec.type, event + column.at).text());
        } else {
          pen.word(words_.event(d, c, column.kind), code_at(event + column.at, column.width));
        }
      }
      pen.character('\n');
    }
  }

 private:
  static std::uint64_t measured(const std::byte* at, std::uint64_t count, std::size_t stride, std::size_t width,
                                const Words& words) {
    std::uint64_t bytes = 0;
    with_width(width, [&](auto number) {
      for (std::uint64_t i = 0; i < count; ++i, at += stride) {
        std::memcpy(&number, at, sizeof number);
        bytes += words.bytes(number);
      }
    });
    return bytes;
  }

  const ReleasedColumns& columns_;
  const Vocabulary& words_;
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

  // Collective.  This rank writes so many bytes next, after those of earlier ranks and rounds.
  void begin_round(const Communicator& comm, std::uint64_t bytes) {
    first_ = next_ + comm.exclusive_sum(bytes);
    next_ += comm.sum(bytes);
    agreed_step(comm, [&] {
      writes_ = std::make_unique<DirectWriter>(file_, write_strategy());
      const auto write = [this](std::size_t, std::uint64_t offset, std::span<const std::byte> text,
                                std::shared_ptr<const void> owner) {
        writes_->write_from(offset, text, std::move(owner));
      };
      pieces_ = std::make_unique<PieceWriter>(std::vector<Range>{{first_, first_ + bytes}}, write, digests_);
    });
  }
  // Text at its place among the bytes of the round.  May be called from several threads for different places.
  void put(std::uint64_t at, std::span<const char> text) { pieces_->put(0, first_ + at, std::as_bytes(text)); }
  void end_round() {
    pieces_->finish();
    pieces_.reset();
    writes_->finish();
    writes_.reset();
  }

  // Collective.
  Sha256 finish(const Communicator& comm) {
    agreed_step(comm, [&] {
      file_.sync();
      file_.close();
    });
    return file_digest(comm, file_.path(), digests_);
  }

 private:
  File file_;
  std::uint64_t next_, first_ = 0;
  std::vector<PieceDigest> digests_;  // of the pieces that this rank has written whole
  std::unique_ptr<DirectWriter> writes_;
  std::unique_ptr<PieceWriter> pieces_;
};

}  // namespace

std::vector<WrittenFile> write_csv_extract(const Communicator& comm, const Release& release, std::uint64_t persons,
                                           std::uint64_t rounds, const std::filesystem::path& folder) {
  std::vector<std::string> names = {"persons.csv"};
  std::string header = "pseudonym";
  for (const PersonColumn column : release.columns.persons) {
    header += ',';
    header += person_column_name(column);
  }
  header += '\n';
  std::deque<SharedCsv> files;  // which stay where they are
  files.emplace_back(comm, folder / names.front(), header);
  for (const ReleasedEvents& released : release.columns.events) {
    std::string line = released.row_ids ? "pseudonym,row_id" : "pseudonym";
    for (const ReleasedColumn& column : released.columns) {
      line += ',';
      append_csv_field(line, column.name);
    }
    line += '\n';
    names.push_back("events_" + released.name + ".csv");
    files.emplace_back(comm, folder / names.back(), line);
  }
  const Vocabulary words(release);
  const Lines lines(release, words);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const std::unique_ptr<const Arrivals> brought = bring(comm, release, persons, round, rounds);
    const Arrivals& arrivals = *brought;
    // Of each file: where the lines of each bucket begin.
    std::vector<std::vector<std::uint64_t>> at(files.size(), std::vector<std::uint64_t>(arrivals.buckets() + 1));
    agreed_step(comm, [&] {
      for_each_item(arrivals.buckets(), [&](std::size_t b) {
        std::vector<std::uint64_t> bytes(files.size());
        arrivals.for_each_run(b, [&](const std::byte* records, std::span<const std::uint64_t> counted) {
          lines.measure(records, counted, bytes);
        });
        for (std::size_t f = 0; f < files.size(); ++f) at[f][b + 1] = bytes[f];
      });
      for (std::vector<std::uint64_t>& of : at) std::partial_sum(of.begin(), of.end(), of.begin());
    });
    for (std::size_t f = 0; f < files.size(); ++f) files[f].begin_round(comm, at[f].back());
    agreed_step(comm, [&] {
      struct Mine {
        RawVector<NameDigits> names;
        RawVector<char> text;
      };
      PerThread<Mine> per_thread;
      for_each_bucket(arrivals, [&](Bucket& bucket, std::size_t b) {
        Mine& mine = per_thread.local();
        mine.names.resize(std::max(mine.names.size(), bucket.persons()));
        for (std::size_t p = 0; p < bucket.persons(); ++p) mine.names[p] = hex_digits(bucket.name(p));
        for (std::size_t f = 0; f < files.size(); ++f) {
          const std::size_t bytes = at[f][b + 1] - at[f][b];
          mine.text.resize(std::max(mine.text.size(), bytes + sizeof(Cell)));
          Pen pen{mine.text.data()};
          if (f == 0) {
            lines.put_persons(pen, bucket, mine.names);
          } else {
            lines.put_events(pen, bucket.events(f - 1), f - 1, mine.names);
          }
          files[f].put(at[f][b], std::span<const char>(mine.text).first(bytes));
        }
      });
      for (SharedCsv& file : files) file.end_round();
    });
  }
  std::vector<WrittenFile> written;
  for (std::size_t f = 0; f < files.size(); ++f) written.push_back({names[f], files[f].finish(comm)});
  return written;
}

}  // namespace ligature
