// The lanes are those of Highway, compiled for every instruction set and chosen at run time.  A round is the same text
// for the vectors of the kernel and for the plain words of the reference; only the operations differ.
#include "engine/hmac_lanes.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/sha256_constants.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/hmac_lanes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef LIGATURE_SHA256_CONSTANTS
#define LIGATURE_SHA256_CONSTANTS
namespace ligature::sha256_constants {

// The second block of the outer hash is an inner digest: then come the padding and the length of pad and digest.
constexpr std::uint32_t kPadding = 0x80000000;
constexpr std::uint32_t kOuterBits = 8 * (64 + 32);

}  // namespace ligature::sha256_constants
#endif

HWY_BEFORE_NAMESPACE();
namespace ligature {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Lanes32 = hn::CappedTag<std::uint32_t, kHmacLanes>;
using Vector = hn::Vec<Lanes32>;

HWY_INLINE Vector set(std::uint32_t value) {
  return hn::Set(Lanes32(), value);
}

template <int A, int B, int C>
HWY_INLINE Vector rotations(Vector x) {
  return hn::Xor3(hn::RotateRight<A>(x), hn::RotateRight<B>(x), hn::RotateRight<C>(x));
}

template <int A, int B, int C>
HWY_INLINE Vector rotations_and_shift(Vector x) {
  return hn::Xor3(hn::RotateRight<A>(x), hn::RotateRight<B>(x), hn::ShiftRight<C>(x));
}

// Bit by bit: yes where mask is set, else no.  One instruction of AVX-512.
HWY_INLINE Vector choose(Vector mask, Vector yes, Vector no) {
#if HWY_TARGET <= HWY_AVX3
  return hn::IfVecThenElse(mask, yes, no);
#else
  return hn::Xor(no, hn::And(mask, hn::Xor(yes, no)));  // elsewhere the former may look at a bit of each byte alone
#endif
}

// Bit by bit what two of three have.
HWY_INLINE Vector majority_of(Vector a, Vector b, Vector c) {
#if HWY_TARGET <= HWY_AVX3
  constexpr int kTwoOfThree = 0xE8;  // which of the eight bits that three can be give 1
  return Vector{_mm512_ternarylogic_epi32(a.raw, b.raw, c.raw, kTwoOfThree)};
#else
  return choose(hn::Xor(a, b), c, a);
#endif
}

// One round; the caller renames a to h instead of moving them.
HWY_INLINE void step(Vector a, Vector b, Vector c, Vector& d, Vector e, Vector f, Vector g, Vector& h, Vector input) {
  const Vector majority = majority_of(a, b, c);
  const Vector first = hn::Add(hn::Add(h, input), hn::Add(rotations<6, 11, 25>(e), choose(e, f, g)));
  d = hn::Add(d, first);
  h = hn::Add(first, hn::Add(rotations<2, 13, 22>(a), majority));
}

struct Working {
  Vector a, b, c, d, e, f, g, h;

