// The truth of an evaluation: CSV files that say which person each row belongs to, read in parallel in bounded memory.
//
// Columns by header: record_id and person_id; dataset, where row ids repeat between datasets; errors, the kinds of
// error in the row, separated by "|"; birth_group, shared by the persons of one multiple birth; group_..., groups that
// figures are wanted by.  Other columns are ignored.  A quoted field may hold commas and quotes, not line ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ligature {

struct TruthRow {
  std::string_view record_id, person_id;
  std::string_view dataset;  // empty if the files have no such column
  std::string_view errors;   // as written
  std::string_view birth_group;
  std::span<const std::string_view> groups;  // a value for each of TruthFiles::groups; valid during the visit
};

struct TruthFile {
  std::string path;
  std::uint64_t begin = 0;  // of the first row, after the header
  std::uint64_t end = 0;    // size of the file
  std::size_t columns = 0, record_id = 0, person_id = 0;
  std::optional<std::size_t> dataset, errors, birth_group;
  std::vector<std::optional<std::size_t>> groups;  // as TruthFiles::groups
};

struct TruthFiles {
  std::vector<TruthFile> files;
  bool has_dataset = false;
  bool has_birth_group = false;     // of any file
  std::vector<std::string> groups;  // names of the columns that begin with "group_", of all files, in byte order
};

// Expands globs and reads the headers.  Throws UsageError for a glob without match, a header without record_id or
// person_id, or files of which some have the column dataset and some have not.  Not collective.
TruthFiles find_truth(const std::vector<std::string>& patterns);

// A piece of a file: the rows whose first byte is in [begin, end).
struct TruthBlock {
  std::size_t file = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// This rank's blocks, in file order; together the ranks' blocks hold every row once.
std::vector<TruthBlock> truth_blocks(const TruthFiles& truth, int rank, int ranks,
                                     std::uint64_t block_bytes = 4U << 20);

// Visits the rows of one block; several threads may read different blocks.  Throws UsageError that names the file and
// the byte of a row that does not have the header's number of columns, or that is longer than 64 KiB.
void read_truth_block(const TruthFiles& truth, const TruthBlock& block,
                      const std::function<void(const TruthRow&)>& visit);

}  // namespace ligature
