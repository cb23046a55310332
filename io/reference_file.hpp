// Reading a reference file: a table with a header, read whole on rank 0 in bounded pieces, plain or compressed.
//
// They are small beside the extracts: millions of rows at most.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "io/header.hpp"
#include "partition/communicator.hpp"

namespace ligature {

using Fields = std::span<const std::string_view>;

// Chooses the columns of a file by its header, or adds to the problems.
using ChooseColumns = std::function<std::vector<std::uint32_t>(const Header&, std::vector<std::string>&)>;
// Those of these names.
ChooseColumns columns_named(std::vector<std::string> names);

// What is read of a file, in its order.  line: where the row begins, from 1.
struct ReferenceRows {
  std::function<void(Fields, std::uint64_t line)> row;  // the chosen columns' fields
  std::function<void(std::uint64_t line)> broken;       // a row that is no row of the table (docs/bad-rows.md)
};

// Throws UsageError if there is no such file or column, Error if it cannot be read.  Not collective.
void read_reference_file(const std::string& path, std::uint64_t max_record_bytes, const ChooseColumns& choose,
                         const ReferenceRows& rows);

// Throws what read_reference_file would throw of the file's name and header.
void check_reference_file(const std::string& path, std::uint64_t max_record_bytes, const ChooseColumns& choose);

// Runs read for each path; an error of it is thrown with the path before it.
void read_each(const std::vector<std::string>& paths, const std::function<void(const std::string&)>& read);
// Collective.  The same on rank 0; an error there is thrown on every rank.
void read_on_root(const Communicator& comm, const std::vector<std::string>& paths,
                  const std::function<void(const std::string&)>& read);

// Collective.  Rank 0's items on every rank.
template <typename T>
void share_items(const Communicator& comm, std::vector<T>& items) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<std::byte> bytes(items.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), items.data(), bytes.size());
  comm.broadcast(bytes);
  items.resize(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(items.data(), bytes.data(), bytes.size());
}

}  // namespace ligature
