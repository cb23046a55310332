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

#include "engine/parallel.hpp"
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

// Lines are measured and written by the same code, with one of these at its end.  A word is a text with kWordRoom bytes
// behind it that may be read.
constexpr std::size_t kWordRoom = 16;
struct Measure {
  std::uint64_t bytes = 0;
  static NameDigits spelt(const Pseudonym&) noexcept { return {}; }
  void character(char) noexcept { ++bytes; }
  void text(std::string_view text) noexcept { bytes += text.size(); }
  void word(std::string_view word) noexcept { bytes += word.size(); }
  void name(const NameDigits& digits) noexcept { bytes += digits.size(); }
};
// Writes where there are kWordRoom bytes more than it needs.
struct Pen {
  char* at = nullptr;
  static NameDigits spelt(const Pseudonym& name) noexcept { return hex_digits(name); }
  void character(char c) noexcept { *at++ = c; }
  void text(std::string_view text) noexcept {
    at = std::copy(text.begin(), text.end(), at);  // text may be of no bytes, and at no place
  }
  // Nearly all are short: a copy of fixed size, some of which the next text overwrites, is faster than one of just
  // their own.
  void word(std::string_view word) noexcept {
    if (word.empty()) return;
    std::memcpy(at, word.data(), kWordRoom);
    if (word.size() > kWordRoom) std::memcpy(at, word.data(), word.size());
    at += word.size();
  }
  void name(const NameDigits& digits) noexcept {
    std::memcpy(at, digits.data(), digits.size());
    at += digits.size();
  }
};

// Texts by number, as they stand in a line.
class Words {
 public:
  void add(std::string_view text) {
    text_.resize(text_.size() - kWordRoom);
    text_ += text;
    end();
  }
  void add_field(std::string_view value) {
    text_.resize(text_.size() - kWordRoom);
    append_csv_field(text_, value);
    end();
  }
  // Nothing, if there is no such number.
  [[nodiscard]] std::string_view operator[](std::uint64_t number) const noexcept {
    if (number >= end_.size()) return {};
    const std::size_t begin = number == 0 ? 0 : end_[number - 1];
    return std::string_view(text_).substr(begin, end_[number] - begin);
  }

 private:
  void end() {
    end_.push_back(text_.size());
    text_.append(kWordRoom, '\0');
  }
  std::string text_ = std::string(kWordRoom, '\0');
  std::vector<std::size_t> end_;
};

template <typename T>
T value_at(const std::byte* bytes) {
  T value{};
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

template <typename T, typename Out>
void put_number(Out& out, const std::byte* bytes) {
  const T value = value_at<T>(bytes);
  if constexpr (std::is_floating_point_v<T>) {
    if (value != value) return;
  } else if constexpr (std::is_signed_v<T>) {
    if (value == std::numeric_limits<T>::min()) return;
  }
  std::array<char, 32> digits;  // the shortest text of a double that reads back has 24 characters
  const auto [end, problem] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.text({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

template <typename Out>
void put_as_it_is(Out& out, StoredType type, const std::byte* bytes) {
  switch (type) {
    case StoredType::u8:
      return put_number<std::uint8_t>(out, bytes);
    case StoredType::u16:
      return put_number<std::uint16_t>(out, bytes);
    case StoredType::u32:
      return put_number<std::uint32_t>(out, bytes);
    case StoredType::u64:
      return put_number<std::uint64_t>(out, bytes);
    case StoredType::i8:
      return put_number<std::int8_t>(out, bytes);
    case StoredType::i16:
      return put_number<std::int16_t>(out, bytes);
    case StoredType::i32:
      return put_number<std::int32_t>(out, bytes);
    case StoredType::i64:
      return put_number<std::int64_t>(out, bytes);
    case StoredType::f32:
      return put_number<float>(out, bytes);
    case StoredType::f64:
      return put_number<double>(out, bytes);
    case StoredType::text32:
      break;
  }
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
  [[nodiscard]] std::string_view person(std::size_t column, std::uint64_t value) const noexcept {
    return persons_[column][value];
  }
  [[nodiscard]] std::string_view day(std::size_t dataset, DayNumber day) const noexcept {
    return events_[dataset].days[day];
  }
  [[nodiscard]] std::string_view category(std::size_t dataset, std::size_t column, std::uint64_t code) const noexcept {
    return events_[dataset].categories[column][code];
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

  template <typename Out>
  void put(Out& out, const Bucket& bucket, std::size_t file) const {
    for (std::size_t p = 0; p < bucket.persons(); ++p) {
      if (file == 0) {
        put_person(out, bucket, p);
      } else {
        put_events(out, bucket, p, file - 1);
      }
    }
  }

 private:
  template <typename Out>
  void put_person(Out& out, const Bucket& bucket, std::size_t p) const {
    out.name(Out::spelt(bucket.name(p)));
    for (std::size_t c = 0; c < columns_.persons.size(); ++c) {
      out.character(',');
      out.word(words_.person(c, bucket.value(p, c)));
    }
    out.character('\n');
  }

  template <typename Out>
  void put_events(Out& out, const Bucket& bucket, std::size_t p, std::size_t d) const {
    const ReleasedEvents& released = columns_.events[d];
    const std::uint64_t count = bucket.events(p, d);
    if (count == 0) return;
    const NameDigits name = Out::spelt(bucket.name(p));
    const std::byte* event = bucket.first_event(p, d);
    for (std::uint64_t i = 0; i < count; ++i, event += released.event_bytes) {
      out.name(name);
      if (released.row_ids) {
        out.character(',');
        out.name(Out::spelt(value_at<Pseudonym>(event)));
      }
      for (std::size_t c = 0; c < released.columns.size(); ++c) {
        const ReleasedColumn& column = released.columns[c];
        const std::byte* const value = event + column.at;
        out.character(',');
        if (column.kind == ReleasedColumn::Kind::date) {
          out.word(words_.day(d, value_at<DayNumber>(value)));
        } else if (column.kind == ReleasedColumn::Kind::category) {
          out.word(words_.category(d, c, code_at(value, column.width)));
        } else {
          put_as_it_is(out, column.spec.type, value);
        }
      }
      out.character('\n');
    }
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
      PerThread<Bucket> buckets;
      for_each_item(arrivals.buckets(), [&](std::size_t b) {
        Bucket& bucket = buckets.local();
        bucket.open(arrivals, b);
        for (std::size_t f = 0; f < files.size(); ++f) {
          Measure measure;
          lines.put(measure, bucket, f);
          at[f][b + 1] = measure.bytes;
        }
      });
      for (std::vector<std::uint64_t>& of : at) std::partial_sum(of.begin(), of.end(), of.begin());
    });
    for (std::size_t f = 0; f < files.size(); ++f) files[f].begin_round(comm, at[f].back());
    agreed_step(comm, [&] {
      PerThread<std::vector<char>> buffers;
      for_each_bucket(arrivals, [&](const Bucket& bucket, std::size_t b) {
        std::vector<char>& buffer = buffers.local();
        for (std::size_t f = 0; f < files.size(); ++f) {
          const std::size_t bytes = at[f][b + 1] - at[f][b];
          buffer.resize(std::max(buffer.size(), bytes + kWordRoom));
          Pen pen{buffer.data()};
          lines.put(pen, bucket, f);
          files[f].put(at[f][b], std::span<const char>(buffer).first(bytes));
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
