#include "jobs/rebuild/number_groups.hpp"

#include <algorithm>

#include "engine/nhs_number.hpp"

namespace ligature {

namespace {

// Of one number.
struct NumberOrder {
  bool operator()(const NumberItem& a, const NumberItem& b) const noexcept {
    if (a.role != b.role) return a.role < b.role;
    return a.id < b.id;
  }
};

std::span<const NumberItem> part_of(const NumberRound& round, const Range& group, NumberItem::Role role) {
  const auto begin = round.items.begin() + static_cast<std::ptrdiff_t>(group.begin);
  const auto end = round.items.begin() + static_cast<std::ptrdiff_t>(group.end);
  // Hardly any group has more than a few items.
  const auto first = std::find_if(begin, end, [role](const NumberItem& item) { return item.role >= role; });
  return std::span(first, std::find_if(first, end, [role](const NumberItem& item) { return item.role != role; }));
}

}  // namespace

std::span<const NumberItem> NumberRound::members(const Range& group) const {
  return part_of(*this, group, NumberItem::member);
}

std::span<const NumberItem> NumberRound::visitors(const Range& group) const {
  return part_of(*this, group, NumberItem::visitor);
}

std::span<const NumberItem> NumberRound::suppressed(const Range& group) const {
  return part_of(*this, group, NumberItem::suppressed);
}

NumberGroups::NumberGroups(const Communicator& comm, const Identities& identities)
    : comm_(comm), identities_(identities), rounds_(rounds_for<NumberItem>(comm, identities)) {}

NumberRound NumberGroups::make(std::uint64_t round) {
  NumberRound made;
  made.items = bring_together<NumberItem>(
      comm_, identities_, round, rounds_, sieve_,
      [&](std::uint64_t i, const auto& add) {
        const CountedIdentity& counted = identities_.owned[i];
        const NhsStatus status = counted.identity.nhs_status();
        if (status == NhsStatus::missing || status == NhsStatus::one_time) return;
        const std::uint64_t number = counted.identity.nhs();
        const IdentityId id = identities_.first_id + i;
        const auto add_to = [&](std::uint64_t group, NumberItem::Role role) {
          const std::uint64_t key = linkage_key(group);
          add(key, [&] { return NumberItem{counted, id, key, role}; });
        };
        add_to(number, is_suppressed(counted) ? NumberItem::suppressed : NumberItem::member);
        if (status != NhsStatus::invalid) return;
        for_each_valid_neighbour(number, [&](std::uint64_t meant) { add_to(meant, NumberItem::visitor); });
      },
      NumberOrder{});
  made.groups = groups_of(std::span<const NumberItem>(made.items), 1);
  return made;
}

void NumberGroups::visit(const std::function<void(const NumberRound&)>& visitor) {
  if (rounds_ > 1) {
    for (std::uint64_t round = 0; round < rounds_; ++round) visitor(make(round));
    return;
  }
  if (!is_kept_) kept_ = make(0);
  is_kept_ = true;
  visitor(kept_);
}

}  // namespace ligature
