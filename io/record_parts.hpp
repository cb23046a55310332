// Records of one width in parts, one part a rank, under secure/: each piece of 16,384 records has its own checksum, so
// that one record can be read by seeking and is still verified.
//
// All numbers are little-endian, as the machines that this program runs on (docs/dataset.md, "The secure folder").
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <future>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "io/direct_stream.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

// What tells one kind of records from another.
struct RecordForm {
  std::array<char, 8> magic;
  std::uint32_t record_bytes;
  std::string_view folder;  // under secure
  std::string_view name;    // in messages
};

// Of every piece of a part but its last.
inline constexpr std::uint64_t kPieceRecords = std::uint64_t{1} << 14;

struct PartHeader {
  std::array<char, 8> magic{};
  std::uint32_t version = 1;
  std::uint32_t record_bytes = 0;
  std::uint64_t part = 0, parts = 0;
  std::uint64_t run = 0;  // the same in all parts of one run, and hardly in any other's
  std::uint64_t first_id = 0, count = 0;
  std::uint64_t checksum = 0;  // XXH3-64 of all the above
};
static_assert(sizeof(PartHeader) == 64);

// One part, opened and checked as far as its header and its length.
struct RecordPart {
  File file;
  PartHeader header;
  [[nodiscard]] std::uint64_t pieces() const noexcept;
  [[nodiscard]] std::uint64_t records_of(std::uint64_t piece) const noexcept;
};
RecordPart open_record_part(const RecordForm& form, const std::filesystem::path& secure, std::uint64_t number);
// All records of a piece.  Throws Error if they are not what was written.
void read_record_piece(const RecordForm& form, const RecordPart& part, std::uint64_t piece,
                       std::span<std::byte> records);

// Writes the part of this rank past the page cache.
class RecordPartWriter {
 public:
  // Opens this rank's part under a temporary name; creates the folder (mode 0700) if need be.  form must outlive this.
  RecordPartWriter(const RecordForm& form, const std::filesystem::path& secure, int rank, std::uint64_t first_id);
  ~RecordPartWriter();
  RecordPartWriter(const RecordPartWriter&) = delete;
  RecordPartWriter& operator=(const RecordPartWriter&) = delete;

  // Whole records: a piece if there are kPieceRecords of them, and the last piece if there are fewer.
  void add_piece(std::span<const std::byte> records);
  // Nothing is added any more: waits until all pieces are written, and gives back the memory that this took.
  void drain();
  // A checksum of the checksums of all pieces so far.
  [[nodiscard]] std::uint64_t contents() const noexcept { return all_pieces_; }
  // Nothing is added any more; the part is completed and brought to the disk on a thread of its own.
  void close(std::uint64_t parts, std::uint64_t run);
  // Collective.  All parts are on the disk.
  void settle(const Communicator& comm);
  // Collective.  Once they are, names the parts and removes those of an earlier run with more ranks.
  void finish(const Communicator& comm);

 private:
  const RecordForm& form_;
  std::filesystem::path folder_;
  std::uint64_t rank_;
  File part_;
  std::optional<DirectWriter> writes_;
  std::optional<DirectStream> stream_;
  PartHeader header_;
  std::uint64_t all_pieces_ = 0;
  bool finished_ = false;
  std::future<void> on_disk_;  // once closed; last, so that it ends before what it uses
};

// Reads the pieces that fall to one of several ranks, a range each, in rank order, whatever the number of parts.
class RecordPartReader {
 public:
  // Throws Error if a part is missing, damaged, or of another run than the first.  form must outlive this.
  RecordPartReader(const RecordForm& form, const std::filesystem::path& secure, int rank, int ranks);

  [[nodiscard]] std::span<const PartHeader> headers() const noexcept { return headers_; }
  // The next piece; none when there is none.
  template <typename Record>
  std::span<const Record> next_piece(std::vector<Record>& room) {
    room.resize(open_next());
    if (!room.empty()) read_next(std::as_writable_bytes(std::span(room)));
    return room;
  }
  // The number of the first record of the piece that was read last.
  [[nodiscard]] std::uint64_t first_id() const noexcept { return first_id_; }

 private:
  std::uint64_t open_next();
  void read_next(std::span<std::byte> records);

  const RecordForm& form_;
  std::filesystem::path secure_;
  std::vector<PartHeader> headers_;
  std::vector<std::uint64_t> first_piece_{0};  // of each part, counted over all parts; then the number of pieces
  Range share_;                                // the pieces still to be read
  RecordPart part_;
  std::uint64_t first_id_ = 0;
};

}  // namespace ligature
