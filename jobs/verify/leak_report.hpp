// What a search for leaks found: hits by place and form, held against what chance alone would give.
//
// Some ten-digit numbers are no NHS number and equal one in use: codes, counts, row numbers.  From how densely numbers
// of their range are in use, and from how many different ones were met, follows how many such hits chance explains.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jobs/verify/leak_filter.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// About how many different keys were added; exact enough below a thousand, 3 % beyond (HyperLogLog, Flajolet et al.
// 2007, with linear counting).  Joins as a maximum, so it is the same on any number of ranks.
class DistinctCount {
 public:
  void add(SearchKey key) noexcept;
  void join(const DistinctCount& other) noexcept;
  [[nodiscard]] double estimate() const noexcept;

 private:
  std::array<std::uint8_t, 1024> registers_{};
};

// Of one form in one place.  Sums of integers, so that they do not depend on the order of adding.
struct LeakCounts {
  std::uint64_t candidates = 0, hits = 0;
  std::uint64_t first = ~std::uint64_t{0};  // position of the first hit
  // Of the candidates: the numbers of their range in use, millionths of how many there could be.
  std::uint64_t chance = 0;
  DistinctCount different, different_hits;

  void join(const LeakCounts& other) noexcept;
  // Different hits to be expected if the candidates had nothing to do with the identifiers.
  [[nodiscard]] double expected() const noexcept;
};

// The forms whose shape alone tells, in text and numbers, that an identifier is meant: any hit is a leak.
bool is_certain(IdentifierForm form) noexcept;

// Whether chance may explain the hits: as many as there are, or more, would come in one case of a hundred thousand (an
// exact Poisson tail), so that a run of which nothing leaks is not called a leak once in thousands.  Where a hit is in
// words or columns of its own, a single one is no chance unless half a hit was to be expected; by_accident: where
// values that mean something else look like identifiers (LeakSource::by_accident), it may be.
bool chance_explains(IdentifierForm form, bool by_accident, const LeakCounts& counts) noexcept;

using LeakPlace = std::uint64_t;  // source * kIdentifierForms + form
using LeakTable = std::map<LeakPlace, LeakCounts>;

// Collective.  The tables of all ranks joined, on every rank.
LeakTable join_tables(const Communicator& comm, const LeakTable& table);

}  // namespace ligature
