#include "jobs/rebuild/numbers.hpp"

#include <algorithm>
#include <array>

#include "engine/ownership.hpp"
#include "engine/parallel.hpp"
#include "engine/same_provider.hpp"
#include "partition/shuffle.hpp"

namespace ligature {

namespace {

// A flag on its way to the owner of the identity.
struct Flagged {
  IdentityId id = 0;
  std::uint64_t flag = 0;
};

// What one thread has found.
struct Findings {
  PatternCounts counts{};
  std::vector<Edge> edges, suppressed;
  std::vector<Flagged> flags;
  NumberReport report;
  std::uint64_t items = 0, largest = 0, groups = 0;
};

// A single row may be all that a provider has sent.  Only where providers say nothing is it a little more like
// another's.
constexpr Weight kOneRow = kWeightPerBit;

// One number: its members' parts and owner, then the visitors that may mean it.
class NumberSettler {
 public:
  NumberSettler(const LinkageModel& model, const ModelSettings& settings, const Survey& survey)
      : model_(model), settings_(settings), survey_(survey) {}

  void settle(std::span<const NumberItem> members, std::span<const NumberItem> visitors, Findings& found) {
    if (members.empty()) return;
    if (members.size() == 1 && visitors.empty()) {  // most numbers
      found.report.numbers += members.front().counted.identity.has_valid_nhs();
      return;
    }
    members_.clear();
    for (const NumberItem& item : members) {
      members_.push_back({weighed_here(item), item.counted.rows, item.counted.datasets});
    }
    const NumberSettlement settlement = settle_number(members_, model_, settings_, found.counts);
    for (const NumberLink& link : settlement.links) {
      found.edges.push_back({members[link.a].id, members[link.b].id, link.weight, EdgeKind::link});
    }
    const bool valid = members.front().counted.identity.has_valid_nhs();
    const auto is_one_row = [&](std::size_t m) {
      return settlement.standing[m] == NumberStanding::disowned && members[m].counted.rows == 1;
    };
    for (const NumberLink& link : settlement.returns) {
      if (!valid || !settings_.returns) continue;
      const bool a_returns = settlement.standing[link.a] == NumberStanding::disowned;
      Weight weight = link.weight + provider_weight(members, a_returns ? link.a : link.b);
      // What has no date of birth or no postcode would not have been found among its own person's records either.
      if (!could_be_found(members_[a_returns ? link.a : link.b].identity)) weight -= model_.return_weight();
      if (are_on_several_rows(members, a_returns ? link.a : link.b)) {
        weight += several_rows_weight(model_.parameters());
      } else if (weight <= link.weight && (is_one_row(link.a) || is_one_row(link.b))) {
        weight -= kOneRow;
      }
      found.edges.push_back({members[link.a].id, members[link.b].id, weight, EdgeKind::ret});
    }
    for (const NumberLink& link : settlement.ties) {
      if (valid) found.edges.push_back({members[link.a].id, members[link.b].id, 0, EdgeKind::tie});
    }
    if (valid) ++found.report.numbers;
    if (valid && settlement.parts > 1) ++found.report.contested;
    bool is_default = false;
    for (std::size_t m = 0; m < members.size(); ++m) {
      switch (settlement.standing[m]) {
        case NumberStanding::owned:
          continue;
        case NumberStanding::disowned:
          // Nothing is inferred from an invalid number beyond its own group.
          if (!valid) continue;
          ++found.report.identities_disowned;
          found.report.rows_disowned += members[m].counted.rows;
          found.flags.push_back({members[m].id, Evidence::number_disowned});
          continue;
        case NumberStanding::default_number:
          is_default = true;
          found.report.rows_default += members[m].counted.rows;
          found.flags.push_back({members[m].id, Evidence::number_default});
          continue;
      }
    }
    found.report.default_numbers += is_default;
    if (members.size() > 1) {
      ++found.groups;
      found.largest = std::max<std::uint64_t>(found.largest, members.size());
    }
    if (is_default || !valid || !settings_.near_numbers) return;
    for (const NumberItem& visitor : visitors) {
      const Identity visiting = weighed_here(visitor);
      for (std::size_t m = 0; m < members.size(); ++m) {
        if (settlement.standing[m] == NumberStanding::owned)
          compare_visitor(visitor, visiting, members[m].id, m, found);
      }
    }
  }

