// Postcodes of a column, many rows side by side in SIMD lanes chosen at run time (Highway).
//
// A postcode of the usual spelling, at most two spaces between its parts and nothing else, is gathered as a word of
// eight characters, its end in the highest bytes: so the inward part always stands in the same place.  The outward part
// is moved until its district's first digit stands in one place as well.  What does not fit, and what might need
// mending, is left to standardise_postcode, the plain reference.
#include <array>

#include "engine/column_chunk.hpp"
#include "engine/field_text.hpp"
#include "engine/postcode.hpp"

#ifndef LIGATURE_POSTCODE_COLUMN
#define LIGATURE_POSTCODE_COLUMN
namespace ligature {

struct PostcodeChunk {
  std::array<std::uint64_t, kChunkRows>
      characters;  // the last highest, zeros before the first; 0 for no usual spelling
  std::array<std::uint64_t, kChunkRows> packed;
};

}  // namespace ligature
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/postcode_column.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "engine/simd_targets.hpp"
#include "engine/word_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace ligature {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR

std::uint64_t read_postcodes(PostcodeChunk&, std::size_t) {
  return 0;
}

#else

// A character's code: letters count from 1, digits from 33 (kDigit and one more); 0 is anything else.
constexpr std::uint64_t kDigit = 32, kValue = 31;
constexpr std::uint64_t code_of_letter(char c) {
  return static_cast<std::uint64_t>(c - 'A' + 1);
}
constexpr std::uint64_t code_of_digit(char c) {
  return kDigit + 1 + static_cast<std::uint64_t>(c - '0');
}

HWY_INLINE WordVector codes_of(WordVector characters) {
  const hn::RebindToSigned<Bytes> d;
  const auto byte = [&](int value) { return hn::Set(d, static_cast<std::int8_t>(value)); };
  const auto c = hn::BitCast(d, characters);
  const auto upper = hn::And(c, byte(~0x20));
  const auto is_letter = hn::And(hn::Gt(upper, byte('A' - 1)), hn::Lt(upper, byte('Z' + 1)));
  const auto is_digit = hn::And(hn::Gt(c, byte('0' - 1)), hn::Lt(c, byte('9' + 1)));
  return hn::BitCast(Words(), hn::Or(hn::IfThenElseZero(is_letter, hn::And(upper, byte(kValue))),
                                     hn::IfThenElseZero(is_digit, hn::Sub(c, byte('0' - code_of_digit('0'))))));
}

// Bytes of ones where a byte of x is zero.
HWY_INLINE WordVector zero_bytes(WordVector x) {
  return hn::BitCast(Words(), hn::VecFromMask(Bytes(), hn::Eq(hn::BitCast(Bytes(), x), hn::Zero(Bytes()))));
}

template <int kPlace>
HWY_INLINE WordVector byte_of(WordVector x) {
  return hn::And(hn::ShiftRight<8 * kPlace>(x), set(0xFF));
}

// All ones where x is zero.
HWY_INLINE WordVector is_zero(WordVector x) {
  return hn::VecFromMask(Words(), hn::Eq(x, set(0)));
}

HWY_INLINE WordVector is(WordVector x, std::uint64_t value) {
  return hn::VecFromMask(Words(), hn::Eq(x, set(value)));
}

HWY_INLINE WordVector choose(WordVector condition, WordVector yes, WordVector no) {
  return hn::Or(hn::And(condition, yes), hn::AndNot(condition, no));
}

