// A column that SIMD lanes read some rows at a time, and its rows that only a reader of any spelling can read.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ligature {

// Few enough that their words stay in the first-level cache, and that a word has a bit for each.
inline constexpr std::size_t kChunkRows = 64;

// Calls visit(row) for each row below `rows` whose bit in `read` is not set, ascending.  REQUIRES: 1 <= rows <= 64.
template <typename Visit>
void for_each_unread(std::uint64_t read, std::size_t rows, const Visit& visit) {
  for (std::uint64_t rest = ~read & ~std::uint64_t{0} >> (kChunkRows - rows); rest != 0; rest &= rest - 1) {
    visit(static_cast<std::size_t>(std::countr_zero(rest)));
  }
}

// Reads a column of texts into as many values, a chunk at a time: gather(text, chunk, row) spells out what the lanes
// read, read(chunk, rows) returns a bit for each row that they could, value(chunk, row) is what they read of it, and
// read_alone(text) reads any other.
template <typename Chunk, typename Value, typename Gather, typename Read, typename ValueOf, typename ReadAlone>
void read_in_chunks(std::span<const std::string_view> texts, std::span<Value> values, const Gather& gather,
                    const Read& read, const ValueOf& value, const ReadAlone& read_alone) {
  Chunk chunk{};
  for (std::size_t begin = 0; begin < texts.size(); begin += kChunkRows) {
    const std::size_t rows = std::min(kChunkRows, texts.size() - begin);
    for (std::size_t i = 0; i < rows; ++i) gather(texts[begin + i], chunk, i);
    const std::uint64_t of_lanes = read(chunk, rows);
    for (std::size_t i = 0; i < rows; ++i) values[begin + i] = value(chunk, i);
    for_each_unread(of_lanes, rows, [&](std::size_t i) { values[begin + i] = read_alone(texts[begin + i]); });
  }
}

}  // namespace ligature
