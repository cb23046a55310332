// The passes over pairs: every two identities that agree on date of birth or on postcode are compared, so no blocking
// rule can miss what the evidence would link.  (Those that share an NHS number have met: jobs/rebuild/numbers.hpp.)
// A pair that agrees on several identifiers belongs to the first pass, and is counted once.  Two numbers with different
// owners can never link: such pairs are counted by group sizes.  Of the others, the kernel passes a vector at a time
// over those whose pattern decides nothing for values as rare as theirs; only the rest are weighed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/comparison.hpp"
#include "engine/evidence.hpp"
#include "engine/model.hpp"
#include "io/manifest.hpp"
#include "jobs/rebuild/homes.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/survey.hpp"
#include "partition/communicator.hpp"

namespace ligature {

enum class Pass : std::uint8_t { nhs_number, date_of_birth, postcode };
std::string_view pass_name(Pass pass) noexcept;

struct PassResult {
  std::vector<Edge> edges;  // found on this rank
  // Those with an end that is suppressed, apart: no other edge gives way to them.  Not in the report.
  std::vector<Edge> suppressed;
  PassReport report;  // over all ranks
};

// Collective.  Compares the pairs of one pass, date_of_birth or postcode.  chosen: those that the job runs, which
// decides what belongs to an earlier one.  evidence: by owned identity. progress(pairs) is told of pairs as they are
// done, from any thread.  homes: of the pass by postcode, notes who lives where, unless it is nullptr.
PassResult run_pass(const Communicator& comm, Pass pass, const ChosenPasses& chosen, const Identities& identities,
                    std::span<const Evidence> evidence, const LinkageModel& model, Homes* homes,
                    const std::function<void(std::uint64_t)>& progress);

// Collective.  Brings together what the pass by postcode does, for the homes alone.
void note_homes(const Communicator& comm, const Identities& identities, std::span<const Evidence> evidence,
                Homes& homes);

// Collective.  The pairs of records that a pass brings together, by pattern, over all ranks, without scoring them: an
// identity seen in several sources is as many records.  Pairs that an earlier pass counts, and those with two valid NHS
// numbers, are left out.
PatternCounts count_pass(const Communicator& comm, Pass pass, const Identities& identities, const Survey& survey);

}  // namespace ligature
