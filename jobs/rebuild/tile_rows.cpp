#include "jobs/rebuild/tile_rows.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

namespace ligature {

namespace {

// With fewer rows than this a tile costs little whatever is in it.
constexpr std::size_t kRowsOfFlood = 256;

std::uint64_t pairs_of(std::uint64_t items) noexcept {
  return items == 0 ? 0 : items * (items - 1) / 2;
}

std::size_t count_in_use(std::span<const PassItem> items) noexcept {
  return static_cast<std::size_t>(std::count_if(
      items.begin(), items.end(), [](const PassItem& item) { return kind_of(item.identity) == Kind::in_use; }));
}

// What identities have in common that are alike: the second word has date of birth, postcode and their rarities.
auto likeness(const Identity& identity) noexcept {
  return std::tuple(kind_of(identity), is_suppressed(identity), identity.second, identity.gender(),
                    identity.nhs() != 0);
}

}  // namespace

const AlikeRun* TileSide::run_of(std::size_t i) const noexcept {
  const auto next = std::upper_bound(runs.begin(), runs.end(), i,
                                     [](std::size_t index, const AlikeRun& run) { return index < run.begin; });
  return next != runs.begin() && i < (next - 1)->end ? &*(next - 1) : nullptr;
}

void TileRows::load(const Work& work, const Tile& tile) {
  const auto items_of = [&](const Range& segment) {
    return std::span(work.items).subspan(segment.begin, segment.size());
  };
  const Range &left = work.segments[tile.left], &right = work.segments[tile.right];
  inside_ = tile.left == tile.right;
  left_size_ = left.size();
  left_in_use_ = count_in_use(items_of(left));
  right_size_ = right.size();
  right_in_use_ = inside_ ? left_in_use_ : count_in_use(items_of(right));
  if (vetoed() == pairs()) return;
  const bool may_be_flood = std::max(left_size_ - left_in_use_, right_size_ - right_in_use_) >= kRowsOfFlood;
  arrange(work, left, may_be_flood, left_);
  if (!inside_) arrange(work, right, may_be_flood, right_);
}

std::uint64_t TileRows::pairs() const noexcept {
  return inside_ ? pairs_of(left_size_) : left_size_ * right_size_;
}

std::uint64_t TileRows::vetoed() const noexcept {
  return inside_ ? pairs_of(left_in_use_) : left_in_use_ * right_in_use_;
}

void TileRows::arrange(const Work& work, const Range& segment, bool may_be_flood, TileSide& side) {
  const std::span<const PassItem> from = std::span(work.items).subspan(segment.begin, segment.size());
  side.runs.clear();
  side.items.resize(from.size());
  std::array<std::size_t, 3> of_kind{}, next{};
  static_assert(static_cast<int>(Kind::in_use) == 0 && static_cast<int>(Kind::thin) == 2);
  for (const PassItem& item : from) ++of_kind[static_cast<std::size_t>(kind_of(item.identity))];
  std::exclusive_scan(of_kind.begin(), of_kind.end(), next.begin(), std::size_t{0});
  for (const PassItem& item : from) side.items[next[static_cast<std::size_t>(kind_of(item.identity))]++] = item;
  side.in_use = of_kind[0];
  if (may_be_flood) {
    std::sort(side.items.begin(), side.items.end(), [](const PassItem& a, const PassItem& b) {
      const auto like_a = likeness(a.identity), like_b = likeness(b.identity);
      if (like_a != like_b) return like_a < like_b;
      return std::tuple(a.identity.nhs(), a.id) < std::tuple(b.identity.nhs(), b.id);
    });
    for (std::size_t begin = 0, end = 0; begin < side.items.size(); begin = end) {
      std::size_t first = begin;
      for (end = begin + 1;
           end < side.items.size() && likeness(side.items[end].identity) == likeness(side.items[begin].identity);
           ++end) {
        if (side.items[end].id < side.items[first].id) first = end;
      }
      if (end - begin >= kFewestAlike) side.runs.push_back({begin, end, first});
    }
  }
  side.columns.resize(side.items.size());
  for (std::size_t i = 0; i < side.items.size(); ++i) side.columns.set(i, side.items[i].identity);
}

}  // namespace ligature
