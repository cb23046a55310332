// Prints what the reader makes of text files, a JSON line a record, for tests/csv_against_python.py.
//
// Usage: csv_dump (DELIMITER PIECE_BYTES FILE)...   {"file":0,"row":[...]} or {"file":0,"line":3,"bad":"too_long"}
#include <cstdio>
#include <exception>
#include <string>

#include <nlohmann/json.hpp>

#include "io/files.hpp"
#include "tests/csv_pieces.hpp"

int main(int argc, char** argv) {
  constexpr std::size_t kMaxRecordBytes = 65536;
  try {
    for (int i = 1; i + 2 < argc; i += 3) {
      const std::string text = ligature::read_small_file(argv[i + 2]);
      const auto reading =
          ligature::testing::read_in_pieces(text, argv[i][0], kMaxRecordBytes, std::stoul(argv[i + 1]));
      for (const auto& record : reading.records) {
        nlohmann::json line{{"file", i / 3}, {"line", record.line}};
        if (record.good) {
          line["row"] = record.fields;
        } else {
          line["bad"] = ligature::quarantine_reason_name(record.reason);
        }
        std::puts(line.dump().c_str());
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "csv_dump: %s\n", error.what());
    return 1;
  }
  return 0;
}
