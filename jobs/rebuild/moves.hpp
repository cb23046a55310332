// Records at a new address, put to their person by the people who moved with him (engine/moves.hpp).
//
// Four meetings: the records of a number, for its addresses, and the numbers of a postcode, for its companions
// (companions.hpp); all of a postcode, for the records without a number that are not at home (homes.hpp); and these, by
// way of their postcode, with who has their date of birth at a companion of it.
#pragma once

#include <span>

#include "engine/evidence.hpp"
#include "engine/model.hpp"
#include "engine/moves.hpp"
#include "jobs/rebuild/homes.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/passes.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Collective.  Edges between identities without a number and with one, of the same date of birth and of postcodes that
// others have been at both.  evidence: by owned identity, with the numbers settled.  counts: over all ranks.
// with_providers: whether those of the records are evidence.  homes: of these identities, with nothing in it if the
// pass by postcode has not noted them; its homeless are taken.  parameters: what was learnt is noted there (elsewhere).
PassResult link_moves(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                      const LinkageModel& model, bool with_providers, Homes& homes, MoveCounts& counts,
                      ModelParameters& parameters);

}  // namespace ligature
