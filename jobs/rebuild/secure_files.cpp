#include "jobs/rebuild/secure_files.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/gather_blocks.hpp"
#include "engine/parallel.hpp"
#include "engine/raw_vector.hpp"
#include "io/csv_field.hpp"
#include "io/files.hpp"
#include "io/ordered_work.hpp"
#include "io/part_files.hpp"
#include "io/row_id_reader.hpp"

namespace ligature {

std::unique_ptr<SecureIndexWriter> write_row_index(const Communicator& comm, const JobFile& job,
                                                   const IntakeReport& intake, RowStore& rows,
                                                   const Identities& identities, const Persons& persons) {
  struct Worker {
    RowIdUnpacker unpacker;
    std::vector<IndexRow> batch;
    IndexBlocks blocks;
  };
  // Where a row leads to lies side by side: two places would be two misses of the cache a row.
  struct Target {
    std::uint64_t person = 0;
    IdentityId identity = 0;
  };
  constexpr std::size_t kTargetsPerTask = std::size_t{1} << 14;
  RawVector<Target> targets(persons.of_local.size());
  for_blocks(targets.size(), kTargetsPerTask, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) targets[i] = {persons.of_local[i], persons.id_of_local[i]};
  });
  auto index = std::make_unique<SecureIndexWriter>(job.secure, comm.rank());
  RowIdReader reader(rows, intake.lines_before);
  ordered_work<Worker>(
      [&] { return reader.next(); },
      [&](Worker& worker, const RowIdReader::Block& block) {
        const auto batch = [&](std::uint64_t first, std::span<const std::string_view> row_ids) {
          // Where the rows of a batch lead to is fetched before the first is written: their cache misses overlap.
          const std::span<const std::uint32_t> local =
              std::span(identities.local_of_row).subspan(first, row_ids.size());
          for (const std::uint32_t place : local) __builtin_prefetch(&targets[place]);
          worker.batch.clear();
          for (std::size_t i = 0; i < row_ids.size(); ++i) {
            const Target& target = targets[local[i]];
            worker.batch.push_back({block.stored->dataset, row_ids[i], target.person, target.identity});
          }
          return std::span<const IndexRow>(worker.batch);
        };
        // Most blocks' ids are written as they lie: the index packs them likewise.
        const bool is_written = reader.for_each_packed(
            block, [&](std::uint64_t first, auto row_ids) { worker.blocks.add_coded(batch(first, row_ids)); });
        if (!is_written) {
          reader.for_each(block, worker.unpacker,
                          [&](std::uint64_t first, auto row_ids) { worker.blocks.add(batch(first, row_ids)); });
        }
        worker.blocks.end();
      },
      [&](Worker& worker) {
        index->add(worker.blocks);
        worker.blocks.clear();
      });
  index->close(comm);
  return index;
}

