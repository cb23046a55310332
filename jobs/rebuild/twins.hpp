// Known twins: two people at one postcode with one date of birth and NHS numbers of one batch.
//
// Twins move house together, and of one of them a row without a number may be all that says so.  What fits a person
// with a twin fits the twin as well, wherever they are recorded (clustering.hpp).
#pragma once

#include <span>
#include <vector>

#include "engine/evidence.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct TwinPair {
  IdentityId id = 0;        // of an identity with a valid number
  IdentityId twin = 0;      // of one with a number of the same batch
  std::uint64_t flags = 0;  // what the first is to be flagged with: the gender of the second
};

// Collective, once it is known who owns which number.  Flags the owned identities of all pairs whose two numbers are
// their own: a record under the number of somebody else is nobody's twin.
void flag_twins(const Communicator& comm, const Identities& identities, std::vector<TwinPair>&& twins,
                std::span<Evidence> evidence);

}  // namespace ligature
