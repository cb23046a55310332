// HMAC-SHA-256: of many persons at once in vector lanes (hmac_lanes.hpp), of one by OpenSSL's EVP_MAC.  There one keyed
// context is restarted for each message, so that the two hashes of the key's pads are computed once: 2.7 times as fast
// as a duplicate of the context a message.  Early releases of OpenSSL 3 do not restart a context that is given no key
// again, so the constructor makes sure that this one does.
#include "engine/pseudonym.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "engine/error.hpp"
#include "engine/hmac_lanes.hpp"
#include "engine/two_digits.hpp"

namespace ligature {

namespace {

constexpr std::size_t kShortestKey = 32;
constexpr std::size_t kDigestBytes = 32;

// Every use of the key has its own label: no message of one kind can be a message of another.
constexpr std::string_view kNhsLabel = "ligature/person/nhs/1:";
constexpr std::string_view kIdentityLabel = "ligature/person/identity/1:";
constexpr std::string_view kReleasedPersonLabel = "ligature/release/person/1:";
constexpr std::string_view kReleasedRowLabel = "ligature/release/row/1:";
constexpr std::string_view kKeyLabel = "ligature/key/1:";

struct FreeMac {
  void operator()(EVP_MAC* mac) const noexcept { EVP_MAC_free(mac); }
};
struct FreeContext {  // wipes the key schedule
  void operator()(EVP_MAC_CTX* context) const noexcept { EVP_MAC_CTX_free(context); }
};

using Mac = std::unique_ptr<EVP_MAC, FreeMac>;
using Context = std::unique_ptr<EVP_MAC_CTX, FreeContext>;

void require(bool done, const char* call) {
  if (!done) throw Error(std::string("OpenSSL refused ") + call + " for HMAC-SHA-256");
}

std::uint64_t big_endian(const unsigned char* bytes) noexcept {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

// Half of the 32 hexadecimal digits of 128 bits, a lane each.  No wider, and signed: what compilers are not told that a
// machine compares at once, they compare lane by lane.
using Digits = signed char __attribute__((vector_size(16)));
using Bytes = std::uint8_t __attribute__((vector_size(16)));
using Words = std::uint64_t __attribute__((vector_size(16)));

std::uint64_t big_endian_of(std::uint64_t value) noexcept {
  if constexpr (std::endian::native == std::endian::big) return value;
  return __builtin_bswap64(value);
}

void put_big_endian(std::uint64_t value, char* bytes) noexcept {
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<char>(value & 0xFF);
}

// A number below 10,000 as four characters, the first in the highest byte.
std::uint32_t four_digits(std::uint32_t number) noexcept {
  return std::uint32_t{kTwoDigits[number / 100]} << 16 | kTwoDigits[number % 100];
}

// What is hashed for a person: a label, then who it is.  Where that is two numbers (words) or digits (last_words), it
// need not be written as bytes.
struct NhsMessage {
  static constexpr std::string_view kLabel = kNhsLabel;
  static constexpr std::size_t kBytes = kLabel.size() + 10;
  static void write(std::uint64_t number, char* at) noexcept {
    for (std::size_t digit = 10; digit-- > 0; number /= 10) at[digit] = static_cast<char>('0' + number % 10);
  }
  // The label's last two bytes and the number: whole words, and the bit that ends the message is in the next.
  static std::array<std::uint32_t, 3> last_words(std::uint64_t number) noexcept {
    static_assert(kLabel.size() % 4 == 2);
    constexpr auto kBefore = static_cast<std::uint32_t>(kLabel[kLabel.size() - 2] << 24 | kLabel.back() << 16);
    const auto first = static_cast<std::uint32_t>(number / 100'000'000);
    const auto rest = static_cast<std::uint32_t>(number - std::uint64_t{first} * 100'000'000);
    return {kBefore | kTwoDigits[first % 100], four_digits(rest / 10'000), four_digits(rest % 10'000)};
  }
};
struct IdentityMessage {
  static constexpr std::string_view kLabel = kIdentityLabel;
  static constexpr std::size_t kBytes = kLabel.size() + 16;
  static void write(const Identity& identity, char* at) noexcept {
    put_big_endian(identity.first, at);
    put_big_endian(identity.second, at + 8);
  }
  static WordPair words(const Identity& identity) noexcept { return {identity.first, identity.second}; }
};
struct ReleasedPersonMessage {
  static constexpr std::string_view kLabel = kReleasedPersonLabel;
  static constexpr std::size_t kBytes = kLabel.size() + 16;
  static void write(const Pseudonym& person, char* at) noexcept {
    put_big_endian(person.high, at);
    put_big_endian(person.low, at + 8);
  }
  static WordPair words(const Pseudonym& person) noexcept { return {person.high, person.low}; }
};
struct ReleasedRowMessage {
  static constexpr std::string_view kLabel = kReleasedRowLabel;
  static constexpr std::size_t kBytes = kLabel.size() + 32;
  static_assert(kBytes <= kHmacLongestMessage);
  static void write(const DatasetRow& row, char* at) noexcept {
    put_big_endian(row.person.high, at);
    put_big_endian(row.person.low, at + 8);
    put_big_endian(row.dataset, at + 16);
    put_big_endian(row.ordinal, at + 24);
  }
};

// The bytes of some messages, wiped when done with.
template <typename Message, std::size_t Count>
class MessageBytes {
 public:
  MessageBytes() {
    for (auto& message : bytes_) {
      Message::kLabel.copy(message.data(), Message::kLabel.size());
      message[Message::kBytes] = static_cast<char>(0x80);
    }
  }
  ~MessageBytes() { OPENSSL_cleanse(bytes_.data(), sizeof bytes_); }
  MessageBytes(const MessageBytes&) = delete;
  MessageBytes& operator=(const MessageBytes&) = delete;
  template <typename Who>
  void write(std::size_t index, const Who& who) noexcept {
    Message::write(who, bytes_[index].data() + Message::kLabel.size());
  }
  [[nodiscard]] std::span<const std::byte> bytes(std::size_t index) const noexcept {
    return std::as_bytes(std::span(bytes_[index]).first(Message::kBytes));
  }
  // Each with the bit that ends it, up to the end of a word.
  static constexpr std::size_t kRowBytes = (Message::kBytes + 4) / 4 * 4;
  [[nodiscard]] const std::array<std::array<char, kRowBytes>, Count>& rows() const noexcept { return bytes_; }

 private:
  std::array<std::array<char, kRowBytes>, Count> bytes_{};
};

}  // namespace

struct Pseudonymiser::State {
  explicit State(std::span<const std::byte> key) : lanes(key) {}
  Context keyed;
  HmacKey lanes;

