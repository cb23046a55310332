// The CSV form.  Every rank goes through its part of a round twice: to measure it, and so to learn where its lines
// begin; then to write them in place, a piece of the file at a time.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <numeric>
#include <string_view>

#include "engine/parallel.hpp"
#include "io/csv_field.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "jobs/release/extract.hpp"

namespace ligature {

namespace {

constexpr std::size_t kBlockPersons = 256;  // what is known of where lines begin is known for so many persons
constexpr std::size_t kPersonsAhead = 8;
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

// The lines of one person in one file.
class Lines {
 public:
  Lines(const Release& release, const Vocabulary& words, const Arrivals& arrivals)
      : columns_(release.columns), words_(words), arrivals_(arrivals) {}

  template <typename Out>
  void put_person(Out& out, std::size_t p) const {
    out.name(Out::spelt(arrivals_.name(p)));
    for (std::size_t c = 0; c < columns_.persons.size(); ++c) {
      out.character(',');
      out.word(words_.person(c, arrivals_.value(p, c)));
    }
    out.character('\n');
  }

  template <typename Out>
  void put_events(Out& out, std::size_t p, std::size_t d) const {
    const ReleasedEvents& released = columns_.events[d];
    const std::uint64_t count = arrivals_.events(p, d);
    if (count == 0) return;
    const NameDigits name = Out::spelt(arrivals_.name(p));
    const std::byte* event = arrivals_.first_event(p, d);
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

 private:
  const ReleasedColumns& columns_;
  const Vocabulary& words_;
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
  // put(out, person) writes those of one person to a Measure or a Pen; prefetch(person) says that it will.
  template <typename Put, typename Prefetch>
  void write(const Communicator& comm, std::size_t count, const Put& put, const Prefetch& prefetch) {
    // Where the lines of each block of persons begin.
    std::vector<std::uint64_t> at((count + kBlockPersons - 1) / kBlockPersons + 1);
    const auto put_block = [&](auto& out, std::size_t block) {
      const std::size_t begin = block * kBlockPersons, end = std::min(count, begin + kBlockPersons);
      for (std::size_t p = begin; p < end; ++p) {
        prefetch(p + kPersonsAhead);
        put(out, p);
      }
    };
    agreed_step(comm, [&] {
      for_blocks(at.size() - 1, 16, [&](std::size_t begin, std::size_t end) {
        for (std::size_t block = begin; block < end; ++block) {
          Measure measure;
          put_block(measure, block);
          at[block + 1] = measure.bytes;
        }
      });
      std::partial_sum(at.begin(), at.end(), at.begin());
    });
    const std::uint64_t first = next_ + comm.exclusive_sum(at.back());
    next_ += comm.sum(at.back());
    agreed_step(comm, [&] { write_pieces(first, at, put_block); });
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
  // The pieces of the file that a digest is made of are made one by one: such a piece lies as the disk likes it, and
  // need not be read again for its digest.
  template <typename PutBlock>
  void write_pieces(std::uint64_t first, const std::vector<std::uint64_t>& at, const PutBlock& put_block) {
    const std::uint64_t end = first + at.back();
    if (first == end) return;
    DirectWriter writer(file_, write_strategy());
    const std::uint64_t first_piece = first / kDigestPieceBytes;
    const std::uint64_t pieces = (end + kDigestPieceBytes - 1) / kDigestPieceBytes - first_piece;
    std::vector<PieceDigest> digests(pieces);
    PerThread<std::vector<char>> buffers;
    for_each_item(pieces, [&](std::size_t i) {
      const std::uint64_t piece = first_piece + i;
      const std::uint64_t from = std::max(first, piece * kDigestPieceBytes) - first;
      const std::uint64_t to = std::min(end, (piece + 1) * kDigestPieceBytes) - first;
      // The blocks that lie in it, whole.
      const auto begin_block = static_cast<std::size_t>(std::upper_bound(at.begin(), at.end(), from) - at.begin()) - 1;
      const auto end_block = static_cast<std::size_t>(std::lower_bound(at.begin(), at.end(), to) - at.begin());
      std::vector<char>& buffer = buffers.local();
      buffer.resize(std::max<std::size_t>(buffer.size(), at[end_block] - at[begin_block] + kWordRoom));
      Pen pen{buffer.data()};
      for (std::size_t block = begin_block; block < end_block; ++block) put_block(pen, block);
      const auto text = std::as_bytes(std::span(buffer)).subspan(from - at[begin_block], to - from);
      writer.write_at(first + from, text);
      if (text.size() == kDigestPieceBytes) digests[i] = {piece, sha256(text)};
    });
    writer.finish();
    if (pieces > 0 && end % kDigestPieceBytes != 0) digests.pop_back();
    if (!digests.empty() && first % kDigestPieceBytes != 0) digests.erase(digests.begin());
    digests_.insert(digests_.end(), digests.begin(), digests.end());
  }

  File file_;
  std::uint64_t next_;
  std::vector<PieceDigest> digests_;  // of the pieces that this rank has written whole
};

}  // namespace

std::vector<WrittenFile> write_csv_extract(const Communicator& comm, const Release& release, std::uint64_t rounds,
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
  const Vocabulary words(release);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const Arrivals arrivals = bring(comm, release, round, rounds);
    const Lines lines(release, words, arrivals);
    const auto prefetch = [&](std::size_t p) { arrivals.prefetch(p); };
    persons.write(
        comm, arrivals.persons(), [&](auto& out, std::size_t p) { lines.put_person(out, p); }, prefetch);
    for (std::size_t d = 0; d < events.size(); ++d) {
      events[d].write(
          comm, arrivals.persons(), [&](auto& out, std::size_t p) { lines.put_events(out, p, d); }, prefetch);
    }
  }
  std::vector<WrittenFile> written{{names.front(), persons.finish(comm)}};
  for (std::size_t d = 0; d < events.size(); ++d) written.push_back({names[d + 1], events[d].finish(comm)});
  return written;
}

}  // namespace ligature
