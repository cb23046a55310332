#include "jobs/rebuild/number_groups.hpp"

#include <algorithm>

#include "engine/linkage_key.hpp"
#include "engine/nhs_number.hpp"
#include "engine/parallel.hpp"

namespace ligature {

namespace {

constexpr std::size_t kIdentitiesPerTask = std::size_t{1} << 14;
constexpr std::size_t kItemsPerStretch = std::size_t{1} << 13;
// An invalid number calls at so many groups, its own among them.
constexpr std::uint64_t kCallsOfOne = 13;
constexpr unsigned kNumberBits = 34, kBelowNumber = 64 - kShardBits - kNumberBits;

// Different for different numbers, and in the order in which owned identities lie: by shard, then by number.  What is
// left below makes the low half, which rounds are cut by, even.
std::uint64_t group_key(std::uint64_t number) noexcept {
  const std::uint64_t key = linkage_key(number);
  return key >> (64 - kShardBits) << (64 - kShardBits) | number << kBelowNumber |
         (key & ((std::uint64_t{1} << kBelowNumber) - 1));
}

bool is_member(const NumberCaller& caller, std::uint64_t key) noexcept {
  return group_key(caller.item.counted.identity.nhs()) == key;
}

// Where among owned identities the groups from a key on begin.
std::size_t place_of(std::span<const CountedIdentity> owned, std::uint64_t key) {
  constexpr std::uint64_t kNumberMask = (std::uint64_t{1} << kNumberBits) - 1;
  const auto shard = static_cast<ShardId>(key >> (64 - kShardBits));
  IdentityFields least;
  least.nhs = {(key >> kBelowNumber) & kNumberMask, NhsStatus::valid};
  const Identity first = pack(least);
  const auto place = std::partition_point(owned.begin(), owned.end(), [&](const CountedIdentity& counted) {
    const ShardId its_shard = shard_of(counted.identity);
    return its_shard != shard ? its_shard < shard : counted.identity < first;
  });
  return static_cast<std::size_t>(place - owned.begin());
}

std::size_t place_of(std::span<const NumberCaller> callers, std::uint64_t key) {
  const auto place = std::partition_point(callers.begin(), callers.end(),
                                          [key](const NumberCaller& caller) { return caller.key < key; });
  return static_cast<std::size_t>(place - callers.begin());
}

// Keys at which to cut: no stretch between two has many more items than it should, if no number has.
std::vector<std::uint64_t> cuts_of(std::span<const CountedIdentity> owned, std::span<const NumberCaller> callers) {
  std::vector<std::uint64_t> cuts;
  for (std::size_t i = kItemsPerStretch; i < owned.size(); i += kItemsPerStretch) {
    const Identity& identity = owned[i].identity;
    if (identity.has_valid_nhs()) cuts.push_back(group_key(identity.nhs()));
  }
  for (std::size_t i = kItemsPerStretch; i < callers.size(); i += kItemsPerStretch) cuts.push_back(callers[i].key);
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  return cuts;
}

}  // namespace

void NumberGroupReader::read_owned(std::uint64_t number) {
  std::size_t read = 0;
  for (; read < owned_.size() && owned_[read].identity.valid_nhs() == number; ++read) {
    (is_suppressed(owned_[read]) ? suppressed_ : members_).push_back({owned_[read], next_id_ + read});
  }
  owned_ = owned_.subspan(read);
  next_id_ += read;
}

void NumberGroupReader::read_callers(std::uint64_t key) {
  std::size_t read = 0;
  for (; read < callers_.size() && callers_[read].key == key; ++read) {
    const NumberItem& item = callers_[read].item;
    if (!is_member(callers_[read], key)) {
      visitors_.push_back(item);
    } else {
      (is_suppressed(item.counted) ? suppressed_ : members_).push_back(item);
    }
  }
  callers_ = callers_.subspan(read);
}

bool NumberGroupReader::next(NumberGroup& group) {
  members_.clear();
  visitors_.clear();
  suppressed_.clear();
  std::uint64_t number = 0, key = 0;
  for (; !owned_.empty(); owned_ = owned_.subspan(1), ++next_id_) {
    number = owned_.front().identity.valid_nhs();
    key = group_key(number);
    if (number != 0 && is_of_round(key, round_, rounds_)) break;
  }
  const bool has_callers = !callers_.empty() && (owned_.empty() || callers_.front().key <= key);
  if (owned_.empty() && !has_callers) return false;
  const std::uint64_t here = has_callers ? callers_.front().key : key;
  if (!owned_.empty() && here == key) read_owned(number);
  if (has_callers) read_callers(here);
  group = {members_, visitors_, suppressed_};
  return true;
}

NumberGroups::NumberGroups(const Communicator& comm, const Identities& identities)
    : comm_(comm), identities_(identities) {
  const auto is_invalid = [](const CountedIdentity& counted) {
    return counted.identity.nhs_status() == NhsStatus::invalid;
  };
  const std::uint64_t invalid =
      sum_blocks(identities.owned.size(), kIdentitiesPerTask, [&](std::size_t begin, std::size_t end) {
        const auto here = std::span(identities.owned).subspan(begin, end - begin);
        return static_cast<std::uint64_t>(std::count_if(here.begin(), here.end(), is_invalid));
      });
  rounds_ = rounds_for<NumberCaller>(comm, identities, kCallsOfOne * comm.sum(invalid));
}

RawVector<NumberCaller> NumberGroups::bring_callers(std::uint64_t round) {
  return bring_together<NumberCaller>(
      comm_, identities_, round, rounds_, sieve_,
      [&](std::uint64_t i, const auto& add) {
        const CountedIdentity& counted = identities_.owned[i];
        if (counted.identity.nhs_status() != NhsStatus::invalid) return;
        const auto call_at = [&](std::uint64_t number) {
          const std::uint64_t key = group_key(number);
          add(key, [&] { return NumberCaller{key, {counted, identities_.first_id + i}}; });
        };
        const std::uint64_t number = counted.identity.nhs();
        call_at(number);
        for_each_valid_neighbour(number, call_at);
      },
      [](const NumberCaller& a, const NumberCaller& b) { return a.item.id < b.item.id; });
}

void NumberGroups::visit(const std::function<void(NumberGroupReader&)>& visitor) {
  const std::span<const CountedIdentity> owned = identities_.owned;
  for (std::uint64_t round = 0; round < rounds_; ++round) {
    if (!is_kept_) kept_ = bring_callers(round);
    is_kept_ = rounds_ == 1;
    const std::span<const NumberCaller> callers = kept_;
    const std::vector<std::uint64_t> cuts = cuts_of(owned, callers);
    for_each_item(cuts.size() + 1, [&](std::size_t stretch) {
      const auto part_of = [&](const auto& items) {
        const std::size_t begin = stretch == 0 ? 0 : place_of(items, cuts[stretch - 1]);
        const std::size_t end = stretch == cuts.size() ? items.size() : place_of(items, cuts[stretch]);
        return Range{begin, end};
      };
      const Range in_owned = part_of(owned), in_callers = part_of(callers);
      NumberGroupReader reader(owned.subspan(in_owned.begin, in_owned.size()), identities_.first_id + in_owned.begin,
                               callers.subspan(in_callers.begin, in_callers.size()), round, rounds_);
      visitor(reader);
    });
  }
  if (rounds_ > 1) kept_ = {};
}

}  // namespace ligature
