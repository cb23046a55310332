#include "jobs/rebuild/saved_rows.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "io/part_files.hpp"
#include "io/progress.hpp"
#include "io/row_block_record.hpp"

namespace ligature {

namespace {

constexpr const char* kStage = "rows";
enum Kind : std::uint64_t { kBlock, kReports };
constexpr std::uint64_t kMostShards = 16;

// A rank's lines of a file.
struct FileLines {
  std::uint32_t file = 0;
  std::uint32_t rank = 0;
  std::uint64_t lines = 0;
};

// Collective.
LinesBefore lines_before(const Communicator& comm, const RowStore& rows) {
  const auto rank = static_cast<std::uint32_t>(comm.rank());
  std::map<std::uint32_t, std::uint64_t> lines_here;  // by file
  for (const StoredBlock& block : rows.blocks()) lines_here[block.file] += block.lines;
  std::vector<FileLines> mine;
  for (const auto& [file, lines] : lines_here) mine.push_back({file, rank, lines});
  LinesBefore before;
  for (const FileLines& part : comm.all_gather(std::span<const FileLines>(mine))) {
    if (part.rank < rank && lines_here.contains(part.file)) before[part.file] += part.lines;
  }
  return before;
}

std::string shard_name(std::size_t shard) {
  return fmt::format("{}-{:02}", kStage, shard);
}

}  // namespace

SavedRows::SavedRows(const Checkpoints& checkpoints, std::string_view stage)
    : checkpoints_(checkpoints), stage_(stage), writer_(checkpoints.begin(stage)) {}

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
  checkpoints_.commit(stage_, writer_.get(), account);
}

void SavedRows::commit_shard(std::span<const FileReport> reports) {
  packer_ = {};
  writer_->file().add(kReports, reports.size(), std::as_bytes(reports));
  checkpoints_.commit(stage_, writer_.get(), {});
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
  intake.lines_before = lines_before(comm, rows);
  return true;
}

std::vector<Range> row_shards(const Inputs& inputs) {
  std::uint64_t total = 0, before = 0;
  for (const InputFile& file : inputs.files) total += file.bytes;
  std::vector<Range> shards;
  std::uint64_t last = kMostShards;
  for (std::uint64_t f = 0; f < inputs.files.size(); ++f) {
    // By where the file begins, in parts of about equal bytes.
    const std::uint64_t part = before / (total / kMostShards + 1);
    if (part != last) shards.push_back({f, f});
    shards.back().end = f + 1;
    last = part;
    before += inputs.files[f].bytes;
  }
  return shards;
}

bool keeps_row_shards(const Checkpoints& checkpoints, const Inputs& inputs) {
  if (checkpoints.level() != CheckpointLevel::stages) return checkpoints.level() == CheckpointLevel::shards;
  const std::size_t shards = row_shards(inputs).size();
  for (std::size_t s = 0; s < shards; ++s) {
    if (checkpoints.has(shard_name(s))) return true;
  }
  return false;
}

IntakeReport read_row_shards(const Communicator& comm, const Checkpoints& checkpoints, const Inputs& inputs,
                             RowStore& rows,
                             const std::function<IntakeReport(Range, const std::function<void()>&,
                                                              const std::function<void(RowBlock&&)>&)>& read,
                             const std::function<void()>& shard_done) {
  const std::vector<Range> shards = row_shards(inputs);
  std::vector<std::unique_ptr<CheckpointReader>> readers(shards.size());
  IntakeReport intake;
  intake.files.resize(inputs.files.size());
  for (const InputFile& file : inputs.files) intake.bytes += file.bytes;

  const auto open = [&](std::size_t s) {
    readers[s] = checkpoints.open(shard_name(s), [&](const CheckpointReader& reader) {
      // Every rank reads them all; ranks write none but the root's.
      const auto reports = reader.at<FileReport>(kReports, {0, shards[s].size()});
      if (reader.items(kReports) != reports.size()) throw DamagedCheckpoint("it is of other files");
      std::copy(reports.begin(), reports.end(), intake.files.begin() + static_cast<std::ptrdiff_t>(shards[s].begin));
    });
    return readers[s] != nullptr;
  };
  const auto make = [&](std::size_t s) {
    readers[s].reset();
    SavedRows saved(checkpoints, shard_name(s));
    const IntakeReport part = read(
        shards[s], [&] { saved.restart(); }, [&](RowBlock&& block) { saved.add(block); });
    const auto reports = std::span(part.files).subspan(shards[s].begin, shards[s].size());
    saved.commit_shard(comm.is_root() ? reports : reports.first(0));
    shard_done();
    if (!open(s)) throw Error(fmt::format("checkpoint '{}' cannot be read back", shard_name(s)));
  };
  // Collective.  This rank's run of the rows of all shards; or which of them is damaged.
  const auto take_all = [&]() -> std::optional<std::size_t> {
    rows.restart();
    CheckpointReader::Part part;
    for (const auto& reader : readers) part.total += reader->bytes(kBlock);
    RowBlock block;
    for (std::size_t s = 0; s < readers.size(); ++s) {
      try {
        agreed_step(comm, [&] {
          readers[s]->for_each_dealt(
              kBlock,
              [&](std::uint64_t, std::span<const std::byte> bytes) {
                unpack(bytes, inputs, block);
                rows.add(std::move(block));
              },
              part);
        });
      } catch (const Error& error) {
        if (error.exit_code() != kExitFailed) throw;  // the rows break a limit
        log_warning(comm, fmt::format("checkpoint '{}' cannot be used, and its files are read again: {}", shard_name(s),
                                      error.what()));
        return s;
      }
      part.begin += readers[s]->bytes(kBlock);
    }
    return std::nullopt;
  };

  for (std::size_t s = 0; s < shards.size(); ++s) {
    if (open(s)) {
      log_info(comm, fmt::format("checkpoint '{}' is taken up", shard_name(s)));
    } else {
      make(s);
    }
  }
  std::vector<bool> made_again(shards.size());
  while (const std::optional<std::size_t> damaged = take_all()) {
    if (made_again[*damaged])
      throw Error(fmt::format("checkpoint '{}' cannot be used once more", shard_name(*damaged)));
    made_again[*damaged] = true;
    make(*damaged);
  }
  intake.lines_before = lines_before(comm, rows);
  return intake;
}

}  // namespace ligature
