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

struct Identities {
  // Identities this rank owns, in the order of their numbers: the first is number first_id.
  std::vector<CountedIdentity> owned;
  IdentityId first_id = 0;
  std::vector<std::uint64_t> first_id_of_rank;  // ranks + 1 entries
  std::uint64_t total = 0;                      // over all ranks

  // The way back to rows: row -> different identity on this rank -> (route) -> owned identity.
  std::vector<std::uint32_t> local_of_row;       // by row of the store
  ReturnRoute route;                             // of this rank's different identities
  std::vector<std::uint32_t> owned_of_received;  // by received identity: index into owned

  [[nodiscard]] int owner(IdentityId id) const noexcept;
};

// Collective.  Consumes the identities that the store's blocks hold.
// Throws Error if one rank holds 2^32 rows or more: more ranks are needed then.
Identities collapse_identities(const Communicator& comm, RowStore& rows);

}  // namespace ligature
