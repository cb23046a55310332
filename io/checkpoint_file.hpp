// One file of a checkpoint: pieces of a stage's data, each with its digest, so that damage is noticed before it is
// used.
//
// Layout, little-endian: a page of kHeaderBytes (magic, format version, number of pieces, bytes of them, digest of the
// table; digest of the page itself at its end), the pieces back to back, the table of pieces.  Digests are XXH3-128.
// Nothing but these bytes is in the file, so a change of any one of them is found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/error.hpp"
#include "engine/linkage_key.hpp"
#include "io/direct_stream.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"

namespace ligature {

// The bytes are not those that were written.
class DamagedCheckpoint : public Error {
 public:
  using Error::Error;
};

struct CheckpointPiece {
  std::uint64_t kind = 0;   // what the piece holds; the writer's own numbers
  std::uint64_t items = 0;  // how many of it
  std::uint64_t bytes = 0;
  std::uint64_t unused = 0;
  Digest digest;
  friend bool operator==(const CheckpointPiece&, const CheckpointPiece&) = default;
};
static_assert(sizeof(CheckpointPiece) == 48);

// What tells one whole file from any other.
struct CheckpointFileId {
  std::uint64_t bytes = 0;  // of the file
  std::uint64_t unused = 0;
  Digest digest;  // of its header
  friend bool operator==(const CheckpointFileId&, const CheckpointFileId&) = default;
};
static_assert(sizeof(CheckpointFileId) == 32);

class CheckpointFileWriter {
 public:
  static constexpr std::size_t kHeaderBytes = 4096;

  // Creates the file, mode 0600.  scrub: restart overwrites what was written.
  explicit CheckpointFileWriter(std::filesystem::path path, bool scrub = false);
  // Forgets all pieces.
  void restart();
  void add(std::uint64_t kind, std::uint64_t items, std::span<const std::byte> bytes);
  // Writes what is left, and returns when all is on the disk.
  CheckpointFileId finish();
  [[nodiscard]] std::uint64_t bytes() const noexcept { return stream_->end(); }

 private:
  void create();

  std::filesystem::path path_;
  bool scrub_;
  File file_;
  std::unique_ptr<DirectWriter> writer_;
  std::unique_ptr<DirectStream> stream_;
  std::vector<CheckpointPiece> pieces_;
};

class CheckpointFileReader {
 public:
  // Throws DamagedCheckpoint unless header and table are whole, and the file's id is this one if one is given.
  explicit CheckpointFileReader(const std::filesystem::path& path, const std::optional<CheckpointFileId>& id = {});
  [[nodiscard]] const std::vector<CheckpointPiece>& pieces() const noexcept { return pieces_; }
  // Throws DamagedCheckpoint unless the piece's bytes are those that were written.
  void read(std::size_t piece, std::vector<std::byte>& bytes) const;

 private:
  [[noreturn]] void damaged(const char* how) const;
  File file_;
  std::vector<CheckpointPiece> pieces_;
  std::vector<std::uint64_t> offsets_;
};

}  // namespace ligature
