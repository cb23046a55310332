// Three passes of pairs: every two identities that agree on NHS number, date of birth or postcode are compared.
//
// One agreeing identifier is enough to be compared, so no blocking rule can miss what the evidence would link.  A pair
// that agrees on several identifiers belongs to the first pass that brings it together, and is counted once.  Two
// valid, different NHS numbers can never link, so such pairs are counted by group sizes and not compared.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/comparison.hpp"
#include "engine/model.hpp"
#include "io/manifest.hpp"
#include "jobs/rebuild/identities.hpp"
#include "partition/communicator.hpp"

namespace ligature {

enum class Pass : std::uint8_t { nhs_number, date_of_birth, postcode };
inline constexpr Pass kPasses[] = {Pass::nhs_number, Pass::date_of_birth, Pass::postcode};
std::string_view pass_name(Pass pass) noexcept;

// Collective.  What the file says before any model: exact counts of identities and of pairs known to differ.
FileFrequencies measure_frequencies(const Communicator& comm, const Identities& identities);

struct PassResult {
  std::vector<Edge> edges;  // found on this rank
  PatternCounts counts{};   // of the pairs that this pass compared, over all ranks
  PassReport report;        // over all ranks
};

// Collective.  Compares the pairs of one pass.  progress(pairs) is told of pairs as they are done, from any thread.
PassResult run_pass(const Communicator& comm, Pass pass, const Identities& identities, const LinkageModel& model,
                    const std::function<void(std::uint64_t)>& progress);

}  // namespace ligature
