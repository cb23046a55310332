// Collapse: many identities to the different ones among them, with what their rows add up to and the way back.
//
// Sixteen bytes a row move once, to a bucket that fits in cache: the top bits of the linkage key, so that buckets are
// runs of shards.  There a small hash table tells equal from different, and the way back is the same partition read in
// the order in which it was written, so that nothing is ever gathered from memory at large.  The method is that of
// partitioned hash joins: Manegold, Boncz and Kersten, Optimizing Main-Memory Join on Modern Hardware, TKDE 2002.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/identity.hpp"

namespace ligature {

// A different identity, with what its rows add up to.  It travels in 24 bytes.
struct CountedIdentity {
  Identity identity;
  std::uint32_t rows = 0;
  std::uint32_t datasets = 0;  // bit d: seen in dataset d
  friend bool operator==(const CountedIdentity&, const CountedIdentity&) = default;
};
static_assert(sizeof(CountedIdentity) == 24);

// Identities of rows of one dataset, in the order of the rows.
struct IdentityRun {
  std::span<const Identity> identities;
  std::uint32_t dataset = 0;  // below 32
};

// The different identities of all runs, in an order of content and first sight that does not depend on threads.
// of_row: one entry a row, runs back to back; gets the index of the row's identity in the result.
// REQUIRES: fewer than 2^32 rows.  Memory: 2 bytes a row, and 20 for each of at most 2^25 rows at a time.
std::vector<CountedIdentity> collapse(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row);

// The plain reference: sorted, equal neighbours made one.
std::vector<CountedIdentity> collapse_plain(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row);

}  // namespace ligature
