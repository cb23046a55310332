// The files of secret keys: refused unless they are their owner's alone to read, made so that they are.
//
// A key leaves its file only into memory that is wiped (engine/secret_bytes.hpp).  What names it in manifests and logs
// is its key id (engine/pseudonym.hpp), from which nothing of it can be told.
#pragma once

#include <filesystem>

#include "engine/secret_bytes.hpp"

namespace ligature {

// Reads a key: a regular file owned by this user, mode 0600 or 0400, of 32 to 4096 bytes.  UsageError otherwise.
SecretBytes load_key_file(const std::filesystem::path& path);

// Makes a key of 32 bytes from the system's generator, mode 0600, on the disk when this returns.  UsageError if there
// is a file of that name, whatever it is.
void make_key_file(const std::filesystem::path& path);

}  // namespace ligature
