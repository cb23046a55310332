// Records of a delimited text file (RFC 4180), cut from bytes that come in pieces, with recovery from broken rows.
//
// Which bytes are a record depends on the bytes from its start alone, never on where pieces end; so a file may be read
// in parallel pieces whose seams are then checked (share_reader.hpp).  docs/bad-rows.md states the rules for users.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "io/intake.hpp"
#include "io/structural_index.hpp"

namespace ligature {

// Bytes that must be readable after the end of a buffer that is tokenized, and so after the end of any field.
inline constexpr std::size_t kReadAhead = kIndexReadAhead;

// What begins at one place of a buffer.
struct Token {
  enum class Kind : std::uint8_t {
    row,    // a record; see RecordTokenizer::fields
    blank,  // an empty line
    bad,    // a record to quarantine
    more,   // the buffer ends before this can be told
  };
  Kind kind = Kind::more;
  QuarantineReason reason = QuarantineReason::column_count;  // of bad
  bool line_open = false;  // bad, and its line goes on beyond the buffer: skip_line from next in what follows
  std::size_t next = 0;    // where the next record begins
  std::size_t lines = 0;   // line ends up to there
};

// Successive records of a buffer that were found by index.  Each is one line.
class RecordRun {
 public:
  RecordRun() = default;
  // text: where the indexed text begins, in a buffer that begins at `offset` less its distance from it.
  RecordRun(const char* text, std::uint64_t offset, const StructuralIndex& index, std::size_t records) noexcept
      : text_(text),
        offset_(offset),
        ends_(index.ends.data()),
        last_ends_(index.records.data()),
        records_(records),
        quoted_(index.quoted) {}

  [[nodiscard]] std::size_t size() const noexcept { return records_; }
  // What the run takes up of the text.
  [[nodiscard]] std::size_t bytes() const noexcept { return records_ == 0 ? 0 : begin_of(last_ends_[records_]); }

  // Of a record: the number of its fields, whether it is an empty line, and where it begins in the file.
  [[nodiscard]] std::size_t columns(std::size_t record) const noexcept {
    return last_ends_[record + 1] - last_ends_[record];
  }
  [[nodiscard]] bool is_blank(std::size_t record) const noexcept {
    return columns(record) == 1 && record_text(record).empty();
  }
  [[nodiscard]] std::uint64_t offset(std::size_t record) const noexcept {
    return offset_ + begin_of(last_ends_[record]);
  }
  // A record without its line end.
  [[nodiscard]] std::string_view record_text(std::size_t record) const noexcept {
    const std::size_t begin = begin_of(last_ends_[record]);
    return {text_ + begin, end_of_line(begin, last_ends_[record + 1]) - begin};
  }

  // A field, quotes removed.
  [[nodiscard]] std::string_view field(std::size_t record, std::size_t column) const noexcept {
    const std::size_t first = last_ends_[record];
    const std::size_t begin = begin_of(first + column);
    const bool last = first + column + 1 == last_ends_[record + 1];
    return unquoted(begin, last ? end_of_line(begin, first + column + 1) : ends_[first + column + 1]);
  }
  // The fields of one column of some records that have `columns` columns each.
  void fields(std::span<const std::uint32_t> records, std::size_t column, std::size_t columns,
              std::string_view* texts) const noexcept {
    const std::uint32_t* const ends = ends_ + column;
    if (column + 1 == columns) {
      for (const std::uint32_t record : records) *texts++ = field(record, column);
    } else if (quoted_) {
      for (const std::uint32_t record : records) {
        const std::size_t first = last_ends_[record];
        *texts++ = unquoted(std::uint32_t{ends[first] + 1}, ends[first + 1]);
      }
    } else {
      for (const std::uint32_t record : records) {
        const std::size_t first = last_ends_[record];
        const std::size_t begin = std::uint32_t{ends[first] + 1};
        *texts++ = std::string_view(text_ + begin, ends[first + 1] - begin);
      }
    }
  }

 private:
  // Where that begins which comes after ends[i]: one beyond it, and 0 after the first.
  [[nodiscard]] std::size_t begin_of(std::size_t i) const noexcept { return std::uint32_t{ends_[i] + 1}; }
  // Where the content ends that begins at `begin` and whose line ends at ends[i].
  [[nodiscard]] std::size_t end_of_line(std::size_t begin, std::size_t i) const noexcept {
    const std::size_t end = ends_[i];
    return end > begin && text_[end] == '\n' && text_[end - 1] == '\r' ? end - 1 : end;
  }

  // Quotes stand around a whole field or nowhere.
  [[nodiscard]] std::string_view unquoted(std::size_t begin, std::size_t end) const noexcept {
    const std::size_t quote = quoted_ && begin < end && text_[begin] == '"' ? 1 : 0;
    return {text_ + begin + quote, end - begin - 2 * quote};
  }

