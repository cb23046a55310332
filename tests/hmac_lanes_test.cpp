// The lanes of HMAC-SHA-256 against the test vectors of RFC 4231, OpenSSL and the plain reference.
#include "engine/hmac_lanes.hpp"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "engine/error.hpp"

namespace ligature {
namespace {

using Kernel = void (*)(const HmacKey&, const HmacMessages&, HmacDigests&);

std::string hex_of(const HmacDigests& digests, std::size_t lane) {
  std::string text;
  for (const auto& word : digests.words) {
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word[lane] >> shift) & 0xF];
  }
  return text;
}

std::string openssl_hex(std::span<const std::byte> key, std::span<const std::byte> message) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
       message.size(), digest, &length);
  std::string text;
  for (std::size_t i = 0; i < length; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 0xF];
  }
  return text;
}

std::vector<std::byte> random_bytes(std::size_t size, std::mt19937_64& random) {
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// The test cases whose message fits one block (RFC 4231, sections 4.2 to 4.7; 4.6 is cut to 128 bits there).
TEST(HmacLanes, are_those_of_rfc_4231) {
  struct Case {
    std::vector<std::byte> key, message;
    std::string digest;
  };
  std::vector<std::byte> counting;
  for (unsigned char i = 1; i <= 25; ++i) counting.push_back(static_cast<std::byte>(i));
  const std::vector<Case> cases{
      {std::vector<std::byte>(20, std::byte{0x0b}), bytes_of("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {bytes_of("Jefe"), bytes_of("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::vector<std::byte>(20, std::byte{0xaa}), std::vector<std::byte>(50, std::byte{0xdd}),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {counting, std::vector<std::byte>(50, std::byte{0xcd}),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {std::vector<std::byte>(20, std::byte{0x0c}), bytes_of("Test With Truncation"),
       "a3b6167473100ee06e0c796c2955552b"},
      {std::vector<std::byte>(131, std::byte{0xaa}), bytes_of("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"}};
  for (const Case& test : cases) {
    for (const Kernel kernel : {hmac_lanes, hmac_lanes_by_block, hmac_lanes_plain}) {
      HmacDigests digests;
      kernel(HmacKey(test.key), HmacMessages(test.message), digests);
      for (std::size_t lane = 0; lane < kHmacLanes; ++lane) {
        EXPECT_EQ(hex_of(digests, lane).substr(0, test.digest.size()), test.digest);
      }
    }
  }
}

TEST(HmacLanes, of_different_messages_are_what_openssl_gives_for_any_key_and_length) {
  std::mt19937_64 random(4231);
  for (std::size_t length = 0; length <= kHmacLongestMessage; ++length) {
    const std::vector<std::byte> key = random_bytes(random() % 100, random);
    std::vector<std::byte> message = random_bytes(length, random);
    HmacMessages messages(message);
    std::vector<std::string> expected;
    const std::size_t from = random() % (length + 1);
    for (std::size_t lane = 0; lane < kHmacLanes; ++lane) {
      for (std::size_t i = from; i < length; ++i) message[i] = static_cast<std::byte>(random());
      messages.set_from(lane, from, message);
      expected.push_back(openssl_hex(key, message));
    }
    for (const Kernel kernel : {hmac_lanes, hmac_lanes_by_block, hmac_lanes_plain}) {
      HmacDigests digests;
      kernel(HmacKey(key), messages, digests);
      for (std::size_t lane = 0; lane < kHmacLanes; ++lane) EXPECT_EQ(hex_of(digests, lane), expected[lane]) << length;
    }
  }
}

TEST(HmacLanes, refuse_a_message_that_needs_a_second_block) {
  EXPECT_NO_THROW(HmacMessages(std::vector<std::byte>(kHmacLongestMessage)));
  EXPECT_THROW(HmacMessages(std::vector<std::byte>(kHmacLongestMessage + 1)), Error);
}

}  // namespace
}  // namespace ligature
