// Persons before they are named: the claim that each has on an NHS number, and who owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/evidence.hpp"
#include "jobs/rebuild/identities.hpp"
#include "jobs/rebuild/person_draft.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// Several clusters can carry one NHS number (a stranger's row has it by mistake).  The owner of the number is named by
// it; where none was found, the one with the most rows is.
struct Claim {
  std::uint64_t number_and_kind = 0;  // the NHS number; in the lowest bit 0 for its owner
  std::uint64_t rows = 0;
  IdentityId cluster = 0;
  [[nodiscard]] std::uint64_t nhs() const noexcept { return number_and_kind >> 1; }
};

// The NHS number that may name the person, 0 if none.
inline std::uint64_t number_of(const PersonDraft& draft) noexcept {
  return draft.valid_nhs != 0 ? draft.valid_nhs : draft.disowned_nhs;
}

// All persons of this rank by number: those that have a draft, then those alone, whose drafts are made as asked for.
class Nameless {
 public:
  Nameless(const Identities& identities, std::span<const Evidence> evidence, const PersonDrafts& drafts)
      : identities_(identities), evidence_(evidence), drafts_(drafts) {}

  [[nodiscard]] std::size_t size() const noexcept { return drafts_.drafts.size() + drafts_.alone.size(); }
  [[nodiscard]] PersonDraft operator[](std::size_t person) const {
    if (person < drafts_.drafts.size()) return drafts_.drafts[person];
    const std::uint32_t i = drafts_.alone[person - drafts_.drafts.size()];
    return draft_alone(identities_.first_id + i, identities_.owned[i], evidence_[i]);
  }
  // The claim to the number_of the draft; of nobody's number if there is none.
  [[nodiscard]] Claim claim(std::size_t person) const {
    if (person < drafts_.drafts.size()) {
      const PersonDraft& draft = drafts_.drafts[person];
      return {number_of(draft) << 1 | (draft.valid_nhs == 0 ? 1 : 0), draft.rows, draft.cluster};
    }
    const std::uint32_t i = drafts_.alone[person - drafts_.drafts.size()];
    const CountedIdentity& alone = identities_.owned[i];
    const std::uint64_t valid = counted_as(alone.identity, evidence_[i]).valid_nhs();
    const bool is_disowned = valid == 0 && evidence_[i].has(Evidence::number_disowned);
    const std::uint64_t number = is_disowned ? alone.identity.valid_nhs() : valid;
    return {number << 1 | (valid == 0 ? 1 : 0), alone.rows, identities_.first_id + i};
  }
  // True if nobody else can claim that number: all identities of a number are on one rank, next to each other
  // (identities.cpp), and who claims a number has one of them.
  [[nodiscard]] bool is_sole_claimant(std::size_t person) const {
    if (person < drafts_.drafts.size()) return false;
    const std::size_t i = drafts_.alone[person - drafts_.drafts.size()];
    const auto number_at = [&](std::size_t of) { return identities_.owned[of].identity.valid_nhs(); };
    const std::uint64_t number = number_at(i);
    return number != 0 && (i == 0 || number_at(i - 1) != number) &&
           (i + 1 == identities_.owned.size() || number_at(i + 1) != number);
  }

 private:
  const Identities& identities_;
  std::span<const Evidence> evidence_;
  const PersonDrafts& drafts_;
};

// Collective.  For each person: whether it owns its NHS number.  numbers: by person, 0 for none.  rounds: in which
// claims meet.
std::vector<std::uint8_t> settle_ownership(const Communicator& comm, const Nameless& nameless,
                                           std::span<const std::uint64_t> numbers, std::uint64_t rounds);

}  // namespace ligature
