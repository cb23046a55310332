#include "engine/edge_reducer.hpp"

#include <algorithm>
#include <utility>

#include "engine/release.hpp"
#include "engine/union_find.hpp"

namespace ligature {

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
  std::sort(edges.begin(), edges.end(), heavier);
  return edges;
}

void EdgeReducer::reduce() {
  // Of numbers equally near to a node the smaller comes first, so that rivals, who are known by their numbers alone,
  // rank as the links do that they were.
  const auto near_number = [](const Item& item) {
    return (item.nhs_a == 0) == (item.nhs_b == 0) ? 0 : item.nhs_a + item.nhs_b;
  };
  std::sort(items_.begin(), items_.end(), [&](const Item& x, const Item& y) {
    if (x.edge.weight != y.edge.weight) return x.edge.weight > y.edge.weight;
    const std::uint64_t number_x = near_number(x), number_y = near_number(y);
    return number_x != number_y ? number_x < number_y : heavier(x.edge, y.edge);
  });
  std::vector<IdentityId> ids;
  ids.reserve(2 * items_.size());
  for (const Item& item : items_) {
    ids.push_back(item.edge.a);
    ids.push_back(item.edge.b);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const auto index_of = [&ids](IdentityId id) {
    return static_cast<std::uint32_t>(std::lower_bound(ids.begin(), ids.end(), id) - ids.begin());
  };

  UnionFind forest(ids.size());
  std::vector<NumbersOfNode> nearest(ids.size());
  const auto is_needed = [&](const Item& item) {
    const std::uint32_t a = index_of(item.edge.a), b = index_of(item.edge.b);
    if ((item.nhs_a == 0) == (item.nhs_b == 0)) return forest.unite(a, b);
    return nearest[item.nhs_a == 0 ? a : b].add(near_number(item));
  };
  std::size_t kept = 0;
  for (const Item& item : items_) {
    if (is_needed(item)) items_[kept++] = item;
  }
  items_.resize(kept);
}

}  // namespace ligature
