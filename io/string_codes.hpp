// The codes of a column of texts in one block of an extract.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ligature {

// Values as codes in order of first appearance: an open-addressing table.  Values of up to seven bytes, which most
// codes are, are told apart in their slot; longer ones by XXH3 and then by comparison.
class StringCodes {
 public:
  // The codes of a column of values, kMissingCategory for an empty one, from `at` on, stride bytes apart.
  // REQUIRES: eight bytes are readable from the beginning of each value on.
  void store_codes(std::span<const std::string_view> values, std::byte* at, std::size_t stride);
  std::vector<std::string> take() { return std::move(values_); }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t code_and_one = 0;  // 0: free
  };
  static std::uint64_t key_of(std::string_view value) noexcept;
  std::size_t first_slot(std::uint64_t key) const noexcept;
  std::uint32_t code(std::string_view value, std::uint64_t key);
  void grow();
  std::vector<Slot> slots_;  // a power of two of them, at most three quarters used
  std::vector<std::string> values_;
  std::vector<std::uint64_t> keys_;  // of the column that is stored
};

}  // namespace ligature
