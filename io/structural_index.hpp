// Where the fields of an extract end, found 64 bytes at a time in SIMD lanes chosen at run time (Highway).
//
// After G. Langdale and D. Lemire, "Parsing gigabytes of JSON per second", VLDB Journal 28, 2019: a mask has a bit for
// each byte of a block, and the parity of the quotes before a byte tells whether it stands inside quotes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ligature {

// The records at the beginning of a text that need no second look: no quote but around a whole field, no line end
// inside quotes.  A field that ends at ends[i] begins after ends[i - 1]; record r's are (records[r], records[r + 1]].
struct StructuralIndex {
  // indexed_bytes: the longest text.
  explicit StructuralIndex(std::size_t indexed_bytes);

  std::size_t record_count = 0;
  bool quoted = false;                 // there may be quotes
  bool plain = true;                   // there is neither NUL nor a byte above 0x7F
  std::vector<std::uint32_t> ends;     // places in the text; the LF of CRLF; first -1, as if a record ended there
  std::vector<std::uint32_t> records;  // indexes into ends of where records end; first 0
};

// Bytes that must be readable after the end of a text.
inline constexpr std::size_t kIndexReadAhead = 64;

// Indexes a text that begins with a record.  A record that is cut short by the end of the text, and whatever comes
// after the first record that needs a second look, is left out.  REQUIRES: size <= indexed_bytes.
void index_records(const char* text, std::size_t size, char delimiter, StructuralIndex& index);

// The same, a byte at a time: the plain reference.
void index_records_plainly(const char* text, std::size_t size, char delimiter, StructuralIndex& index);

}  // namespace ligature
