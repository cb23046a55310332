// Disclosure control of tables of counts: which entries may be shown, and as what.
//
// A cube counts by some dimensions.  What is published of it are faces: a face tells some dimensions apart and sums
// over the others, so the full table, its margins and its total are faces of one cube.  All tables that count the same
// thing are faces of one cube, because what one hides another must not give back.
//
// Two rule sets, each with a version; docs/release.md has their sources.
//   suppress-1-5 v1   counts of 1 to 5 are not shown, nor as many others as it takes that none of them can be had by
//                     subtraction.  Zero is shown.
//   hes-2018 v1       counts of 1 to 7 are not shown, others are rounded to the nearest 5; zero is shown; totals are
//                     sums of what is shown, so that there is nothing to subtract from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ligature {

enum class DisclosureRules : std::uint8_t { suppress_1_5_v1, hes_2018_v1 };
std::string_view disclosure_rules_name(DisclosureRules rules) noexcept;

inline constexpr std::size_t kMostDimensions = 6;

// Bit d: dimension d is told apart.
using Face = std::uint32_t;

// Counts by dimensions, the last fastest.  Every size is 1 or more.
struct Cube {
  std::vector<std::uint32_t> sizes;
  std::vector<std::uint64_t> counts;
};

enum class EntryState : std::uint8_t { unpublished, shown, suppressed };

// All faces of a cube in one array: a dimension has sizes[d] values and one more, its total.
struct Table {
  std::vector<std::uint32_t> sizes;  // of the cube
  std::vector<std::uint64_t> values;
  std::vector<EntryState> states;

  // The place of an entry; a coordinate of sizes[d] is the total over dimension d.
  [[nodiscard]] std::size_t at(std::span<const std::uint32_t> coordinates) const noexcept;
};

// The entries of a cube with all its margins that a rule set shows, as it shows them.  published: faces, each of which
// brings those that tell fewer dimensions apart.  The value of an entry that is not shown means nothing.
// Throws Error if the cube has more than kMostDimensions dimensions or counts of another number than its sizes say.
Table disclose(const Cube& cube, std::span<const Face> published, DisclosureRules rules);

// What the rules left of the entries of the published faces.
struct DisclosureCounts {
  std::uint64_t entries = 0;
  std::uint64_t small = 0;       // suppressed for what they are
  std::uint64_t suppressed = 0;  // these, and those that protect them
};
DisclosureCounts count_entries(const Cube& cube, std::span<const Face> published, DisclosureRules rules,
                               const Table& table);

}  // namespace ligature
