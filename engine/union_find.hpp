// Union-find over indexes 0..n-1 whose representative is always the smallest index of its set.
//
// Rem's algorithm: both paths are climbed at once, from the larger parent, and each node passed is hung to the smaller
// parent of the other (splicing), so most unions end before either root.  A parent is never larger than its child,
// which makes results independent of the order of unions, and flattening one sweep.  Sources: Dijkstra, A Discipline of
// Programming, 1976, ch. 23 (Rem's algorithm); Patwary, Blair and Manne, SEA 2010 (the fastest of those compared).
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace ligature {

class UnionFind {
 public:
  struct Pair {
    std::uint32_t a, b;
  };

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
    for (;;) {
      std::uint32_t above_a = parent_[a], above_b = parent_[b];
      if (above_a == above_b) return false;
      if (above_a < above_b) {
        std::swap(a, b);
        std::swap(above_a, above_b);
      }
      parent_[a] = above_b;
      if (above_a == a) return true;
      a = above_a;
    }
  }

  // Joins the sets of all pairs.  REQUIRES: none was joined before.
  //
  // Each node is first hung to the smallest it is paired with, which is one access a pair and leaves a forest; then
  // only the pairs whose ends it does not yet show to be of one set are united: of the persons of a file, few.  (To
  // hook first and to finish by what is left: Shiloach and Vishkin, J. Algorithms 1982; Sutton, Ben-Nun and Barak,
  // IPDPS 2018.)  Where nodes are many the pairs are dealt to slices of them first, with 8 bytes a pair, so that one
  // end of every pair is near.
  void unite_all(std::span<const Pair> pairs);

  // The representative of every node.
  [[nodiscard]] const std::vector<std::uint32_t>& representatives() noexcept {
    for (std::uint32_t& parent : parent_) parent = parent_[parent];
    return parent_;
  }

  [[nodiscard]] std::size_t size() const noexcept { return parent_.size(); }

 private:
  void hang(std::span<const Pair> pairs) noexcept;        // the larger of each pair to the smaller
  void unite_open(std::span<const Pair> pairs) noexcept;  // those that are not seen to be of one set

  std::vector<std::uint32_t> parent_;
};

}  // namespace ligature
