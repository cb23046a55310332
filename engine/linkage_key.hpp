// Linkage keys: XXH3 with a fixed seed, and the shards they fall into.  The only use of xxHash for placing data.
//
// Shards are a fixed number whatever the number of ranks; only a shard's owner depends on ranks
// (partition/shard_map.hpp).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/identity.hpp"

namespace ligature {

inline constexpr std::uint32_t kShardBits = 12;
inline constexpr std::uint32_t kShards = 1U << kShardBits;
inline constexpr std::uint64_t kLinkageSeed = 0x4C69676174757265ULL;  // "Ligature"

using ShardId = std::uint32_t;

// 64-bit key of a value; stable across versions and machines (XXH3 is frozen since 0.8.0).
std::uint64_t linkage_key(std::span<const std::byte> bytes) noexcept;
std::uint64_t linkage_key(std::uint64_t value) noexcept;
std::uint64_t linkage_key(const Identity& identity) noexcept;
// Of each identity; keys must have room for them.
void linkage_keys(std::span<const Identity> identities, std::span<std::uint64_t> keys) noexcept;

// The shard of a key: its top bits.
constexpr ShardId shard_of(std::uint64_t key) noexcept {
  return static_cast<ShardId>(key >> (64 - kShardBits));
}

// The shard of an identity: that of its valid NHS number, so that what one number is written with, hence most of what
// one person is, lies together on one rank; without one, that of all of it.  An invalid number says no more than what
// it stands beside, and may be a filler of millions.
inline ShardId shard_of(const Identity& identity) noexcept {
  return shard_of(identity.has_valid_nhs() ? linkage_key(identity.nhs()) : linkage_key(identity));
}

// A 128-bit XXH3 digest, for files, columns and contents.
struct Digest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const Digest&, const Digest&) = default;
};
Digest digest(std::span<const std::byte> bytes) noexcept;
std::string hex(const Digest& digest);  // 32 lower-case hexadecimal digits

}  // namespace ligature
