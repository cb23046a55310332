// xxHash is compiled in here: a call into the shared library costs more than hashing sixteen bytes does.  (digest.cpp
// has what hashes long texts.)
#include "engine/linkage_key.hpp"

#include <array>
#include <bit>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ligature {

static_assert(std::endian::native == std::endian::little, "keys hash the little-endian bytes of values");

std::uint64_t linkage_key(std::span<const std::byte> bytes) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), kLinkageSeed);
}

std::uint64_t linkage_key(std::uint64_t value) noexcept {
  return XXH3_64bits_withSeed(&value, sizeof value, kLinkageSeed);
}

std::uint64_t linkage_key(const Identity& identity) noexcept {
  return XXH3_64bits_withSeed(&identity, sizeof identity, kLinkageSeed);
}

void linkage_keys(std::span<const Identity> identities, std::span<std::uint64_t> keys) noexcept {
  for (std::size_t i = 0; i < identities.size(); ++i) keys[i] = linkage_key(identities[i]);
}

}  // namespace ligature
