#include "io/share_reader.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "engine/error.hpp"
#include "engine/parallel.hpp"
#include "io/block_source.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

namespace {

constexpr std::uint64_t kCompressedWeight = 4;
constexpr std::size_t kWholeFilePieces = 2;  // of decompressed bytes that are parsed beside other files
constexpr std::size_t kPastEndBytes = std::size_t{64} << 10;

// What a file counts for when files are shared out.
std::uint64_t weight_of(const InputFile& file) {
  return file.compression == Compression::none ? file.bytes : file.bytes * kCompressedWeight;
}

// The files of a dataset as one length of bytes, each by its weight, and where it may be cut.
class DatasetFiles {
 public:
  DatasetFiles(const Inputs& inputs, Range files, std::uint32_t dataset, std::size_t block_bytes)
      : inputs_(inputs), block_bytes_(block_bytes) {
    for (auto f = static_cast<std::uint32_t>(files.begin); f < files.end; ++f) {
      if (inputs.files[f].dataset != dataset) continue;
      files_.push_back(f);
      begin_.push_back(begin_.back() + weight_of(inputs.files[f]));
    }
  }

  [[nodiscard]] std::uint64_t size() const noexcept { return begin_.back(); }

  // The nearest place to this one where it may be cut.
  [[nodiscard]] std::uint64_t nearest_cut(std::uint64_t place) const {
    if (place >= size()) return size();
    const auto next = std::upper_bound(begin_.begin(), begin_.end(), place);
    const std::uint64_t file_begin = *(next - 1), within = place - file_begin;
    const InputFile& file = inputs_.files[files_[static_cast<std::size_t>(next - begin_.begin()) - 1]];
    std::uint64_t before = 0, after = *next - file_begin;
    if (file.compression == Compression::none) {
      before = within / block_bytes_ * block_bytes_;
      after = std::min(after, before + block_bytes_);
    }
    return file_begin + (within - before < after - within ? before : after);
  }

  // Appends what lies between two cuts.
  void add_segments(std::uint64_t begin, std::uint64_t end, std::vector<Segment>& segments) const {
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const std::uint64_t from = std::max(begin, begin_[i]), to = std::min(end, begin_[i + 1]);
      if (from >= to) continue;
      const InputFile& file = inputs_.files[files_[i]];
      if (file.compression == Compression::none) {
        segments.push_back({files_[i], from - begin_[i], to - begin_[i]});
      } else {
        segments.push_back({files_[i], 0, file.bytes});
      }
    }
  }

 private:
  const Inputs& inputs_;
  std::uint64_t block_bytes_;
  std::vector<std::uint32_t> files_;
  std::vector<std::uint64_t> begin_{0};  // of each file, then the end
};

[[noreturn]] void fail_changed(const std::string& path) {
  throw Error(path + ": the file changed while the job was running");
}

}  // namespace

std::vector<Segment> share_of_inputs(const Inputs& inputs, int rank, int ranks, std::size_t block_bytes, Range files) {
  std::vector<Segment> segments;
  // To all ranks before one, of the datasets so far.
  std::vector<std::uint64_t> given(static_cast<std::size_t>(ranks), 0);
  std::uint64_t total = 0;
  for (std::uint32_t d = 0; d < inputs.datasets.size(); ++d) {
    const DatasetFiles bytes(inputs, files, d, block_bytes);
    total += bytes.size();
    std::uint64_t begin = 0, mine = 0;
    for (int r = 0; r <= rank; ++r) {
      std::uint64_t end = bytes.size();
      if (r + 1 < ranks) {
        std::uint64_t& before_next = given[static_cast<std::size_t>(r) + 1];
        const std::uint64_t wanted = share_of(total, r + 1, ranks).begin;
        end = std::max(begin, bytes.nearest_cut(wanted - std::min(wanted, before_next)));
        before_next += end;
      }
      mine = std::exchange(begin, end);
    }
    bytes.add_segments(mine, begin, segments);
  }
  return segments;
}

// A file that one thread reads from its beginning to its end.
struct ShareReader::WholeFile {
  WholeFile(const InputFile& file, std::size_t block_bytes, std::size_t raw_bytes)
      : input(file),
        block_digests(block_bytes),
        stream(file.path, file.compression, raw_bytes, [this](std::span<const std::byte> raw) {
          block_digests.add(raw, digests);
          bytes_read += raw.size();
        }) {}
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  const InputFile& input;
  BlockDigests block_digests;
  std::vector<Digest> digests;
  ByteStream stream;
  std::uint64_t bytes_read = 0;  // on disk
  std::shared_ptr<const FileContext> context;
  std::size_t buffer_bytes = 0;
  ReadingState state;
  std::uint64_t offset = 0;  // decompressed
  bool last = false;
};