// Returns a bit for each row whose postcode was read; what is packed of others means nothing.
std::uint64_t read_postcodes(PostcodeChunk& chunk, std::size_t rows) {
  const Words d;
  std::uint64_t read = 0;
  for (std::size_t i = 0; i < rows; i += hn::Lanes(d)) {
    const WordVector characters = hn::LoadU(d, &chunk.characters[i]), codes = codes_of(characters);

    // Spaces between the parts, and whether anything else is neither letter, digit nor before the first character.
    const WordVector spaced = is(byte_of<4>(characters), ' ');
    const WordVector spaced_twice = hn::And(spaced, is(byte_of<3>(characters), ' '));
    const WordVector spaces = hn::Or(hn::And(spaced, set(0xFFULL << 32)), hn::And(spaced_twice, set(0xFFULL << 24)));
    WordVector wrong = hn::AndNot(hn::Or(zero_bytes(characters), spaces), zero_bytes(codes));

    // The inward part: digit, letter, letter.
    constexpr std::uint64_t kInward = 0xFFFFFFULL << 40, kKinds = 0x202020ULL << 40;
    wrong = hn::Or(wrong, hn::Xor(hn::And(codes, set(kKinds)), set(kDigit << 40)));
    wrong = hn::Or(wrong, hn::And(zero_bytes(codes), set(kInward)));

    // The outward part ends at byte 3 and has no fifth character.
    wrong = hn::Or(wrong, hn::AndNot(spaced, byte_of<0>(codes)));
    const WordVector moved = choose(spaced_twice, hn::ShiftLeft<8>(codes), codes);
    WordVector outward = hn::And(choose(spaced, moved, hn::ShiftRight<8>(codes)), set(0xFFFFFFFF));
    wrong = hn::Or(wrong, is_zero(hn::And(outward, set(0xFFULL << 24))));
    // The district's first digit moves to byte 2: the last character is that digit, or stands behind it.
    const WordVector one_digit = is_zero(hn::And(outward, set(kDigit << 16)));
    wrong = hn::Or(wrong, hn::And(one_digit, byte_of<0>(outward)));
    outward = choose(one_digit, hn::ShiftRight<8>(outward), outward);

    const WordVector before = byte_of<0>(outward), letter = byte_of<1>(outward), digit = byte_of<2>(outward);
    const WordVector last = hn::ShiftRight<24>(outward), no_last = is_zero(last);
    const WordVector one_letter = is_zero(before);
    constexpr std::uint64_t kOutwardKinds = kDigit | kDigit << 8 | kDigit << 16;  // letter, letter, digit
    wrong = hn::Or(wrong, hn::Xor(hn::And(outward, set(kOutwardKinds)), set(kDigit << 16)));
    wrong = hn::Or(wrong, is_zero(letter));

    // What may need mending: see postcode.cpp.
    wrong = hn::Or(wrong, hn::AndNot(one_letter, is(letter, code_of_letter('I'))));
    wrong = hn::Or(wrong, hn::And(is(letter, code_of_letter('Z')), is(before, code_of_letter('Z'))));
    wrong = hn::Or(wrong, hn::AndNot(no_last, hn::And(one_letter, is(digit, code_of_digit('0')))));
    for (const char c : {'I', 'L', 'O'}) wrong = hn::Or(wrong, is(last, code_of_letter(c)));

    // The area's letters in ten bits, and the district's second character: digits from 1, letters from 11.
    const WordVector area = choose(one_letter, hn::ShiftLeft<5>(letter), hn::Or(hn::ShiftLeft<5>(before), letter));
    const WordVector last_is_letter = is_zero(hn::And(last, set(kDigit)));
    const WordVector second =
        hn::AndNot(no_last, hn::Add(hn::And(last, set(kValue)), hn::And(last_is_letter, set(10))));
    const WordVector sector = hn::And(byte_of<5>(codes), set(kValue));
    const WordVector unit = hn::Or(hn::ShiftLeft<5>(byte_of<6>(codes)), hn::ShiftRight<56>(codes));
    const WordVector packed_outward = hn::Or(
        hn::ShiftLeft<24>(area), hn::Or(hn::ShiftLeft<20>(hn::And(digit, set(kValue))), hn::ShiftLeft<14>(second)));
    hn::StoreU(hn::Or(packed_outward, hn::Or(hn::ShiftLeft<10>(sector), unit)), d, &chunk.packed[i]);
    read |= bits_of(hn::Eq(wrong, set(0))) << i;
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

HWY_EXPORT(read_postcodes);

namespace {

// From five to eight characters.  A NUL at the front would be taken for nothing.
void gather(std::string_view text, PostcodeChunk& chunk, std::size_t row) {
  const char* const t = text.data();
  const std::size_t size = text.size();
  chunk.characters[row] = 0;
  if (size - 5 > 3 || t[0] == '\0') return;
  const std::uint64_t first_four = load_four(t), last_four = load_four(t + size - 4);
  chunk.characters[row] = first_four << (8 * (8 - size)) | last_four << 32;
}

}  // namespace

void standardise_postcodes(std::span<const std::string_view> texts, std::span<Postcode> postcodes) {
  ensure_simd_targets();
  read_in_chunks<PostcodeChunk>(
      texts, postcodes, gather, HWY_DYNAMIC_DISPATCH(read_postcodes),
      [](const PostcodeChunk& chunk, std::size_t row) {
        return Postcode{chunk.packed[row], PostcodeFlag::none};
      },
      standardise_postcode);
}

}  // namespace ligature
#endif
