// The checkpoints between identities and persons: 'numbers', 'pairs' and 'clusters'.
//
// Identities have the same numbers on any ranks, so that whatever is said by number holds for a run on others.
//
//   numbers   the model; what each identity's values count for; edges between identities that share a number
//   pairs     the edges that the passes over pairs added to these; at level shards also each pass by itself
//   clusters  persons with their identities; which identities are a person alone; the rows of objectors that were
//   dropped
#pragma once

#include <string_view>
#include <vector>

#include "engine/evidence.hpp"
#include "io/manifest.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/checkpoints.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/links.hpp"
#include "jobs/rebuild/objector_search.hpp"
#include "jobs/rebuild/person_draft.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Each is collective.  A save does nothing where the run keeps no checkpoints; a restore returns false where there is
// none to go on from, and changes nothing then.  manifest: gets, or gives, what the stages so far have found.

void save_numbers(const Checkpoints& checkpoints, const std::vector<Evidence>& evidence, const Links& links,
                  const Manifest& manifest);
bool restore_numbers(Checkpoints& checkpoints, const Identities& identities, std::vector<Evidence>& evidence,
                     Links& links, Manifest& manifest);

// Links from known on; restored ones are added.  stage: 'pairs', or of one pass "pairs-" and its name.
void save_pairs(const Checkpoints& checkpoints, std::string_view stage, const Links& links, const LinkCount& known,
                const Manifest& manifest);
bool restore_pairs(Checkpoints& checkpoints, std::string_view stage, const Identities& identities, Links& links,
                   Manifest& manifest);

void save_clusters(const Communicator& comm, const Checkpoints& checkpoints, const RowStore& rows,
                   const Identities& identities, const ObjectorSearch& search, const PersonDrafts& drafts,
                   const Manifest& manifest);
// The rows of objectors are dropped from the store behind search, and from identities.
bool restore_clusters(const Communicator& comm, Checkpoints& checkpoints, const RowStore& rows, Identities& identities,
                      ObjectorSearch& search, PersonDrafts& drafts, Manifest& manifest);

}  // namespace ligature
