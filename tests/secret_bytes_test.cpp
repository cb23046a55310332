// Keys do not outlive their use, and what accounts for files is the digest that others compute.
#include "engine/secret_bytes.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <gtest/gtest.h>

#include "engine/sha256.hpp"

namespace ligature {
namespace {

TEST(SecretBytes, wiping_leaves_nothing) {
  std::array<std::byte, 64> bytes;
  bytes.fill(std::byte{0x5A});
  wipe(bytes.data(), 63);
  EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end() - 1, [](std::byte b) { return b == std::byte{0}; }));
  EXPECT_EQ(bytes.back(), std::byte{0x5A});
}

TEST(Sha256, of_the_examples_of_the_standard) {
  // FIPS 180-2, appendix B.
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

// Two texts in turns are digested as each alone is, by OpenSSL.
TEST(Sha256OfTwo, is_that_of_each) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{64}, std::size_t{128}, std::size_t{4096 + 192}}) {
    std::vector<std::byte> first(bytes), second(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
      first[i] = static_cast<std::byte>(i * 7 + i / 256);
      second[i] = static_cast<std::byte>(i * 151 + 3);
    }
    const std::array<Sha256, 2> digests = sha256_of_two(first, second);
    EXPECT_EQ(hex(digests[0]), hex(sha256(std::span<const std::byte>(first))));
    EXPECT_EQ(hex(digests[1]), hex(sha256(std::span<const std::byte>(second))));
  }
}

}  // namespace
}  // namespace ligature
