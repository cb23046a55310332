// Collapse: many identities to the different ones among them, with what their rows add up to and the way back.
//
// Rows come in batches.  Sixteen bytes a row move once, to a bucket that fits in cache: the top bits of the linkage
// key of all of its content.  There a small hash table tells equal from different, and the way back is
// the same partition read in the order in which it was written, so that nothing is ever gathered from memory at large.
// Rows that repeat the one before stay where they are: it counts them.
// The method is that of partitioned hash joins: Manegold, Boncz and Kersten, Optimizing Main-Memory Join on Modern
// Hardware, TKDE 2002.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/identity.hpp"
#include "engine/provider_set.hpp"
#include "engine/raw_vector.hpp"

namespace ligature {

// A different identity, with what its rows add up to.  It travels in 32 bytes.
struct CountedIdentity {
  Identity identity;
  std::uint32_t rows = 0;
  std::uint32_t datasets = 0;  // bit d: seen in dataset d
  ProviderSet providers = 0;   // of its rows
  friend bool operator==(const CountedIdentity&, const CountedIdentity&) = default;
};
static_assert(sizeof(CountedIdentity) == 32);

// Identities of rows of one dataset, in the order of the rows.
struct IdentityRun {
  std::span<const Identity> identities;
  std::uint32_t dataset = 0;                 // below 32
  std::span<const ProviderPlace> providers;  // of each row; empty if none names one
};

// Collapses rows batch by batch, so that no more than a batch of them is ever held.
class Collapser {
 public:
  // expected_rows: about how many will come; the buckets are cut to it.
  explicit Collapser(std::uint64_t expected_rows);
  ~Collapser();
  Collapser(const Collapser&) = delete;
  Collapser& operator=(const Collapser&) = delete;

  // of_row: one entry a row, runs back to back; gets what resolve() later makes the index of the row's identity.
  // Memory: 38 bytes a row of the batch, 32 a different identity.  Throws Error if there are about 2^32 of these.
  void add(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row);

  // The different identities of all batches in order of the top 12 bits of their linkage keys; else in an
  // order of content and first sight that does not depend on threads.  others: entries that are put among them and
  // joined with none; of_other gets the index of each.  Nothing can be added afterwards.
  RawVector<CountedIdentity> finish(std::span<const CountedIdentity> others, std::span<std::uint32_t> of_other);
  RawVector<CountedIdentity> finish() { return finish({}, {}); }
  void resolve(std::span<std::uint32_t> of_row) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All of one batch.  REQUIRES: fewer than 2^32 rows.
RawVector<CountedIdentity> collapse(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row);

// The plain reference: sorted, equal neighbours made one.
std::vector<CountedIdentity> collapse_plain(std::span<const IdentityRun> runs, std::span<std::uint32_t> of_row);

}  // namespace ligature
