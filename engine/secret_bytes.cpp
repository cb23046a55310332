#include "engine/secret_bytes.hpp"

#include <openssl/crypto.h>

namespace ligature {

void wipe(void* data, std::size_t bytes) noexcept {
  if (bytes > 0) OPENSSL_cleanse(data, bytes);
}

}  // namespace ligature
