// The identity records of a run: parts of fixed-width records, each piece of about a megabyte under its own checksum,
// so that one record can be read by seeking and is still verified.
//
// All numbers are little-endian, as the machines that this program runs on (docs/dataset.md, "The secure folder").
#include "io/identity_records.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <future>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/error.hpp"
#include "engine/release.hpp"
#include "engine/xxhash.hpp"
#include "io/direct_stream.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"
#include "io/part_files.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

static_assert(std::endian::native == std::endian::little, "the records are written as they lie in memory");
static_assert(sizeof(IdentityRecord) == 72 && std::is_trivially_copyable_v<IdentityRecord>);
static_assert(std::has_unique_object_representations_v<IdentityRecord>, "padding would make files differ at random");

namespace {

constexpr std::array<char, 8> kMagic{'L', 'I', 'G', 'I', 'D', 'R', 'E', 'C'};
constexpr std::uint32_t kVersion = 1;
// Of every piece of a part but its last.
constexpr std::uint64_t kPieceRecords = std::uint64_t{1} << 14;

struct PartHeader {
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t record_bytes = sizeof(IdentityRecord);
  std::uint64_t part = 0, parts = 0;
  std::uint64_t run = 0;  // the same in all parts of one run, and hardly in any other's
  std::uint64_t first_id = 0, count = 0;
  std::uint64_t checksum = 0;  // XXH3-64 of all the above
};
static_assert(sizeof(PartHeader) == 64);

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

std::uint64_t header_checksum(const PartHeader& header) noexcept {
  return XXH3_64bits(&header, offsetof(PartHeader, checksum));
}

// Seeded by the number of its first record: a piece in the place of another is noticed too.
std::uint64_t piece_checksum(std::span<const IdentityRecord> records, IdentityId first_id) noexcept {
  return XXH3_64bits_withSeed(records.data(), records.size_bytes(), first_id);
}

std::uint64_t pieces_of(const PartHeader& header) noexcept {
  return header.count / kPieceRecords + (header.count % kPieceRecords == 0 ? 0 : 1);
}

// Where a piece begins: with its checksum, which its records follow.
std::uint64_t piece_offset(std::uint64_t piece) noexcept {
  return sizeof(PartHeader) + piece * (sizeof(std::uint64_t) + kPieceRecords * sizeof(IdentityRecord));
}

std::filesystem::path folder_of(const std::filesystem::path& secure) {
  return secure / "identities";
}

[[noreturn]] void damaged(const std::filesystem::path& part, const std::string& what) {
  throw Error("the identity records are damaged: " + part.string() + ": " + what);
}

// One part, opened and checked as far as its header and its length.
struct Part {
  File file;
  PartHeader header;
};

Part open_part(const std::filesystem::path& folder, std::uint64_t number) {
  Part part{File::open_read(part_path(folder, number)), {}};
  const std::filesystem::path& path = part.file.path();
  const std::uint64_t bytes = part.file.size();
  if (bytes < sizeof part.header) damaged(path, "too short");
  part.file.read_exactly_at(0, std::as_writable_bytes(std::span(&part.header, 1)));
  const PartHeader& header = part.header;
  if (header.magic != kMagic) damaged(path, "it is no part of the identity records");
  if (header.version != kVersion || header.record_bytes != sizeof(IdentityRecord)) {
    damaged(path, "another version of the program wrote it, or its header has changed");
  }
  if (header.checksum != header_checksum(header)) damaged(path, "wrong checksum of its header");
  const std::uint64_t room = bytes - sizeof header;
  if (header.part != number || header.count > room / sizeof(IdentityRecord) ||
      room != header.count * sizeof(IdentityRecord) + pieces_of(header) * sizeof(std::uint64_t)) {
    damaged(path, "it is not this part, or not whole");
  }
  return part;
}

void read_piece(const Part& part, std::uint64_t piece, std::vector<IdentityRecord>& records) {
  const std::uint64_t first = piece * kPieceRecords;
  records.resize(std::min(kPieceRecords, part.header.count - first));
  std::uint64_t checksum = 0;
  part.file.read_exactly_at(piece_offset(piece), std::as_writable_bytes(std::span(&checksum, 1)));
  part.file.read_exactly_at(piece_offset(piece) + sizeof checksum, std::as_writable_bytes(std::span(records)));
  if (checksum != piece_checksum(records, part.header.first_id + first)) damaged(part.file.path(), "wrong checksum");
}

}  // namespace

struct IdentityRecordWriter::State {
  std::filesystem::path folder;
  std::uint64_t rank = 0;
  File part;
  std::optional<DirectWriter> writes;
  std::optional<DirectStream> stream;
  PartHeader header;
  std::vector<IdentityRecord> piece;  // not yet written
  std::uint64_t all_pieces = 0;       // a checksum of the checksums of all pieces
  bool finished = false;
  std::future<void> on_disk;  // once closed; last, so that it ends before what it uses

  void flush() {
    if (piece.empty()) return;
    const std::uint64_t checksum = piece_checksum(piece, header.first_id + header.count);
    stream->add(bytes_of(checksum));
    stream->add(std::as_bytes(std::span(piece)));
    all_pieces = XXH3_64bits_withSeed(&checksum, sizeof checksum, all_pieces);
    header.count += piece.size();
    piece.clear();
  }
};

