// SHA-256 (FIPS 180-4) by OpenSSL, and two texts at once by the processor (sha256_of_two.cpp): the digest of what
// leaves, and of the log that accounts for it.
//
// XXH3 (linkage_key.hpp) finds accidents; these digests must also hold against somebody who means to deceive.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace ligature {

using Sha256 = std::array<std::byte, 32>;

Sha256 sha256(std::span<const std::byte> bytes);
Sha256 sha256(std::string_view text);
// The digests of two texts of one length, which is whole blocks of 64 bytes: with SHA instructions, where the machine
// has them, in little more than the time of one, since each waits for the one before it and two can take turns.  Throws
// Error if they are not so.
std::array<Sha256, 2> sha256_of_two(std::span<const std::byte> first, std::span<const std::byte> second);
std::string hex(const Sha256& digest);  // 64 lower-case hexadecimal digits

}  // namespace ligature
