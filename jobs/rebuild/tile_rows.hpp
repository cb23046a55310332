// The identities of a tile, side by side as the kernel needs them, and its rows: one identity with all those that it is
// to be compared with.  Pairs of two whose numbers are in use can never be one person, and are in no row.
//
// In a flood many identities are alike: of one kind, date of birth, postcode and gender, all kept or all suppressed.
// Where that can cost much, the alike of a side are brought next to each other and a row meets them as one run: with
// each of them it has the same pattern, but for numbers that are near or equal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/evidence.hpp"
#include "engine/pair_kernel.hpp"
#include "partition/tiles.hpp"

namespace ligature {

// Two different numbers in use can never be one person; without a number one is whoever the rest says; a thin number
// may be another's.  A side has its identities in this order.
enum class Kind : std::uint8_t { in_use, unnumbered, thin };

inline Kind kind_of(const Identity& identity) noexcept {
  if (!identity.has_valid_nhs()) return Kind::unnumbered;
  return is_thin(identity) ? Kind::thin : Kind::in_use;
}

// Identities [begin, end) of a side that are alike, in the order of their numbers.
struct AlikeRun {
  std::size_t begin = 0, end = 0;
  std::size_t first = 0;  // the one with the smallest id
};

inline constexpr std::size_t kFewestAlike = 64;  // that are worth a run

struct TileSide {
  std::vector<PassItem> items;
  std::size_t in_use = 0;      // the first so many
  std::vector<AlikeRun> runs;  // ascending
  IdentityColumns columns;     // of the items
  // The run that item i is in, or nullptr.
  [[nodiscard]] const AlikeRun* run_of(std::size_t i) const noexcept;
};

class TileRows {
 public:
  void load(const Work& work, const Tile& tile);
  [[nodiscard]] std::uint64_t pairs() const noexcept;
  [[nodiscard]] std::uint64_t vetoed() const noexcept;  // pairs in no row

  // Calls row(a, query, b, begin, end): a's item query with b's items [begin, end), none of them its own.
  template <typename Row>
  void for_each_row(const Row& row) {
    if (vetoed() == pairs()) return;
    for (std::size_t query = left_.in_use; query < left_.items.size(); ++query) {
      if (inside_) {
        row(left_, query, left_, std::size_t{0}, left_.in_use);
        row(left_, query, left_, query + 1, left_.items.size());
      } else {
        row(left_, query, right_, std::size_t{0}, right_.items.size());
      }
    }
    if (inside_) return;
    for (std::size_t query = right_.in_use; query < right_.items.size(); ++query) {
      row(right_, query, left_, std::size_t{0}, left_.in_use);
    }
  }

 private:
  void arrange(const Work& work, const Range& segment, bool may_be_flood, TileSide& side);
  bool inside_ = true;
  std::size_t left_size_ = 0, right_size_ = 0, left_in_use_ = 0, right_in_use_ = 0;
  TileSide left_, right_;
};

}  // namespace ligature
