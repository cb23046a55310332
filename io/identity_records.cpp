// The identity records of a run, and beside them the claims to NHS numbers that follow from them (number_claims.hpp).
#include "io/identity_records.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "engine/error.hpp"
#include "engine/release.hpp"
#include "engine/xxhash.hpp"
#include "io/background.hpp"
#include "io/number_claims.hpp"
#include "io/part_files.hpp"
#include "io/record_parts.hpp"

namespace ligature {

static_assert(sizeof(IdentityRecord) == 72 && std::is_trivially_copyable_v<IdentityRecord>);
static_assert(std::has_unique_object_representations_v<IdentityRecord>, "padding would make files differ at random");

const RecordForm kIdentityRecordForm{
    {'L', 'I', 'G', 'I', 'D', 'R', 'E', 'C'}, sizeof(IdentityRecord), "identities", "identity records"};

struct IdentityRecordWriter::State {
  RecordPartWriter records, claims;
  std::vector<IdentityRecord> piece;         // not yet written
  std::vector<std::uint64_t> rows_of_piece;  // of their persons
  std::vector<NumberClaim> claims_of_piece;  // not yet written
  bool ended = false;
  std::optional<std::uint64_t> run;  // once closed
  Background adding;                 // last: it ends before what it uses

  State(const std::filesystem::path& secure, int rank, IdentityId first_id)
      : records(kIdentityRecordForm, secure, rank, first_id), claims(kNumberClaimForm, secure, rank, first_id) {
    piece.reserve(kPieceRecords);
    rows_of_piece.reserve(kPieceRecords);
    claims_of_piece.reserve(2 * kPieceRecords);
  }

