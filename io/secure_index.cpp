// The secure index: framed, checksummed parts that any number of ranks can read.
//
// All numbers are little-endian, as the machines that this program runs on (docs/dataset.md, "The secure folder").
#include "io/secure_index.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <future>
#include <limits>
#include <optional>
#include <string>

#include "engine/error.hpp"
#include "engine/xxhash.hpp"
#include "io/direct_stream.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"
#include "io/front_coding.hpp"
#include "io/part_files.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

static_assert(std::endian::native == std::endian::little, "the parts are written as they lie in memory");

namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
constexpr std::array<char, 8> kIndexMagic{'L', 'I', 'G', 'I', 'N', 'D', 'E', 'X'};
constexpr std::array<char, 8> kFooterMagic{'L', 'I', 'G', 'I', 'X', 'E', 'N', 'D'};

struct PartHeader {
  std::array<char, 8> magic = kIndexMagic;
  std::uint64_t version = 3;  // 3: rows name their person by its row in the dataset, and are packed
};
static_assert(sizeof(PartHeader) == 16);

struct BlockHeader {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;  // XXH3-64 of the rows' bytes
};

// Where a block begins in its part, and above that which dataset its rows are of.
struct BlockPlace {
  static constexpr unsigned kOffsetBits = 56;
  static std::uint64_t packed(std::uint64_t offset, std::uint32_t dataset) noexcept {
    return std::uint64_t{dataset} << kOffsetBits | offset;
  }
  static std::uint64_t offset(std::uint64_t packed) noexcept {
    return packed & ((std::uint64_t{1} << kOffsetBits) - 1);
  }
  static std::uint64_t dataset(std::uint64_t packed) noexcept { return packed >> kOffsetBits; }
};

// The end of a part; before it lie the places of its blocks.
struct IndexFooter {
  std::uint64_t part = 0, parts = 0;
  std::uint64_t run = 0;  // the same in all parts of one run, and hardly in any other's
  std::uint64_t blocks = 0, rows = 0;
  std::uint64_t checksum = 0;  // XXH3-64 of the block offsets, then of the five numbers above
  std::array<char, 8> magic{};
};
static_assert(sizeof(IndexFooter) == 56);

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// XXH3-64 piece by piece.
class Checksum {
 public:
  Checksum() : state_(XXH3_createState()) {
    if (state_ == nullptr) throw std::bad_alloc();
    XXH3_64bits_reset(state_);
  }
  ~Checksum() { XXH3_freeState(state_); }
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;
  void add(std::span<const std::byte> bytes) noexcept {
    if (!bytes.empty()) XXH3_64bits_update(state_, bytes.data(), bytes.size());
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return XXH3_64bits_digest(state_); }

 private:
  XXH3_state_t* state_;
};

std::uint64_t footer_checksum(std::span<const std::uint64_t> offsets, const IndexFooter& footer) {
  Checksum checksum;
  checksum.add(std::as_bytes(offsets));
  checksum.add(bytes_of(footer).first(offsetof(IndexFooter, checksum)));
  return checksum.value();
}

[[noreturn]] void damaged(const std::filesystem::path& part, const std::string& what) {
  throw Error("the secure index is damaged: " + part.string() + ": " + what);
}

}  // namespace

void IndexBlocks::begin(std::uint32_t dataset) {
  begin_ = used_;
  used_ += sizeof(BlockHeader);
  dataset_ = dataset;
}

std::byte* IndexBlocks::put_numbers(const IndexRow& row, std::size_t more) {
  const std::size_t most = used_ + 3 * kMostNumberBytes + more;
  if (bytes_.size() < most) bytes_.resize(std::max(most, bytes_.size() + bytes_.size() / 2));
  std::byte* at = bytes_.data() + used_;
  for (const std::uint64_t number : {std::uint64_t{row.dataset}, row.person, row.identity}) at = put_number(at, number);
  ++rows_;
  return at;
}

void IndexBlocks::add(std::span<const IndexRow> rows) {
  std::string_view before = last_id_;
  for (const IndexRow& row : rows) {
    if (rows_ != 0 && (row.dataset != dataset_ || used_ - begin_ >= sizeof(BlockHeader) + kBlockBytes)) end();
    if (rows_ == 0) {
      begin(row.dataset);
      before = {};
    }
    const std::byte* const end_of_row =
        put_text(put_numbers(row, most_text_bytes(row.row_id.size())), row.row_id, before);
    before = row.row_id;
    used_ = static_cast<std::size_t>(end_of_row - bytes_.data());
  }
  last_id_.assign(before);
}

void IndexBlocks::add_coded(std::span<const IndexRow> rows) {
  for (const IndexRow& row : rows) {
    if (rows_ == 0) begin(row.dataset);
    std::byte* const at = put_numbers(row, row.row_id.size());
    std::copy_n(reinterpret_cast<const std::byte*>(row.row_id.data()), row.row_id.size(), at);
    used_ = static_cast<std::size_t>(at - bytes_.data()) + row.row_id.size();
  }
}

