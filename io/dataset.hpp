// The published dataset: one HDF5 file, laid out beforehand, filled in place by all ranks, named when complete.
//
// Rank 0 creates the file with every dataset contiguous, allocated early, never filled, aligned to 4 KiB; then each
// rank writes its rows with pwrite at the dataset's offset in the file, which needs no lock-step between ranks and no
// second copy.  The result is a plain HDF5 file.  The name appears only after every byte is written, digested and
// synced (docs/dataset.md is the specification).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/linkage_key.hpp"
#include "engine/pseudonym.hpp"
#include "io/direct_writer.hpp"
#include "io/files.hpp"
#include "partition/communicator.hpp"

namespace ligature {

inline constexpr std::string_view kDatasetFile = "dataset.h5";  // in the publish folder
inline constexpr std::uint64_t kSchemaVersion = 1;              // root attribute "schema_version"

enum class StoredType : std::uint8_t {
  u8,
  u16,
  u32,
  u64,
  i8,
  i16,
  i32,
  i64,
  f32,
  f64,
  text32
};  // text32: 32 ASCII bytes
std::size_t stored_bytes(StoredType type) noexcept;
// The narrowest type for codes of so many values; its largest number means "missing".
StoredType code_type(std::size_t values) noexcept;
std::uint64_t missing_code(StoredType type) noexcept;
std::string_view stored_type_name(StoredType type) noexcept;

// One column: a one-dimensional HDF5 dataset.
struct ColumnSpec {
  std::string path;  // "/persons/sex", "/events/gp/code"
  StoredType type = StoredType::u8;
  std::uint64_t rows = 0;
  std::string unit;        // attribute "unit"
  std::string meaning;     // attribute "meaning"
  std::string missing;     // attribute "missing", as text; empty: no value is missing
  std::string dictionary;  // attribute "dictionary": path of the values that codes index; empty: none
  // Attribute "names" of a bit mask: what bit 0, 1, ... stand for, comma-separated; empty: none.
  std::string names = {};
};

// The values of a category column, in code order: byte order of the text.
struct Dictionary {
  std::string path;  // "/dictionaries/gp_code"
  std::vector<std::string> values;
};

// Digests of each column per shard of persons (top kShardBits of the pseudonym), which do not depend on ranks.
class ContentDigest {
 public:
  explicit ContentDigest(std::size_t columns) : digests_(columns * kShards) {}
  // The bytes of one column that belong to one shard's persons, in row order; once for each (column, shard).
  void set(std::size_t column, ShardId shard, std::span<const std::byte> bytes) noexcept;
  // The same for bytes digested piece by piece (io/content_digest.hpp); not for a shard without bytes.
  void set(std::size_t column, ShardId shard, const Digest& digest) noexcept;
  // Collective.  Every (column, shard) was set by exactly one rank, or is empty on all.  dictionaries: rank 0's count.
  Digest combine(const Communicator& comm, std::span<const ColumnSpec> columns,
                 std::span<const Dictionary> dictionaries) const;

 private:
  std::vector<Digest> digests_;
};

using AttributeValue = std::variant<std::string, std::uint64_t>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

// Small tables of /provenance: equal-length columns of text or numbers, written by rank 0.
struct SmallColumn {
  std::string path;  // "/provenance/files/rows_read"
  std::variant<std::vector<std::string>, std::vector<std::uint64_t>> values;
  std::string meaning;
  std::string unit = {};
};

class DatasetWriter {
 public:
  // Collective.  Creates publish/dataset.h5.partial (removing a stale one) and opens it on every rank.
  DatasetWriter(const Communicator& comm, const std::filesystem::path& publish, std::vector<ColumnSpec> columns,
                std::vector<Dictionary> dictionaries);
  ~DatasetWriter();
  DatasetWriter(const DatasetWriter&) = delete;
  DatasetWriter& operator=(const DatasetWriter&) = delete;

  // Writes rows [first_row, ...) of a column, which are taken over at once and may reach the disk later.  Local; may be
  // called from several threads for different rows.
  void write(std::size_t column, std::uint64_t first_row, std::span<const std::byte> bytes);

  // The same of bytes that stay where they are until owner is let go.
  void write(std::size_t column, std::uint64_t first_row, std::span<const std::byte> bytes,
             std::shared_ptr<const void> owner);

  // The byte of the file at which a column begins.
  [[nodiscard]] std::uint64_t offset(std::size_t column) const { return offsets_.at(column); }

  // Collective.  Adds attributes and provenance, and brings all to the disk.  attributes: of the root group.
  void finish(const Communicator& comm, const Attributes& attributes, std::span<const SmallColumn> provenance);
  // Collective.  Gives the finished file its name.
  void name(const Communicator& comm);

 private:
  [[nodiscard]] std::uint64_t place_of(std::size_t column, std::uint64_t first_row, std::size_t bytes) const;

  std::filesystem::path partial_, final_;
  std::vector<ColumnSpec> columns_;
  std::vector<std::uint64_t> offsets_;  // byte offset of each column in the file
  File file_;                           // the partial file, on every rank
  std::optional<DirectWriter> writes_;
  bool owns_partial_ = false;  // this rank created the partial file and has not given it its name
};

}  // namespace ligature