struct ShareReader::Block {
  std::size_t segment = 0;
  bool whole_file = false;  // bytes are not read yet
  std::shared_ptr<const FileContext> context;
  PieceBuffer bytes;
  Piece piece;
  char previous = '\n';
  std::optional<std::uint64_t> start;  // known place of a record start, at or after the piece's beginning
};

struct ShareReader::ParsedBlock {
  Block block;
  std::size_t start = 0;  // where in the piece parsing began
  std::size_t end = 0;    // where the next record begins, if state is at rest
  RowBlock rows;
  ReadingState state;
  std::optional<Digest> digest;      // of a plain file's piece that is a block
  std::unique_ptr<WholeFile> whole;  // of a whole file
};

ShareReader::ShareReader(const JobFile& job, const Inputs& inputs, const RowRules& rules, const IntakeTuning& tuning,
                         std::vector<Segment> segments, const Consume& consume, const Progress& progress)
    : job_(job),
      inputs_(inputs),
      rules_(rules),
      spoken_of_(numbers_spoken_of(rules)),
      tuning_(tuning),
      piece_bytes_(std::min(tuning.piece_bytes, tuning.block_bytes)),
      segments_(std::move(segments)),
      consume_(consume),
      progress_(progress),
      stream_digests_(tuning.block_bytes),
      closing_digests_(tuning.block_bytes) {}

ShareReader::~ShareReader() = default;

void ShareReader::read(const Starts& starts) {
  reports_.assign(segments_.size(), SegmentReport());
  segment_ = 0;
  ahead_ = read_ahead();
  stream_.reset();
  context_.reset();
  starts_ = starts;
  starts_.resize(segments_.size());
  start_.reset();
  closing_.reset();
  closing_context_.reset();
  state_ = ReadingState();
  const auto in_flight = static_cast<std::size_t>(num_threads()) + 2;
  ordered_pipeline(
      in_flight, [this] { return produce(); }, [this](Block block) { return parse(std::move(block)); },
      [this](ParsedBlock parsed) {
        close_seam(parsed);
        end_segment(parsed.block);
        if (parsed.block.bytes) buffers_.give_back(std::move(parsed.block.bytes));
      });
  ahead_.reset();
}

bool ShareReader::is_whole_file(const Segment& segment) const {
  const InputFile& input = inputs_.files[segment.file];
  return segment.begin == 0 && segment.end == input.bytes && input.bytes <= tuning_.whole_file_bytes;
}

// What produce() will ask for.
std::unique_ptr<ReadAhead> ShareReader::read_ahead() {
  std::vector<ReadAhead::Part> parts;
  for (const Segment& segment : segments_) {
    const InputFile& input = inputs_.files[segment.file];
    if (input.compression != Compression::none || is_whole_file(segment)) continue;
    parts.push_back({input.path, segment.begin, segment.end});
  }
  return std::make_unique<ReadAhead>(std::move(parts), piece_bytes_, buffers_);
}

std::shared_ptr<const FileContext> ShareReader::context_of(std::uint32_t file, Header&& header) const {
  auto context = std::make_shared<FileContext>();
  const InputFile& input = inputs_.files[file];
  context->file = file;
  context->input = &input;
  context->extract = &job_.extracts[input.extract];
  context->schema = &inputs_.datasets[input.dataset];
  context->rules = &rules_;
  context->spoken_of = &spoken_of_;
  context->after_opt_out = job_.consent.after_opt_out;
  context->max_record_bytes = job_.max_record_bytes;
  std::vector<std::string> problems;
  context->layout = lay_out_columns(header, *context->extract, *context->schema, problems);
  if (!problems.empty()) fail_changed(input.path);
  if (!job_.use_local_id) context->layout.local_id = kNoColumn;
  context->header = std::move(header);
  return context;
}

Header ShareReader::header_of(const InputFile& input) const {
  try {
    return read_header(input.path, input.compression, job_.extracts[input.extract].delimiter, job_.max_record_bytes);
  } catch (const UsageError&) {  // it was right before the job began
    fail_changed(input.path);
  }
}

// Begins the producer's current segment.
void ShareReader::open_segment() {
  const Segment& segment = segments_[segment_];
  const InputFile& input = inputs_.files[segment.file];
  const File file = File::open_read(input.path);
  if (file.size() != input.bytes) fail_changed(input.path);
  offset_ = segment.begin;
  previous_ = '\n';
  context_ = context_of(segment.file, header_of(input));
  if (segment.begin == 0) {
    start_ = context_->header.data_offset;
  } else {
    start_ = starts_[segment_];
    std::byte before{};
    file.read_exactly_at(segment.begin - 1, std::span(&before, 1));
    previous_ = static_cast<char>(before);
  }
  if (input.compression != Compression::none) {
    stream_digests_.restart();
    stream_bytes_ = 0;
    stream_ = std::make_unique<ByteStream>(input.path, input.compression, piece_bytes_,
                                           [this](std::span<const std::byte> raw) {
                                             stream_digests_.add(raw, reports_[segment_].block_digests);
                                             stream_bytes_ += raw.size();
                                             progress_(raw.size());
                                           });
  }
}

