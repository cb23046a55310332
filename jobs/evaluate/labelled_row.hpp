// One row of a run whose true person is known: what scoring holds in memory, 32 bytes each.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ligature {

inline constexpr std::size_t kMaxDatasets = 32;
inline constexpr std::size_t kMaxErrorKinds = 32;

// What the dataset publishes about a found person, as indexes of groups; 0 is "not known" (jobs/evaluate/groups.hpp).
struct Published {
  std::uint16_t area = 0;
  std::uint8_t birth_decade = 0;
  std::uint8_t gender = 0;
};

// True persons are told apart by 64 bits of a hash: the chance that two of 10^8 share them is 3 in 10,000.
struct LabelledRow {
  std::uint64_t found = 0;  // row of /persons
  std::uint64_t truth = 0;
  std::uint32_t errors = 0;        // bit k: error kind k
  std::uint32_t birth_group = 0;   // of a hash of the truth's birth_group: not 0 for a person of a multiple birth
  std::uint16_t truth_groups = 0;  // which combination of the truth's group_ columns
  std::uint8_t dataset = 0;
  std::uint8_t flags = 0;  // set by tally_found
  Published published;     // of the found person; set by tally_found

  static constexpr std::uint8_t kMixed = 1;        // the found person has rows of other true persons
  static constexpr std::uint8_t kFalse = 2;        // another true person has most rows of the found person
  static constexpr std::uint8_t kWithSibling = 4;  // the found person has rows of a sibling of the same birth
  [[nodiscard]] constexpr bool has(std::uint8_t flag) const noexcept { return (flags & flag) != 0; }
};
static_assert(sizeof(LabelledRow) == 32);

}  // namespace ligature
