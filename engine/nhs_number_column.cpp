// NHS numbers of a column, many rows side by side in SIMD lanes chosen at run time (Highway).
//
// The characters of the usual spellings are gathered as words; lanes then tell whether they are digits, what they spell
// (D. Lemire, "Quickly parsing eight digits", 2018) and whether the check digit fits.  What is neither of these
// spellings is left to standardise_nhs_number, the plain reference.
#include <array>

#include "engine/column_chunk.hpp"
#include "engine/field_text.hpp"
#include "engine/nhs_number.hpp"

#ifndef LIGATURE_NHS_NUMBER_COLUMN
#define LIGATURE_NHS_NUMBER_COLUMN
namespace ligature {

struct NhsNumberChunk {
  std::array<std::uint64_t, kChunkRows> first_eight;  // characters, the first lowest; 0 for no usual spelling
  std::array<std::uint64_t, kChunkRows> last_two;     // likewise, and six of '0'
  std::array<std::uint64_t, kChunkRows> value, status;
};

}  // namespace ligature
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/nhs_number_column.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "engine/simd_targets.hpp"
#include "engine/word_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace ligature {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

std::uint64_t read_numbers(NhsNumberChunk&, std::size_t) {
  return 0;
}

#else

// Of sixteen bits each, the first lowest: the weights of digits 1, 3, 5, 7 and of digits 2, 4, 6, 8.
constexpr std::uint64_t kOddWeights = 0x0004'0006'0008'000A, kEvenWeights = 0x0003'0005'0007'0009;

// Weighted sum of ten digits modulo 11 is 0 (see nhs_number.cpp).  No lane of sixteen bits passes 198, so that the sum
// of bytes is theirs.
HWY_INLINE WordMask passes_modulus_11(WordVector first_eight, WordVector last_two) {
  const auto weigh = [](WordVector digits, std::uint64_t odd, std::uint64_t even) {
    const WordVector lowest = set(0x00FF'00FF'00FF'00FF);
    return hn::Add(times_by_quarters(hn::And(digits, lowest), odd),
                   times_by_quarters(hn::And(hn::ShiftRight<8>(digits), lowest), even));
  };
  const WordVector sums = hn::Add(weigh(first_eight, kOddWeights, kEvenWeights), weigh(last_two, 2, 1));
  const WordVector sum = hn::SumsOf8(hn::BitCast(Bytes(), sums));
  // Divisible by 11 exactly if the product with the inverse of 11 modulo 2^16 is at most (2^16 - 1) / 11: Warren,
  // Hacker's Delight, 10-17.
  return is_below(times_by_quarters(sum, 35'747), 65'535 / 11 + 1);
}

// Returns a bit for each row whose ten characters are digits; the value and the status of others mean nothing.
std::uint64_t read_numbers(NhsNumberChunk& chunk, std::size_t rows) {
  const Words d;
  std::uint64_t read = 0;
  for (std::size_t i = 0; i < rows; i += hn::Lanes(d)) {
    const WordVector first_eight = hn::LoadU(d, &chunk.first_eight[i]), last_two = hn::LoadU(d, &chunk.last_two[i]);
    const auto are_digits = hn::Eq(hn::Or(not_digits(first_eight), not_digits(last_two)), set(0));
    const WordVector eight_digits = digits_of(first_eight), two_digits = digits_of(last_two);
    const WordVector value = hn::Add(times(value_of_eight(pairs_of(eight_digits)), 100), pairs_of(two_digits));
    const auto valid = passes_modulus_11(eight_digits, two_digits);
    // Ten equal digits are a filler, as those that are listed.
    auto filler = hn::Eq(value, times(hn::And(eight_digits, set(15)), 1'111'111'111));
    for (const std::uint64_t number : kFillers) filler = hn::Or(filler, hn::Eq(value, set(number)));
    const auto status = [](NhsStatus is) { return set(static_cast<std::uint64_t>(is)); };
    hn::StoreU(hn::IfThenZeroElse(filler, value), d, &chunk.value[i]);
    hn::StoreU(hn::IfThenZeroElse(filler, hn::IfThenElse(valid, status(NhsStatus::valid), status(NhsStatus::invalid))),
               d, &chunk.status[i]);
    read |= bits_of(are_digits) << i;
  }
  return read;
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ligature
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ligature {

HWY_EXPORT(read_numbers);

namespace {

constexpr std::uint64_t kSixZeros = 0x3030'3030'3030'0000;

// Ten digits, or groups of three, three and four.
void gather(std::string_view text, NhsNumberChunk& chunk, std::size_t row) {
  const char* const t = text.data();
  std::uint64_t first_eight = 0, last_two = 0;
  if (text.size() == 10) {
    first_eight = load_eight(t);
    last_two = load_two(t + 8);
  } else if (text.size() == 12 && t[3] == t[7] && (t[3] == ' ' || t[3] == '-')) {
    const std::uint64_t groups = load_eight(t), last_four = load_four(t + 8);
    first_eight = (groups & 0xFFFFFFULL) | (groups >> 8 & 0xFFFFFF000000ULL) | last_four << 48;
    last_two = last_four >> 16;
  }
  chunk.first_eight[row] = first_eight;
  chunk.last_two[row] = last_two | kSixZeros;
}

}  // namespace

void standardise_nhs_numbers(std::span<const std::string_view> texts, std::span<NhsNumber> numbers) {
  ensure_simd_targets();
  read_in_chunks<NhsNumberChunk>(
      texts, numbers, gather, HWY_DYNAMIC_DISPATCH(read_numbers),
      [](const NhsNumberChunk& chunk, std::size_t row) {
        return NhsNumber{chunk.value[row], static_cast<NhsStatus>(chunk.status[row])};
      },
      standardise_nhs_number);
}

}  // namespace ligature
#endif