// The next block of the share, in order.
std::optional<ShareReader::Block> ShareReader::produce() {
  if (segment_ == segments_.size()) return std::nullopt;
  const Segment& segment = segments_[segment_];
  const InputFile& input = inputs_.files[segment.file];
  Block block;
  block.segment = segment_;
  if (is_whole_file(segment)) {
    block.whole_file = true;
    progress_(input.bytes);
    ++segment_;
    return block;
  }
  if (!context_) open_segment();
  block.context = context_;
  block.previous = previous_;
  std::size_t size = piece_bytes_;
  if (!stream_) size = static_cast<std::size_t>(std::min<std::uint64_t>(size, segment.end - offset_));
  if (stream_) {
    block.bytes = buffers_.take();
    if (!block.bytes) block.bytes = make_piece_buffer(piece_bytes_);
    const std::size_t wanted = size;
    size = stream_->read({block.bytes.get(), wanted});
    block.piece.last = size < wanted;
    if (block.piece.last && stream_bytes_ != input.bytes) fail_changed(input.path);
  } else {
    block.bytes = ahead_->next();
    block.piece.last = offset_ + size == input.bytes;
    progress_(size);
  }
  std::memset(block.bytes.get() + size, 0, kReadAhead);
  block.piece.data = block.bytes.get();
  block.piece.size = size;
  block.piece.offset = offset_;
  if (start_ && *start_ >= offset_) block.start = start_;
  offset_ += size;
  if (size != 0) previous_ = block.bytes[size - 1];
  if (stream_ ? block.piece.last || offset_ >= tuning_.most_unfolded : offset_ == segment.end) {
    stream_.reset();
    context_.reset();
    start_.reset();
    ++segment_;
  }
  return block;
}

// Parses a block on any thread, from its first record if that is known and else from a guess.
ShareReader::ParsedBlock ShareReader::parse(Block&& block) {
  if (block.whole_file) return parse_whole_file(std::move(block));
  ParsedBlock parsed;
  const FileContext& context = *block.context;
  const Piece& piece = block.piece;
  RecordTokenizer tokenizer(context.extract->delimiter, context.max_record_bytes);
  RowParser parser(context, piece.size, blocks_.take());
  if (block.start) {
    parsed.start = static_cast<std::size_t>(std::min<std::uint64_t>(*block.start - piece.offset, piece.size));
  } else {
    parsed.start = guess_record_start(tokenizer, piece, block.previous, context.layout.columns);
  }
  if (piece.offset == 0) parser.line_ends(context.header.lines);
  parsed.end = read_records(tokenizer, parsed.state, piece, parsed.start, piece.size, parser);
  parsed.rows = parser.take();
  if (context.input->compression == Compression::none && piece_bytes_ == tuning_.block_bytes) {
    parsed.digest = digest(std::as_bytes(std::span(piece.data, piece.size)));
  }
  parsed.block = std::move(block);
  return parsed;
}

ShareReader::ParsedBlock ShareReader::parse_whole_file(Block&& block) {
  ParsedBlock parsed;
  const std::uint32_t file = segments_[block.segment].file;
  const InputFile& input = inputs_.files[file];
  parsed.whole = std::make_unique<WholeFile>(input, tuning_.block_bytes, piece_bytes_);
  parsed.whole->context = context_of(file, header_of(input));
  const std::uint64_t unfolded = input.compression == Compression::none ? input.bytes + 1 : input.bytes * 16 + 4096;
  parsed.whole->buffer_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(piece_bytes_, unfolded));
  parsed.rows = read_on(*parsed.whole, kWholeFilePieces * piece_bytes_);
  parsed.block = std::move(block);
  return parsed;
}

