// Any bytes as a part of the secure index: read or refused with Error, and every row that is visited lies in the file.
//
// The first byte of an input says what the rest is: the part (even), or the rows of a block whose number is the second
// byte, under checksums that are right (odd): else no change would get past them.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <xxhash.h>

#include "engine/error.hpp"
#include "io/secure_index.hpp"
#include "tests/fuzz_file.hpp"

namespace {

void append(std::vector<std::byte>& file, std::uint64_t number) {
  const auto bytes = std::as_bytes(std::span(&number, 1));
  file.insert(file.end(), bytes.begin(), bytes.end());
}

void append(std::vector<std::byte>& file, const char (&magic)[9]) {
  const auto bytes = std::as_bytes(std::span(magic, 8));
  file.insert(file.end(), bytes.begin(), bytes.end());
}

// docs/dataset.md, "The secure folder": the only part of an index, with one block.
std::vector<std::byte> part_of(std::uint64_t rows, std::span<const std::uint8_t> block) {
  std::vector<std::byte> file;
  append(file, "LIGINDEX");
  append(file, 2);
  append(file, rows);
  append(file, block.size());
  append(file, XXH3_64bits(block.data(), block.size()));
  const auto bytes = std::as_bytes(block);
  file.insert(file.end(), bytes.begin(), bytes.end());
  const std::size_t offsets = file.size();
  for (const std::uint64_t number :
       {std::uint64_t{16}, std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{1}, rows}) {
    append(file, number);
  }
  append(file, XXH3_64bits(file.data() + offsets, file.size() - offsets));
  append(file, "LIGIXEND");
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ligature::testing::FuzzFolder folder;
  if (size < 2) return 0;
  const std::span rest(data + 2, size - 2);
  const bool framed = data[0] % 2 != 0;
  if (framed) {
    folder.write("index/part-00000", part_of(data[1], rest));
  } else {
    folder.write("index/part-00000", std::as_bytes(rest));
  }
  std::size_t rows = 0, id_bytes = 0;
  try {
    ligature::read_secure_index(folder.path(), 0, 1, [&](const ligature::IndexRow& row) {
      ++rows;
      id_bytes += std::string(row.row_id).size();  // every byte of it is looked at
    });
    if (framed && (rows != data[1] || rows * 32 + id_bytes != rest.size())) std::abort();
  } catch (const ligature::Error&) {
    // Refused: the expected end of nearly every input.
  }
  if (rows * 32 + id_bytes > size) std::abort();
  return 0;
}
