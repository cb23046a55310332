#include "jobs/rebuild/homes.hpp"

#include <algorithm>
#include <iterator>

#include "engine/comparison.hpp"
#include "engine/gallop.hpp"
#include "engine/parallel.hpp"

namespace ligature {

using namespace homes_detail;

namespace {

constexpr std::size_t kItemsPerPart = std::size_t{1} << 16;

constexpr std::uint64_t first_of(DayNumber birth) noexcept {
  return std::uint64_t{birth} << PersonAtHome::kIdBits;
}

// Those of one birthday among the people of a postcode.
std::span<const PersonAtHome> of_birth(std::span<const PersonAtHome> people, DayNumber birth) {
  const auto before = [](const PersonAtHome& one, std::uint64_t bound) { return one.birth_and_id < bound; };
  const auto begin = std::lower_bound(people.begin(), people.end(), first_of(birth), before);
  auto end = begin;
  while (end != people.end() && end->birth_and_id >> PersonAtHome::kIdBits == birth) ++end;
  return {begin, end};
}

}  // namespace

void Homes::add_postcode(std::span<const PassItem> items, Part& part, std::vector<PassItem>& homeless,
                         std::uint64_t& looking) const {
  const std::size_t first = part.people.size();
  bool has_seekers = false;
  for (const PassItem& item : items) {
    const DayNumber birth = item.identity.date_of_birth();
    if (birth == kMissingDay) continue;
    if (item.identity.has_valid_nhs()) {
      part.people.push_back({first_of(birth) | item.id});
    } else {
      has_seekers = true;
    }
  }
  std::sort(part.people.begin() + static_cast<std::ptrdiff_t>(first), part.people.end(),
            [](const PersonAtHome& a, const PersonAtHome& b) { return a.birth_and_id < b.birth_and_id; });
  if (first != part.people.size()) part.postcodes.push_back({items.front().key, first});
  if (!has_seekers) return;
  const std::span<const PersonAtHome> people = std::span(part.people).subspan(first);
  for (const PassItem& seeker : items) {
    const DayNumber birth = seeker.identity.date_of_birth();
    if (birth == kMissingDay || seeker.identity.has_valid_nhs()) continue;
    ++looking;
    const auto alike = of_birth(people, birth);
    const bool is_home = std::any_of(alike.begin(), alike.end(), [&](const PersonAtHome& one) {
      const auto person = std::lower_bound(items.begin(), items.end(), one.id(),
                                           [](const PassItem& item, IdentityId id) { return item.id < id; });
      const Pattern pattern = compare(seeker.identity, person->identity);
      return model_.weight(pattern, seeker.identity, person->identity) >= model_.threshold();
    });
    if (!is_home) homeless.push_back({seeker.identity, seeker.id, seeker.identity.postcode()});
  }
}

void Homes::add(std::span<const PassItem> items) {
  std::vector<Part>& parts = rounds_.emplace_back((items.size() + kItemsPerPart - 1) / kItemsPerPart);
  struct Found {
    std::vector<PassItem> homeless;
    std::uint64_t looking = 0;
  };
  PerThread<Found> found;
  for_blocks(items.size(), kItemsPerPart, [&](std::size_t begin, std::size_t end) {
    Part& part = parts[begin / kItemsPerPart];
    Found& here = found.local();
    // A postcode is its first item's part's.
    while (begin > 0 && begin < end && items[begin].key == items[begin - 1].key) ++begin;
    part.people.reserve(end - begin);
    for (std::size_t next = begin; begin < end; begin = next) {
      for (next = begin + 1; next < items.size() && items[next].key == items[begin].key;) ++next;
      add_postcode(items.subspan(begin, next - begin), part, here.homeless, here.looking);
    }
  });
  std::erase_if(parts, [](const Part& part) { return part.postcodes.empty(); });
  found.for_each([&](const Found& here) {
    looking_ += here.looking;
    homeless_.insert(homeless_.end(), here.homeless.begin(), here.homeless.end());
  });
}

std::span<const PersonAtHome> Homes::Visit::people(std::uint64_t key, DayNumber birth) {
  const auto part_found =
      lower_bound_near(parts_.begin() + static_cast<std::ptrdiff_t>(part_), parts_.end(), key,
                       [](const Part& part, std::uint64_t k) { return part.postcodes.back().key < k; });
  const auto place = static_cast<std::size_t>(part_found - parts_.begin());
  if (place != part_) postcode_ = 0;
  part_ = place;
  if (part_found == parts_.end()) return {};
  const Part& part = *part_found;
  const auto found =
      lower_bound_near(part.postcodes.begin() + static_cast<std::ptrdiff_t>(postcode_), part.postcodes.end(), key,
                       [](const PostcodeOfHomes& postcode, std::uint64_t k) { return postcode.key < k; });
  postcode_ = static_cast<std::size_t>(found - part.postcodes.begin());
  if (found == part.postcodes.end() || found->key != key) return {};
  const std::uint64_t end = std::next(found) == part.postcodes.end() ? part.people.size() : std::next(found)->first;
  return of_birth(std::span(part.people).subspan(found->first, end - found->first), birth);
}

}  // namespace ligature
