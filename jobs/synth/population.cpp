// Addresses and numbers of the people; neighbourhood.cpp makes the people.
#include "jobs/synth/population.hpp"

#include <algorithm>

namespace ligature::synthetic {
namespace {

namespace draw {
enum Move : std::uint64_t {
  kMoved,
  kPracticeBehind,
  kTrustLearns,
  kTrustLearnsOn,
  kTwoMoves,
  kEarlierPlace = 8,
  kEarliestPlace = 16
};
enum Group : std::uint64_t { kReplaced, kReplacedMember };
}  // namespace draw

// An address in use before: most moves are short (in the year to June 2013 one in twenty crossed an authority's
// border).
Place earlier_place(const Random& random, std::uint64_t purpose, std::uint64_t n,
                    std::uint64_t neighbourhoods) noexcept {
  constexpr std::uint32_t kSurelyLivedIn = 200;  // most neighbourhoods have 220 to 260 street postcodes
  const std::uint32_t kind = random.below(purpose, 100);
  std::uint64_t target = n;
  if (kind >= 85) {
    target = random.below(purpose + 1, static_cast<std::uint32_t>(neighbourhoods));
  } else if (kind >= 60) {
    target = n - n % kNeighbourhoodsPerArea + random.below(purpose + 1, kNeighbourhoodsPerArea);
  }
  return {static_cast<std::uint32_t>(std::min(target, neighbourhoods - 1)), random.below(purpose + 2, kSurelyLivedIn)};
}

// Of people whose systems disagree: the practice is behind for one in four; of the rest one trust in three learns the
// new address during the year.  Weighed so that a practice row and a trust row differ at the rate that is asked for.
constexpr double kShareBehind = 0.25, kShareLearning = 1.0 / 3;
constexpr double kStillDifferent = kShareBehind + (1 - kShareBehind) * (1 - kShareLearning / 2);

}  // namespace

Population::Population(const SynthArguments& arguments)
    : people_(arguments.people),
      seed_(arguments.seed),
      moved_(std::min(1.0, arguments.rates.postcode_moved / kStillDifferent)),
      superseded_group_(std::min(1.0, arguments.rates.superseded * static_cast<double>(kPlacesPerGroup))),
      rates_(arguments.rates),
      register_(arguments.seed) {}

Addresses Population::addresses(std::uint64_t n, const Person& person) const noexcept {
  Addresses addresses;
  // A resident of an establishment has a household of one: first_member is the person.
  const Random random(seed_, Subject::move, n * kNeighbourhoodPeople + person.first_member);
  if (person.no_fixed_abode || !random.happens(draw::kMoved, moved_)) return addresses;
  addresses.moved = true;
  addresses.practice_is_behind = random.happens(draw::kPracticeBehind, Chance(kShareBehind));
  addresses.trust_learns = !addresses.practice_is_behind && random.happens(draw::kTrustLearns, Chance(kShareLearning));
  if (addresses.trust_learns) {
    addresses.trust_learns_on =
        static_cast<DayNumber>(day_number(kFirstEvent).value_or(0) + random.below(draw::kTrustLearnsOn, 365));
  }
  addresses.earlier = earlier_place(random, draw::kEarlierPlace, n, neighbourhoods());
  addresses.earliest = random.below(draw::kTwoMoves, 10) < 3
                           ? earlier_place(random, draw::kEarliestPlace, n, neighbourhoods())
                           : addresses.earlier;
  return addresses;
}

std::optional<std::uint64_t> Population::replaced_number(const Person& person) const noexcept {
  // One place of a group at most has the group's spare number: no two people have had one number.
  const NumberPlace at = register_.place(person.slot);
  const Random random(seed_, Subject::number_group, at.group);
  if (!random.happens(draw::kReplaced, superseded_group_)) return std::nullopt;
  if (random.below(draw::kReplacedMember, kPlacesPerGroup) != at.rank) return std::nullopt;
  return register_.spare_number(at.group);
}

}  // namespace ligature::synthetic
