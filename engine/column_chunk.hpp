// Rows of a column that SIMD lanes read together, and those among them that only a reader of any spelling can read.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

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

}  // namespace ligature
