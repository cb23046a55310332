// The pass over local patient ids: identities that one provider has given the same number are compared.
//
// What a shared local id is worth, and when it is worth nothing, is in engine/local_id.hpp.  Rows whose identifiers
// cannot tell people apart take part as well: with the id of somebody who is known, they can.
// The method is HESID's second pass (HSCIC, HES Patient ID methodology).
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "engine/evidence.hpp"
#include "engine/model.hpp"
#include "io/manifest.hpp"
#include "io/row_store.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/passes.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// True if the job weighs local ids: an extract names them, and the job file does not forbid it.
bool uses_local_ids(const JobFile& job) noexcept;

// Collective.  evidence: by owned identity.
// The result has no pattern counts: pairs that share an id say nothing of pairs that do not.
PassResult link_local_ids(const Communicator& comm, RowStore& rows, const Identities& identities,
                          std::span<const Evidence> evidence, const LinkageModel& model, LocalIdReport& report,
                          const std::function<void(std::uint64_t)>& progress);

}  // namespace ligature
