#include "engine/ownership.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>

#include "engine/same_provider.hpp"
#include "engine/union_find.hpp"

namespace ligature {

namespace {

// A number is nobody's if it has this many parts and none of them has more than half of its rows.
constexpr std::uint32_t kPartsOfDefault = 4;

// Members of a number looked at for ties.
constexpr std::size_t kMembersTied = 16;

// Two members are joined at once only by this much more than a link needs; the others are parted, and return if they
// fit nobody else: what may be another's record is first given the chance to be found there.
constexpr Weight kJoinsAtOnce = 2 * kWeightPerBit;

// What hangs on the owner's records by less than this above what a link needs may leave them for a person whom it fits
// better still.
constexpr Weight kIsSure = 6 * kWeightPerBit + kWeightPerBit / 2;

// Joins the chosen members, best link of this weight or more first, never across a conflict.
void join_parts(std::span<const NumberMember> members, std::span<const std::uint32_t> chosen, const LinkageModel& model,
                Weight least, PatternCounts& counts, UnionFind& parts, std::vector<NumberLink>& links) {
  const std::size_t count = chosen.size();
  if (count == 2) {  // as most often: no more than one link, and nothing to allocate
    const Pattern pattern = compare(members[chosen[0]].identity, members[chosen[1]].identity);
    ++counts[pattern];
    const Weight weight = model.weight(pattern);
    if (weight < std::max(least, kConflict)) return;
    parts.unite(chosen[0], chosen[1]);
    links.push_back({chosen[0], chosen[1], weight});
    return;
  }
  std::vector<Weight> weights(count * count, 0);
  std::vector<NumberLink> pairs;
  for (std::uint32_t i = 0; i < count; ++i) {
    for (std::uint32_t j = i + 1; j < count; ++j) {
      const Pattern pattern = compare(members[chosen[i]].identity, members[chosen[j]].identity);
      ++counts[pattern];
      const Weight weight = model.weight(pattern);
      weights[i * count + j] = weights[j * count + i] = weight;
      if (weight >= least) pairs.push_back({i, j, weight});
    }
  }
  std::sort(pairs.begin(), pairs.end(), [](const NumberLink& x, const NumberLink& y) {
    if (x.weight != y.weight) return x.weight > y.weight;
    return x.a != y.a ? x.a < y.a : x.b < y.b;
  });
  std::vector<std::uint32_t> part(count);  // of each chosen one, by index into chosen
  std::iota(part.begin(), part.end(), 0U);
  for (const NumberLink& pair : pairs) {
    const std::uint32_t part_a = part[pair.a], part_b = part[pair.b];
    if (part_a == part_b) continue;
    bool conflict = false;
    for (std::uint32_t i = 0; i < count && !conflict; ++i) {
      if (part[i] != part_a) continue;
      for (std::uint32_t j = 0; j < count && !conflict; ++j) {
        conflict = part[j] == part_b && weights[i * count + j] < kConflict;
      }
    }
    if (conflict) continue;
    for (std::uint32_t& of : part) {
      if (of == part_b) of = part_a;
    }
    parts.unite(chosen[pair.a], chosen[pair.b]);
    links.push_back({chosen[pair.a], chosen[pair.b], pair.weight});
  }
}

// Many members: dates of birth stand for persons.  One member of each date, the one with the most rows, is compared,
// of the dates with the most rows; members of one date follow it, members without a date the first part that takes
// them.
void join_many(std::span<const NumberMember> members, const LinkageModel& model, Weight least, PatternCounts& counts,
               UnionFind& parts, std::vector<NumberLink>& links) {
  std::vector<std::uint32_t> order(members.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto birth = [&](std::uint32_t m) { return members[m].identity.date_of_birth(); };
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (birth(a) != birth(b)) return birth(a) < birth(b);
    return members[a].rows != members[b].rows ? members[a].rows > members[b].rows : a < b;
  });
  const auto link = [&](std::uint32_t a, std::uint32_t b) {
    const Pattern pattern = compare(members[a].identity, members[b].identity);
    ++counts[pattern];
    const Weight weight = model.weight(pattern);
    if (weight < least || !parts.unite(a, b)) return false;
    links.push_back({std::min(a, b), std::max(a, b), weight});
    return true;
  };
  struct Date {
    std::uint32_t member;
    std::uint64_t rows;
  };
  std::vector<Date> dates;
  std::vector<std::uint32_t> undated;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::uint32_t member = order[i];
    if (birth(member) == kMissingDay) {
      undated.push_back(member);
    } else if (i == 0 || birth(order[i - 1]) != birth(member)) {
      dates.push_back({member, members[member].rows});
    } else {
      dates.back().rows += members[member].rows;
      link(dates.back().member, member);
    }
  }
  std::sort(dates.begin(), dates.end(),
            [](const Date& a, const Date& b) { return a.rows != b.rows ? a.rows > b.rows : a.member < b.member; });
  std::vector<std::uint32_t> chosen;
  for (const Date& date : dates) {
    if (chosen.size() < kMembersComparedInFull) chosen.push_back(date.member);
  }
  join_parts(members, chosen, model, least, counts, parts, links);
  for (const std::uint32_t member : undated) {
    for (std::size_t d = 0; d < chosen.size() && !link(chosen[d], member); ++d) {
    }
  }
}

