// The rules of docs/bad-rows.md, a byte at a time: slow, sequential, and written apart from io/csv.cpp to judge it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "io/intake.hpp"

namespace ligature::testing {

struct PlainRecord {
  bool good = false;
  QuarantineReason reason = QuarantineReason::column_count;  // if not good
  std::vector<std::string> fields;                           // if good
  std::uint64_t line = 0;                                    // line on which it begins, from 0
  std::uint64_t offset = 0;
  friend bool operator==(const PlainRecord&, const PlainRecord&) = default;
};

inline std::ostream& operator<<(std::ostream& out, const PlainRecord& record) {
  out << "line " << record.line << " offset " << record.offset << ' ';
  if (!record.good) return out << quarantine_reason_name(record.reason);
  for (const std::string& field : record.fields) out << '[' << field << ']';
  return out;
}

struct PlainReading {
  std::vector<PlainRecord> records;
  std::uint64_t lines = 0;  // line ends in the text
};

// Decodes each character to its code point and checks that the point needs that many bytes.
inline bool decodes_as_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0 || at + length > text.size()) return false;
    std::uint32_t point = length == 1 ? lead : lead & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      if (next >> 6 != 2) return false;
      point = point << 6 | (next & 0x3FU);
    }
    const std::size_t needed = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (needed != length || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
    at += length;
  }
  return true;
}

inline PlainReading read_plainly(std::string_view text, char delimiter, std::size_t max_record_bytes) {
  PlainReading reading;
  // Steps over a line end, if one stands at a place.
  const auto over_line_end = [&](std::size_t at) {
    if (at < text.size() && text[at] == '\r') return at + 1 < text.size() && text[at + 1] == '\n' ? at + 2 : at + 1;
    return at < text.size() && text[at] == '\n' ? at + 1 : at;
  };
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t next = over_line_end(begin);
    if (next == begin) {
      PlainRecord record{true, QuarantineReason::column_count, {""}, reading.lines, begin};
      enum class State { field_start, bare, quoted, quote_seen } state = State::field_start;
      const auto fail = [&](QuarantineReason reason) {
        record = {false, reason, {}, reading.lines, begin};
        next = reason == QuarantineReason::too_long ? begin + max_record_bytes : begin;
        while (next < text.size() && over_line_end(next) == next) ++next;
        next = over_line_end(next);
      };
      for (std::size_t at = begin;; ++at) {
        const bool inside = state == State::quoted;
        if (at - begin > max_record_bytes) {
          fail(inside || state == State::quote_seen ? QuarantineReason::unterminated_quote
                                                    : QuarantineReason::too_long);
          break;
        }
        if (at == text.size() || (!inside && over_line_end(at) != at)) {
          next = over_line_end(at);
          if (inside) fail(QuarantineReason::unterminated_quote);
          break;
        }
        const char c = text[at];
        if (inside) {
          if (c == '"') {
            state = State::quote_seen;
          } else {
            record.fields.back() += c;
          }
        } else if (c == delimiter) {
          record.fields.emplace_back();
          state = State::field_start;
        } else if (c == '"' && state == State::quote_seen) {
          record.fields.back() += c;
          state = State::quoted;
        } else if (c == '"' && state == State::field_start) {
          state = State::quoted;
        } else if (state == State::quote_seen) {
          fail(QuarantineReason::malformed_quote);
          break;
        } else {
          record.fields.back() += c;
          state = State::bare;
        }
      }
      if (record.good) {
        const std::string_view bytes = text.substr(begin, next - begin);
        if (bytes.find('\0') != std::string_view::npos) {
          record = {false, QuarantineReason::nul_byte, {}, reading.lines, begin};
        } else if (!decodes_as_utf8(bytes)) {
          record = {false, QuarantineReason::bad_utf8, {}, reading.lines, begin};
        }
      }
      reading.records.push_back(record);
    }
    for (std::size_t at = begin; at < next; ++at) {
      const std::size_t over = over_line_end(at);
      if (over == at) continue;
      ++reading.lines;
      at = over - 1;
    }
    begin = next;
  }
  return reading;
}

}  // namespace ligature::testing