void IndexBlocks::end() {
  if (rows_ == 0) return;
  const std::byte* const first = bytes_.data() + begin_ + sizeof(BlockHeader);
  const std::size_t bytes = used_ - begin_ - sizeof(BlockHeader);
  const BlockHeader header{rows_, bytes, XXH3_64bits(first, bytes)};
  std::memcpy(bytes_.data() + begin_, &header, sizeof header);
  ended_.push_back({begin_, rows_, dataset_});
  rows_ = 0;
}

void IndexBlocks::clear() noexcept {
  used_ = begin_ = 0;
  rows_ = 0;
  ended_.clear();
}

struct SecureIndexWriter::State {
  std::filesystem::path folder;
  std::uint64_t rank = 0;
  File part;
  std::optional<DirectWriter> writes;
  std::optional<DirectStream> stream;
  IndexBlocks open;  // rows that came one by one
  std::vector<std::uint64_t> offsets;
  std::uint64_t rows = 0;
  bool settled = false, finished = false;
  std::future<void> on_disk;  // once closed; last, so that it ends before what it uses
};

SecureIndexWriter::SecureIndexWriter(const std::filesystem::path& secure, int rank)
    : state_(std::make_unique<State>()) {
  state_->folder = secure / "index";
  state_->rank = static_cast<std::uint64_t>(rank);
  make_private_directory(state_->folder);
  state_->part = File::create(partial_part_path(state_->folder, state_->rank), 0600);
  state_->writes.emplace(state_->part, write_strategy());
  state_->stream.emplace(*state_->writes, 0);
  state_->stream->add(bytes_of(PartHeader{}));
}

SecureIndexWriter::~SecureIndexWriter() {
  std::error_code ignored;
  if (!state_->finished) std::filesystem::remove(partial_part_path(state_->folder, state_->rank), ignored);
}

void SecureIndexWriter::add(std::span<const IndexRow> rows) {
  IndexBlocks& open = state_->open;
  open.add(rows);
  if (open.bytes() < kBlockBytes) return;
  open.end();
  add(open);
  open.clear();
}

void SecureIndexWriter::add(const IndexBlocks& blocks) {
  if (blocks.rows_ != 0) throw Error("the secure index: a block that is not ended");
  State& state = *state_;
  const std::uint64_t begin = state.stream->end();
  for (const IndexBlocks::Ended& block : blocks.ended_) {
    state.offsets.push_back(BlockPlace::packed(begin + block.begin, block.dataset));
    state.rows += block.rows;
  }
  state.stream->add(std::span(blocks.bytes_).first(blocks.used_));
}

void SecureIndexWriter::close(const Communicator& comm) {
  State& state = *state_;
  std::uint64_t last_checksum = 0;
  agreed_step(comm, [&] {
    state.open.end();
    add(state.open);
    state.open = {};
    IndexFooter own;
    own.part = state.rank;
    own.blocks = state.offsets.size();
    own.rows = state.rows;
    own.run = state.stream->end();
    last_checksum = footer_checksum(state.offsets, own);
  });
  const std::vector<std::uint64_t> checksums = comm.all_gather(last_checksum);
  agreed_step(comm, [&] {
    IndexFooter footer;
    footer.part = state.rank;
    footer.parts = static_cast<std::uint64_t>(comm.size());
    footer.run = XXH3_64bits(checksums.data(), checksums.size() * sizeof(std::uint64_t));
    footer.blocks = state.offsets.size();
    footer.rows = state.rows;
    footer.checksum = footer_checksum(state.offsets, footer);
    footer.magic = kFooterMagic;
    state.stream->add(std::as_bytes(std::span(state.offsets)));
    state.stream->add(bytes_of(footer));
    state.stream->flush();
    state.on_disk = std::async(std::launch::async, [&state] {
      state.writes->finish();
      state.writes.reset();
      state.part.sync();
      state.part.close();
    });
  });
}

void SecureIndexWriter::settle(const Communicator& comm) {
  State& state = *state_;
  if (state.settled) return;
  if (!state.on_disk.valid()) close(comm);
  agreed_step(comm, [&] { state.on_disk.get(); });
  state.settled = true;
}

void SecureIndexWriter::finish(const Communicator& comm) {
  State& state = *state_;
  settle(comm);
  name_parts(comm, state.folder);
  state.finished = true;
}

