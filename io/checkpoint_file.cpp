#include "io/checkpoint_file.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace ligature {

namespace {

constexpr std::size_t kHeaderBytes = CheckpointFileWriter::kHeaderBytes;
constexpr std::array<char, 8> kMagic{'L', 'I', 'G', 'C', 'H', 'E', 'C', 'K'};
constexpr std::uint64_t kFormat = 2;  // 1: identities were numbered otherwise

struct Header {
  std::array<char, 8> magic{};
  std::uint64_t format = 0;
  std::uint64_t pieces = 0;
  std::uint64_t body_bytes = 0;
  Digest table;
};

using HeaderPage = std::array<std::byte, kHeaderBytes>;

// The digest of all that stands before it, at the end of the page.
Digest page_digest(const HeaderPage& page) {
  return digest(std::span(page).first(kHeaderBytes - sizeof(Digest)));
}

HeaderPage page_of(const Header& header) {
  HeaderPage page{};
  std::memcpy(page.data(), &header, sizeof header);
  const Digest digest = page_digest(page);
  std::memcpy(page.data() + kHeaderBytes - sizeof digest, &digest, sizeof digest);
  return page;
}

}  // namespace

CheckpointFileWriter::CheckpointFileWriter(std::filesystem::path path, bool scrub)
    : path_(std::move(path)), scrub_(scrub) {
  create();
}

void CheckpointFileWriter::restart() {
  stream_.reset();
  writer_.reset();
  if (scrub_) scrub_file(path_);
  create();
}

void CheckpointFileWriter::create() {
  file_ = File::create(path_, 0600);
  writer_ = std::make_unique<DirectWriter>(file_, write_strategy());
  stream_ = std::make_unique<DirectStream>(*writer_, kHeaderBytes);
  pieces_.clear();
}

void CheckpointFileWriter::add(std::uint64_t kind, std::uint64_t items, std::span<const std::byte> bytes) {
  pieces_.push_back({kind, items, bytes.size(), 0, digest(bytes)});
  stream_->add(bytes);
}

CheckpointFileId CheckpointFileWriter::finish() {
  Header header{kMagic, kFormat, pieces_.size(), bytes() - kHeaderBytes, {}};
  const auto table = std::as_bytes(std::span(pieces_));
  header.table = digest(table);
  stream_->add(table);
  stream_->flush();
  const CheckpointFileId id{bytes(), 0, digest(page_of(header))};
  writer_->write_at(0, page_of(header));
  writer_->finish();
  stream_.reset();
  writer_.reset();
  file_.sync();
  file_.close();
  return id;
}

CheckpointFileReader::CheckpointFileReader(const std::filesystem::path& path, const std::optional<CheckpointFileId>& id)
    : file_(File::open_read(path)) {
  HeaderPage page{};
  const std::uint64_t bytes = file_.size();
  if (bytes < kHeaderBytes || file_.read_at(0, page) != kHeaderBytes) damaged("it ends early");
  Header header;
  std::memcpy(&header, page.data(), sizeof header);
  Digest stated;
  std::memcpy(&stated, page.data() + kHeaderBytes - sizeof stated, sizeof stated);
  if (header.magic != kMagic || stated != page_digest(page)) damaged("its header is not whole");
  if (header.format != kFormat) damaged("it has another format");
  if (id && id->digest != digest(page)) damaged("it is of another run");
  const std::uint64_t rest = bytes - kHeaderBytes;
  if (header.body_bytes > rest || header.pieces != (rest - header.body_bytes) / sizeof(CheckpointPiece) ||
      (rest - header.body_bytes) % sizeof(CheckpointPiece) != 0) {
    damaged("it is not as long as it says");
  }
  pieces_.resize(header.pieces);
  const auto table = std::as_writable_bytes(std::span(pieces_));
  file_.read_exactly_at(kHeaderBytes + header.body_bytes, table);
  if (digest(table) != header.table) damaged("its table is not whole");
  std::uint64_t offset = kHeaderBytes;
  for (const CheckpointPiece& piece : pieces_) {
    if (piece.bytes > kHeaderBytes + header.body_bytes - offset) damaged("its table is wrong");
    offsets_.push_back(offset);
    offset += piece.bytes;
  }
  if (offset != kHeaderBytes + header.body_bytes) damaged("its table is wrong");
}

void CheckpointFileReader::read(std::size_t piece, std::vector<std::byte>& bytes) const {
  bytes.resize(pieces_[piece].bytes);
  if (file_.read_at(offsets_[piece], bytes) != bytes.size()) damaged("it ends early");
  if (digest(bytes) != pieces_[piece].digest) damaged("a piece of it is not as it was written");
}

void CheckpointFileReader::damaged(const char* how) const {
  throw DamagedCheckpoint(file_.path().string() + " is damaged: " + how);
}

}  // namespace ligature
