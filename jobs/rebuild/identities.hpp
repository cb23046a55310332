// Rows to identities: equal rows collapse on the rank that read them, then on the rank that owns the identity's shard.
//
// Everything quadratic afterwards runs on identities.  They are numbered over all ranks in the order of shard, then
// content, so an identity has the same number on any number of ranks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/collapse.hpp"
#include "io/row_store.hpp"
#include "partition/communicator.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

// An identity that only rows have which an objection bars.  It takes part in pairs and clusters so that its person's
// other rows are recognised (objectors.hpp), counts nowhere, and ends in no person.  Datasets are of kept rows.
constexpr bool is_suppressed(const CountedIdentity& counted) noexcept {
  return counted.datasets == 0;
}

// The local patient id of a barred row, and its different identity on this rank.
struct SuppressedKey {
  std::uint64_t key = 0;
  std::uint32_t local = 0;
  std::uint32_t unused = 0;
};

struct Identities {
  // Identities this rank owns, in the order of their numbers: the first is number first_id.
  std::vector<CountedIdentity> owned;
  IdentityId first_id = 0;
  std::vector<std::uint64_t> first_id_of_rank;       // ranks + 1 entries
  std::uint64_t total = 0;                           // over all ranks
  std::uint64_t per_round = std::uint64_t{1} << 24;  // of a rank, that are brought together at a time

  // The way back to rows: row -> different identity on this rank -> (route) -> owned identity.
  std::vector<std::uint32_t> local_of_row;       // by row of the store
  ReturnRoute route;                             // of this rank's different identities
  std::vector<std::uint32_t> owned_of_received;  // by received identity: index into owned
  std::vector<SuppressedKey> suppressed_keys;    // of this rank's barred rows

  [[nodiscard]] int owner(IdentityId id) const noexcept;
  // Frees all but the way from rows to the different identities of this rank, and the counts.
  void release_identities();
};

// Collective.  Consumes the identities that the store's blocks hold, and its barred rows.
// Throws Error if one rank holds 2^32 rows or more: more ranks are needed then.
Identities collapse_identities(const Communicator& comm, RowStore& rows);

}  // namespace ligature
