#include "io/structural_index.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "io/structural_index.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "engine/simd_targets.hpp"

HWY_BEFORE_NAMESPACE();
namespace ligature {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kBlock = 64;

// A bit for each byte of a block.
struct Masks {
  std::uint64_t delimiters = 0, feeds = 0, returns = 0, quotes = 0;
  std::uint64_t strange = 0;  // not zero if any byte is NUL or above 0x7F
};

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

// The bytes of a word that equal value, a bit each (zero bytes: Warren, Hacker's Delight, 6-1).
HWY_INLINE std::uint64_t equal_bytes(std::uint64_t word, char value) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL, kLows = 0x7F7F7F7F7F7F7F7FULL;
  const std::uint64_t x = word ^ kOnes * static_cast<unsigned char>(value);
  const std::uint64_t zeros = ~(((x & kLows) + kLows) | x | kLows);
  return ((zeros >> 7) * 0x0102040810204080ULL) >> 56;
}

HWY_INLINE Masks masks_of(const char* block, char delimiter) {
  Masks masks;
  for (unsigned at = 0; at < kBlock; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, block + at, sizeof word);
    masks.delimiters |= equal_bytes(word, delimiter) << at;
    masks.feeds |= equal_bytes(word, '\n') << at;
    masks.returns |= equal_bytes(word, '\r') << at;
    masks.quotes |= equal_bytes(word, '"') << at;
    // A borrow into the high bit betrays a zero byte.
    masks.strange |= (word | (word - 0x0101010101010101ULL)) & 0x8080808080808080ULL;
  }
  return masks;
}

#else

using Bytes = hn::CappedTag<std::uint8_t, kBlock>;

template <typename Mask>
HWY_INLINE std::uint64_t bits_of(Mask mask, std::size_t at) {
  std::uint64_t bits = 0;
  hn::StoreMaskBits(Bytes(), mask, reinterpret_cast<std::uint8_t*>(&bits));
  return bits << at;
}

HWY_INLINE Masks masks_of(const char* block, char delimiter) {
  const Bytes d;
  const hn::RebindToSigned<Bytes> as_signed;
  Masks masks;
  for (std::size_t at = 0; at < kBlock; at += hn::Lanes(d)) {
    const auto bytes = hn::LoadU(d, reinterpret_cast<const std::uint8_t*>(block) + at);
    masks.delimiters |= bits_of(hn::Eq(bytes, hn::Set(d, static_cast<std::uint8_t>(delimiter))), at);
    masks.feeds |= bits_of(hn::Eq(bytes, hn::Set(d, '\n')), at);
    masks.returns |= bits_of(hn::Eq(bytes, hn::Set(d, '\r')), at);
    masks.quotes |= bits_of(hn::Eq(bytes, hn::Set(d, '"')), at);
    const auto is_strange = hn::Lt(hn::BitCast(as_signed, bytes), hn::Set(as_signed, 1));
    masks.strange |= hn::AllFalse(as_signed, is_strange) ? 0 : 1;
  }
  return masks;
}

#endif

// Bit i is the parity of bits 0..i.
HWY_INLINE std::uint64_t running_parity(std::uint64_t bits) {
  for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}

// Writes base and the place of each bit that is set, and more beyond: no branch to mispredict.
#if HWY_TARGET <= HWY_AVX3
HWY_INLINE void put_places(std::uint64_t bits, std::uint32_t base, std::uint32_t* HWY_RESTRICT out) {
  constexpr std::size_t kLanes = 16;
  const hn::CappedTag<std::uint32_t, kLanes> d;
  for (std::size_t at = 0; at < kBlock; at += kLanes) {
    const auto some = static_cast<std::uint16_t>(bits >> at);
    const auto mask = hn::LoadMaskBits(d, reinterpret_cast<const std::uint8_t*>(&some));
    const auto places = hn::Add(hn::Set(d, base), hn::Iota(d, static_cast<std::uint32_t>(at)));
    hn::StoreU(hn::Compress(places, mask), d, out);
    out += std::popcount(some);
  }
}
#else
HWY_INLINE void put_places(std::uint64_t bits, std::uint32_t base, std::uint32_t* HWY_RESTRICT out) {
  // Twelve at once are enough for nearly every block; eight more are a loop that is hardly ever gone through twice.
  constexpr int kFirst = 12, kNext = 8;
  for (int count = kFirst;; count = kNext) {
    for (int i = 0; i < count; ++i) {
      *out++ = base + static_cast<std::uint32_t>(std::countr_zero(bits));
      bits &= bits - 1;
    }
    if (bits == 0) return;
  }
}
#endif

