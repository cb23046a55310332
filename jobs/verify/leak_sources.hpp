// What a search for leaks looks into: files as they are, compressed files, and the tables and attributes of HDF5 files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "jobs/verify/identifier_forms.hpp"
#include "partition/communicator.hpp"
#include "partition/shard_map.hpp"

namespace ligature {

// One thing that is read from its beginning to its end, by rows or bytes.
struct LeakSource {
  enum class Kind : std::uint64_t {
    bytes,        // a file as it is
    stream,       // a file that is decompressed, or UTF-16
    strings,      // a manifest just as this program writes it: all but its numbers, which are counts
    description,  // the bytes of an HDF5 file that belong to no table
    attribute,    // numbers
    numbers,      // a column of 32 or 64 bits
    text,         // of fixed width, or bytes that may be text
    codes,        // bytes that are declared to be numbers
    memory,       // anything else of a table
    narrow        // numbers of 16 bits, which hold no identifier
  };
  Kind kind = Kind::bytes;
  std::string file, object;   // object: a table's path in an HDF5 file, or that of an attribute's object
  std::string attribute;      // its name
  std::uint64_t size = 0;     // bytes of a file, rows of a table
  std::uint64_t piece = 1;    // bytes or rows that are read at a time
  std::uint64_t row = 1;      // bytes of a table's row as read
  std::uint64_t value = 1;    // bytes of one value of it
  std::vector<Range> within;  // the bytes of a file that belong to no table

  [[nodiscard]] std::string place() const {
    return file + (object.empty() ? "" : ":" + object) + (attribute.empty() ? "" : "@" + attribute);
  }
  // Whether a form comes up here among values that mean something else: codes look like text, and the addresses, sizes
  // and padded names of an HDF5 file like numbers.  Nobody writes one identifier in this way.
  [[nodiscard]] bool by_accident(IdentifierForm form) const noexcept {
    return kind == Kind::codes || (kind == Kind::description && is_binary(form));
  }
};

struct LeakSources {
  std::vector<LeakSource> sources;
  std::vector<std::string> not_searched;  // a file, or a part of one, and why it cannot be looked into
  std::vector<std::string> open_to_all;   // files and folders that anybody may write
};

// Collective.  The files that the paths name or hold, the same on every rank.  Throws Error if a path does not exist.
LeakSources list_leak_sources(const Communicator& comm, const std::vector<std::filesystem::path>& paths);

}  // namespace ligature
