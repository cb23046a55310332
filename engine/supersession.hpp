// The supersession table: NHS numbers that were replaced by others, chains followed to the current number.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/nhs_directory.hpp"

namespace ligature {

class SupersessionTable {
 public:
  SupersessionTable() = default;
  // pairs: old number, new number, both valid.  Throws UsageError for a number with two successors or a cycle (the
  // message gives the count of offending entries, never a number).
  explicit SupersessionTable(std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs);

  // The number that stands today for this one; the number itself if it was not replaced.
  [[nodiscard]] std::uint64_t current(std::uint64_t valid_nhs) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return successor_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return successor_.size(); }
  // Old number and current number, sorted.
  [[nodiscard]] std::span<const std::pair<std::uint64_t, std::uint64_t>> entries() const noexcept { return successor_; }

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> successor_;  // sorted by old number; chains already followed
  NhsDirectory directory_;
};

}  // namespace ligature