void index_blocks(const char* text, std::size_t size, char delimiter, StructuralIndex& index) {
  std::uint32_t* HWY_RESTRICT ends = index.ends.data();
  std::uint32_t* HWY_RESTRICT records = index.records.data();
  std::uint32_t end_count = 1, record_count = 1;
  ends[0] = ~std::uint32_t{0};
  records[0] = 0;
  std::uint64_t inside_before = 0;  // all ones if the block begins inside quotes
  std::uint64_t starts_field = 1;   // bit 0: the block's first byte does
  std::uint64_t follows_quote = 0;  // bit 0: the byte before the block is a closing quote
  std::uint64_t strange = 0, quotes = 0;
  for (std::size_t at = 0; at < size; at += kBlock) {
    Masks masks = masks_of(text + at, delimiter);
    strange |= masks.strange;
    const std::size_t left = size - at;
    if (left < kBlock) {
      const std::uint64_t kept = (std::uint64_t{1} << left) - 1;
      masks.delimiters &= kept;
      masks.feeds &= kept;
      masks.returns &= kept;
      masks.quotes &= kept;
    }
    std::uint64_t line_ends = masks.feeds | masks.returns;
    std::uint64_t separators = masks.delimiters | line_ends;
    std::uint64_t second_look = 0;
    if ((masks.quotes | inside_before | follows_quote) != 0) {
      quotes = 1;
      const std::uint64_t inside = running_parity(masks.quotes) ^ inside_before;
      const std::uint64_t opening = masks.quotes & inside, closing = masks.quotes & ~inside;
      second_look = line_ends & inside;
      separators &= ~inside;
      second_look |= opening & ~((separators << 1) | starts_field);
      second_look |= ((closing << 1) | follows_quote) & ~separators;
      inside_before = std::uint64_t{0} - (inside >> 63);
      follows_quote = closing >> 63;
      if (left < kBlock) second_look &= (std::uint64_t{1} << left) - 1;
    }
    starts_field = separators >> 63;
    if (masks.returns != 0) {
      // A CR before a LF ends nothing, the LF does.  What follows a CR at the very end is not known.
      const bool feed_follows = left > kBlock && text[at + kBlock] == '\n';
      const std::uint64_t next_feeds = (masks.feeds >> 1) | (std::uint64_t{feed_follows} << 63);
      std::uint64_t no_end = masks.returns & next_feeds;
      if (left <= kBlock) no_end |= masks.returns & (std::uint64_t{1} << (left - 1));
      line_ends &= ~no_end;
      separators &= ~no_end;
    }
    if (second_look != 0) separators &= (second_look & (~second_look + 1)) - 1;  // what comes before the first one
    line_ends &= separators;
    put_places(separators, static_cast<std::uint32_t>(at), ends + end_count);
    // Written whether there is one or not: that a block ends a line cannot be foretold, that it ends two can.
    std::uint64_t bits = line_ends;
    std::uint32_t record = record_count;
    do {
      const std::uint64_t before = separators & (bits ^ (bits - 1));  // up to and with the line end
      records[record++] = end_count + static_cast<std::uint32_t>(std::popcount(before)) - 1;
      bits &= bits - 1;
    } while (bits != 0);
    record_count += static_cast<std::uint32_t>(std::popcount(line_ends));
    end_count += static_cast<std::uint32_t>(std::popcount(separators));
    if (second_look != 0) break;
  }
  index.record_count = record_count - 1;
  index.quoted = quotes != 0;
  index.plain = strange == 0;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ligature
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ligature {

HWY_EXPORT(index_blocks);

// Of a text that is all delimiters a place a byte, and one before it; and what is written beyond the last of them:
// sixteen places, or the end of a record where there is none.
StructuralIndex::StructuralIndex(std::size_t indexed_bytes)
    : ends(indexed_bytes + 1 + 16), records(indexed_bytes + 1 + 1) {}

void index_records(const char* text, std::size_t size, char delimiter, StructuralIndex& index) {
  ensure_simd_targets();
  HWY_DYNAMIC_DISPATCH(index_blocks)(text, size, delimiter, index);
}

void index_records_plainly(const char* text, std::size_t size, char delimiter, StructuralIndex& index) {
  index = StructuralIndex(size);
  index.ends[0] = ~std::uint32_t{0};
  index.records[0] = 0;
  std::uint32_t end_count = 1;
  enum class State { field_start, bare, quoted, quote_seen } state = State::field_start;
  for (std::size_t at = 0; at < size; ++at) {
    const char c = text[at];
    const bool line_end = c == '\n' || c == '\r';
    index.quoted |= c == '"';
    index.plain &= static_cast<signed char>(c) > 0;
    if (state == State::quoted) {
      if (line_end) return;
      if (c == '"') state = State::quote_seen;
    } else if (c == delimiter || line_end) {
      state = State::field_start;
      if (c == '\r' && at + 1 == size) return;
      if (c == '\r' && text[at + 1] == '\n') continue;
      if (line_end) index.records[++index.record_count] = end_count;
      index.ends[end_count++] = static_cast<std::uint32_t>(at);
    } else if (c == '"') {
      if (state != State::field_start) return;
      state = State::quoted;
    } else {
      if (state == State::quote_seen) return;
      state = State::bare;
    }
  }
}

}  // namespace ligature
#endif