// Reads on in a file, budget decompressed bytes or a little more.
RowBlock ShareReader::read_on(WholeFile& whole, std::size_t budget) {
  const FileContext& context = *whole.context;
  RecordTokenizer tokenizer(context.extract->delimiter, context.max_record_bytes);
  RowParser parser(context, whole.buffer_bytes, blocks_.take());
  const PieceBuffer buffer = make_piece_buffer(whole.buffer_bytes);
  if (whole.offset == 0) parser.line_ends(context.header.lines);
  for (std::size_t done = 0; !whole.last && done < budget;) {
    Piece piece{buffer.get(), 0, whole.offset, false};
    piece.size = whole.stream.read({buffer.get(), whole.buffer_bytes});
    std::memset(buffer.get() + piece.size, 0, kReadAhead);
    piece.last = whole.last = piece.size < whole.buffer_bytes;
    const std::uint64_t header = context.header.data_offset;
    const std::uint64_t from = header > piece.offset ? std::min<std::uint64_t>(header - piece.offset, piece.size) : 0;
    read_records(tokenizer, whole.state, piece, static_cast<std::size_t>(from), piece.size, parser);
    whole.offset += piece.size;
    done += piece.size;
  }
  if (whole.last && whole.bytes_read != whole.input.bytes) fail_changed(whole.input.path);
  return parser.take();
}

// Receives blocks in file order; makes their rows those of a sequential reading.
void ShareReader::close_seam(ParsedBlock& parsed) {
  const Block& block = parsed.block;
  std::vector<Digest>& digests = reports_[block.segment].block_digests;
  if (block.whole_file) {
    closing_ = block.segment;
    position_ = parsed.whole->input.bytes;
    emit_block(block.segment, std::move(parsed.rows));
    while (!parsed.whole->last) emit_block(block.segment, read_on(*parsed.whole, piece_bytes_));
    digests = std::move(parsed.whole->digests);
    return;
  }
  const Piece& piece = block.piece;
  if (closing_ != block.segment) {
    closing_ = block.segment;
    closing_digests_.restart();
    closing_context_ = block.context;
    state_ = ReadingState();
    position_ = block.start.value_or(piece.offset + parsed.start);
    reports_[block.segment].first_record = position_;
  }
  if (parsed.digest) {
    digests.push_back(*parsed.digest);
  } else if (block.context->input->compression == Compression::none) {
    closing_digests_.add(std::as_bytes(std::span(piece.data, piece.size)), digests);
  }
  std::size_t at = 0;
  if (state_.at_rest()) {
    if (position_ > piece.offset + piece.size) {  // a header longer than a block, or a record longer than a share
      emit_block(block.segment, std::move(parsed.rows));
      return;
    }
    at = static_cast<std::size_t>(position_ - piece.offset);
  }
  if (!state_.at_rest() || at != parsed.start) {
    RecordTokenizer tokenizer(block.context->extract->delimiter, block.context->max_record_bytes);
    RowParser head(*block.context, 0);
    at = read_records(tokenizer, state_, piece, at, std::max(at, parsed.start), head);
    if (!state_.at_rest() || at != parsed.start) {
      if (state_.at_rest()) at = read_records(tokenizer, state_, piece, at, piece.size, head);
      position_ = piece.offset + at;
      emit(block.segment, head.take());
      return;
    }
    emit(block.segment, head.take());
  }
  state_ = std::move(parsed.state);
  position_ = piece.offset + parsed.end;
  emit_block(block.segment, std::move(parsed.rows));
}

// Called after each block was closed: where it was a plain file's last in the share, what is left of its last record.
void ShareReader::end_segment(const Block& block) {
  const Segment& segment = segments_[block.segment];
  if (block.whole_file || block.context->input->compression != Compression::none) return;
  if (block.piece.offset + block.piece.size != segment.end) return;
  if (!state_.at_rest()) read_past_end(block.segment);
  reports_[block.segment].next_record = position_;
}

// The record that begins in the share belongs to it, wherever it ends.
void ShareReader::read_past_end(std::size_t segment) {
  const FileContext& context = *closing_context_;
  RecordTokenizer tokenizer(context.extract->delimiter, context.max_record_bytes);
  RowParser parser(context, 0);
  const std::size_t most = std::min(kPastEndBytes, piece_bytes_);
  const PieceBuffer buffer = make_piece_buffer(most);
  const File file = File::open_read(context.input->path);
  for (std::uint64_t offset = segments_[segment].end; !state_.at_rest();) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(most, context.input->bytes - offset));
    file.read_exactly_at(offset, std::as_writable_bytes(std::span(buffer.get(), size)));
    std::memset(buffer.get() + size, 0, kReadAhead);
    const Piece piece{buffer.get(), size, offset, offset + size == context.input->bytes};
    position_ = offset + read_records(tokenizer, state_, piece, 0, 0, parser);
    offset += size;
  }
  emit(segment, parser.take());
}

void ShareReader::emit(std::size_t segment, RowBlock&& rows) {
  reports_[segment].counts += rows.counts;
  reports_[segment].lines += rows.lines;
  consume_(std::move(rows));
}

void ShareReader::emit_block(std::size_t segment, RowBlock&& rows) {
  emit(segment, std::move(rows));
  blocks_.give_back(std::move(rows));
}

}  // namespace ligature
