// HMAC-SHA-256 of sixteen short messages at once, one message a 32-bit lane.
//
// OpenSSL hashes one message after another and pays for its generality at each: 4.8 million short messages a second on
// one core.  A name needs two compressions, of message and of inner digest, from two states that depend on the key
// alone.  Done for a vector of messages they take a quarter of that time (bench/README.md, "Pseudonyms"), and that
// factor alone justifies a second implementation: OpenSSL stays the oracle of the tests and does everything that is not
// done by the million.  Where vectors are short, its block function compresses: with SHA instructions, if the machine
// has them.  FIPS 180-4, section 6.2; RFC 2104.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ligature {

inline constexpr std::size_t kHmacLanes = 16;
inline constexpr std::size_t kHmacLongestMessage = 55;  // with its padding it fills one block

// The states of SHA-256 after the key's two pads.  As secret as the key; wiped on destruction.
class HmacKey {
 public:
  explicit HmacKey(std::span<const std::byte> key);
  ~HmacKey();
  HmacKey(const HmacKey&) = delete;
  HmacKey& operator=(const HmacKey&) = delete;
  [[nodiscard]] const std::array<std::uint32_t, 8>& inner() const noexcept { return inner_; }
  [[nodiscard]] const std::array<std::uint32_t, 8>& outer() const noexcept { return outer_; }

 private:
  std::array<std::uint32_t, 8> inner_, outer_;
};

// Two numbers that stand in a message one after the other, big-endian.
struct WordPair {
  std::uint64_t first = 0, second = 0;
};

// Sixteen messages of one length: word w of the padded block of each lane, in the byte order of the machine.  Wiped
// on destruction: they hold identifiers.
class HmacMessages {
 public:
  // Every lane is the message.  Throws Error if it has more than kHmacLongestMessage bytes.
  explicit HmacMessages(std::span<const std::byte> message);
  // Another message of the same length in one lane; the bytes before from are known to be those of the lane already.
  void set_from(std::size_t lane, std::size_t from, std::span<const std::byte> message) noexcept;
  // The same in every lane, from the word of that byte on.  rows: the messages of the lanes, each with the byte 0x80
  // and zeros after it.
  template <std::size_t RowBytes>
  void set_all_from(std::size_t from, const std::array<std::array<char, RowBytes>, kHmacLanes>& rows) noexcept {
    static_assert(RowBytes % 4 == 0 && RowBytes <= 4 * 14, "the last two words are the length");
    for (std::size_t w = from / 4; w < RowBytes / 4; ++w) {
      for (std::size_t lane = 0; lane < kHmacLanes; ++lane) {
        std::uint32_t word = 0;
        std::memcpy(&word, rows[lane].data() + 4 * w, sizeof word);
        words_[w][lane] = std::endian::native == std::endian::little ? __builtin_bswap32(word) : word;
      }
    }
  }
  // These words of one lane, from the first of them on.
  template <std::size_t Count>
  void set_words(std::size_t lane, std::size_t first, const std::array<std::uint32_t, Count>& words) noexcept {
    for (std::size_t w = 0; w < Count; ++w) words_[first + w][lane] = words[w];
  }
  // A pair in each of the first lanes from a byte on, where it ends the message.
  template <std::size_t From>
  void set_pairs(std::span<const WordPair> pairs) noexcept {
    constexpr std::size_t kFirst = From / 4;
    constexpr unsigned kShift = 8 * (From % 4);
    static_assert(From + sizeof(WordPair) <= kHmacLongestMessage);
    for (std::size_t lane = 0; lane < pairs.size(); ++lane) {
      const auto [first, second] = pairs[lane];
      const std::uint32_t before = words_[kFirst][lane] & ~(0xFFFFFFFFU >> kShift);
      words_[kFirst][lane] = before | static_cast<std::uint32_t>(first >> 32 >> kShift);
      words_[kFirst + 1][lane] = static_cast<std::uint32_t>(first >> kShift);
      words_[kFirst + 2][lane] = static_cast<std::uint32_t>(first << (32 - kShift) | second >> 32 >> kShift);
      words_[kFirst + 3][lane] = static_cast<std::uint32_t>(second >> kShift);
      words_[kFirst + 4][lane] = static_cast<std::uint32_t>(second << (32 - kShift)) | 0x80000000U >> kShift;
    }
  }
  ~HmacMessages();
  HmacMessages(const HmacMessages&) = delete;
  HmacMessages& operator=(const HmacMessages&) = delete;
  [[nodiscard]] const std::uint32_t* word(std::size_t word) const noexcept { return words_[word].data(); }

 private:
  alignas(64) std::array<std::array<std::uint32_t, kHmacLanes>, 16> words_;
};

// Word w of each lane's digest.
struct HmacDigests {
  alignas(64) std::array<std::array<std::uint32_t, kHmacLanes>, 8> words;
};

// In vectors, or block by block where the instruction set (within LIGATURE_SIMD) has too short ones to be faster.
void hmac_lanes(const HmacKey& key, const HmacMessages& messages, HmacDigests& digests);

// One lane after the other by OpenSSL's block function.
void hmac_lanes_by_block(const HmacKey& key, const HmacMessages& messages, HmacDigests& digests);

// One lane after the other, by plain code: the reference that the others are held to, and what a single message takes.
void hmac_lanes_plain(const HmacKey& key, const HmacMessages& messages, HmacDigests& digests);

}  // namespace ligature
