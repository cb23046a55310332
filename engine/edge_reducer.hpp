// What clustering cannot need of many edges, so that a flood of equal identities costs edges in proportion to their
// number and not to its square.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/model.hpp"

namespace ligature {

// Of a node without a number, how many of the numbers nearest to it are kept.  Two decide, but one may prove to be the
// other's (a conflict), a disowned node may be refused its own number and its twin's, and any node those whom its
// providers tell from it (Claimants), which is not known before a component is resolved.  Those may be any number: that
// all that are kept are refused and one farther away would not be is a limit of docs/model.md.  The final reduction
// keeps no more, for what it could keep depends on who reduced what before.
inline constexpr std::size_t kNumbersKept = 6;

// The numbers nearest to a node, which are all that is kept of those near it.
class NumbersOfNode {
 public:
  // Takes the next nearest; false if it is one of them already or too far.
  bool add(std::uint64_t nhs) noexcept {
    for (std::uint64_t& kept : numbers_) {
      if (kept == nhs) return false;
      if (kept != 0) continue;
      kept = nhs;
      return true;
    }
    return false;
  }

 private:
  std::array<std::uint64_t, kNumbersKept> numbers_{};
};

// Drops edges that resolve_component does not look at, so that a flood of n equal identities costs O(n) edges and not
// n^2: among nodes of one number, or of none, it keeps a maximum spanning forest; of a node without a number the
// heaviest edge to each of the kNumbersKept numbers nearest to it.  resolve_component begins with the same reduction,
// and reducing any parts of a graph before they are joined changes nothing (the cycle property under the strict order
// of heavier()): every result is the same.  valid numbers must be given the same for a node each time.  Conflicts are
// reduced apart from other edges; to them, a node with a thin number has none.
class EdgeReducer {
 public:
  // Adds one edge; nhs_a and nhs_b: the valid NHS numbers of its ends, 0 for none.  Both non-zero and different:
  // ignored here and counted by vetoed().
  void add(const Edge& edge, std::uint64_t nhs_a, std::uint64_t nhs_b);
  // Moves the kept edges out, in the order of heavier().  Edges below the threshold come out as rivals if one end has a
  // number, and not at all if neither has.
  std::vector<Edge> take(Weight threshold = std::numeric_limits<Weight>::min());
  [[nodiscard]] std::uint64_t vetoed() const noexcept { return vetoed_; }

 private:
  struct Item {
    Edge edge;
    std::uint64_t nhs_a, nhs_b;
  };
  void reduce();
  std::vector<Item> items_;
  std::size_t in_order_ = 0;  // of them, at the front: what the last reduction left
  std::size_t reduce_at_ = 1U << 16;
  std::uint64_t vetoed_ = 0;
};

// The same for the edges between one node without a number and numbers, as they are found: takes no memory, and adds to
// a reducer what is left.
class NearestNumbers {
 public:
  // nhs_a and nhs_b: the valid NHS numbers of the edge's ends, one of them 0.
  void add(const Edge& edge, std::uint64_t nhs_a, std::uint64_t nhs_b) noexcept;
  // False if no edge of this weight to this number would be kept.
  [[nodiscard]] bool would_keep(Weight weight, std::uint64_t number) const noexcept {
    const Kept& last = kept_.back();
    if (count_ < kept_.size() || weight > last.edge.weight) return true;
    return weight == last.edge.weight && number <= last.number();
  }
  // Moves what is kept to the reducer.
  void give(EdgeReducer& reducer);

 private:
  struct Kept {
    Edge edge;
    std::uint64_t nhs_a = 0, nhs_b = 0;
    [[nodiscard]] std::uint64_t number() const noexcept { return nhs_a + nhs_b; }
  };
  static bool before(const Kept& x, const Kept& y) noexcept;
  std::array<Kept, kNumbersKept> kept_{};  // the heaviest first
  std::size_t count_ = 0;
};

}  // namespace ligature
