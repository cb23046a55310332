// What a search for leaks reads: files as they are, compressed files, and the tables of HDF5 files, cut into pieces.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "jobs/verify/identifier_forms.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

// One thing that is read from its beginning to its end, by rows or bytes.
struct LeakSource {
  enum class Kind : std::uint64_t { bytes, stream, numbers, text, memory, narrow };
  Kind kind = Kind::bytes;
  std::string file, object;   // object: a table's path in an HDF5 file
  std::uint64_t size = 0;     // bytes of a file, rows of a table
  std::uint64_t piece = 1;    // bytes or rows that are read at a time
  std::uint64_t row = 1;      // bytes of a table's row as read
  std::uint64_t value = 1;    // bytes of one value of it
  std::vector<Range> within;  // the bytes of a file that belong to no table
  [[nodiscard]] std::string place() const { return object.empty() ? file : file + ":" + object; }
};

struct LeakSources {
  std::vector<LeakSource> sources;
  std::vector<std::string> not_searched;  // a file, or a part of one, and why it cannot be looked into
  std::vector<std::string> open_to_all;   // files and folders that anybody may write
};

// Collective.  The files that the paths name or hold, the same on every rank.  Throws Error if a path does not exist.
LeakSources list_leak_sources(const Communicator& comm, const std::vector<std::filesystem::path>& paths);

// Reads rows or bytes [part.begin, part.end) of a source and gives all that may be an identifier; position: the row or
// byte.  Thread-safe.  Returns the bytes looked at, decompressed.
std::uint64_t search_source(const LeakSource& source, Range part, const FoundForms& found);

}  // namespace ligature
