// The secure index: which person each kept row was put to.  Lives under secure/index, never under publish/.
//
// One part a rank: secure/index/part-00000 ...  Each part is a sequence of framed blocks of one dataset's rows (row
// count, byte length, XXH3-64, rows) and a footer of block offsets, so that any number of ranks can read it in
// parallel: by dataset, then in the order of the input, whatever the ranks that wrote it.  docs/dataset.md has the
// layout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/provenance.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct IndexRow {
  std::uint32_t dataset = 0;  // index into the manifest's datasets
  std::string_view row_id;    // of the extract, or "file:line" where it names none
  std::uint64_t person = 0;   // row of its person in /persons of the dataset
  IdentityId identity = 0;    // number of the row's identity (identity_records.hpp)
};

// Rows as a part holds them: framed blocks of about a megabyte, each of one dataset.  Any thread may make some.
class IndexBlocks {
 public:
  void add(std::span<const IndexRow> rows);
  // The same of rows whose row_id is what is stored of it: coded against the row before, the first of a block against
  // nothing (front_coding.hpp).  Begins no block but where none is open.
  void add_coded(std::span<const IndexRow> rows);
  // Ends the last block.
  void end();
  // Forgets all rows but keeps the memory.
  void clear() noexcept;
  [[nodiscard]] std::size_t bytes() const noexcept { return used_; }

 private:
  friend class SecureIndexWriter;
  void begin(std::uint32_t dataset);
  // Puts the numbers of a row where there is room for them and for so many bytes more; returns where they end.
  std::byte* put_numbers(const IndexRow& row, std::size_t more);
  struct Ended {
    std::size_t begin = 0;  // in bytes_
    std::uint64_t rows = 0;
    std::uint32_t dataset = 0;
  };
  std::vector<std::byte> bytes_;      // stays as long as it was made
  std::size_t used_ = 0, begin_ = 0;  // of bytes_; of the block at hand, whose header has room before its rows
  std::uint64_t rows_ = 0;            // of the block at hand, 0 if there is none
  std::uint32_t dataset_ = 0;
  std::string last_id_;
  std::vector<Ended> ended_;
};

class SecureIndexWriter {
 public:
  // Opens this rank's part under a temporary name; creates secure/index (mode 0700) if need be.
  SecureIndexWriter(const std::filesystem::path& secure, int rank);
  ~SecureIndexWriter();
  SecureIndexWriter(const SecureIndexWriter&) = delete;
  SecureIndexWriter& operator=(const SecureIndexWriter&) = delete;
  void add(std::span<const IndexRow> rows);
  void add(const IndexRow& row) { add({&row, 1}); }
  // blocks: all ended.
  void add(const IndexBlocks& blocks);
  // Collective.  Nothing is added any more; the part is brought to the disk on a thread of its own.
  void close(const Communicator& comm);
  // Collective.  All parts are on the disk.  Closes what was not closed.
  void settle(const Communicator& comm);
  // Collective.  Once they are, names the parts and removes those of an earlier run with more ranks.
  void finish(const Communicator& comm);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads one rank's share of the blocks, by dataset and part, verifying checksums (Error names the part).  Not
// collective.
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

}  // namespace ligature
