// The digest of a file that many ranks compute together: SHA-256 of the SHA-256 of its pieces of 4 MiB, in order.
//
// SHA-256 of a whole file can be had on one rank only; of pieces, each rank takes a share.  The last piece is what is
// left; an empty file has no piece.  docs/release.md shows how a recipient computes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "engine/sha256.hpp"
#include "partition/communicator.hpp"

namespace ligature {

inline constexpr std::size_t kDigestPieceBytes = std::size_t{4} << 20;

// The digest of one piece, from who has just written it.
struct PieceDigest {
  std::uint64_t piece = 0;
  Sha256 digest{};
};

// Collective.  The same on every rank.  known: pieces that need not be read again; each of one rank at most.
Sha256 file_digest(const Communicator& comm, const std::filesystem::path& path,
                   std::span<const PieceDigest> known = {});

}  // namespace ligature
