// The digest of a file that many ranks compute together: SHA-256 of the SHA-256 of its pieces of 4 MiB, in order.
//
// SHA-256 of a whole file can be had on one rank only; of pieces, each rank takes a share.  The last piece is what is
// left; an empty file has no piece.  docs/release.md shows how a recipient computes it.
#pragma once

#include <filesystem>

#include "engine/sha256.hpp"
#include "partition/communicator.hpp"

namespace ligature {

inline constexpr std::size_t kDigestPieceBytes = std::size_t{4} << 20;

// Collective.  The same on every rank.
Sha256 file_digest(const Communicator& comm, const std::filesystem::path& path);

}  // namespace ligature