  // What barred rows say of the number, once all others are settled without them: which of their identities are of its
  // owner, who of the others are with them, and who may mean their number.
  void settle_suppressed(std::span<const NumberItem> members, std::span<const NumberItem> visitors,
                         std::span<const NumberItem> suppressed, Findings& found) {
    all_.assign(members.begin(), members.end());
    all_.insert(all_.end(), suppressed.begin(), suppressed.end());
    std::sort(all_.begin(), all_.end(), [](const NumberItem& a, const NumberItem& b) { return a.id < b.id; });
    members_.clear();
    for (const NumberItem& item : all_) {
      members_.push_back({weighed_here(item), item.counted.rows, item.counted.datasets});
    }
    PatternCounts counts{};
    const NumberSettlement settlement = settle_number(members_, model_, settings_, counts);
    const auto is_here = [&](std::uint32_t m) { return is_suppressed(all_[m].counted); };
    for (const NumberLink& link : settlement.links) {
      if (!is_here(link.a) && !is_here(link.b)) continue;
      found.suppressed.push_back({all_[link.a].id, all_[link.b].id, link.weight, EdgeKind::link});
    }
    for (std::uint32_t m = 0; m < all_.size(); ++m) {
      if (!is_here(m)) continue;
      switch (settlement.standing[m]) {
        case NumberStanding::owned:
          break;
        case NumberStanding::disowned:
          found.flags.push_back({all_[m].id, Evidence::number_disowned});
          continue;
        case NumberStanding::default_number:
          found.flags.push_back({all_[m].id, Evidence::number_default});
          continue;
      }
      if (!settings_.near_numbers) continue;
      for (const NumberItem& visitor : visitors) {
        const Identity visiting = weighed_here(visitor);
        const Weight weight = model_.weight(compare(visiting, members_[m].identity), visiting, members_[m].identity);
        if (weight < model_.threshold()) continue;
        found.suppressed.push_back(
            {std::min(all_[m].id, visitor.id), std::max(all_[m].id, visitor.id), weight, EdgeKind::link});
      }
    }
  }

 private:
  [[nodiscard]] static bool could_be_found(const Identity& identity) noexcept {
    return identity.date_of_birth() != kMissingDay && identity.postcode() != 0;
  }

  // What it says of a member that those who share its number under another date of birth are of its provider.
  // members: as members_ has them weighed.
  [[nodiscard]] Weight provider_weight(std::span<const NumberItem> members, std::size_t of) const noexcept {
    const DayNumber birth = members_[of].identity.date_of_birth();  // weighed: a default date is none
    ProviderSet others = 0;
    for (std::size_t m = 0; m < std::min(members.size(), kMembersComparedInFull); ++m) {
      const DayNumber its_birth = members_[m].identity.date_of_birth();
      if (its_birth != birth && its_birth != kMissingDay) others |= members[m].counted.providers;
    }
    const ProviderSet own = members[of].counted.providers;
    if (birth == kMissingDay || own == 0 || others == 0) return 0;
    return same_provider_weight(model_.parameters(), (own & others) != 0);
  }

  // True if a member's date of birth and the others under its number are both on several rows.
  [[nodiscard]] bool are_on_several_rows(std::span<const NumberItem> members, std::size_t of) const noexcept {
    const DayNumber birth = members_[of].identity.date_of_birth();  // weighed: a default date is none
    std::uint64_t own = 0, others = 0;
    for (std::size_t m = 0; m < std::min(members.size(), kMembersComparedInFull); ++m) {
      const DayNumber its_birth = members_[m].identity.date_of_birth();
      if (its_birth == birth) own += members[m].counted.rows;
      if (its_birth != birth && its_birth != kMissingDay) others += members[m].counted.rows;
    }
    return birth != kMissingDay && own > 1 && others > 1;
  }

