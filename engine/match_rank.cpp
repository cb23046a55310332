#include "engine/match_rank.hpp"

#include "engine/date.hpp"

namespace ligature {

namespace {

constexpr double kIgnoredPostcodeBits = -4;

bool is_partial(BirthLevel level) noexcept {
  return level >= BirthLevel::two_parts;
}

bool is_first_of_january(DayNumber birth) noexcept {
  const CivilDate date = civil_date(birth);
  return date.month == 1 && date.day == 1;
}

}  // namespace

MatchRank match_rank(const Identity& a, const Identity& b) noexcept {
  const Levels levels = levels_of(compare(a, b));
  // An invalid number is no number here.
  const bool number = levels.nhs == NhsLevel::exact && a.has_valid_nhs() && b.has_valid_nhs();
  const bool sex = levels.gender == GenderLevel::same;
  const bool birth = levels.birth == BirthLevel::exact, postcode = levels.postcode == PostcodeLevel::exact;
  const bool near_postcode = levels.postcode == PostcodeLevel::near || levels.postcode == PostcodeLevel::sector;
  if (number && sex && birth && postcode) return MatchRank::r1a;
  if (number && sex && birth && near_postcode) return MatchRank::r1b;
  if (number && sex && birth) return MatchRank::r2;
  if (number && sex && is_partial(levels.birth) && postcode) return MatchRank::r3;
  if (number && sex && is_partial(levels.birth)) return MatchRank::r4;
  if (number && postcode) return MatchRank::r5;
  const bool contradicts = a.has_valid_nhs() && b.has_valid_nhs();
  if (!number && !contradicts && birth && sex && postcode && !is_first_of_january(a.date_of_birth())) {
    return rarity_bits(postcode_rarity(a)) > kIgnoredPostcodeBits ? MatchRank::r6 : MatchRank::r7;
  }
  return number ? MatchRank::r8 : MatchRank::unranked;
}

}  // namespace ligature