// Of each other member, its best pair with the owner's, if it would link once nobody else fits, or is a rival to
// others.
std::vector<NumberLink> possible_returns(std::span<const NumberMember> members, const LinkageModel& model,
                                         const std::vector<bool>& is_owner) {
  std::vector<std::uint32_t> owners;
  for (std::uint32_t m = 0; m < members.size() && owners.size() < kMembersComparedInFull; ++m) {
    if (is_owner[m]) owners.push_back(m);
  }
  // That two are not of one provider may yet be added (same_provider.hpp).
  const Weight apart = std::max(same_provider_weight(model.parameters(), false), Weight{0});
  const Weight least = std::min(model.threshold(), model.rival_threshold() + model.return_weight()) - apart;
  std::vector<NumberLink> returns;
  for (std::uint32_t m = 0; m < members.size(); ++m) {
    if (is_owner[m]) continue;
    NumberLink best{0, 0, std::numeric_limits<Weight>::min()};
    for (const std::uint32_t owner : owners) {
      const Weight weight = model.weight(compare(members[m].identity, members[owner].identity)) + model.return_weight();
      if (weight > best.weight) best = {std::min(m, owner), std::max(m, owner), weight};
    }
    if (best.weight >= least) returns.push_back(best);
  }
  return returns;
}

struct Claim {
  std::uint32_t datasets = 0;
  std::uint64_t rows = 0;
  [[nodiscard]] int sources() const noexcept { return std::popcount(datasets); }
};

bool better(const Claim& a, const Claim& b) noexcept {
  return a.sources() != b.sources() ? a.sources() > b.sources() : a.rows > b.rows;
}

// The claim of each part, at its root.
std::vector<Claim> claims_of(std::span<const NumberMember> members, UnionFind& parts) {
  std::vector<Claim> claims(members.size());
  for (std::uint32_t m = 0; m < members.size(); ++m) {
    Claim& claim = claims[parts.find(m)];
    claim.datasets |= members[m].datasets;
    claim.rows += members[m].rows;
  }
  return claims;
}

bool is_doubtful(const NumberLink& link, const LinkageModel& model) noexcept {
  return link.weight < model.threshold() + kIsSure;
}

// Parts from the owner what is joined to it by doubtful links alone, which are dropped: of the pieces of the owner's
// part the one with the best claim, the first among equals, keeps the number.
void part_doubtful(std::span<const NumberMember> members, const LinkageModel& model, NumberSettlement& settlement) {
  std::erase_if(settlement.links, [&](const NumberLink& link) { return is_doubtful(link, model); });
  UnionFind pieces(members.size());
  for (const NumberLink& link : settlement.links) pieces.unite(link.a, link.b);
  const std::vector<Claim> claims = claims_of(members, pieces);
  std::uint32_t owner = 0;
  bool found = false;
  for (std::uint32_t m = 0; m < members.size(); ++m) {
    if (settlement.standing[m] != NumberStanding::owned || pieces.find(m) != m) continue;
    if (!found || better(claims[m], claims[owner])) owner = m;
    found = true;
  }
  for (std::uint32_t m = 0; m < members.size(); ++m) {
    if (pieces.find(m) != owner) settlement.standing[m] = NumberStanding::disowned;
  }
}

}  // namespace

