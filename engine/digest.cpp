// Digests of long texts; the keys of short ones are in linkage_key.cpp.
#include "engine/linkage_key.hpp"
#include "engine/xxhash.hpp"

namespace ligature {

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
