// Reading a published dataset: its columns, attributes, dictionaries and provenance, from many threads and ranks.
//
// HDF5 describes the file once, when it is opened; columns are then read with pread at their place in the file.  A
// column that is not contiguous (a file rewritten by h5repack, say) is read through HDF5, one thread at a time.  The
// file is input like any other: every size in it is checked against the file before it is believed, and links that lead
// out of the file are not followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/dataset.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

// A text table outside /persons and /events: a dictionary, or a column of /provenance.
struct TextColumn {
  std::string path;
  std::uint64_t rows = 0;
  std::size_t width = 0;  // bytes a value, padded with NUL
};

class DatasetReader {
 public:
  // Opens a dataset.  Throws Error if it cannot be read, is not HDF5, is shorter than it says, or holds a column of a
  // kind that this format does not have.
  explicit DatasetReader(const std::filesystem::path& file);
  ~DatasetReader();
  DatasetReader(const DatasetReader&) = delete;
  DatasetReader& operator=(const DatasetReader&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept;

  // The columns of /persons and /events, in byte order of their paths.
  [[nodiscard]] const std::vector<ColumnSpec>& columns() const noexcept;
  [[nodiscard]] std::optional<std::size_t> find(std::string_view path) const noexcept;
  [[nodiscard]] std::size_t column(std::string_view path) const;  // throws Error if there is none
  // The names of the groups of /events, in byte order.
  [[nodiscard]] const std::vector<std::string>& events() const noexcept;

  // Attributes of the root group, in byte order of their names.
  [[nodiscard]] const Attributes& attributes() const noexcept;
  [[nodiscard]] std::string attribute(std::string_view name) const;  // as text; empty if there is none

  // The texts of attributes anywhere in the file, for a search: object path and text.
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& attribute_texts() const noexcept;

  // Text tables (/dictionaries and /provenance), in byte order of their paths.
  [[nodiscard]] const std::vector<TextColumn>& texts() const noexcept;
  // Visits values [first, last) of a text table, padding removed.  Reads pieces of bounded size.
  void visit_texts(std::size_t index, Range rows,
                   const std::function<void(std::uint64_t, std::string_view)>& visit) const;
  [[nodiscard]] Dictionary dictionary(std::string_view path) const;  // whole; throws Error if there is none

  // Tables of whole numbers under /provenance; throws Error if there is none of that path.
  [[nodiscard]] std::vector<std::uint64_t> numbers(std::string_view path) const;

  // What the format does not have: other objects, soft and external links.  Paths, in byte order.
  [[nodiscard]] const std::vector<std::string>& unexpected() const noexcept;

  // The byte ranges of the file that are raw data of contiguous tables, in order of the file; all else is description.
  [[nodiscard]] const std::vector<Range>& raw_ranges() const noexcept;

  // Reads rows [first_row, ...) of a column into bytes, whose size is a multiple of the column's width.  Thread-safe.
  void read(std::size_t column, std::uint64_t first_row, std::span<std::byte> bytes) const;
  // The same, as numbers widened to 64 bits.  For unsigned columns.
  void read_unsigned(std::size_t column, Range rows, std::vector<std::uint64_t>& values) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ligature
