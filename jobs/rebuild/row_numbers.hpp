// The number of a row in the input: what names it on whatever ranks the rows lie.
//
// Rows of a file lie in its order within a rank and over ranks, but a rank may have a part of many files.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partition/communicator.hpp"

namespace ligature {

// Some rows of a file that follow one another.
struct FileRows {
  std::uint32_t file = 0;
  std::uint64_t rows = 0;
};

class RowNumbers {
 public:
  // Collective.  blocks: this rank's rows, in their order.
  RowNumbers(const Communicator& comm, std::span<const FileRows> blocks);

  // row: of this rank.  Numbers are 0 to the number of rows over all ranks, files in their order.
  [[nodiscard]] std::uint64_t number_of(std::uint64_t row) const noexcept;
  // What has this number: its rank, and on that rank its row.  REQUIRES: number is a row's.
  [[nodiscard]] int rank_of(std::uint64_t number) const noexcept;
  [[nodiscard]] std::uint64_t row_of(std::uint64_t number) const noexcept;

 private:
  struct Stretch {
    std::uint64_t number = 0;  // of its first row
    std::uint64_t place = 0;   // that row on this rank; or the rank that it is on
  };
  std::vector<Stretch> by_row_, by_number_;  // of this rank
  std::vector<Stretch> ranks_;
};

}  // namespace ligature