NumberSettlement settle_number(std::span<const NumberMember> members, const LinkageModel& model,
                               const ModelSettings& settings, PatternCounts& counts) {
  NumberSettlement settlement;
  settlement.standing.assign(members.size(), NumberStanding::owned);
  settlement.parts = 1;
  if (members.size() == 1) return settlement;

  const bool may_return = settings.number_ownership && settings.returns;
  const Weight least = model.threshold() + (may_return ? kJoinsAtOnce : 0);
  UnionFind parts(members.size());
  if (members.size() <= kMembersComparedInFull) {
    std::vector<std::uint32_t> all(members.size());
    std::iota(all.begin(), all.end(), 0U);
    join_parts(members, all, model, least, counts, parts, settlement.links);
  } else {
    join_many(members, model, least, counts, parts, settlement.links);
  }
  settlement.parts = static_cast<std::uint32_t>(members.size() - settlement.links.size());
  const bool valid = members.front().identity.has_valid_nhs();
  const bool all_sure = std::all_of(settlement.links.begin(), settlement.links.end(),
                                    [&](const NumberLink& link) { return !is_doubtful(link, model); });
  // Where numbers are often wrong, that the rest fits another number's record says little against one's own.
  const bool may_leave = valid && may_return && !all_sure && !model.conflicts_may_link();
  if (!settings.number_ownership || (settlement.parts == 1 && !may_leave)) return settlement;

  const std::vector<Claim> claims = claims_of(members, parts);
  std::uint32_t owner = 0;
  bool tied = false;
  std::uint64_t most_rows = 0, rows = 0;
  for (std::uint32_t m = 0; m < members.size(); ++m) {
    if (claims[m].rows == 0) continue;
    most_rows = std::max(most_rows, claims[m].rows);
    rows += claims[m].rows;
    if (m == 0) continue;
    if (better(claims[m], claims[owner])) {
      owner = m;
      tied = false;
    } else if (!better(claims[owner], claims[m])) {
      tied = true;
    }
  }
  const bool nobodys = settings.default_values && settlement.parts >= kPartsOfDefault && most_rows * 2 <= rows;
  for (std::uint32_t m = 0; m < members.size(); ++m) {
    settlement.standing[m] = nobodys                           ? NumberStanding::default_number
                             : !tied && parts.find(m) == owner ? NumberStanding::owned
                                                               : NumberStanding::disowned;
  }
  std::erase_if(settlement.links,
                [&](const NumberLink& link) { return settlement.standing[link.a] != NumberStanding::owned; });
  if (tied && !nobodys) {
    for (std::uint32_t a = 0; a < std::min(members.size(), kMembersTied); ++a) {
      for (std::uint32_t b = a + 1; b < std::min(members.size(), kMembersTied); ++b) {
        const std::uint32_t part_a = parts.find(a), part_b = parts.find(b);
        const bool both = !better(claims[owner], claims[part_a]) && !better(claims[owner], claims[part_b]);
        if (part_a != part_b && both) settlement.ties.push_back({a, b, 0});
      }
    }
  }
  if (nobodys) return settlement;
  std::vector<bool> is_owner(members.size());
  // Of equal claims any one takes the others back.
  for (std::uint32_t m = 0; m < members.size(); ++m) is_owner[m] = parts.find(m) == owner;
  if (may_leave && !tied && members.size() <= kMembersComparedInFull) {
    part_doubtful(members, model, settlement);
    for (std::uint32_t m = 0; m < members.size(); ++m) {
      is_owner[m] = settlement.standing[m] == NumberStanding::owned;
    }
  }
  settlement.returns = possible_returns(members, model, is_owner);
  return settlement;
}

}  // namespace ligature
