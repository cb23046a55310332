// All identities that carry one NHS number, together on one rank, with those that may be a misspelling of it.
//
// Those of a valid number lie side by side on the rank that owns their shard (shard_of), so they are visited where they
// are.  Brought there is an invalid number, to its own group, and to those of the valid numbers that one digit error or
// one exchange of neighbours could have made it from: about a dozen, for the check digit catches all of them.  So no
// identity is compared with its hundred neighbours, and no valid one takes part but in its own group.
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
};

// One number.  Each part is in the order of content.
struct NumberGroup {
  std::span<const NumberItem> members;
  std::span<const NumberItem> visitors;    // their own number is another, of which this one is a neighbour
  std::span<const NumberItem> suppressed;  // members that only barred rows have: the others are settled without them
};

// An item on its way to the group of another number than decides where it lies.
struct NumberCaller {
  std::uint64_t key = 0;  // of the group's number: in the order of groups
  NumberItem item;
};

// Goes over the groups of a stretch of numbers, one thread's work.
class NumberGroupReader {
 public:
  // owned: the first is first_id.  Only groups of the round are read.
  NumberGroupReader(std::span<const CountedIdentity> owned, IdentityId first_id, std::span<const NumberCaller> callers,
                    std::uint64_t round, std::uint64_t rounds)
      : owned_(owned), callers_(callers), next_id_(first_id), round_(round), rounds_(rounds) {}
  // False at the end.  A group may have visitors and nobody to visit; it is valid until the next is read.
  bool next(NumberGroup& group);

 private:
  void read_owned(std::uint64_t number);
  void read_callers(std::uint64_t key);

  std::span<const CountedIdentity> owned_;  // what is left of them
  std::span<const NumberCaller> callers_;
  IdentityId next_id_;
  std::uint64_t round_, rounds_;
  std::vector<NumberItem> members_, visitors_, suppressed_;
};

class NumberGroups {
 public:
  // Collective.  Keeps a reference to identities.
  NumberGroups(const Communicator& comm, const Identities& identities);
  // Collective.  Calls visitor(reader) with all groups of this rank in stretches, from several threads.
  void visit(const std::function<void(NumberGroupReader&)>& visitor);

 private:
  [[nodiscard]] RawVector<NumberCaller> bring_callers(std::uint64_t round);
  const Communicator& comm_;
  const Identities& identities_;
  std::uint64_t rounds_;
  RoundSieve sieve_;
  RawVector<NumberCaller> kept_;  // where one round holds all
  bool is_kept_ = false;
};

}  // namespace ligature
