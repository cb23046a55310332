// The ladder of match ranks that national linkages are reported by.
//
// Source: HSCIC, HES-DID Data Matching Quality report, April 2015.  The report does not say what parts 1A and 1B: here
// 1B is a postcode that agrees but for one character or the two unit letters.  A partial date of birth has two parts
// that agree, or day and month exchanged.  Postcodes on the ignore list are those shared by sixteen times as many
// people as the average.
#pragma once

#include "engine/comparison.hpp"
#include "engine/evidence.hpp"
#include "engine/provenance.hpp"

namespace ligature {

// a, b: weighed identities of one person.  Symmetric.  Never unmatched.
MatchRank match_rank(const Identity& a, const Identity& b) noexcept;

}  // namespace ligature
