// Why an identity is where it is: kept for every identity in the secure folder, so that each link can be explained.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/model.hpp"

namespace ligature {

using IdentityId = std::uint64_t;  // number of an identity in the order of shard and content, over all ranks

// What put an identity to its person.
enum class LinkKind : std::uint8_t {
  alone,              // no link reached it
  same_number,        // its NHS number
  other_identifiers,  // date of birth, postcode and gender, or a misspelt NHS number, that no other person rivals
  returned,           // its NHS number after all: it fits no other person better
  local_id,           // the local patient id of one provider
  apart,              // linked to several persons, of which none leads: kept apart
  one_time,           // its identifiers cannot tell people apart: a single row
  moved,              // others who moved between its address and the person's
};
inline constexpr LinkKind kLastLinkKind = LinkKind::moved;
std::string_view link_kind_name(LinkKind kind) noexcept;

// Match ranks of the national ladder (HSCIC, HES-DID Data Matching Quality report, April 2015), from the strongest.
// unranked: linked, but by none of them; unmatched: the only row of its person.
enum class MatchRank : std::uint8_t { r1a, r1b, r2, r3, r4, r5, r6, r7, r8, unranked, unmatched };
inline constexpr std::size_t kMatchRanks = 11;
std::string_view match_rank_name(MatchRank rank) noexcept;

struct Provenance {
  enum Note : std::uint8_t {
    company_known = 1,   // one of those who moved is known to its own provider at its postcode (moves.hpp)
    other_provider = 2,  // a number's claim on it was refused: another provider has that person (one_provider.hpp)
    other_patient =
        4,  // likewise, or a link: its provider has the other under another patient number (one_patient.hpp)
  };
  IdentityId linked_to = 0;  // the other end of the link that put it to its person; itself if alone or apart
  Weight weight = 0;         // of that link, or of the strongest claim on it if it was kept apart
  Weight lead = 0;           // of that claim over the next person's; kNoRival if there was none
  LinkKind kind = LinkKind::alone;
  MatchRank rank = MatchRank::unmatched;
  std::uint8_t evidence_flags = 0;  // Evidence::Flag
  std::uint8_t notes = 0;           // Note
  std::uint32_t unused = 0;
};
static_assert(sizeof(Provenance) == 24);
inline constexpr Weight kNoRival = INT32_MAX;

}  // namespace ligature
