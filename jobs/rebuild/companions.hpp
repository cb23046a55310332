// Companions of a postcode: where those who lived there have been as well, learnt from numbers with several postcodes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/evidence.hpp"
#include "engine/moves.hpp"
#include "engine/provider_set.hpp"
#include "engine/raw_vector.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// A companion of a postcode.
struct Companion {
  std::uint64_t postcode = 0, to = 0;
  ProviderSet providers = 0;  // that have recorded one of these at the postcode
  std::uint32_t numbers = 0;  // that have been at both
  std::uint32_t rarity = 0;   // of to
};

// A number with several postcodes.
struct Mover {
  std::uint64_t number_key = 0;
  std::uint64_t postcodes = 0;
};

struct Company {
  RawVector<Companion> companions;  // of the postcodes that this rank owns, in order
  std::vector<Mover> movers;        // the numbers that this rank has met, in order of their keys
};

// Collective.  Learnt from numbers; counts the persons by their postcodes, and the records held out of company, of this
// rank.
Company find_company(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                     bool with_providers, MoveCounts& counts);

}  // namespace ligature