IdentityRecordWriter::IdentityRecordWriter(const std::filesystem::path& secure, int rank, IdentityId first_id)
    : state_(std::make_unique<State>()) {
  state_->folder = folder_of(secure);
  state_->rank = static_cast<std::uint64_t>(rank);
  state_->header.part = state_->rank;
  state_->header.first_id = first_id;
  state_->piece.reserve(kPieceRecords);
  make_private_directory(state_->folder);
  state_->part = File::create(partial_part_path(state_->folder, state_->rank), 0600);
  state_->writes.emplace(state_->part, write_strategy());
  state_->stream.emplace(*state_->writes, 0);
  state_->stream->add(bytes_of(PartHeader{}));  // its room
}

IdentityRecordWriter::~IdentityRecordWriter() {
  std::error_code ignored;
  if (!state_->finished) std::filesystem::remove(partial_part_path(state_->folder, state_->rank), ignored);
}

void IdentityRecordWriter::add(std::span<const IdentityRecord> records) {
  while (!records.empty()) {
    const std::size_t taken = std::min<std::size_t>(records.size(), kPieceRecords - state_->piece.size());
    state_->piece.insert(state_->piece.end(), records.begin(), records.begin() + static_cast<std::ptrdiff_t>(taken));
    records = records.subspan(taken);
    if (state_->piece.size() == kPieceRecords) state_->flush();
  }
}

void IdentityRecordWriter::close(const Communicator& comm) {
  State& state = *state_;
  agreed_step(comm, [&] { state.flush(); });
  const std::vector<std::uint64_t> contents = comm.all_gather(state.all_pieces);
  agreed_step(comm, [&] {
    state.header.parts = contents.size();
    state.header.run = XXH3_64bits(contents.data(), contents.size() * sizeof(std::uint64_t));
    state.header.checksum = header_checksum(state.header);
    state.stream->flush();
    release(state.piece);
    state.on_disk = std::async(std::launch::async, [&state] {
      state.writes->finish();
      state.writes.reset();
      state.part.write_at(0, bytes_of(state.header));
      state.part.sync();
      state.part.close();
    });
  });
}

void IdentityRecordWriter::finish(const Communicator& comm) {
  State& state = *state_;
  if (!state.on_disk.valid()) close(comm);
  agreed_step(comm, [&] { state.on_disk.get(); });
  name_parts(comm, state.folder);
  state.finished = true;
}

struct IdentityRecordReader::State {
  std::filesystem::path folder;
  std::vector<std::uint64_t> first_piece{0};  // of each part, counted over all parts; then the number of pieces
  Range share;                                // the pieces still to be read
  std::uint64_t part_number = 0;
  Part part;
  std::uint64_t run = 0;
  IdentityId first_id = 0;
  std::vector<IdentityRecord> records;
};

IdentityRecordReader::IdentityRecordReader(const std::filesystem::path& secure, int rank, int ranks)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.folder = folder_of(secure);
  std::uint64_t parts = 1;
  IdentityId next_id = 0;
  for (std::uint64_t p = 0; p < parts; ++p) {
    const Part part = open_part(state.folder, p);
    if (p == 0) {
      parts = part.header.parts;
      state.run = part.header.run;
    }
    if (part.header.parts != parts || part.header.run != state.run || part.header.first_id != next_id) {
      damaged(part.file.path(), "it belongs to another run");
    }
    next_id += part.header.count;
    state.first_piece.push_back(state.first_piece.back() + pieces_of(part.header));
  }
  state.share = share_of(state.first_piece.back(), rank, ranks);
}

IdentityRecordReader::~IdentityRecordReader() = default;

std::span<const IdentityRecord> IdentityRecordReader::next_piece() {
  State& state = *state_;
  if (state.share.size() == 0) return {};
  const auto after = std::upper_bound(state.first_piece.begin(), state.first_piece.end(), state.share.begin);
  const auto number = static_cast<std::uint64_t>(after - state.first_piece.begin()) - 1;
  if (!state.part.file.is_open() || state.part_number != number) {
    state.part = open_part(state.folder, number);
    state.part_number = number;
    if (state.part.header.run != state.run) damaged(state.part.file.path(), "it changed while being read");
  }
  const std::uint64_t piece = state.share.begin - state.first_piece[number];
  read_piece(state.part, piece, state.records);
  state.first_id = state.part.header.first_id + piece * kPieceRecords;
  ++state.share.begin;
  return state.records;
}

IdentityId IdentityRecordReader::first_id() const noexcept {
  return state_->first_id;
}

IdentityRecord read_identity_record(const std::filesystem::path& secure, IdentityId id) {
  const std::filesystem::path folder = folder_of(secure);
  Part part = open_part(folder, 0);
  const std::uint64_t run = part.header.run;
  // The last part that begins at or before the record; parts without records begin where the next one does.
  std::uint64_t first = 0, last = part.header.parts;
  while (last - first > 1) {
    const std::uint64_t middle = first + (last - first) / 2;
    Part candidate = open_part(folder, middle);
    if (candidate.header.run != run) damaged(candidate.file.path(), "it belongs to another run");
    if (candidate.header.first_id <= id) {
      first = middle;
      part = std::move(candidate);
    } else {
      last = middle;
    }
  }
  if (id < part.header.first_id || id - part.header.first_id >= part.header.count) {
    throw Error("there is no identity " + std::to_string(id) + " in " + folder.string());
  }
  const std::uint64_t index = id - part.header.first_id;
  std::vector<IdentityRecord> records;
  read_piece(part, index / kPieceRecords, records);
  return records[index % kPieceRecords];
}

}  // namespace ligature
