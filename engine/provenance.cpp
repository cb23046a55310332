#include "engine/provenance.hpp"

namespace ligature {

std::string_view link_kind_name(LinkKind kind) noexcept {
  switch (kind) {
    case LinkKind::alone:
      return "alone";
    case LinkKind::same_number:
      return "same_number";
    case LinkKind::other_identifiers:
      return "other_identifiers";
    case LinkKind::returned:
      return "returned";
    case LinkKind::local_id:
      return "local_id";
    case LinkKind::apart:
      return "apart";
    case LinkKind::moved:
      return "moved";
    case LinkKind::one_time:
      return "one_time";
  }
  return "";
}

std::string_view match_rank_name(MatchRank rank) noexcept {
  switch (rank) {
    case MatchRank::r1a:
      return "1A";
    case MatchRank::r1b:
      return "1B";
    case MatchRank::r2:
      return "2";
    case MatchRank::r3:
      return "3";
    case MatchRank::r4:
      return "4";
    case MatchRank::r5:
      return "5";
    case MatchRank::r6:
      return "6";
    case MatchRank::r7:
      return "7";
    case MatchRank::r8:
      return "8";
    case MatchRank::unranked:
      return "unranked";
    case MatchRank::unmatched:
      return "unmatched";
  }
  return "";
}

}  // namespace ligature
