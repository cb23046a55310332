#include "engine/edge_reducer.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "engine/release.hpp"
#include "engine/union_find.hpp"

namespace ligature {

namespace {

// Identities numbered as they are seen, by open addressing.
class EdgeNodes {
 public:
  explicit EdgeNodes(std::size_t most)
      : slots_(std::bit_ceil(2 * most + 2)), shift_(64 - static_cast<unsigned>(std::countr_zero(slots_.size()))) {}

  std::uint32_t index_of(IdentityId id) {
    constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;  // Fibonacci hashing; Knuth, volume 3, section 6.4
    std::size_t slot = id * kGolden >> shift_;
    while (slots_[slot].index != kFree && slots_[slot].id != id) slot = (slot + 1) & (slots_.size() - 1);
    if (slots_[slot].index == kFree) slots_[slot] = {id, size_++};
    return slots_[slot].index;
  }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

 private:
  static constexpr std::uint32_t kFree = std::numeric_limits<std::uint32_t>::max();
  struct Slot {
    IdentityId id = 0;
    std::uint32_t index = kFree;
  };
  std::vector<Slot> slots_;
  unsigned shift_;
  std::uint32_t size_ = 0;
};

}  // namespace

void EdgeReducer::add(const Edge& edge, std::uint64_t nhs_a, std::uint64_t nhs_b) {
  if (nhs_a != 0 && nhs_b != 0 && nhs_a != nhs_b) {
    ++vetoed_;
    return;
  }
  items_.push_back({edge, nhs_a, nhs_b});
  if (items_.size() >= reduce_at_) {
    reduce();
    // At least as many again before the next time: each edge is sorted a bounded number of times on average.
    reduce_at_ = std::max(reduce_at_, 2 * items_.size());
  }
}

// Of numbers equally near the smaller comes first, as in EdgeReducer::reduce.
bool NearestNumbers::before(const Kept& x, const Kept& y) noexcept {
  if (x.edge.weight != y.edge.weight) return x.edge.weight > y.edge.weight;
  return x.number() != y.number() ? x.number() < y.number() : heavier(x.edge, y.edge);
}

void NearestNumbers::add(const Edge& edge, std::uint64_t nhs_a, std::uint64_t nhs_b) noexcept {
  const Kept added{edge, nhs_a, nhs_b};
  if (count_ == kept_.size() && before(kept_.back(), added)) return;
  std::size_t place = 0;
  while (place < count_ && kept_[place].number() != added.number()) ++place;
  if (place < count_) {
    if (before(kept_[place], added)) return;
  } else if (count_ < kept_.size()) {
    ++count_;
  } else {
    place = count_ - 1;
  }
  kept_[place] = added;
  for (; place > 0 && before(kept_[place], kept_[place - 1]); --place) std::swap(kept_[place], kept_[place - 1]);
}

void NearestNumbers::give(EdgeReducer& reducer) {
  for (std::size_t k = 0; k < count_; ++k) reducer.add(kept_[k].edge, kept_[k].nhs_a, kept_[k].nhs_b);
  count_ = 0;
}

std::vector<Edge> EdgeReducer::take(Weight threshold) {
  reduce();
  std::vector<Edge> edges;
  edges.reserve(items_.size());
  for (const Item& item : items_) {
    if (item.edge.weight >= threshold) {
      edges.push_back(item.edge);
    } else if (item.nhs_a != 0 && item.nhs_b == 0) {
      edges.push_back({item.edge.b, item.nhs_a, item.edge.weight, EdgeKind::rival});
    } else if (item.nhs_b != 0 && item.nhs_a == 0) {
      edges.push_back({item.edge.a, item.nhs_b, item.edge.weight, EdgeKind::rival});
    }
  }
  release(items_);
  in_order_ = 0;
  std::sort(edges.begin(), edges.end(), heavier);
  return edges;
}

void EdgeReducer::reduce() {
  // Of numbers equally near to a node the smaller comes first, so that rivals, who are known by their numbers alone,
  // rank as the links do that they were.
  const auto near_number = [](const Item& item) {
    return (item.nhs_a == 0) == (item.nhs_b == 0) ? 0 : item.nhs_a + item.nhs_b;
  };
  const auto before = [&](const Item& x, const Item& y) {
    if (x.edge.weight != y.edge.weight) return x.edge.weight > y.edge.weight;
    const std::uint64_t number_x = near_number(x), number_y = near_number(y);
    return number_x != number_y ? number_x < number_y : heavier(x.edge, y.edge);
  };
  const auto added = items_.begin() + static_cast<std::ptrdiff_t>(in_order_);
  std::sort(added, items_.end(), before);
  if (in_order_ > 0) std::inplace_merge(items_.begin(), added, items_.end(), before);
  EdgeNodes nodes(2 * items_.size());
  std::vector<UnionFind::Pair> ends;
  ends.reserve(items_.size());
  for (const Item& item : items_) ends.push_back({nodes.index_of(item.edge.a), nodes.index_of(item.edge.b)});

  UnionFind forest(nodes.size());
  std::vector<NumbersOfNode> nearest(nodes.size());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item item = items_[i];
    const auto [a, b] = ends[i];
    const bool is_needed = (item.nhs_a == 0) == (item.nhs_b == 0)
                               ? forest.unite(a, b)
                               : nearest[item.nhs_a == 0 ? a : b].add(near_number(item));
    if (is_needed) items_[kept++] = item;
  }
  items_.resize(kept);
  in_order_ = kept;
}

}  // namespace ligature
