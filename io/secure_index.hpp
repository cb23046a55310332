// The secure index: which person each kept row was put to.  Lives under secure/index, never under publish/.
//
// One part a rank, parts in input order: secure/index/part-00000 ...  Each part is a sequence of framed blocks (row
// count, byte length, XXH3-64, rows) and a footer of block offsets, so that any number of ranks can read it in
// parallel. docs/dataset.md has the layout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/identity.hpp"
#include "engine/pseudonym.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct IndexRow {
  std::uint32_t dataset = 0;  // index into the manifest's datasets
  std::string_view row_id;    // of the extract, or "file:line" where it names none
  Pseudonym person;
};

class SecureIndexWriter {
 public:
  // Opens this rank's part under a temporary name; creates secure/index (mode 0700) if need be.
  SecureIndexWriter(const std::filesystem::path& secure, int rank);
  ~SecureIndexWriter();
  SecureIndexWriter(const SecureIndexWriter&) = delete;
  SecureIndexWriter& operator=(const SecureIndexWriter&) = delete;
  void add(const IndexRow& row);
  // Collective.  Syncs and names all parts, and removes parts of an earlier run with more ranks.
  void finish(const Communicator& comm);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads one rank's share of the blocks, in order, verifying checksums (Error names the part).  Not collective.
class SecureIndexReader {
 public:
  SecureIndexReader(const std::filesystem::path& secure, int rank, int ranks);
  ~SecureIndexReader();
  SecureIndexReader(const SecureIndexReader&) = delete;
  SecureIndexReader& operator=(const SecureIndexReader&) = delete;
  // Visits the rows of the next block, about a megabyte of them; false, without a visit, when there is none.
  bool next_block(const std::function<void(const IndexRow&)>& visit);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All rows of the share.
void read_secure_index(const std::filesystem::path& secure, int rank, int ranks,
                       const std::function<void(const IndexRow&)>& visit);

// The distinct identities of the run, kept so that verify can search what was published for them:
// secure/identities/part-00000 ..., one a rank: 8 bytes "LIGIDENT", part, parts, count, the identities, XXH3-64 of all.
// Collective.  Replaces the parts of an earlier run.
void write_identities(const Communicator& comm, const std::filesystem::path& secure,
                      std::span<const Identity> identities);
// Reads the parts that fall to one of several ranks, in pieces of bounded size; each part falls to one rank.  Not
// collective.  Throws Error on a bad checksum or a missing part.
class IdentityReader {
 public:
  IdentityReader(const std::filesystem::path& secure, int rank, int ranks);
  ~IdentityReader();
  IdentityReader(const IdentityReader&) = delete;
  IdentityReader& operator=(const IdentityReader&) = delete;
  // The next piece; empty when there is none.  Valid until the next call.
  std::span<const Identity> next_piece();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All parts, on one rank.
void read_identities(const std::filesystem::path& secure, const std::function<void(std::span<const Identity>)>& visit);

}  // namespace ligature
