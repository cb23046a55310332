// xxHash is compiled in here: a call into the shared library costs more than hashing sixteen bytes does.
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

// Without a seed, so that `xxhsum -H2` checks a file's digest.
Digest digest(std::span<const std::byte> bytes) noexcept {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

std::string hex(const Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(32, '0');
  for (std::size_t i = 0; i < 16; ++i) {
    const auto shift = static_cast<unsigned>(60 - 4 * i);
    text[i] = kDigits[digest.high >> shift & 15];
    text[16 + i] = kDigits[digest.low >> shift & 15];
  }
  return text;
}

}  // namespace ligature