  // The first half of the HMAC of the message.
  [[nodiscard]] Pseudonym of(std::span<const std::byte> message) const {
    require(EVP_MAC_init(keyed.get(), nullptr, 0, nullptr) == 1, "EVP_MAC_init");
    const auto* const bytes = reinterpret_cast<const unsigned char*>(message.data());
    require(EVP_MAC_update(keyed.get(), bytes, message.size()) == 1, "EVP_MAC_update");
    std::array<unsigned char, kDigestBytes> digest{};
    std::size_t length = 0;
    require(EVP_MAC_final(keyed.get(), digest.data(), &length, digest.size()) == 1, "EVP_MAC_final");
    const Pseudonym pseudonym{big_endian(digest.data()), big_endian(digest.data() + 8)};
    OPENSSL_cleanse(digest.data(), digest.size());
    return pseudonym;
  }

  template <typename Message, typename Who>
  [[nodiscard]] Pseudonym of(const Who& who) const {
    MessageBytes<Message, 1> message;
    message.write(0, who);
    return of(message.bytes(0));
  }
  [[nodiscard]] Pseudonym of_key() const { return of(std::as_bytes(std::span(kKeyLabel))); }

  template <typename Message, typename Who>
  void name(std::span<const Who> who, std::span<Pseudonym> names, std::span<Pseudonym> secrets = {}) const {
    if (who.size() != names.size() || (!secrets.empty() && secrets.size() != names.size()))
      throw Error("there must be as many pseudonyms as persons");
    // All lanes are written before any is read again: a load that meets a younger, shorter store waits for it.
    MessageBytes<Message, kHmacLanes> bytes;
    HmacMessages messages(bytes.bytes(0));
    HmacDigests digests;
    for (std::size_t begin = 0; begin < who.size(); begin += kHmacLanes) {
      const std::size_t count = std::min(kHmacLanes, who.size() - begin);
      if constexpr (requires { Message::words(who[0]); }) {
        std::array<WordPair, kHmacLanes> pairs;
        for (std::size_t lane = 0; lane < count; ++lane) pairs[lane] = Message::words(who[begin + lane]);
        messages.set_pairs<Message::kLabel.size()>(std::span(pairs).first(count));
      } else if constexpr (requires { Message::last_words(who[0]); }) {
        for (std::size_t lane = 0; lane < count; ++lane) {
          messages.set_words(lane, Message::kLabel.size() / 4, Message::last_words(who[begin + lane]));
        }
      } else {
        for (std::size_t lane = 0; lane < count; ++lane) bytes.write(lane, who[begin + lane]);
        messages.set_all_from(Message::kLabel.size(), bytes.rows());
      }
      hmac_lanes(lanes, messages, digests);  // lanes beyond count are what they were
      for (std::size_t lane = 0; lane < count; ++lane) {
        const auto word = [&](std::size_t w) { return std::uint64_t{digests.words[w][lane]}; };
        names[begin + lane] = {word(0) << 32 | word(1), word(2) << 32 | word(3)};
        if (!secrets.empty()) secrets[begin + lane] = {word(4) << 32 | word(5), word(6) << 32 | word(7)};
      }
    }
    OPENSSL_cleanse(digests.words.data(), sizeof digests.words);
  }
};

std::array<char, 32> hex_digits(const Pseudonym& pseudonym) noexcept {
  // Not an array in memory: a load that meets two younger, shorter stores waits for them.
  const Words words = {big_endian_of(pseudonym.high), big_endian_of(pseudonym.low)};
  const auto bytes = __builtin_bit_cast(Bytes, words);
  const auto digits_of = [](Bytes nibbles) {
    const auto values = __builtin_bit_cast(Digits, nibbles);
    return values + '0' + ((values > 9) & ('a' - '0' - 10));
  };
  const Digits first = digits_of(bytes >> 4), second = digits_of(bytes & 0x0F);
  const std::array<Digits, 2> digits = {
      __builtin_shufflevector(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
      __builtin_shufflevector(first, second, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)};
  return std::bit_cast<std::array<char, 32>>(digits);
}

Pseudonym parse_pseudonym(const char* digits) {
  Digits known;
  const auto values_of = [&known](const char* half) {
    Digits text;
    std::memcpy(&text, half, sizeof text);
    const Digits is_digit = (text > '0' - 1) & (text < '9' + 1), is_letter = (text > 'a' - 1) & (text < 'f' + 1);
    known &= is_digit | is_letter;
    const auto codes = __builtin_bit_cast(Bytes, text);
    return ((codes - '0') & __builtin_bit_cast(Bytes, is_digit)) |
           ((codes - ('a' - 10)) & __builtin_bit_cast(Bytes, is_letter));
  };
  std::memset(&known, 0xFF, sizeof known);
  const Bytes left = values_of(digits), right = values_of(digits + sizeof(Digits));
  const auto whole = std::bit_cast<std::array<std::uint64_t, 2>>(known);
  if ((whole[0] & whole[1]) != ~std::uint64_t{0}) {
    throw Error("a pseudonym of the dataset is not 32 hexadecimal digits");
  }
  const Bytes first = __builtin_shufflevector(left, right, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const Bytes second = __builtin_shufflevector(left, right, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(first << 4 | second);
  return {big_endian_of(words[0]), big_endian_of(words[1])};
}

std::string hex(const Pseudonym& pseudonym) {
  const std::array<char, 32> digits = hex_digits(pseudonym);
  return {digits.data(), digits.size()};
}

Pseudonymiser::Pseudonymiser(std::span<const std::byte> key) : state_(std::make_unique<State>(key)) {
  if (key.size() < kShortestKey) throw UsageError("the pseudonymisation key must have at least 32 bytes");
  const Mac mac(EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr));
  require(mac != nullptr, "EVP_MAC_fetch");
  state_->keyed.reset(EVP_MAC_CTX_new(mac.get()));
  require(state_->keyed != nullptr, "EVP_MAC_CTX_new");
  char digest_name[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
                                   OSSL_PARAM_construct_end()};
  const auto* const bytes = reinterpret_cast<const unsigned char*>(key.data());
  require(EVP_MAC_init(state_->keyed.get(), bytes, key.size(), parameters) == 1, "EVP_MAC_init");
  require(state_->of_key() == state_->of_key(), "a second message on one context");
}

Pseudonymiser::~Pseudonymiser() = default;

Pseudonym Pseudonymiser::of_nhs_number(std::uint64_t valid_nhs) {
  return state_->of<NhsMessage>(valid_nhs);
}

Pseudonym Pseudonymiser::of_identity(const Identity& smallest_identity) {
  return state_->of<IdentityMessage>(smallest_identity);
}

void Pseudonymiser::name(std::span<const std::uint64_t> valid_nhs, std::span<Pseudonym> names) {
  state_->name<NhsMessage>(valid_nhs, names);
}

void Pseudonymiser::name(std::span<const Identity> smallest_identities, std::span<Pseudonym> names) {
  state_->name<IdentityMessage>(smallest_identities, names);
}

void Pseudonymiser::name(std::span<const Pseudonym> persons, std::span<Pseudonym> names) {
  state_->name<ReleasedPersonMessage>(persons, names);
}

void Pseudonymiser::name(std::span<const Pseudonym> persons, std::span<Pseudonym> names, std::span<Pseudonym> secrets) {
  state_->name<ReleasedPersonMessage>(persons, names, secrets);
}

void Pseudonymiser::name(std::span<const DatasetRow> rows, std::span<Pseudonym> names) {
  state_->name<ReleasedRowMessage>(rows, names);
}

std::string Pseudonymiser::key_id() {
  return hex(state_->of_key()).substr(0, 16);
}

}  // namespace ligature
