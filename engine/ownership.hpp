// Who owns an NHS number: the identities that carry one number are parted into persons, and the part with the better
// claim keeps it.
//
// A number is wrong on a row now and then: typed for another member of the household, or the mother's on her baby's
// record.  Inside one number identities are joined best link first, never across two that cannot be one person.  If
// several parts remain, the one seen in more sources, then in more rows, owns the number; to the others it is no
// evidence, not even that they are of one person, and they may find their own person by the rest.  A number that is
// spread over many parts without an owner is one that a system writes for want of a better: it is nobody's. Source of
// the rule: number ownership is this project's; the uniqueness condition is that of CUREd (Downes et al.).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/comparison.hpp"
#include "engine/identity.hpp"
#include "engine/model.hpp"
#include "engine/model_settings.hpp"

namespace ligature {

struct NumberMember {
  Identity identity;           // weighed, all with the same NHS number
  std::uint32_t rows = 0;      // kept rows
  std::uint32_t datasets = 0;  // bit d: seen in dataset d
};

struct NumberLink {
  std::uint32_t a = 0, b = 0;  // members, a < b
  Weight weight = 0;
};

enum class NumberStanding : std::uint8_t { owned, disowned, default_number };

struct NumberSettlement {
  std::vector<NumberLink> links;         // hold the owner's part together
  std::vector<NumberStanding> standing;  // by member
  std::uint32_t parts = 0;
  // The best pair of each disowned member with the owner's part, if it may return: weights with what it adds that the
  // member has found no other person.
  std::vector<NumberLink> returns;
  // Where several parts have the best claim: pairs across them, of which not both may go to other persons.
  std::vector<NumberLink> ties;
};

// Members of a number beyond this many are compared only by one of each date of birth, the one with the most rows.
inline constexpr std::size_t kMembersComparedInFull = 64;

// members: at least one, in an order of content, which decides ties.  counts: the patterns of the pairs compared are
// added.  Cost: the fourth power of the members at worst up to kMembersComparedInFull, then linear but for a sort.
// Of settings, number_ownership (else every part owns the number), returns (else nobody is parted who links) and
// default_values are used.
NumberSettlement settle_number(std::span<const NumberMember> members, const LinkageModel& model,
                               const ModelSettings& settings, PatternCounts& counts);

}  // namespace ligature
