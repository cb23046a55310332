// Persons before they are named: what is known of each, and the identities that it is made of.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "engine/collapse.hpp"
#include "engine/evidence.hpp"
#include "engine/identity.hpp"
#include "engine/provenance.hpp"
#include "engine/raw_vector.hpp"

namespace ligature {

// What is published of a person, and what names them.
struct PersonDraft {
  Identity smallest;                // smallest identity of the cluster by number; a one-time identity if all are
  IdentityId cluster = 0;           // its number
  std::uint64_t valid_nhs = 0;      // the valid NHS number that the cluster has the best claim to, 0 if none
  std::uint64_t disowned_nhs = 0;   // else one that it carries and others claim as well; 0 if none
  std::uint64_t rows = 0;           // kept rows
  std::uint32_t datasets = 0;       // bit d: seen in dataset d
  std::uint32_t outward = 0;        // packed outward code of most rows; 0 if none
  std::uint16_t birth_year = 0;     // of most rows; 0 if none
  std::uint8_t sex = 0;             // NHS code of most rows; 0 if none
  std::uint8_t link_percent = 100;  // posterior of the weakest link used; 100 for one identity
  bool ambiguous = false;
  bool linked = false;  // several identities
};

// The persons of one rank.  Most are one identity that no edge reaches: of these only the identity is kept, and their
// drafts are made when they are wanted.
struct PersonDrafts {
  RawVector<PersonDraft> drafts;
  RawVector<std::uint64_t> first_member;  // drafts + 1 offsets into members
  RawVector<IdentityId> members;
  RawVector<Provenance> provenance;  // by member
  RawVector<std::uint32_t> alone;    // owned identities that are a person each, ascending
};

// Appends the parts' drafts, one part after the other.  The parts are released.
void append_drafts(PersonDrafts& drafts, std::span<PersonDrafts> parts);

// The draft of a person who is one identity, and why it is alone.
PersonDraft draft_alone(IdentityId id, const CountedIdentity& counted, const Evidence& evidence);
Provenance provenance_alone(IdentityId id, const CountedIdentity& counted, const Evidence& evidence);

// An identity as it counts: values that are no evidence are missing.  One-time identities have no fields to weigh.
inline Identity counted_as(const Identity& identity, const Evidence& evidence) noexcept {
  return identity.nhs_status() == NhsStatus::one_time ? identity : weighed(identity, evidence);
}

inline bool is_one_time(const CountedIdentity& counted) noexcept {
  return counted.identity.nhs_status() == NhsStatus::one_time;
}

// The most frequent of a few (value, rows); ties go to the smaller value; 0 means no value.
class Majority {
 public:
  void clear() {
    first_ = {};
    others_.clear();
  }
  void add(std::uint32_t value, std::uint64_t rows) {
    if (value == 0) return;
    if (first_.first == 0) first_.first = value;
    if (first_.first == value) {
      first_.second += rows;
      return;
    }
    for (auto& [known, votes] : others_) {
      if (known == value) {
        votes += rows;
        return;
      }
    }
    others_.emplace_back(value, rows);
  }
  [[nodiscard]] std::uint32_t winner() const {
    auto [best, most] = first_;
    for (const auto& [value, votes] : others_) {
      if (votes > most || (votes == most && value < best)) {
        best = value;
        most = votes;
      }
    }
    return best;
  }

 private:
  std::pair<std::uint32_t, std::uint64_t> first_{};  // most persons have one value, which takes no memory
  std::vector<std::pair<std::uint32_t, std::uint64_t>> others_;
};

// Adds up the identities of one cluster, which come in the order of their numbers.
class DraftBuilder {
 public:
  void start(IdentityId cluster);
  void add(const CountedIdentity& counted, const Evidence& evidence);
  [[nodiscard]] bool has_several_numbers() const noexcept { return several_numbers_; }
  PersonDraft finish();

 private:
  PersonDraft draft_;
  bool first_ = true;
  bool indeterminate_ = false;
  bool several_numbers_ = false, thin_ = false;
  Majority year_, sex_, outward_;
};

}  // namespace ligature
