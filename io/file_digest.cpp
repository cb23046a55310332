#include "io/file_digest.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

Sha256 file_digest(const Communicator& comm, const std::filesystem::path& path, std::span<const PieceDigest> known) {
  File file;
  agreed_step(comm, [&] { file = File::open_read(path); });
  const std::uint64_t bytes = file.size();
  std::vector<Sha256> digests((bytes + kDigestPieceBytes - 1) / kDigestPieceBytes);
  std::vector<bool> is_known(digests.size());
  const auto learn = [&](std::span<const PieceDigest> pieces) {
    for (const PieceDigest& of : comm.all_gather(pieces)) {
      if (of.piece >= digests.size()) throw Error(path.string() + " is shorter than what was written to it");
      digests[of.piece] = of.digest;
      is_known[of.piece] = true;
    }
  };
  learn(known);
  std::vector<PieceDigest> unknown;
  for (std::uint64_t piece = 0; piece < digests.size(); ++piece) {
    if (!is_known[piece]) unknown.push_back({piece, {}});
  }
  const Range share = share_of(unknown.size(), comm.rank(), comm.size());
  const std::span<PieceDigest> own = std::span(unknown).subspan(share.begin, share.size());
  agreed_step(comm, [&] {
    PerThread<std::vector<std::byte>> buffers;
    for_each_item(own.size(), [&](std::size_t i) {
      const std::uint64_t offset = own[i].piece * kDigestPieceBytes;
      std::vector<std::byte>& piece = buffers.local();
      piece.resize(std::min<std::uint64_t>(kDigestPieceBytes, bytes - offset));
      file.read_exactly_at(offset, piece);
      own[i].digest = sha256(piece);
    });
  });
  learn(own);
  return sha256(std::as_bytes(std::span(digests)));
}

}  // namespace ligature
