#include "jobs/rebuild/saved_rows.hpp"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/error.hpp"
#include "io/row_block_record.hpp"

namespace ligature {

namespace {

constexpr const char* kStage = "rows";
constexpr std::uint64_t kBlock = 0;

// What the ranks after one need to know of its last file.
struct FileEnd {
  std::uint64_t lines = 0;  // of the last file, as far as it is here
  std::uint32_t first_file = 0, last_file = 0;
  std::uint64_t any = 0;
};

// Collective.  Lines of this rank's first file that lie on earlier ranks.
std::uint64_t lines_before_first_file(const Communicator& comm, const RowStore& rows) {
  FileEnd mine;
  for (const StoredBlock& block : rows.blocks()) {
    if (mine.any == 0) mine.first_file = block.file;
    if (block.file != mine.last_file) mine.lines = 0;
    mine.any = 1;
    mine.last_file = block.file;
    mine.lines += block.lines;
  }
  const std::vector<FileEnd> ends = comm.all_gather(std::span<const FileEnd>(&mine, 1));
  std::uint64_t lines = 0;
  for (int rank = 0; rank < comm.rank(); ++rank) {
    const FileEnd& end = ends[static_cast<std::size_t>(rank)];
    if (mine.any != 0 && end.any != 0 && end.last_file == mine.first_file) lines += end.lines;
  }
  return lines;
}

}  // namespace

SavedRows::SavedRows(const Checkpoints& checkpoints) : checkpoints_(checkpoints), writer_(checkpoints.begin(kStage)) {}

void SavedRows::restart() {
  if (writer_) writer_->file().restart();
}

void SavedRows::add(const RowBlock& block) {
  if (!writer_) return;
  packer_.clear();
  pack(block, packer_);
  writer_->file().add(kBlock, 1, packer_.bytes());
}

void SavedRows::commit(const Manifest& account) {
  packer_ = {};
  checkpoints_.commit(kStage, writer_.get(), account);
}

bool restore_rows(const Communicator& comm, Checkpoints& checkpoints, const Inputs& inputs, RowStore& rows,
                  IntakeReport& intake) {
  Manifest account;
  rows.restart();
  const bool restored = checkpoints.restore(kStage, account, [&](const CheckpointReader& reader) {
    RowBlock block;
    reader.for_each_dealt(kBlock, [&](std::uint64_t, std::span<const std::byte> bytes) {
      unpack(bytes, inputs, block);
      rows.add(std::move(block));
    });
    if (account.file_reports.size() != inputs.files.size()) throw Error("it is of other files");
  });
  if (!restored) return false;
  intake.files = std::move(account.file_reports);
  for (const InputFile& file : inputs.files) intake.bytes += file.bytes;
  intake.lines_before_first_file = lines_before_first_file(comm, rows);
  return true;
}

}  // namespace ligature