std::unique_ptr<IdentityRecordWriter> write_identity_records(const Communicator& comm, const JobFile& job,
                                                             const Identities& identities,
                                                             std::span<const Evidence> evidence,
                                                             const Persons& persons) {
  constexpr std::size_t kRecordsAtOnce = std::uint64_t{1} << 16;  // 4.5 MiB of them, and those being written
  constexpr std::size_t kRecordsPerTask = std::size_t{1} << 12;
  auto writer = std::make_unique<IdentityRecordWriter>(job.secure, comm.rank(), identities.first_id);
  const std::size_t count = identities.owned.size(), at_once = std::min(kRecordsAtOnce, identities.per_round);
  for (std::size_t begin = 0; comm.any(begin < count);) {
    const std::size_t end = std::min(count, begin + at_once);
    const auto is_named = [&](std::size_t r) { return !is_suppressed(identities.owned[begin + r]); };
    const RawVector<std::uint32_t> named = gather_wanted<std::uint32_t>(
        end - begin, kRecordsPerTask, is_named, [](std::size_t r) { return static_cast<std::uint32_t>(r); });
    std::vector<std::uint64_t> rows(named.size());
    for_blocks(named.size(), kRecordsPerTask, [&](std::size_t first, std::size_t last) {
      for (std::size_t n = first; n < last; ++n) rows[n] = persons.of_owned[begin + named[n]];
    });
    const auto pseudonyms = persons.pseudonyms(comm, std::move(rows));
    RawVector<IdentityRecord> records(end - begin);
    // Of an identity whose rows were all left out, nothing is kept but its place in the numbering.
    for_blocks(records.size(), kRecordsPerTask, [&](std::size_t first, std::size_t last) {
      for (std::size_t r = first; r < last; ++r) {
        if (!is_named(r)) records[r] = {};
      }
    });
    for_blocks(named.size(), kRecordsPerTask, [&](std::size_t first, std::size_t last) {
      for (std::size_t n = first; n < last; ++n) {
        const std::size_t i = begin + named[n];
        const CountedIdentity& counted = identities.owned[i];
        records[named[n]] = {counted.identity, evidence[i],          counted.rows, counted.datasets, 0,
                             pseudonyms[n],    persons.provenance[i]};
      }
    });
    const auto of_persons = std::span(persons.of_owned).subspan(begin, end - begin);
    writer->add_later(std::move(records), RawVector<std::uint64_t>(of_persons.begin(), of_persons.end()));
    begin = end;
  }
  writer->end();
  return writer;
}

void write_quarantine(const Communicator& comm, const JobFile& job, const Inputs& inputs, const IntakeReport& intake,
                      RowStore& rows, LaterSyncs& syncs) {
  std::vector<ForEachLine> parts;
  for (std::uint32_t d = 0; d < inputs.datasets.size(); ++d) {
    parts.emplace_back([&, d](const auto& visit) {
      rows.for_each_quarantined(intake.lines_before,
                                [&](std::uint32_t file, std::uint64_t line, QuarantineReason reason) {
                                  if (inputs.files[file].dataset != d) return;
                                  visit(csv_field(inputs.files[file].path) + "," + std::to_string(line) + "," +
                                        std::string(quarantine_reason_name(reason)) + "\n");
                                });
    });
  }
  write_lines(comm, job.secure / "quarantine.csv", "file,line,reason\n", parts, syncs);
}

void write_lines(const Communicator& comm, const std::filesystem::path& path, std::string_view header,
                 const std::vector<ForEachLine>& parts, LaterSyncs& syncs) {
  // Every rank needs to know where its lines begin before it writes them.
  std::vector<std::uint64_t> begins;
  std::uint64_t end = header.size();
  for (const ForEachLine& for_each_line : parts) {
    std::uint64_t bytes = 0;
    for_each_line([&](const std::string& line) { bytes += line.size(); });
    begins.push_back(end + comm.exclusive_sum(bytes));
    end += comm.sum(bytes);
  }

  const std::filesystem::path partial = unnamed_list(path);
  if (comm.is_root()) File::create(partial, 0600).write_at(0, std::as_bytes(std::span(header)));
  comm.barrier();
  constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
  File file = File::open_update(partial);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    std::string piece;
    const auto write_piece = [&] {
      file.write_at(begins[p], std::as_bytes(std::span(piece)));
      begins[p] += piece.size();
      piece.clear();
    };
    parts[p]([&](const std::string& line) {
      piece += line;
      if (piece.size() >= kPieceBytes) write_piece();
    });
    write_piece();
  }
  syncs.add(std::move(file));
  comm.barrier();
}

std::filesystem::path unnamed_list(const std::filesystem::path& path) {
  return path.string() + ".partial";
}

void name_lists(const Communicator& comm, const std::filesystem::path& secure) {
  agreed_step(comm, [&] {
    if (!comm.is_root()) return;
    for (const std::string_view name : kLists) rename_durably(unnamed_list(secure / name), secure / name);
  });
}

}  // namespace ligature
