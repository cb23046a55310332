// One rank's share of the input, read by a pipeline: bytes in order, records in parallel, seams closed in order.
//
// A block is parsed from a guessed record start while the blocks before it are parsed too.  The closing stage knows
// where the record before the guess ends: if the guess was wrong the block is parsed again from the right place.  So
// the rows are those of a sequential reading.  (Speculation on the quoting state as in Ge et al., "Speculative
// Distributed CSV Data Parsing for Big Data Analytics", SIGMOD 2019.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "io/block_digests.hpp"
#include "io/csv.hpp"
#include "io/files.hpp"
#include "io/intake.hpp"
#include "io/read_ahead.hpp"
#include "io/recycled.hpp"
#include "io/row_parser.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

// Sizes that affect speed and memory but no row; tests make them tiny.
struct IntakeTuning {
  std::size_t block_bytes = std::size_t{8} << 20;  // where plain files are cut between ranks; the unit of file digests
  // A file up to this size is opened, read and parsed by one thread.
  std::size_t whole_file_bytes = std::size_t{1} << 20;
  // That a thread parses at a time, at most a block; with its rows some three times as much is held, by each thread and
  // twice more: small enough that this is no first touch of much memory, large enough that a piece's categories are few
  // beside its rows.
  std::size_t piece_bytes = std::size_t{2} << 20;
  // Of a compressed file no piece is read that begins beyond this, decompressed; for samples.
  std::uint64_t most_unfolded = std::numeric_limits<std::uint64_t>::max();
};

// A part of a file: a plain file's blocks [begin, end), or all of a compressed file.
struct Segment {
  std::uint32_t file = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  // in bytes on disk
};

// What rank `rank` of `ranks` reads: of the files of each dataset a contiguous share, in rank order, cut at multiples
// of block_bytes inside plain files and nowhere inside compressed ones, which count for more since they unfold.  What a
// cut gives a rank too much or too little of one dataset is taken off or added in the next.
std::vector<Segment> share_of_inputs(const Inputs& inputs, int rank, int ranks, std::size_t block_bytes, Range files);

// What was read of one segment.
struct SegmentReport {
  RowCounts counts;
  std::uint64_t lines = 0;
  std::vector<Digest> block_digests;
  // Of a plain file that is not read whole by one thread: where the segment's first record was taken to begin, and
  // where the record after its last one begins.
  std::uint64_t first_record = 0, next_record = 0;
};

class ShareReader {
 public:
  using Consume = std::function<void(RowBlock&&)>;
  using Progress = std::function<void(std::uint64_t)>;

  // The arguments must outlive the reader.
  ShareReader(const JobFile& job, const Inputs& inputs, const RowRules& rules, const IntakeTuning& tuning,
              std::vector<Segment> segments, const Consume& consume, const Progress& progress);
  ~ShareReader();

  // By segment: where its first record begins, if known; a segment that begins a file needs none.
  using Starts = std::vector<std::optional<std::uint64_t>>;

  // Reads all records that begin in the share.  starts: empty if none is known.  Throws Error that names the file if it
  // cannot be read.
  void read(const Starts& starts);

  [[nodiscard]] const std::vector<Segment>& segments() const noexcept { return segments_; }
  [[nodiscard]] const std::vector<SegmentReport>& reports() const noexcept { return reports_; }

 private:
  struct WholeFile;
  struct Block;
  struct ParsedBlock;

  [[nodiscard]] bool is_whole_file(const Segment& segment) const;
  [[nodiscard]] std::unique_ptr<ReadAhead> read_ahead();
  std::optional<Block> produce();
  void open_segment();
  ParsedBlock parse(Block&& block);
  ParsedBlock parse_whole_file(Block&& block);
  RowBlock read_on(WholeFile& whole, std::size_t budget);
  void close_seam(ParsedBlock& parsed);
  void end_segment(const Block& block);
  void read_past_end(std::size_t segment);
  void emit(std::size_t segment, RowBlock&& rows);
  void emit_block(std::size_t segment, RowBlock&& rows);  // of a whole piece, whose memory is used again
  std::shared_ptr<const FileContext> context_of(std::uint32_t file, Header&& header) const;
  Header header_of(const InputFile& input) const;

  const JobFile& job_;
  const Inputs& inputs_;
  const RowRules& rules_;
  const NhsFilter spoken_of_;
  const IntakeTuning& tuning_;
  std::size_t piece_bytes_;
  std::vector<Segment> segments_;
  const Consume& consume_;
  const Progress& progress_;
  std::vector<SegmentReport> reports_;
  Recycled<PieceBuffer> buffers_;  // of piece_bytes_
  Recycled<RowBlock> blocks_;

  // The producer's place.
  std::size_t segment_ = 0;
  std::uint64_t offset_ = 0;
  std::unique_ptr<ReadAhead> ahead_;  // of all segments that are read in pieces and not compressed
  std::unique_ptr<class ByteStream> stream_;
  BlockDigests stream_digests_;
  std::uint64_t stream_bytes_ = 0;  // read of the compressed file that stream_ reads, on disk
  std::shared_ptr<const FileContext> context_;
  Starts starts_;
  std::optional<std::uint64_t> start_;  // known record start of the segment
  char previous_ = '\n';

  // The closing stage's place.
  std::optional<std::size_t> closing_;  // segment
  std::shared_ptr<const FileContext> closing_context_;
  BlockDigests closing_digests_;
  ReadingState state_;
  std::uint64_t position_ = 0;  // where the next record begins, if state_ is at rest
};

// Collective.  read_extracts (intake.hpp) with other sizes, and of some files alone: the reports of others stay empty.
IntakeReport read_extracts(const Communicator& comm, const JobFile& job, const Inputs& inputs, const RowRules& rules,
                           const std::function<void()>& restart, const std::function<void(RowBlock&&)>& consume,
                           const std::function<void(std::uint64_t)>& progress, const IntakeTuning& tuning,
                           const std::optional<Range>& files = std::nullopt);

}  // namespace ligature
