#include "io/record_parts.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "engine/error.hpp"
#include "engine/xxhash.hpp"
#include "io/part_files.hpp"

namespace ligature {

static_assert(std::endian::native == std::endian::little, "the records are written as they lie in memory");

namespace {

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

std::uint64_t header_checksum(const PartHeader& header) noexcept {
  return XXH3_64bits(&header, offsetof(PartHeader, checksum));
}

// Seeded by the number of its first record: a piece in the place of another is noticed too.
std::uint64_t piece_checksum(std::span<const std::byte> records, std::uint64_t first_id) noexcept {
  return XXH3_64bits_withSeed(records.data(), records.size(), first_id);
}

// Where a piece begins: with its checksum, which its records follow.
std::uint64_t piece_offset(const RecordForm& form, std::uint64_t piece) noexcept {
  return sizeof(PartHeader) + piece * (sizeof(std::uint64_t) + kPieceRecords * form.record_bytes);
}

[[noreturn]] void damaged(const RecordForm& form, const std::filesystem::path& part, const std::string& what) {
  throw Error("the " + std::string(form.name) + " are damaged: " + part.string() + ": " + what);
}

}  // namespace

std::uint64_t RecordPart::pieces() const noexcept {
  return header.count / kPieceRecords + (header.count % kPieceRecords == 0 ? 0 : 1);
}

std::uint64_t RecordPart::records_of(std::uint64_t piece) const noexcept {
  return std::min(kPieceRecords, header.count - piece * kPieceRecords);
}

RecordPart open_record_part(const RecordForm& form, const std::filesystem::path& secure, std::uint64_t number) {
  RecordPart part{File::open_read(part_path(secure / form.folder, number)), {}};
  const std::filesystem::path& path = part.file.path();
  const std::uint64_t bytes = part.file.size();
  if (bytes < sizeof part.header) damaged(form, path, "too short");
  part.file.read_exactly_at(0, std::as_writable_bytes(std::span(&part.header, 1)));
  const PartHeader& header = part.header;
  if (header.magic != form.magic) damaged(form, path, "it is no part of the " + std::string(form.name));
  if (header.version != PartHeader{}.version || header.record_bytes != form.record_bytes) {
    damaged(form, path, "another version of the program wrote it, or its header has changed");
  }
  if (header.checksum != header_checksum(header)) damaged(form, path, "wrong checksum of its header");
  const std::uint64_t room = bytes - sizeof header;
  if (header.part != number || header.count > room / form.record_bytes ||
      room != header.count * form.record_bytes + part.pieces() * sizeof(std::uint64_t)) {
    damaged(form, path, "it is not this part, or not whole");
  }
  return part;
}

void read_record_piece(const RecordForm& form, const RecordPart& part, std::uint64_t piece,
                       std::span<std::byte> records) {
  std::uint64_t checksum = 0;
  part.file.read_exactly_at(piece_offset(form, piece), std::as_writable_bytes(std::span(&checksum, 1)));
  part.file.read_exactly_at(piece_offset(form, piece) + sizeof checksum, records);
  if (checksum != piece_checksum(records, part.header.first_id + piece * kPieceRecords)) {
    damaged(form, part.file.path(), "wrong checksum");
  }
}

RecordPartWriter::RecordPartWriter(const RecordForm& form, const std::filesystem::path& secure, int rank,
                                   std::uint64_t first_id)
    : form_(form), folder_(secure / form.folder), rank_(static_cast<std::uint64_t>(rank)) {
  header_.magic = form.magic;
  header_.record_bytes = form.record_bytes;
  header_.part = rank_;
  header_.first_id = first_id;
  make_private_directory(folder_);
  part_ = File::create(partial_part_path(folder_, rank_), 0600);
  writes_.emplace(part_, write_strategy());
  stream_.emplace(*writes_, 0);
  stream_->add(bytes_of(PartHeader{}));  // its room
}

RecordPartWriter::~RecordPartWriter() {
  std::error_code ignored;
  if (!finished_) std::filesystem::remove(partial_part_path(folder_, rank_), ignored);
}

void RecordPartWriter::add_piece(std::span<const std::byte> records) {
  if (records.empty()) return;
  const std::uint64_t checksum = piece_checksum(records, header_.first_id + header_.count);
  stream_->add(bytes_of(checksum));
  stream_->add(records);
  all_pieces_ = XXH3_64bits_withSeed(&checksum, sizeof checksum, all_pieces_);
  header_.count += records.size() / form_.record_bytes;
}

void RecordPartWriter::drain() {
  stream_->flush();
  writes_->finish();
}

void RecordPartWriter::close(std::uint64_t parts, std::uint64_t run) {
  header_.parts = parts;
  header_.run = run;
  header_.checksum = header_checksum(header_);
  stream_->flush();
  on_disk_ = std::async(std::launch::async, [this] {
    writes_->finish();
    writes_.reset();
    part_.write_at(0, bytes_of(header_));
    part_.sync();
    part_.close();
  });
}

void RecordPartWriter::settle(const Communicator& comm) {
  agreed_step(comm, [&] {
    if (on_disk_.valid()) on_disk_.get();
  });
}

void RecordPartWriter::finish(const Communicator& comm) {
  settle(comm);
  name_parts(comm, folder_);
  finished_ = true;
}

RecordPartReader::RecordPartReader(const RecordForm& form, const std::filesystem::path& secure, int rank, int ranks)
    : form_(form), secure_(secure) {
  std::uint64_t parts = 1;
  for (std::uint64_t p = 0; p < parts; ++p) {
    const RecordPart part = open_record_part(form, secure, p);
    if (p == 0) parts = part.header.parts;
    headers_.push_back(part.header);
    if (part.header.parts != parts || part.header.run != headers_.front().run) {
      damaged(form, part.file.path(), "it belongs to another run");
    }
    first_piece_.push_back(first_piece_.back() + part.pieces());
  }
  share_ = share_of(first_piece_.back(), rank, ranks);
}

std::uint64_t RecordPartReader::open_next() {
  if (share_.size() == 0) return 0;
  const auto after = std::upper_bound(first_piece_.begin(), first_piece_.end(), share_.begin);
  const auto number = static_cast<std::uint64_t>(after - first_piece_.begin()) - 1;
  if (!part_.file.is_open() || part_.header.part != number) {
    part_ = open_record_part(form_, secure_, number);
    if (part_.header.checksum != headers_[number].checksum)
      damaged(form_, part_.file.path(), "it changed while being read");
  }
  return part_.records_of(share_.begin - first_piece_[number]);
}

void RecordPartReader::read_next(std::span<std::byte> records) {
  const std::uint64_t piece = share_.begin - first_piece_[part_.header.part];
  read_record_piece(form_, part_, piece, records);
  first_id_ = part_.header.first_id + piece * kPieceRecords;
  ++share_.begin;
}

}  // namespace ligature