  HWY_INLINE void eight_rounds(const Vector* HWY_RESTRICT w, const std::uint32_t* HWY_RESTRICT round) {
    const auto input = [&](std::size_t i) HWY_ATTR { return hn::Add(w[i], set(round[i])); };
    step(a, b, c, d, e, f, g, h, input(0));
    step(h, a, b, c, d, e, f, g, input(1));
    step(g, h, a, b, c, d, e, f, input(2));
    step(f, g, h, a, b, c, d, e, input(3));
    step(e, f, g, h, a, b, c, d, input(4));
    step(d, e, f, g, h, a, b, c, input(5));
    step(c, d, e, f, g, h, a, b, input(6));
    step(b, c, d, e, f, g, h, a, input(7));
  }
};

// The next sixteen words of the schedule, unrolled: w then stays in registers where there are enough.
template <std::size_t... I>
HWY_INLINE void next_words(Vector* HWY_RESTRICT w, std::index_sequence<I...>) {
  ((w[I] = hn::Add(hn::Add(w[I], rotations_and_shift<7, 18, 3>(w[(I + 1) % 16])),
                   hn::Add(w[(I + 9) % 16], rotations_and_shift<17, 19, 10>(w[(I + 14) % 16])))),
   ...);
}

// Compresses the block w, which it uses up, into the states s of this vector of lanes.
HWY_INLINE void compress(Vector* HWY_RESTRICT s, Vector* HWY_RESTRICT w) {
  Working v{s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
  for (std::size_t t = 0;; t += 16) {
    v.eight_rounds(w, sha256_constants::kRound.data() + t);
    v.eight_rounds(w + 8, sha256_constants::kRound.data() + t + 8);
    if (t == 48) break;
    next_words(w, std::make_index_sequence<16>());
  }
  const Vector sums[8] = {v.a, v.b, v.c, v.d, v.e, v.f, v.g, v.h};
  for (std::size_t i = 0; i < 8; ++i) s[i] = hn::Add(s[i], sums[i]);
}

void hmac_of_lanes(const HmacKey& key, const HmacMessages& messages, HmacDigests& digests) {
  const Lanes32 lanes;
  for (std::size_t first = 0; first < kHmacLanes; first += hn::Lanes(lanes)) {
    Vector state[8], block[16];
    for (std::size_t i = 0; i < 8; ++i) state[i] = set(key.inner()[i]);
    for (std::size_t i = 0; i < 16; ++i) block[i] = hn::Load(lanes, messages.word(i) + first);
    compress(state, block);
    for (std::size_t i = 0; i < 8; ++i) block[i] = state[i];
    for (std::size_t i = 8; i < 16; ++i) block[i] = hn::Zero(lanes);
    block[8] = set(sha256_constants::kPadding);
    block[15] = set(sha256_constants::kOuterBits);
    for (std::size_t i = 0; i < 8; ++i) state[i] = set(key.outer()[i]);
    compress(state, block);
    for (std::size_t i = 0; i < 8; ++i) hn::Store(state[i], lanes, digests.words[i].data() + first);
  }
}

std::size_t lanes_of_a_vector() {
  return hn::Lanes(Lanes32());
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace ligature
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
// The block function is among what OpenSSL 3 would rather have called through EVP, which costs more than the hashing.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "engine/error.hpp"
#include "engine/simd_targets.hpp"

namespace ligature {

HWY_EXPORT(hmac_of_lanes);
HWY_EXPORT(lanes_of_a_vector);

namespace {

constexpr std::size_t kBlockBytes = 64;
using State = std::array<std::uint32_t, 8>;
using Block = std::array<std::uint32_t, 16>;

// FIPS 180-4, section 6.2.2, as it is written there.
void compress_plain(State& state, const Block& block) noexcept {
  std::array<std::uint32_t, 64> w{};
  std::copy(block.begin(), block.end(), w.begin());
  for (std::size_t t = 16; t < 64; ++t) {
    const std::uint32_t x = w[t - 15], y = w[t - 2];
    w[t] = w[t - 16] + (std::rotr(x, 7) ^ std::rotr(x, 18) ^ (x >> 3)) + w[t - 7] +
           (std::rotr(y, 17) ^ std::rotr(y, 19) ^ (y >> 10));
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t t = 0; t < 64; ++t) {
    const std::uint32_t first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) +
                                sha256_constants::kRound[t] + w[t];
    const std::uint32_t second =
        (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = std::exchange(g, std::exchange(f, std::exchange(e, d + first)));
    d = std::exchange(c, std::exchange(b, std::exchange(a, first + second)));
  }
  const State sums{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < sums.size(); ++i) state[i] += sums[i];
  OPENSSL_cleanse(w.data(), sizeof w);
}

std::uint32_t big_endian_word(const unsigned char* bytes) noexcept {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

// A word whose bytes lie in memory as SHA-256 reads them.
std::uint32_t to_big_endian(std::uint32_t word) noexcept {
  if constexpr (std::endian::native == std::endian::big) return word;
  return __builtin_bswap32(word);
}

// A block of bytes, wiped when done with.
struct BlockBytes {
  std::array<unsigned char, kBlockBytes> bytes{};
  ~BlockBytes() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  [[nodiscard]] Block words() const noexcept {
    Block words{};
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = big_endian_word(bytes.data() + 4 * i);
    return words;
  }
};

State state_after_pad(const BlockBytes& key, unsigned char pad) noexcept {
  BlockBytes padded = key;
  for (unsigned char& byte : padded.bytes) byte = static_cast<unsigned char>(byte ^ pad);
  Block words = padded.words();
  State state = sha256_constants::kInitial;
  compress_plain(state, words);
  OPENSSL_cleanse(words.data(), sizeof words);
  return state;
}

}  // namespace

// RFC 2104, section 2: a key longer than a block is replaced by its hash.
HmacKey::HmacKey(std::span<const std::byte> key) {
  BlockBytes block;
  if (key.size() > kBlockBytes) {
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), block.bytes.data());
  } else if (!key.empty()) {
    std::memcpy(block.bytes.data(), key.data(), key.size());
  }
  inner_ = state_after_pad(block, 0x36);
  outer_ = state_after_pad(block, 0x5c);
}

HmacKey::~HmacKey() {
  OPENSSL_cleanse(inner_.data(), sizeof inner_);
  OPENSSL_cleanse(outer_.data(), sizeof outer_);
}

HmacMessages::HmacMessages(std::span<const std::byte> message) {
  if (message.size() > kHmacLongestMessage) throw Error("HMAC in lanes: the message does not fit one block");
  BlockBytes block;
  if (!message.empty()) std::memcpy(block.bytes.data(), message.data(), message.size());
  block.bytes[message.size()] = 0x80;
  Block words = block.words();
  words[15] = static_cast<std::uint32_t>(8 * (kBlockBytes + message.size()));
  for (std::size_t w = 0; w < words.size(); ++w) words_[w].fill(words[w]);
  OPENSSL_cleanse(words.data(), sizeof words);
}

void HmacMessages::set_from(std::size_t lane, std::size_t from, std::span<const std::byte> message) noexcept {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(message.data());
  std::size_t w = from / 4;
  for (; 4 * w + 4 <= message.size(); ++w) words_[w][lane] = big_endian_word(bytes + 4 * w);
  if (4 * w == message.size()) return;
  std::array<unsigned char, 4> last{};  // with the bit that ends the message
  std::copy(bytes + 4 * w, bytes + message.size(), last.begin());
  last[message.size() % 4] = 0x80;
  words_[w][lane] = big_endian_word(last.data());
}

HmacMessages::~HmacMessages() {
  OPENSSL_cleanse(words_.data(), sizeof words_);
}

void hmac_lanes(const HmacKey& key, const HmacMessages& messages, HmacDigests& digests) {
  ensure_simd_targets();
  static const bool vectors_pay = HWY_DYNAMIC_DISPATCH(lanes_of_a_vector)() >= 8;
  if (!vectors_pay) return hmac_lanes_by_block(key, messages, digests);
  HWY_DYNAMIC_DISPATCH(hmac_of_lanes)(key, messages, digests);
}

void hmac_lanes_by_block(const HmacKey& key, const HmacMessages& messages, HmacDigests& digests) {
  // All blocks are written before any is read again: a load that meets a younger, shorter store waits for it.
  std::array<std::array<std::uint32_t, kBlockBytes / 4>, kHmacLanes> blocks;
  for (std::size_t w = 0; w < kBlockBytes / 4; ++w) {
    for (std::size_t lane = 0; lane < kHmacLanes; ++lane) blocks[lane][w] = to_big_endian(messages.word(w)[lane]);
  }
  SHA256_CTX context{};
  const auto compress = [&](const State& from, const auto& block) {
    std::copy(from.begin(), from.end(), context.h);
    SHA256_Transform(&context, reinterpret_cast<const unsigned char*>(block.data()));
  };
  for (auto& block : blocks) {
    compress(key.inner(), block);
    // The inner digest is the outer message.
    for (std::size_t w = 0; w < 8; ++w) block[w] = to_big_endian(context.h[w]);
    std::fill(block.begin() + 8, block.end(), 0);
    block[8] = to_big_endian(sha256_constants::kPadding);
    block[15] = to_big_endian(sha256_constants::kOuterBits);
  }
  for (std::size_t lane = 0; lane < kHmacLanes; ++lane) {
    compress(key.outer(), blocks[lane]);
    for (std::size_t w = 0; w < 8; ++w) digests.words[w][lane] = context.h[w];
  }
  OPENSSL_cleanse(blocks.data(), sizeof blocks);
  OPENSSL_cleanse(&context, sizeof context);
}

void hmac_lanes_plain(const HmacKey& key, const HmacMessages& messages, HmacDigests& digests) {
  for (std::size_t lane = 0; lane < kHmacLanes; ++lane) {
    Block block{};
    for (std::size_t w = 0; w < block.size(); ++w) block[w] = messages.word(w)[lane];
    State inner = key.inner(), outer = key.outer();
    compress_plain(inner, block);
    block = {inner[0], inner[1], inner[2], inner[3], inner[4], inner[5], inner[6], inner[7]};
    block[8] = sha256_constants::kPadding;
    block[15] = sha256_constants::kOuterBits;
    compress_plain(outer, block);
    for (std::size_t w = 0; w < outer.size(); ++w) digests.words[w][lane] = outer[w];
  }
}

}  // namespace ligature
#endif
