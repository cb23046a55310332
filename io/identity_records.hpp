// The distinct identities of the run, each with what it counted for, its person, and why: secure/identities.
//
// Lives under secure/, never under publish/.  In the order of identity numbers, so that one is found by its number.
// verify searches what was published for the identifiers in it; explain shows why rows are together or apart.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/evidence.hpp"
#include "engine/identity.hpp"
#include "engine/provenance.hpp"
#include "engine/pseudonym.hpp"
#include "engine/raw_vector.hpp"
#include "io/record_parts.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct IdentityRecord {
  Identity identity;  // as standardised, with all that it carries
  Evidence evidence;
  std::uint32_t rows = 0;      // kept rows
  std::uint32_t datasets = 0;  // bit d: seen in dataset d
  std::uint32_t unused = 0;
  Pseudonym person;
  Provenance provenance;
};

extern const RecordForm kIdentityRecordForm;

// secure/identities/part-00000 ..., one a rank.  Writes the records of this rank, first_id onwards, in pieces; and
// beside them secure/claims (number_claims.hpp).
class IdentityRecordWriter {
 public:
  // Opens this rank's part under a temporary name; creates the folder (mode 0700) if need be.
  IdentityRecordWriter(const std::filesystem::path& secure, int rank, IdentityId first_id);
  ~IdentityRecordWriter();
  IdentityRecordWriter(const IdentityRecordWriter&) = delete;
  IdentityRecordWriter& operator=(const IdentityRecordWriter&) = delete;
  // rows: of /persons, of each record's person.
  void add(std::span<const IdentityRecord> records, std::span<const std::uint64_t> rows);
  // The same of what is not needed any more, on a thread of its own.  Throws what the add before this one met.
  void add_later(RawVector<IdentityRecord>&& records, RawVector<std::uint64_t>&& rows);
  // Nothing is added any more: what is left is written on a thread of its own.  Throws what an add met.
  void end();
  // Collective.  Ends what was not ended; the part is brought to the disk on a thread of its own.
  void close(const Communicator& comm);
  // What tells these records from those of another run, once they are closed.
  [[nodiscard]] std::string digest() const;
  // Collective.  All parts are on the disk.  Closes what was not closed.
  void settle(const Communicator& comm);
  // Collective.  Once they are, names the parts and removes those of an earlier run with more ranks.
  void finish(const Communicator& comm);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads the pieces that fall to one of several ranks: a range of identity numbers each, in rank order, whatever the
// number of parts.  Not collective.  Throws Error on a bad checksum, a missing part, or one of another run than that of
// a manifest's identity_records_digest.
class IdentityRecordReader {
 public:
  IdentityRecordReader(const std::filesystem::path& secure, std::string_view run, int rank, int ranks);
  ~IdentityRecordReader();
  IdentityRecordReader(const IdentityRecordReader&) = delete;
  IdentityRecordReader& operator=(const IdentityRecordReader&) = delete;
  // The next piece, about a megabyte of records; empty when there is none.  Valid until the next call.
  std::span<const IdentityRecord> next_piece();
  // The number of the first record of the piece that next_piece gave last.
  [[nodiscard]] IdentityId first_id() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// PartHeader::run as the manifest has it.
std::string run_of_records(std::uint64_t run);

// One record by its number, by seeking.  Throws Error if there is none.
IdentityRecord read_identity_record(const std::filesystem::path& secure, IdentityId id);

}  // namespace ligature
