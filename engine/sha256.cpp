#include "engine/sha256.hpp"

#include <openssl/evp.h>

#include "engine/error.hpp"

namespace ligature {

Sha256 sha256(std::span<const std::byte> bytes) {
  Sha256 digest{};
  unsigned int size = 0;
  auto* const out = reinterpret_cast<unsigned char*>(digest.data());
  if (EVP_Digest(bytes.data(), bytes.size(), out, &size, EVP_sha256(), nullptr) != 1 || size != digest.size()) {
    throw Error("OpenSSL refused a SHA-256 digest");
  }
  return digest;
}

Sha256 sha256(std::string_view text) {
  return sha256(std::as_bytes(std::span(text)));
}

std::string hex(const Sha256& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (const std::byte byte : digest) {
    text += kDigits[std::to_integer<unsigned>(byte >> 4)];
    text += kDigits[std::to_integer<unsigned>(byte & std::byte{15})];
  }
  return text;
}

}  // namespace ligature
