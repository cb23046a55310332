// Any bytes as an extract: pieces of any size, and the plain reader, must give the records of the whole.
//
// The first three bytes of an input choose delimiter, record limit and piece size; the rest is the text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "engine/error.hpp"
#include "io/header.hpp"
#include "tests/csv_pieces.hpp"

namespace {

using ligature::testing::PieceBuffer;
using ligature::testing::PlainReading;

void require_same(const PlainReading& expected, const PlainReading& found, const char* what) {
  if (expected.records == found.records && expected.lines == found.lines) return;
  std::cerr << what << "\n";
  for (const auto& record : expected.records) std::cerr << "expected " << record << "\n";
  for (const auto& record : found.records) std::cerr << "found    " << record << "\n";
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const char delimiter = ",;|\t"[data[0] % 4];
  const std::size_t limit = data[1] == 0 ? 65536 : data[1], piece_bytes = data[2] + std::size_t{1};
  const std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);

  const PlainReading expected = without_bad_offsets(ligature::testing::read_plainly(text, delimiter, limit));
  require_same(expected, ligature::testing::read_in_pieces(text, delimiter, limit, text.size() + 1), "in one piece");
  require_same(expected, ligature::testing::read_in_pieces(text, delimiter, limit, piece_bytes), "in pieces");

  const PieceBuffer whole(text, 0, text.size());
  ligature::RecordTokenizer tokenizer(delimiter, limit);
  if (ligature::guess_record_start(tokenizer, whole.piece(), '"', 1 + data[2] % 9U) > text.size()) std::abort();
  try {
    const auto header = ligature::parse_header(whole.piece().data, text.size(), true, delimiter, limit);
    if (!header || header->data_offset > text.size() || header->names.empty()) std::abort();
  } catch (const ligature::UsageError&) {  // most texts are no header
  }
  return 0;
}
