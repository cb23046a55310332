// Eight characters to a SIMD lane, the first in the lowest byte: what digits they are and what these spell.
//
// Compiled once for every instruction set, in the files that define HWY_TARGET_INCLUDE; hence no #pragma once.  The
// steps are those of field_text.hpp on one word (D. Lemire, "Quickly parsing eight digits", 2018).
#if defined(LIGATURE_WORD_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef LIGATURE_WORD_LANES
#undef LIGATURE_WORD_LANES
#else
#define LIGATURE_WORD_LANES
#endif

#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ligature {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR  // which has one lane, and so no bytes

using Words = hn::CappedTag<std::uint64_t, 8>;
using Quarters = hn::Repartition<std::uint16_t, Words>;
using Bytes = hn::Repartition<std::uint8_t, Words>;
using WordVector = hn::Vec<Words>;
using WordMask = hn::Mask<Words>;

HWY_INLINE WordVector set(std::uint64_t value) {
  return hn::Set(Words(), value);
}

// REQUIRES: both are below 2^32.
HWY_INLINE WordVector times(WordVector x, std::uint64_t factor) {
  const hn::Repartition<std::uint32_t, Words> halves;
  return hn::MulEven(hn::BitCast(halves, x), hn::BitCast(halves, set(factor)));
}

// The products of numbers of sixteen bits, four to a word, modulo 2^16.
HWY_INLINE WordVector times_by_quarters(WordVector x, std::uint64_t factors) {
  const Quarters d;
  return hn::BitCast(Words(), hn::Mul(hn::BitCast(d, x), hn::BitCast(d, set(factors))));
}

// REQUIRES: x < 2^63, bound <= 2^63.
HWY_INLINE WordMask is_below(WordVector x, std::uint64_t bound) {
  const hn::RebindToSigned<Words> d;
  return hn::RebindMask(Words(), hn::Lt(hn::BitCast(d, x), hn::Set(d, static_cast<std::int64_t>(bound))));
}

// Zero where all eight characters are '0'..'9'.
HWY_INLINE WordVector not_digits(WordVector characters) {
  const WordVector high_nibbles = set(0xF0F0F0F0F0F0F0F0), zeros = set(0x3030303030303030);
  const WordVector sixes =
      hn::BitCast(Words(), hn::Add(hn::BitCast(Bytes(), characters), hn::BitCast(Bytes(), set(0x0606060606060606))));
  return hn::Or(hn::Xor(hn::And(characters, high_nibbles), zeros), hn::Xor(hn::And(sixes, high_nibbles), zeros));
}

HWY_INLINE WordVector digits_of(WordVector characters) {
  return hn::And(characters, set(0x0F0F0F0F0F0F0F0F));
}

// The numbers of two digits, one to sixteen bits.
HWY_INLINE WordVector pairs_of(WordVector digits) {
  const WordVector sums =
      hn::BitCast(Words(), hn::Add(hn::BitCast(Quarters(), times_by_quarters(digits, 0x000A'000A'000A'000A)),
                                   hn::ShiftRight<8>(hn::BitCast(Quarters(), digits))));
  return hn::And(sums, set(0x00FF'00FF'00FF'00FF));
}

// The number that four pairs spell.
HWY_INLINE WordVector value_of_eight(WordVector pairs) {
  // Hundreds stand in the lower half of each 32 bits; what the upper half is multiplied by does not matter.
  const WordVector fours = hn::And(hn::Add(times_by_quarters(pairs, 0x0000'0064'0000'0064), hn::ShiftRight<16>(pairs)),
                                   set(0x0000'FFFF'0000'FFFF));
  return hn::Add(times(fours, 10'000), hn::ShiftRight<32>(fours));
}

// A bit for each lane.
HWY_INLINE std::uint64_t bits_of(WordMask mask) {
  std::uint8_t bits[8] = {};
  hn::StoreMaskBits(Words(), mask, bits);
  return bits[0];
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace ligature
HWY_AFTER_NAMESPACE();

#endif
