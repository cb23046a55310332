// All identities that carry one NHS number, together on one rank, with those that may be a misspelling of it.
//
// An invalid number is looked for among the valid numbers that one digit error or one exchange of neighbours could have
// made it from: about a dozen, for the check digit catches all of them.  So no identity is compared with its hundred
// neighbours, and no valid one takes part but in its own group.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/rounds.hpp"
#include "partition/communicator.hpp"

namespace ligature {

struct NumberItem {
  CountedIdentity counted;
  IdentityId id = 0;
  std::uint64_t key = 0;  // linkage key of the number that the group is of
  enum Role : std::uint64_t {
    member,
    visitor,     // its own number is another, of which this one is a neighbour
    suppressed,  // a member that only barred rows have: the others are settled without it
  } role = member;
};

// The groups of one round on this rank: items [begin, end) of a range have one number, in order of role, then content.
struct NumberRound {
  RawVector<NumberItem> items;
  std::vector<Range> groups;
  [[nodiscard]] std::span<const NumberItem> members(const Range& group) const;
  [[nodiscard]] std::span<const NumberItem> visitors(const Range& group) const;
  [[nodiscard]] std::span<const NumberItem> suppressed(const Range& group) const;
};

class NumberGroups {
 public:
  // Keeps a reference to identities.
  NumberGroups(const Communicator& comm, const Identities& identities);
  // Collective.  Visits the rounds in order.  Where one round holds everything it is made once and kept.
  void visit(const std::function<void(const NumberRound&)>& visitor);
  // Gives the memory back.
  void release() { kept_ = {}; }

 private:
  [[nodiscard]] NumberRound make(std::uint64_t round);
  const Communicator& comm_;
  const Identities& identities_;
  std::uint64_t rounds_;
  RoundSieve sieve_;
  NumberRound kept_;
  bool is_kept_ = false;
};

}  // namespace ligature
