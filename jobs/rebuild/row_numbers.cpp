#include "jobs/rebuild/row_numbers.hpp"

#include <algorithm>
#include <map>

namespace ligature {

namespace {

// A rank's rows of a file.
struct RankRows {
  std::uint32_t file = 0;
  std::uint32_t rank = 0;
  std::uint64_t rows = 0;
};

}  // namespace

RowNumbers::RowNumbers(const Communicator& comm, std::span<const FileRows> blocks) {
  const auto rank = static_cast<std::uint32_t>(comm.rank());
  std::map<std::uint32_t, std::uint64_t> rows_of_file;
  for (const FileRows& block : blocks) {
    if (block.rows != 0) rows_of_file[block.file] += block.rows;
  }
  std::vector<RankRows> mine;
  for (const auto& [file, rows] : rows_of_file) mine.push_back({file, rank, rows});
  std::vector<RankRows> all = comm.all_gather(std::span<const RankRows>(mine));
  std::stable_sort(all.begin(), all.end(), [](const RankRows& a, const RankRows& b) { return a.file < b.file; });

  std::map<std::uint32_t, std::uint64_t> next;  // number, by file
  std::uint64_t number = 0;
  for (const RankRows& part : all) {
    if (part.rank == rank) next[part.file] = number;
    ranks_.push_back({number, part.rank});
    number += part.rows;
  }
  std::uint64_t row = 0;
  for (const FileRows& block : blocks) {
    if (block.rows == 0) continue;
    by_row_.push_back({next[block.file], row});
    next[block.file] += block.rows;
    row += block.rows;
  }
  by_number_ = by_row_;
  std::sort(by_number_.begin(), by_number_.end(),
            [](const Stretch& a, const Stretch& b) { return a.number < b.number; });
}

std::uint64_t RowNumbers::number_of(std::uint64_t row) const noexcept {
  const auto after = std::upper_bound(by_row_.begin(), by_row_.end(), row,
                                      [](std::uint64_t wanted, const Stretch& at) { return wanted < at.place; });
  return (after - 1)->number + (row - (after - 1)->place);
}

int RowNumbers::rank_of(std::uint64_t number) const noexcept {
  const auto after = std::upper_bound(ranks_.begin(), ranks_.end(), number,
                                      [](std::uint64_t wanted, const Stretch& at) { return wanted < at.number; });
  return static_cast<int>((after - 1)->place);
}

std::uint64_t RowNumbers::row_of(std::uint64_t number) const noexcept {
  const auto after = std::upper_bound(by_number_.begin(), by_number_.end(), number,
                                      [](std::uint64_t wanted, const Stretch& at) { return wanted < at.number; });
  return (after - 1)->place + (number - (after - 1)->number);
}

}  // namespace ligature
