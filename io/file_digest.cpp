#include "io/file_digest.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "engine/parallel.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

Sha256 file_digest(const Communicator& comm, const std::filesystem::path& path) {
  std::vector<Sha256> own;
  agreed_step(comm, [&] {
    const File file = File::open_read(path);
    const std::uint64_t bytes = file.size();
    const Range pieces = share_of((bytes + kDigestPieceBytes - 1) / kDigestPieceBytes, comm.rank(), comm.size());
    own.resize(pieces.size());
    for_each_item(own.size(), [&](std::size_t i) {
      const std::uint64_t offset = (pieces.begin + i) * kDigestPieceBytes;
      std::vector<std::byte> piece(std::min<std::uint64_t>(kDigestPieceBytes, bytes - offset));
      file.read_exactly_at(offset, piece);
      own[i] = sha256(piece);
    });
  });
  const std::vector<Sha256> all = comm.all_gather(std::span<const Sha256>(own));
  return sha256(std::as_bytes(std::span(all)));
}

}  // namespace ligature