  const char* text_ = nullptr;
  std::uint64_t offset_ = 0;
  const std::uint32_t* ends_ = nullptr;
  const std::uint32_t* last_ends_ = nullptr;
  std::size_t records_ = 0;
  bool quoted_ = false;
};

// Cuts records from one buffer after another.  Line ends are LF, CRLF and CR.
class RecordTokenizer {
 public:
  // delimiter: neither a quote nor a line end.  A record may have max_record_bytes bytes without its line end.
  RecordTokenizer(char delimiter, std::uint64_t max_record_bytes);

  // Turns to a buffer, with kReadAhead readable bytes after it.  last: the file ends with it.
  void attach(const char* data, std::size_t size, bool last);

  // What begins at an offset of the buffer.  REQUIRES: begin < size.
  // Cost: linear in what is consumed over successive calls, for hostile files too.
  Token read(std::size_t begin);

  // The records from begin on, up to some number, that read would give as rows and blank lines of one line each; none
  // if read must be asked what begins there.  offset: of begin in the file.  Valid until the next call.
  // REQUIRES: begin < stop <= size.  The records begin before stop.
  RecordRun read_run(std::size_t begin, std::size_t stop, std::uint64_t offset);

  // The fields of the last row, quotes removed.  They point into the buffer or into this object; valid until read.
  [[nodiscard]] std::span<const std::string_view> fields() const noexcept { return {fields_.data(), field_count_}; }

  // The rest of a quarantined line: kind bad with line_open if it goes on beyond the buffer, else kind blank.
  [[nodiscard]] Token skip_line(std::size_t from) const noexcept;

  [[nodiscard]] std::size_t max_record_bytes() const noexcept { return limit_; }
  [[nodiscard]] char delimiter() const noexcept { return delimiter_; }

 private:
  bool read_unquoted(std::size_t begin, Token& token);
  Token read_any(std::size_t begin);
  Token end_of_row(std::size_t begin, std::size_t end, bool one_line);
  Token bad_line(std::size_t begin, QuarantineReason reason) const;
  Token quote_failed(std::size_t begin, std::size_t end, QuarantineReason reason, bool goes_on, bool pending);
  void add_field(const char* begin, std::size_t size);

  char delimiter_;
  std::size_t limit_;
  const char* data_ = nullptr;
  std::size_t size_ = 0;
  bool last_ = false;
  StructuralIndex index_;
  std::vector<std::string_view> fields_;
  std::size_t field_count_ = 0;
  std::vector<char> unescaped_;

  // The last record that failed inside quotes.  Up to its end every line end stands inside quotes, so a later record
  // that is inside quotes at one of them fails alike and need not be scanned again: recovery stays linear.
  struct FailedQuote {
    std::size_t begin = 0, end = 0;
    QuarantineReason reason = QuarantineReason::unterminated_quote;
    bool goes_on = false;  // it ended at max_record_bytes: a later record may read on from here
    bool pending = false;  // and its last byte was a quote, which the next byte decides
  } failed_;
};

// Receives records in file order.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  // offset: of the record's first byte in the file (decompressed).  lines: its line ends.
  virtual void row(std::span<const std::string_view> fields, std::uint64_t offset, std::uint64_t lines) = 0;
  virtual void bad(QuarantineReason reason, std::uint64_t lines) = 0;
  virtual void line_ends(std::uint64_t lines) = 0;  // blank lines, and the ends of lines whose row was reported before
  // Many records: as row for each and line_ends for each blank line.
  virtual void run(const RecordRun& records);
};

// Where a reading stands between two pieces.
struct ReadingState {
  std::vector<char> carry;  // the bytes of a record that the last piece left undecided
  bool skipping = false;    // within the rest of a quarantined line
  [[nodiscard]] bool at_rest() const noexcept { return carry.empty() && !skipping; }
};

// One piece of a file, with kReadAhead readable bytes after it.
struct Piece {
  const char* data = nullptr;
  std::size_t size = 0;
  std::uint64_t offset = 0;  // in the file
  bool last = false;         // the file ends with it
};

// Reads what state carries and then the records of the piece from `from` on (0 unless state is at rest) that begin
// before `stop`.  Returns where the next record begins; if the state is not at rest then, the piece is used up.
std::size_t read_records(RecordTokenizer& tokenizer, ReadingState& state, const Piece& piece, std::size_t from,
                         std::size_t stop, RecordSink& sink);

// A likely record start in a piece that begins anywhere: the first line start, taken as outside quotes or else as
// inside, from which the next records have the right number of columns.  previous: the byte before the piece.
std::size_t guess_record_start(RecordTokenizer& tokenizer, const Piece& piece, char previous, std::size_t columns);

// Strict UTF-8 (Unicode 15, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

}  // namespace ligature
