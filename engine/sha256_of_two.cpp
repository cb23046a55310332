// Two texts in turns through the SHA instructions of x86; by OpenSSL, one after the other, where there are none.
// OpenSSL's digest of one text is as fast as the latency of these instructions lets it be, half of what they could do.
// Sources: FIPS 180-4, sections 4.2.2, 5.3.3 and 6.2; for what the instructions do, Intel's manual, volume 2.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "engine/error.hpp"
#include "engine/sha256.hpp"
#include "engine/sha256_constants.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace ligature {

namespace {

constexpr std::size_t kBlockBytes = 64;

#if defined(__x86_64__)

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
  const auto* const constants = reinterpret_cast<const __m128i*>(sha256_constants::kRound.data());
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
  const auto start = [](std::size_t word) { return static_cast<int>(sha256_constants::kInitial[word]); };
  const State initial{_mm_set_epi32(start(0), start(1), start(4), start(5)),
                      _mm_set_epi32(start(2), start(3), start(6), start(7))};
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

#endif

}  // namespace

std::array<Sha256, 2> sha256_of_two(std::span<const std::byte> first, std::span<const std::byte> second) {
  if (first.size() != second.size() || first.size() % kBlockBytes != 0) {
    throw Error("two texts are digested together only if both are as many whole blocks");
  }
#if defined(__x86_64__)
  static const bool instructions = has_sha_instructions();
  if (instructions) return digest_two(first, second);
#endif
  return {sha256(first), sha256(second)};
}

}  // namespace ligature
