// HMAC-SHA-256 by OpenSSL's EVP_MAC.  One keyed context is restarted for each message, so that the two hashes of the
// key's pads are computed once: 2.7 times as fast as a duplicate of the context a message.  Early releases of OpenSSL 3
// do not restart a context that is given no key again, so the constructor makes sure that this one does.
#include "engine/pseudonym.hpp"

#include <string_view>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "engine/error.hpp"

namespace ligature {

namespace {

constexpr std::size_t kShortestKey = 32;
constexpr std::size_t kDigestBytes = 32;

// Every use of the key has its own label: no message of one kind can be a message of another.
constexpr std::string_view kNhsLabel = "ligature/person/nhs/1:";
constexpr std::string_view kIdentityLabel = "ligature/person/identity/1:";
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

void append_big_endian(std::uint64_t value, char* bytes) noexcept {
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<char>(value & 0xFF);
}

void append_hex(std::uint64_t value, std::string& text) {
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(value >> shift) & 0xF];
}

// A label followed by a fixed number of bytes, wiped when done with.
template <std::size_t Bytes>
class Message {
 public:
  explicit Message(std::string_view label) { label.copy(bytes_.data(), label.size()); }
  ~Message() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  char* operator+(std::size_t offset) noexcept { return bytes_.data() + offset; }
  [[nodiscard]] std::string_view text() const noexcept { return {bytes_.data(), bytes_.size()}; }

 private:
  std::array<char, Bytes> bytes_{};
};

}  // namespace

struct Pseudonymiser::State {
  Context keyed;

  // The first half of the HMAC of the message.
  [[nodiscard]] Pseudonym of(std::string_view message) const {
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
};

std::string hex(const Pseudonym& pseudonym) {
  std::string text;
  text.reserve(32);
  append_hex(pseudonym.high, text);
  append_hex(pseudonym.low, text);
  return text;
}

Pseudonymiser::Pseudonymiser(std::span<const std::byte> key) : state_(std::make_unique<State>()) {
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
  require(state_->of(kKeyLabel) == state_->of(kKeyLabel), "a second message on one context");
}

Pseudonymiser::~Pseudonymiser() = default;

Pseudonym Pseudonymiser::of_nhs_number(std::uint64_t valid_nhs) {
  Message<kNhsLabel.size() + 10> message(kNhsLabel);
  for (std::size_t digit = 10; digit-- > 0; valid_nhs /= 10) {
    *(message + (kNhsLabel.size() + digit)) = static_cast<char>('0' + valid_nhs % 10);
  }
  return state_->of(message.text());
}

Pseudonym Pseudonymiser::of_identity(const Identity& smallest_identity) {
  Message<kIdentityLabel.size() + 16> message(kIdentityLabel);
  append_big_endian(smallest_identity.first, message + kIdentityLabel.size());
  append_big_endian(smallest_identity.second, message + (kIdentityLabel.size() + 8));
  return state_->of(message.text());
}

std::string Pseudonymiser::key_id() {
  std::string text;
  append_hex(state_->of(kKeyLabel).high, text);
  return text;
}

}  // namespace ligature
