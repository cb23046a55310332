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

namespace ligature {

// Bytes that must be readable after the end of a buffer that is tokenized: fields are found a word at a time.
inline constexpr std::size_t kReadAhead = 8;

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
  bool plain_ = true;  // the buffer has neither NUL nor bytes above 0x7F
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
