// Linkage keys: values frozen for good (a changed key would move every shard and every output).  Source of the unseeded
// values: xxHash's own sanity test and `xxhsum -H2`; the seeded ones were taken from XXH3_64bits_withSeed of xxHash
// 0.8.1.
#include "engine/linkage_key.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <set>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ligature {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(LinkageKey, frozen_values_stay) {
  EXPECT_EQ(kLinkageSeed, 0x4C69676174757265ULL);
  EXPECT_EQ(linkage_key(bytes_of("")), 0xCEEAADC1DA23124CULL);
  EXPECT_EQ(linkage_key(bytes_of("Ligature")), 0xA6FA34B101462748ULL);
  EXPECT_EQ(linkage_key(std::uint64_t{0}), 0xC110479E71B429ABULL);
  EXPECT_EQ(linkage_key(std::uint64_t{4'010'232'137ULL}), 0x0D73E3671E6FA6B8ULL);
  EXPECT_EQ(linkage_key(Identity{}), 0x0B04A4ED95BFD7ABULL);
  EXPECT_EQ(linkage_key(Identity{0x0123456789ABCDEFULL, 0xFEDCBA9876543210ULL}), 0x7CA9B6A3CD6E5255ULL);
}

TEST(LinkageKey, a_value_is_hashed_as_its_little_endian_bytes) {
  constexpr std::array<unsigned char, 8> kBytes = {8, 7, 6, 5, 4, 3, 2, 1};
  EXPECT_EQ(linkage_key(std::uint64_t{0x0102030405060708ULL}), linkage_key(std::as_bytes(std::span(kBytes))));
  constexpr std::array<std::uint64_t, 2> kWords = {1, 2};
  EXPECT_EQ(linkage_key(Identity{1, 2}), linkage_key(std::as_bytes(std::span(kWords))));
  EXPECT_NE(linkage_key(Identity{1, 2}), linkage_key(Identity{2, 1}));
}

TEST(LinkageKey, shards_are_the_top_bits_and_fill_evenly) {
  EXPECT_EQ(shard_of(0), 0U);
  EXPECT_EQ(shard_of(~0ULL), kShards - 1);
  EXPECT_EQ(shard_of(1ULL << 52), 1U);
  // Consecutive NHS numbers and birthdays, the worst case of a real register.
  std::vector<int> rows(kShards, 0);
  constexpr int kRowsEach = 256;
  constexpr auto kRows = static_cast<std::uint64_t>(kShards) * kRowsEach;
  for (std::uint64_t i = 0; i < kRows; ++i) {
    ++rows[shard_of(linkage_key(Identity{1ULL << 62 | (4'000'000'000ULL + i) << 28, 40'000ULL << 48}))];
  }
  // Six standard deviations of a fair throw (a shard outside them: once in 100,000 such tables).
  const int allowance = static_cast<int>(6 * std::sqrt(kRowsEach));
  const auto [least, most] = std::minmax_element(rows.begin(), rows.end());
  EXPECT_GT(*least, kRowsEach - allowance);
  EXPECT_LT(*most, kRowsEach + allowance);
}

TEST(LinkageKey, identities_of_one_valid_number_share_its_shard_and_others_are_spread) {
  constexpr std::uint64_t kValid = 1ULL << 62, kInvalid = 2ULL << 62, kNumber = 4'010'232'137ULL << 28;
  std::set<ShardId> of_valid, of_invalid, of_none;
  for (std::uint64_t day = 30'000; day < 30'100; ++day) {
    of_valid.insert(shard_of(Identity{kValid | kNumber, day << 48}));
    of_invalid.insert(shard_of(Identity{kInvalid | kNumber, day << 48}));
    of_none.insert(shard_of(Identity{0, day << 48}));
  }
  EXPECT_EQ(of_valid, std::set<ShardId>{shard_of(linkage_key(std::uint64_t{4'010'232'137ULL}))});
  // A filler that is no valid number may be in millions of rows.
  EXPECT_GT(of_invalid.size(), 90U);
  EXPECT_GT(of_none.size(), 90U);
}

TEST(ContentDigest, is_the_published_xxh128) {
  EXPECT_EQ(hex(digest({})), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hex(digest(bytes_of("Ligature\n"))), "18b768c24279f45293cff51c60573f8b");
  EXPECT_EQ(hex(Digest{}), "00000000000000000000000000000000");
  EXPECT_EQ(hex(Digest{0x0123456789abcdefULL, 0xfedcba9876543210ULL}), "0123456789abcdeffedcba9876543210");
}

TEST(ContentDigest, changes_with_any_byte_of_a_long_content) {
  std::vector<std::byte> content(100'000, std::byte{7});
  const Digest before = digest(content);
  for (std::size_t i = 0; i < content.size(); i += 7'919) {
    content[i] ^= std::byte{1};
    EXPECT_NE(digest(content), before) << i;
    content[i] ^= std::byte{1};
  }
  EXPECT_EQ(digest(content), before);
}

}  // namespace
}  // namespace ligature
