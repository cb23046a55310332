// The header of an extract, and where in it the job file's columns stand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/intake.hpp"

namespace ligature {

struct Header {
  std::vector<std::string> names;  // without surrounding spaces
  std::uint64_t data_offset = 0;   // where what follows the header begins, in the decompressed file
  std::uint64_t lines = 0;         // line ends up to there
};

// Reads the header at the beginning of a file's bytes, which kReadAhead readable bytes follow.  A byte order mark and
// empty lines before it are passed over.  last: the file ends with the bytes.  nullopt: more bytes are needed.
// Throws UsageError: what is wrong with the header, without the file's name.
std::optional<Header> parse_header(const char* data, std::size_t size, bool last, char delimiter,
                                   std::uint64_t max_record_bytes);

// Opens a file and reads its header.  Throws UsageError as parse_header does, or Error if the file cannot be read.
Header read_header(const std::string& path, Compression compression, char delimiter, std::uint64_t max_record_bytes);

inline constexpr std::uint32_t kNoColumn = 0xFFFFFFFFU;

// Column numbers; kNoColumn where an extract has no such column.
struct ColumnLayout {
  std::uint32_t columns = 0;
  std::uint32_t row_id = kNoColumn, nhs_number = kNoColumn, date_of_birth = kNoColumn, postcode = kNoColumn,
                gender = kNoColumn, extracted = kNoColumn, provider = kNoColumn, local_id = kNoColumn,
                objection_code = kNoColumn, objection_date = kNoColumn;
  std::vector<std::uint32_t> payload;  // of each field of the dataset's schema
};

// The column of a name.  kNoColumn, and a line added to problems, if it is absent or stands in the header twice.
std::uint32_t find_column(const Header& header, const std::string& name, std::vector<std::string>& problems);

// Looks the extract's columns up in a header.  Adds a line to problems for each that is absent or stands there twice.
ColumnLayout lay_out_columns(const Header& header, const Extract& extract, const DatasetSchema& schema,
                             std::vector<std::string>& problems);

}  // namespace ligature