  void add(std::span<const IdentityRecord> added, std::span<const std::uint64_t> rows) {
    while (!added.empty()) {
      const std::size_t taken = std::min<std::size_t>(added.size(), kPieceRecords - piece.size());
      if (taken == kPieceRecords) {
        write_piece(added.first(taken), rows.first(taken));
      } else {
        piece.insert(piece.end(), added.begin(), added.begin() + static_cast<std::ptrdiff_t>(taken));
        rows_of_piece.insert(rows_of_piece.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(taken));
        if (piece.size() == kPieceRecords) flush();
      }
      added = added.subspan(taken);
      rows = rows.subspan(taken);
    }
  }
  void flush() {
    write_piece(piece, rows_of_piece);
    piece.clear();
    rows_of_piece.clear();
  }
  void write_piece(std::span<const IdentityRecord> of_piece, std::span<const std::uint64_t> rows) {
    records.add_piece(std::as_bytes(of_piece));
    for_each_claim(of_piece, [&](std::size_t i, std::uint64_t nhs, ClaimKind claim) {
      claims_of_piece.emplace_back(nhs, claim, rows[i]);
    });
    if (claims_of_piece.size() >= kPieceRecords) flush_claims();
  }
  void flush_claims() {
    const std::size_t count = std::min<std::size_t>(kPieceRecords, claims_of_piece.size());
    claims.add_piece(std::as_bytes(std::span(claims_of_piece).first(count)));
    claims_of_piece.erase(claims_of_piece.begin(), claims_of_piece.begin() + static_cast<std::ptrdiff_t>(count));
  }
};

IdentityRecordWriter::IdentityRecordWriter(const std::filesystem::path& secure, int rank, IdentityId first_id)
    : state_(std::make_unique<State>(secure, rank, first_id)) {}

IdentityRecordWriter::~IdentityRecordWriter() = default;

void IdentityRecordWriter::add(std::span<const IdentityRecord> records, std::span<const std::uint64_t> rows) {
  state_->adding.wait();
  state_->add(records, rows);
}

void IdentityRecordWriter::add_later(RawVector<IdentityRecord>&& records, RawVector<std::uint64_t>&& rows) {
  state_->adding.run([state = state_.get(), records = std::move(records), rows = std::move(rows)]() mutable {
    state->add(records, rows);
    release(records);  // the step itself lives until the next
    release(rows);
  });
}

void IdentityRecordWriter::end() {
  state_->ended = true;
  state_->adding.run([state = state_.get()] {
    state->flush();
    state->flush_claims();
    for (RecordPartWriter* writer : {&state->records, &state->claims}) writer->drain();
  });
}

void IdentityRecordWriter::close(const Communicator& comm) {
  State& state = *state_;
  agreed_step(comm, [&] {
    if (!state.ended) end();
    state.adding.wait();
  });
  const std::vector<std::uint64_t> contents = comm.all_gather(state.records.contents());
  agreed_step(comm, [&] {
    state.run = XXH3_64bits(contents.data(), contents.size() * sizeof(std::uint64_t));
    state.records.close(contents.size(), *state.run);
    state.claims.close(contents.size(), *state.run);
    release(state.piece);
    release(state.rows_of_piece);
    release(state.claims_of_piece);
  });
}

std::string IdentityRecordWriter::digest() const {
  return run_of_records(state_->run.value());
}

void IdentityRecordWriter::settle(const Communicator& comm) {
  if (!state_->run) close(comm);
  state_->records.settle(comm);
  state_->claims.settle(comm);
}

void IdentityRecordWriter::finish(const Communicator& comm) {
  settle(comm);
  state_->records.finish(comm);
  state_->claims.finish(comm);
}

struct IdentityRecordReader::State {
  RecordPartReader parts;
  std::vector<IdentityRecord> records;
};

IdentityRecordReader::IdentityRecordReader(const std::filesystem::path& secure, std::string_view run, int rank,
                                           int ranks)
    : state_(new State{RecordPartReader(kIdentityRecordForm, secure, rank, ranks), {}}) {
  // Persons of another run may have the same names and other identifiers.
  if (run_of_records(state_->parts.headers().front().run) != run) {
    throw Error("the identity records in " + secure.string() + " are another run's than the manifest: rebuild");
  }
  IdentityId next_id = 0;
  for (const PartHeader& header : state_->parts.headers()) {
    if (header.first_id != next_id) {
      throw Error("the identity records are damaged: " +
                  part_path(secure / kIdentityRecordForm.folder, header.part).string() + ": it belongs to another run");
    }
    next_id += header.count;
  }
}

IdentityRecordReader::~IdentityRecordReader() = default;

std::span<const IdentityRecord> IdentityRecordReader::next_piece() {
  return state_->parts.next_piece(state_->records);
}

IdentityId IdentityRecordReader::first_id() const noexcept {
  return state_->parts.first_id();
}

std::string run_of_records(std::uint64_t run) {
  return fmt::format("{:016x}", run);
}

IdentityRecord read_identity_record(const std::filesystem::path& secure, IdentityId id) {
  RecordPart part = open_record_part(kIdentityRecordForm, secure, 0);
  const std::uint64_t run = part.header.run;
  // The last part that begins at or before the record; parts without records begin where the next one does.
  std::uint64_t first = 0, last = part.header.parts;
  while (last - first > 1) {
    const std::uint64_t middle = first + (last - first) / 2;
    RecordPart candidate = open_record_part(kIdentityRecordForm, secure, middle);
    if (candidate.header.run != run) {
      throw Error("the identity records are damaged: " + candidate.file.path().string() +
                  ": it belongs to another run");
    }
    if (candidate.header.first_id <= id) {
      first = middle;
      part = std::move(candidate);
    } else {
      last = middle;
    }
  }
  if (id < part.header.first_id || id - part.header.first_id >= part.header.count) {
    throw Error("there is no identity " + std::to_string(id) + " in " + (secure / kIdentityRecordForm.folder).string());
  }
  const std::uint64_t index = id - part.header.first_id, piece = index / kPieceRecords;
  std::vector<IdentityRecord> records(part.records_of(piece));
  read_record_piece(kIdentityRecordForm, part, piece, std::as_writable_bytes(std::span(records)));
  return records[index % kPieceRecords];
}

}  // namespace ligature
