// Reads a text through io/csv.hpp in pieces, as the reader of a share does, into comparable records.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/csv.hpp"
#include "tests/plain_csv_reader.hpp"

namespace ligature::testing {

class RecordCollector final : public RecordSink {
 public:
  void row(std::span<const std::string_view> fields, std::uint64_t offset, std::uint64_t lines) override {
    PlainRecord record{true, QuarantineReason::column_count, {}, reading.lines, offset};
    record.fields.assign(fields.begin(), fields.end());
    reading.records.push_back(std::move(record));
    reading.lines += lines;
  }
  void bad(QuarantineReason reason, std::uint64_t lines) override {
    reading.records.push_back({false, reason, {}, reading.lines, 0});
    reading.lines += lines;
  }
  void line_ends(std::uint64_t lines) override { reading.lines += lines; }

  PlainReading reading;
};

// A copy of part of a text with exactly the readable bytes after it that csv.hpp asks for.
class PieceBuffer {
 public:
  PieceBuffer(std::string_view text, std::size_t offset, std::size_t size) : bytes_(size + kReadAhead, '\x5A') {
    if (size != 0) std::memcpy(bytes_.data(), text.data() + offset, size);
    piece_ = {bytes_.data(), size, offset, offset + size == text.size()};
  }
  [[nodiscard]] const Piece& piece() const { return piece_; }

 private:
  std::vector<char> bytes_;
  Piece piece_;
};

inline PlainReading read_in_pieces(std::string_view text, char delimiter, std::size_t max_record_bytes,
                                   std::size_t piece_bytes) {
  RecordTokenizer tokenizer(delimiter, max_record_bytes);
  ReadingState state;
  RecordCollector collector;
  for (std::size_t offset = 0; offset < text.size(); offset += piece_bytes) {
    const PieceBuffer buffer(text, offset, std::min(piece_bytes, text.size() - offset));
    read_records(tokenizer, state, buffer.piece(), 0, buffer.piece().size, collector);
  }
  return collector.reading;
}

// What can be compared: the tokenizer does not tell where a quarantined record begins, only its line.
inline PlainReading without_bad_offsets(PlainReading reading) {
  for (PlainRecord& record : reading.records) {
    if (!record.good) record.offset = 0;
  }
  return reading;
}

}  // namespace ligature::testing
