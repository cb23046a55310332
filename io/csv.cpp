#include "io/csv.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ligature {

namespace {

static_assert(std::endian::native == std::endian::little, "words are searched from their lowest byte");

constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
constexpr std::uint64_t kHighs = 0x8080808080808080ULL;
constexpr std::size_t kMaxLimit = std::size_t{1} << 30;
constexpr std::size_t kRunBytes = std::size_t{16} << 10;  // text and index of a run stay in the first-level cache

std::uint64_t load_word(const char* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// The high bit of each byte that is zero; exact for every byte (Warren, Hacker's Delight, 6-1).
constexpr std::uint64_t zero_bytes(std::uint64_t word) noexcept {
  return ~(((word & ~kHighs) + ~kHighs) | word | ~kHighs);
}

constexpr std::uint64_t every_byte(char value) noexcept {
  return kOnes * static_cast<unsigned char>(value);
}

constexpr bool is_line_end(char c) noexcept {
  return c == '\n' || c == '\r';
}

// The first line end of [from, end), or end.
std::size_t find_line_end(const char* data, std::size_t from, std::size_t end) noexcept {
  std::size_t at = from;
  for (; at + sizeof(std::uint64_t) <= end; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = load_word(data + at);
    const std::uint64_t hits = zero_bytes(word ^ every_byte('\n')) | zero_bytes(word ^ every_byte('\r'));
    if (hits != 0) return at + static_cast<std::size_t>(std::countr_zero(hits)) / 8;
  }
  while (at < end && !is_line_end(data[at])) ++at;
  return at;
}

std::size_t find_byte(const char* data, char value, std::size_t from, std::size_t end) noexcept {
  const void* found = std::memchr(data + from, value, end - from);
  return found == nullptr ? end : static_cast<std::size_t>(static_cast<const char*>(found) - data);
}

// Line ends of a range that splits no CRLF.
std::size_t count_line_ends(const char* data, std::size_t from, std::size_t end) noexcept {
  std::size_t lines = 0;
  for (std::size_t at = find_line_end(data, from, end); at < end; at = find_line_end(data, at, end)) {
    at += data[at] == '\r' && at + 1 < end && data[at + 1] == '\n' ? 2 : 1;
    ++lines;
  }
  return lines;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  const auto byte = [&](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : static_cast<unsigned char>(0);
  };
  const auto continues = [&](std::size_t at) { return (byte(at) & 0xC0U) == 0x80U; };
  std::size_t at = 0;
  while (at < text.size()) {
    if (at + sizeof(std::uint64_t) <= text.size() && (load_word(text.data() + at) & kHighs) == 0) {
      at += sizeof(std::uint64_t);
      continue;
    }
    const unsigned lead = byte(at), second = byte(at + 1);
    if (lead < 0x80) {
      at += 1;
    } else if (lead >= 0xC2 && lead <= 0xDF) {
      if (!continues(at + 1)) return false;
      at += 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      const bool overlong = lead == 0xE0 && second < 0xA0, surrogate = lead == 0xED && second > 0x9F;
      if (!continues(at + 1) || !continues(at + 2) || overlong || surrogate) return false;
      at += 3;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      const bool overlong = lead == 0xF0 && second < 0x90, beyond = lead == 0xF4 && second > 0x8F;
      if (!continues(at + 1) || !continues(at + 2) || !continues(at + 3) || overlong || beyond) return false;
      at += 4;
    } else {
      return false;
    }
  }
  return true;
}

namespace {

// UTF-8 without NUL.
bool is_text(std::string_view text) noexcept {
  std::uint64_t seen = 0;
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= text.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = load_word(text.data() + at);
    seen |= word | (word - kOnes);  // a borrow into the high bit betrays a zero byte
  }
  for (; at < text.size(); ++at) seen |= text[at] == 0 ? kHighs : static_cast<unsigned char>(text[at]);
  return (seen & kHighs) == 0 || (text.find('\0') == std::string_view::npos && is_utf8(text));
}

}  // namespace

RecordTokenizer::RecordTokenizer(char delimiter, std::uint64_t max_record_bytes)
    : delimiter_(delimiter),
      limit_(static_cast<std::size_t>(std::min<std::uint64_t>(max_record_bytes, kMaxLimit))),
      index_(kRunBytes),
      fields_(16) {}

void RecordTokenizer::attach(const char* data, std::size_t size, bool last) {
  data_ = data;
  size_ = size;
  last_ = last;
  failed_ = FailedQuote();
}

void RecordTokenizer::add_field(const char* begin, std::size_t size) {
  if (field_count_ == fields_.size()) fields_.resize(fields_.size() * 2);
  fields_[field_count_++] = std::string_view(begin, size);
}

Token RecordTokenizer::read(std::size_t begin) {
  Token token;
  if (read_unquoted(begin, token)) return token;
  return read_any(begin);
}

// A record longer than the limit cannot end within a text that is no longer than it.
RecordRun RecordTokenizer::read_run(std::size_t begin, std::size_t stop, std::uint64_t offset) {
  const char* const text = data_ + begin;
  index_records(text, std::min({size_ - begin, limit_, kRunBytes}), delimiter_, index_);
  std::size_t records = index_.record_count;
  while (records != 0 && RecordRun(text, offset, index_, records).offset(records - 1) - offset >= stop - begin)
    --records;
  const RecordRun run(text, offset, index_, records);
  if (index_.plain || is_text({text, run.bytes()})) return run;
  std::size_t good = 0;
  while (good < records && is_text(run.record_text(good))) ++good;
  return {text, offset, index_, good};
}

// The common case: a record without any quote that ends within the buffer.  False: look again, in full.
bool RecordTokenizer::read_unquoted(std::size_t begin, Token& token) {
  const char* const first = data_ + begin;
  const char* const bound = data_ + std::min(size_, begin + limit_ + 1);
  const char* field = first;
  const char delimiter = delimiter_;
  const std::uint64_t delimiters = every_byte(delimiter);
  std::string_view* fields = fields_.data();
  std::size_t count = 0, room = fields_.size();
  for (const char* at = first; at < bound; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = load_word(at);
    std::uint64_t hits = zero_bytes(word ^ delimiters) | zero_bytes(word ^ every_byte('\n')) |
                         zero_bytes(word ^ every_byte('\r')) | zero_bytes(word ^ every_byte('"'));
    for (; hits != 0; hits &= hits - 1) {
      const char* const hit = at + std::countr_zero(hits) / 8;
      if (hit >= bound || *hit == '"') return false;
      if (count == room) {
        fields_.resize(room * 2);
        fields = fields_.data();
        room = fields_.size();
      }
      fields[count++] = std::string_view(field, static_cast<std::size_t>(hit - field));
      if (*hit == delimiter) {
        field = hit + 1;
        continue;
      }
      if (*hit == '\r' && hit + 1 == data_ + size_ && !last_) return false;
      field_count_ = count;
      token = end_of_row(begin, static_cast<std::size_t>(hit - data_), true);
      return true;
    }
  }
  return false;
}

// A record whose content ends at `end`: at a line end, or at the end of the file.
Token RecordTokenizer::end_of_row(std::size_t begin, std::size_t end, bool one_line) {
  Token token;
  token.kind = end == begin ? Token::Kind::blank : Token::Kind::row;
  token.next = end;
  if (end < size_) token.next += data_[end] == '\r' && end + 1 < size_ && data_[end + 1] == '\n' ? 2 : 1;
  token.lines = one_line ? 1 : count_line_ends(data_, begin, token.next);
  const std::string_view record(data_ + begin, end - begin);
  if (is_text(record)) return token;
  token.kind = Token::Kind::bad;
  const bool has_nul = record.find('\0') != std::string_view::npos;
  token.reason = has_nul ? QuarantineReason::nul_byte : QuarantineReason::bad_utf8;
  return token;
}

Token RecordTokenizer::skip_line(std::size_t from) const noexcept {
  Token token;
  const std::size_t end = find_line_end(data_, from, size_);
  const bool undecided = end == size_ || (data_[end] == '\r' && end + 1 == size_);
  if (undecided && !last_) {
    token.kind = Token::Kind::bad;
    token.line_open = true;
    token.next = end;
    return token;
  }
  token.kind = Token::Kind::blank;
  token.next = end;
  if (end == size_) return token;
  token.lines = 1;
  token.next += data_[end] == '\r' && end + 1 < size_ && data_[end + 1] == '\n' ? 2 : 1;
  return token;
}

// Quarantines the one line that begins at begin, or for a record that is too long all of it.
Token RecordTokenizer::bad_line(std::size_t begin, QuarantineReason reason) const {
  const bool whole_record = reason == QuarantineReason::too_long;
  Token token = skip_line(whole_record ? begin + limit_ : begin);
  if (whole_record) token.lines += count_line_ends(data_, begin, begin + limit_);
  token.kind = Token::Kind::bad;
  token.reason = reason;
  return token;
}

Token RecordTokenizer::quote_failed(std::size_t begin, std::size_t end, QuarantineReason reason, bool goes_on,
                                    bool pending) {
  if (end > failed_.end) failed_ = FailedQuote{begin, end, reason, goes_on, pending};
  return bad_line(begin, reason);
}

// Every record: a state machine by fields.  bound ends what may be looked at: the buffer, or one byte over the limit.
Token RecordTokenizer::read_any(std::size_t begin) {
  const std::size_t bound = std::min(size_, begin + limit_ + 1);
  const bool by_limit = bound == begin + limit_ + 1;
  bool joined_failed = false;  // the scan jumped over what a failed record had seen: the fields are not complete
  field_count_ = 0;
  unescaped_.clear();
  unescaped_.reserve(bound - begin + kReadAhead);  // so that fields may point into it
  Token more;
  std::size_t at = begin;
  for (;;) {
    if (at < bound && data_[at] == '"') {
      const std::size_t content = at + 1;
      bool doubled = false;
      for (std::size_t from = content;;) {
        const std::size_t quote = find_byte(data_, '"', from, bound);
        if (!joined_failed && begin > failed_.begin && from < failed_.end) {
          const std::size_t seen = std::min(quote, failed_.end);
          if (find_line_end(data_, from, seen) < seen) {
            if (!failed_.goes_on) return bad_line(begin, failed_.reason);
            joined_failed = true;
            from = failed_.end - (failed_.pending ? 1 : 0);
            continue;
          }
        }
        if (quote == bound || quote + 1 == bound) {
          const bool pending = quote != bound;
          if (!by_limit && !last_) return more;
          if (by_limit || !pending) {
            return quote_failed(begin, bound, QuarantineReason::unterminated_quote, by_limit, pending);
          }
        } else if (data_[quote + 1] == '"') {
          doubled = true;
          from = quote + 2;
          continue;
        }
        at = quote + 1;
        break;
      }
      if (at < bound && data_[at] != delimiter_ && !is_line_end(data_[at])) {
        return quote_failed(begin, at, QuarantineReason::malformed_quote, false, false);
      }
      if (!doubled) {
        add_field(data_ + content, at - 1 - content);
      } else {
        const std::size_t start = unescaped_.size();
        for (std::size_t i = content; i < at - 1; ++i) {
          unescaped_.push_back(data_[i]);
          if (data_[i] == '"') ++i;
        }
        add_field(unescaped_.data() + start, unescaped_.size() - start);
      }
    } else {
      const std::size_t content = at;
      while (at < bound && data_[at] != delimiter_ && !is_line_end(data_[at])) ++at;
      add_field(data_ + content, at - content);
    }
    if (at == bound) {
      if (by_limit) return bad_line(begin, QuarantineReason::too_long);
      if (!last_) return more;
    } else if (data_[at] == delimiter_) {
      ++at;
      continue;
    } else if (data_[at] == '\r' && at + 1 == size_ && !last_) {
      return more;
    }
    if (joined_failed) {
      failed_ = FailedQuote();
      return read_any(begin);
    }
    return end_of_row(begin, at, false);
  }
}

namespace {

// Reads one token at a place (the rest of a quarantined line if skipping) and tells the sink what it was.
Token deliver(RecordTokenizer& tokenizer, bool skipping, std::size_t at, std::uint64_t offset, RecordSink& sink) {
  const Token token = skipping ? tokenizer.skip_line(at) : tokenizer.read(at);
  if (skipping || token.kind == Token::Kind::blank) {
    sink.line_ends(token.lines);
  } else if (token.kind == Token::Kind::row) {
    sink.row(tokenizer.fields(), offset, token.lines);
  } else if (token.kind == Token::Kind::bad) {
    sink.bad(token.reason, token.lines);
  }
  return token;
}

}  // namespace

void RecordSink::run(const RecordRun& records) {
  std::vector<std::string_view> fields;
  for (std::size_t record = 0; record < records.size(); ++record) {
    if (records.is_blank(record)) {
      line_ends(1);
      continue;
    }
    fields.resize(records.columns(record));
    for (std::size_t column = 0; column < fields.size(); ++column) fields[column] = records.field(record, column);
    row(fields, records.offset(record), 1);
  }
}

std::size_t read_records(RecordTokenizer& tokenizer, ReadingState& state, const Piece& piece, std::size_t from,
                         std::size_t stop, RecordSink& sink) {
  std::size_t at = from;

  if (!state.carry.empty()) {
    // Whatever begins in the carried bytes is decided max_record_bytes later at most: join that much of the piece.
    const std::size_t carried = state.carry.size();
    const std::size_t from_piece = std::min(piece.size, tokenizer.max_record_bytes() + 3);
    const bool whole = from_piece == piece.size;
    std::vector<char> joined = std::move(state.carry);
    joined.resize(carried + from_piece + kReadAhead);
    if (from_piece != 0) std::memcpy(joined.data() + carried, piece.data, from_piece);
    tokenizer.attach(joined.data(), carried + from_piece, piece.last && whole);
    state.carry.clear();
    for (at = 0; at < carried;) {
      const Token token = deliver(tokenizer, state.skipping, at, piece.offset - carried + at, sink);
      const bool undecided = token.kind == Token::Kind::more;
      if (!undecided) {
        at = token.next;
        state.skipping = token.line_open;
      }
      if (undecided || (state.skipping && whole)) {
        state.carry.assign(joined.data() + at, joined.data() + carried + from_piece);
        return piece.size;
      }
      if (state.skipping) break;
    }
    at -= carried;
  }

  tokenizer.attach(piece.data, piece.size, piece.last);
  while (at < stop || state.skipping) {
    if (!state.skipping) {
      const RecordRun run = tokenizer.read_run(at, stop, piece.offset + at);
      if (run.size() != 0) {
        sink.run(run);
        at += run.bytes();
        continue;
      }
    }
    const Token token = deliver(tokenizer, state.skipping, at, piece.offset + at, sink);
    const bool undecided = token.kind == Token::Kind::more;
    if (!undecided) {
      at = token.next;
      state.skipping = token.line_open;
    }
    if (undecided || state.skipping) {
      state.carry.assign(piece.data + at, piece.data + piece.size);
      return piece.size;
    }
  }
  return at;
}

namespace {

constexpr int kRecordsToJudge = 4;
constexpr int kLineStartsToTry = 32;

// True if the next few records from start have the right number of columns.
bool looks_right(RecordTokenizer& tokenizer, const Piece& piece, std::size_t start, std::size_t columns) {
  int rows = 0;
  for (std::size_t at = start; at < piece.size && rows < kRecordsToJudge;) {
    const Token token = tokenizer.read(at);
    if (token.kind == Token::Kind::more) break;
    if (token.kind == Token::Kind::bad) return false;
    if (token.kind == Token::Kind::row && tokenizer.fields().size() != columns) return false;
    rows += token.kind == Token::Kind::row ? 1 : 0;
    at = token.next;
  }
  return true;
}

// The record after the one that holds offset 0 inside quotes, or piece.size.
std::size_t start_after_open_quote(RecordTokenizer& tokenizer, const Piece& piece) {
  const std::size_t bound = std::min(piece.size, tokenizer.max_record_bytes());
  for (std::size_t at = find_byte(piece.data, '"', 0, bound); at < bound; at = find_byte(piece.data, '"', at, bound)) {
    const std::size_t run = at;
    while (at < bound && piece.data[at] == '"') ++at;
    if ((at - run) % 2 == 0) continue;
    if (at + 1 >= bound) break;
    // The closing quote; what follows it in the record reads like a record of its own.
    const std::size_t rest = piece.data[at] == tokenizer.delimiter() ? at + 1 : at;
    if (rest == at && !is_line_end(piece.data[at])) break;
    const Token token = tokenizer.read(rest);
    return token.kind == Token::Kind::row || token.kind == Token::Kind::blank ? token.next : piece.size;
  }
  return piece.size;
}

}  // namespace

std::size_t guess_record_start(RecordTokenizer& tokenizer, const Piece& piece, char previous, std::size_t columns) {
  if (piece.size == 0) return 0;
  tokenizer.attach(piece.data, piece.size, piece.last);
  const bool starts_line = previous == '\n' || (previous == '\r' && piece.data[0] != '\n');
  const std::size_t first = starts_line ? 0 : tokenizer.skip_line(0).next;
  if (first >= piece.size || looks_right(tokenizer, piece, first, columns)) return std::min(first, piece.size);
  const std::size_t after_quote = start_after_open_quote(tokenizer, piece);
  if (after_quote < piece.size && looks_right(tokenizer, piece, after_quote, columns)) return after_quote;
  std::size_t start = first;
  for (int tried = 1; tried < kLineStartsToTry; ++tried) {
    start = tokenizer.skip_line(start).next;
    if (start >= piece.size) return piece.size;  // no record begins here
    if (looks_right(tokenizer, piece, start, columns)) return start;
  }
  return first;
}

}  // namespace ligature
