// Union-find over indexes 0..n-1 whose representative is always the smallest index of its set.
//
// Linking by smallest index makes results independent of the order of unions; path halving keeps finds short.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace ligature {

class UnionFind {
 public:
  explicit UnionFind(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), std::uint32_t{0}); }

  std::uint32_t find(std::uint32_t node) noexcept {
    while (parent_[node] != node) {
      parent_[node] = parent_[parent_[node]];
      node = parent_[node];
    }
    return node;
  }

  // Joins two sets; returns false if they were one already.
  bool unite(std::uint32_t a, std::uint32_t b) noexcept {
    a = find(a);
    b = find(b);
    if (a == b) return false;
    if (b < a) std::swap(a, b);
    parent_[b] = a;
    return true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return parent_.size(); }

 private:
  std::vector<std::uint32_t> parent_;
};

}  // namespace ligature
