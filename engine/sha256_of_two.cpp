// Two texts in turns through the SHA instructions of x86; by OpenSSL, one after the other, where there are none.
// OpenSSL's digest of one text is as fast as the latency of these instructions lets it be, half of what they could do.
// Sources: FIPS 180-4, sections 4.2.2, 5.3.3 and 6.2; for what the instructions do, Intel's manual, volume 2.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "engine/error.hpp"
#include "engine/sha256.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace ligature {

#if defined(__x86_64__)

namespace {

constexpr std::size_t kBlockBytes = 64;

alignas(16) constexpr std::array<std::uint32_t, 64> kRoundConstants = {
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2};

bool has_sha_instructions() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kSha = 1U << 29;  // of EBX, CPUID leaf 7
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kSha) != 0;
}

// The eight words of a state as the instructions want them: a, b, e, f and c, d, g, h, the first of each highest.
struct State {
  __m128i abef, cdgh;
};

__attribute__((target("sha,sse4.1"))) void compress_two(std::array<State, 2>& states,
                                                        std::array<const std::byte*, 2> texts, std::size_t blocks) {
  const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  const auto* const constants = reinterpret_cast<const __m128i*>(kRoundConstants.data());
  State first = states[0], second = states[1];
  for (; blocks > 0; --blocks) {
    const State first_before = first, second_before = second;
    __m128i of_first[4], of_second[4];  // words of the message schedule, the latest sixteen
    for (std::size_t i = 0; i < 4; ++i) {
      const auto load = [&](const std::byte* text) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(text) + i);
      };
      of_first[i] = _mm_shuffle_epi8(load(texts[0]), big_endian);
      of_second[i] = _mm_shuffle_epi8(load(texts[1]), big_endian);
    }
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 16; ++i) {
      // Four rounds.
      __m128i& mine = of_first[i % 4];
      __m128i& other = of_second[i % 4];
      const __m128i add_first = _mm_add_epi32(mine, constants[i]);
      const __m128i add_second = _mm_add_epi32(other, constants[i]);
      first.cdgh = _mm_sha256rnds2_epu32(first.cdgh, first.abef, add_first);
      second.cdgh = _mm_sha256rnds2_epu32(second.cdgh, second.abef, add_second);
      first.abef = _mm_sha256rnds2_epu32(first.abef, first.cdgh, _mm_shuffle_epi32(add_first, 0x0E));
      second.abef = _mm_sha256rnds2_epu32(second.abef, second.cdgh, _mm_shuffle_epi32(add_second, 0x0E));
      if (i >= 12) continue;
      // The words of sixteen rounds later.
      const __m128i* const a = of_first;
      const __m128i* const b = of_second;
      mine = _mm_sha256msg1_epu32(mine, a[(i + 1) % 4]);
      other = _mm_sha256msg1_epu32(other, b[(i + 1) % 4]);
      mine = _mm_add_epi32(mine, _mm_alignr_epi8(a[(i + 3) % 4], a[(i + 2) % 4], 4));
      other = _mm_add_epi32(other, _mm_alignr_epi8(b[(i + 3) % 4], b[(i + 2) % 4], 4));
      mine = _mm_sha256msg2_epu32(mine, a[(i + 3) % 4]);
      other = _mm_sha256msg2_epu32(other, b[(i + 3) % 4]);
    }
    first.abef = _mm_add_epi32(first.abef, first_before.abef);
    first.cdgh = _mm_add_epi32(first.cdgh, first_before.cdgh);
    second.abef = _mm_add_epi32(second.abef, second_before.abef);
    second.cdgh = _mm_add_epi32(second.cdgh, second_before.cdgh);
    for (const std::byte*& text : texts) text += kBlockBytes;
  }
  states = {first, second};
}

__attribute__((target("sha,sse4.1"))) std::array<Sha256, 2> digest_two(std::span<const std::byte> first,
                                                                       std::span<const std::byte> second) {
  const State initial{_mm_set_epi32(0x6A09E667, static_cast<int>(0xBB67AE85), 0x510E527F, static_cast<int>(0x9B05688C)),
                      _mm_set_epi32(0x3C6EF372, static_cast<int>(0xA54FF53A), 0x1F83D9AB, 0x5BE0CD19)};
  std::array<State, 2> states{initial, initial};
  compress_two(states, {first.data(), second.data()}, first.size() / kBlockBytes);
  // The last block: the bit that ends the text, zeros, and the length in bits.
  std::array<std::byte, kBlockBytes> last{std::byte{0x80}};
  const std::uint64_t bits = __builtin_bswap64(std::uint64_t{first.size()} * 8);
  std::memcpy(&last[kBlockBytes - sizeof bits], &bits, sizeof bits);
  compress_two(states, {last.data(), last.data()}, 1);
  std::array<Sha256, 2> digests;
  for (std::size_t d = 0; d < 2; ++d) {
    std::array<std::uint32_t, 4> abef, cdgh;
    std::memcpy(abef.data(), &states[d].abef, sizeof abef);
    std::memcpy(cdgh.data(), &states[d].cdgh, sizeof cdgh);
    std::array<std::uint32_t, 8> words{abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]};
    for (std::uint32_t& word : words) word = __builtin_bswap32(word);
    std::memcpy(digests[d].data(), words.data(), sizeof words);
  }
  return digests;
}

}  // namespace

std::array<Sha256, 2> sha256_of_two(std::span<const std::byte> first, std::span<const std::byte> second) {
  if (first.size() != second.size() || first.size() % kBlockBytes != 0) {
    throw Error("two texts are digested together only if both are as many whole blocks");
  }
  static const bool instructions = has_sha_instructions();
  if (instructions) return digest_two(first, second);
  return {sha256(first), sha256(second)};
}

#else

std::array<Sha256, 2> sha256_of_two(std::span<const std::byte> first, std::span<const std::byte> second) {
  return {sha256(first), sha256(second)};
}

#endif

}  // namespace ligature