  // How common its postcode is, is not known here, and not needed: who shares a number is judged by other rates.
  [[nodiscard]] Identity weighed_here(const NumberItem& item) const noexcept {
    return weighed(item.counted.identity, survey_.of_birth(item.counted.identity.date_of_birth()));
  }

  void compare_visitor(const NumberItem& visitor, const Identity& visiting, IdentityId id, std::size_t member,
                       Findings& found) const {
    const Pattern pattern = compare(visiting, members_[member].identity);
    ++found.counts[pattern];
    const Weight weight = model_.weight(pattern, visiting, members_[member].identity);
    if (weight < model_.threshold()) return;
    found.edges.push_back({std::min(id, visitor.id), std::max(id, visitor.id), weight, EdgeKind::link});
  }

  const LinkageModel& model_;
  const ModelSettings& settings_;
  const Survey& survey_;
  std::vector<NumberMember> members_;
  std::vector<NumberItem> all_;
};

}  // namespace

PassResult settle_numbers(const Communicator& comm, const Identities& identities, NumberGroups& groups,
                          const LinkageModel& model, const ModelSettings& settings, Survey& survey,
                          NumberReport& report) {
  PassResult result;
  result.report.name = pass_name(Pass::nhs_number);
  PatternCounts counts{};
  std::vector<Flagged> flags;
  std::uint64_t items = 0, numbers_shared = 0;
  PerThread<Findings> findings;
  groups.visit([&](NumberGroupReader& reader) {
    Findings& found = findings.local();
    NumberSettler settler(model, settings, survey);
    for (NumberGroup group; reader.next(group);) {
      found.items += group.members.size() + group.visitors.size() + group.suppressed.size();
      settler.settle(group.members, group.visitors, found);
      if (!group.suppressed.empty()) {
        settler.settle_suppressed(group.members, group.visitors, group.suppressed, found);
      }
    }
  });
  findings.for_each([&](Findings& found) {
    for (std::size_t p = 0; p < kPatterns; ++p) counts[p] += found.counts[p];
    result.edges.insert(result.edges.end(), found.edges.begin(), found.edges.end());
    result.suppressed.insert(result.suppressed.end(), found.suppressed.begin(), found.suppressed.end());
    flags.insert(flags.end(), found.flags.begin(), found.flags.end());
    report.numbers += found.report.numbers;
    report.contested += found.report.contested;
    report.identities_disowned += found.report.identities_disowned;
    report.rows_disowned += found.report.rows_disowned;
    report.default_numbers += found.report.default_numbers;
    report.rows_default += found.report.rows_default;
    items += found.items;
    numbers_shared += found.groups;
    result.report.largest_group = std::max(result.report.largest_group, found.largest);
    found = {};
  });
  comm.sum(counts);
  std::array<std::uint64_t, 6> sums{report.numbers,       report.contested,       report.identities_disowned,
                                    report.rows_disowned, report.default_numbers, report.rows_default};
  comm.sum(sums);
  report = {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], report.default_births};
  result.report.identities = comm.sum(items);
  result.report.groups = comm.sum(numbers_shared);
  result.report.largest_group = comm.max(result.report.largest_group);
  const auto links = std::count_if(result.edges.begin(), result.edges.end(),
                                   [](const Edge& edge) { return edge.kind == EdgeKind::link; });
  result.report.edges = comm.sum(static_cast<std::uint64_t>(links));
  for (const std::uint64_t count : counts) result.report.pairs_compared += count;

  const Received<Flagged> received =
      shuffle(comm, std::move(flags), [&](const Flagged& flagged) { return identities.owner(flagged.id); });
  for (const Flagged& flagged : received.items) {
    survey.evidence[flagged.id - identities.first_id].flags |= static_cast<std::uint8_t>(flagged.flag);
  }
  return result;
}

}  // namespace ligature