namespace {

// One part, opened and checked as far as its footer.
struct IndexPart {
  File file;
  IndexFooter footer;
  std::uint64_t footer_start = 0;  // of the block offsets
};

IndexPart open_part(const std::filesystem::path& path) {
  IndexPart part{File::open_read(path), {}, 0};
  const std::uint64_t bytes = part.file.size();
  PartHeader header;
  if (bytes < sizeof header + sizeof(IndexFooter)) damaged(path, "too short");
  part.file.read_exactly_at(0, std::as_writable_bytes(std::span(&header, 1)));
  part.file.read_exactly_at(bytes - sizeof(IndexFooter), std::as_writable_bytes(std::span(&part.footer, 1)));
  if (header.magic != kIndexMagic || part.footer.magic != kFooterMagic) damaged(path, "not a part of an index");
  if (header.version != PartHeader{}.version) damaged(path, "another version of the program wrote it");
  const std::uint64_t room = bytes - sizeof header - sizeof(IndexFooter);
  if (part.footer.blocks > room / sizeof(std::uint64_t)) damaged(path, "impossible number of blocks");
  part.footer_start = bytes - sizeof(IndexFooter) - part.footer.blocks * sizeof(std::uint64_t);
  return part;
}

std::vector<std::uint64_t> read_offsets(const IndexPart& part) {
  std::vector<std::uint64_t> offsets(part.footer.blocks);
  part.file.read_exactly_at(part.footer_start, std::as_writable_bytes(std::span(offsets)));
  if (footer_checksum(offsets, part.footer) != part.footer.checksum)
    damaged(part.file.path(), "wrong checksum at its end");
  return offsets;
}

void visit_block(const IndexPart& part, std::uint64_t offset, std::uint64_t end, std::vector<std::byte>& bytes,
                 const std::function<void(const IndexRow&)>& visit) {
  const std::filesystem::path& path = part.file.path();
  BlockHeader header;
  if (offset < sizeof(PartHeader) || offset > end || end - offset < sizeof header) damaged(path, "impossible block");
  part.file.read_exactly_at(offset, std::as_writable_bytes(std::span(&header, 1)));
  if (header.bytes != end - offset - sizeof header) damaged(path, "impossible block length");
  bytes.resize(header.bytes);
  part.file.read_exactly_at(offset + sizeof header, bytes);
  if (XXH3_64bits(bytes.data(), bytes.size()) != header.checksum) damaged(path, "wrong checksum of a block");
  std::span<const std::byte> left = bytes;
  std::string id;
  for (std::uint64_t r = 0; r < header.rows; ++r) {
    std::uint64_t dataset = 0, person = 0, identity = 0;
    if (!take_number(left, dataset) || !take_number(left, person) || !take_number(left, identity)) {
      damaged(path, "a block ends within a row");
    }
    if (!take_text(left, id)) damaged(path, "a block ends within a row id");
    if (dataset > std::numeric_limits<std::uint32_t>::max()) damaged(path, "impossible dataset");
    visit({static_cast<std::uint32_t>(dataset), id, person, identity});
  }
  if (!left.empty()) damaged(path, "a block has more bytes than rows");
}

}  // namespace

struct SecureIndexReader::State {
  // A block among those of all parts.
  struct Block {
    std::uint64_t dataset = 0;
    std::uint64_t part = 0;
    std::uint64_t begin = 0, end = 0;  // in its part
  };
  std::filesystem::path folder;
  std::vector<Block> blocks;  // of the share
  std::size_t next = 0;
  std::uint64_t part_number = 0;
  IndexPart part;
  std::vector<std::byte> bytes;
};

SecureIndexReader::SecureIndexReader(const std::filesystem::path& secure, int rank, int ranks)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.folder = secure / "index";
  std::uint64_t parts = 1, run = 0;
  for (std::uint64_t p = 0; p < parts; ++p) {
    const IndexPart part = open_part(part_path(state.folder, p));
    if (p == 0) {
      parts = part.footer.parts;
      run = part.footer.run;
    }
    if (part.footer.part != p || part.footer.parts != parts || part.footer.run != run) {
      damaged(part.file.path(), "it belongs to another run");
    }
    const std::vector<std::uint64_t> places = read_offsets(part);
    for (std::size_t i = 0; i < places.size(); ++i) {
      const std::uint64_t end = i + 1 < places.size() ? BlockPlace::offset(places[i + 1]) : part.footer_start;
      state.blocks.push_back({BlockPlace::dataset(places[i]), p, BlockPlace::offset(places[i]), end});
    }
  }
  std::stable_sort(state.blocks.begin(), state.blocks.end(),
                   [](const State::Block& a, const State::Block& b) { return a.dataset < b.dataset; });
  const Range share = share_of(state.blocks.size(), rank, ranks);
  state.blocks = {state.blocks.begin() + static_cast<std::ptrdiff_t>(share.begin),
                  state.blocks.begin() + static_cast<std::ptrdiff_t>(share.end)};
}

SecureIndexReader::~SecureIndexReader() = default;

bool SecureIndexReader::next_block(const std::function<void(const IndexRow&)>& visit) {
  State& state = *state_;
  if (state.next == state.blocks.size()) return false;
  const State::Block& block = state.blocks[state.next++];
  if (!state.part.file.is_open() || state.part_number != block.part) {
    state.part_number = block.part;
    state.part = open_part(part_path(state.folder, block.part));
  }
  visit_block(state.part, block.begin, block.end, state.bytes, visit);
  return true;
}

void read_secure_index(const std::filesystem::path& secure, int rank, int ranks,
                       const std::function<void(const IndexRow&)>& visit) {
  SecureIndexReader reader(secure, rank, ranks);
  while (reader.next_block(visit)) {
  }
}

}  // namespace ligature
