// Records without a number that several patients of one provider could be: whom they are not put to, not even by the
// way of a third record.
//
// Links between records without a number are taken from the heaviest down.  Beside what each has joined so far stands
// its group: all that links not lighter by the margin reach.  Two clusters that are different patients of one provider
// (one_patient.hpp) are not joined.  Nor are two of which one is known not to be a member of the group and the other is
// not known to be another: it may be either's.  Nor two that each may be either of two members who differ.  What may be
// either's stays apart from both, as under the claims of two numbers.
//
// A group is what links of a weight or more connect.  A maximum spanning forest keeps that, and members of a cluster
// were all told from the same others, so neither the order of equal links nor the edges that were dropped before decide
// who is put to whom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "engine/claims.hpp"
#include "engine/clustering.hpp"
#include "engine/parted.hpp"
#include "engine/union_find.hpp"

namespace ligature::clustering_detail {

class PatientGroups {
 public:
  // links: heaviest first.  Keeps references to all of them.
  PatientGroups(std::span<const ClusterNode> nodes, std::span<const Link> links, std::span<const Standing> standings,
                const ClusterRules& rules);

  // False if the link, between two clusters of records without a number, is not to be taken.  To be asked of links in
  // their order.  genders: of clusters, at their roots (gender_bit).
  bool may_join(const Link& link, UnionFind& clusters, std::span<const std::uint8_t> genders);
  // The clusters with these roots were joined: they are one with that root now.
  void joined(std::uint32_t root_a, std::uint32_t root_b, std::uint32_t root) noexcept;
  // The heaviest link of a cluster that was not taken for it may be either of two patients; kNoClaim if there is none.
  [[nodiscard]] Weight apart(std::uint32_t root) const noexcept { return applies_ ? apart_[root] : kNoClaim; }

 private:
  // What links reach, at its root.
  struct Group {
    std::vector<std::uint32_t> nodes;  // that have patient numbers
    std::set<std::uint32_t> numbers;   // of them
    bool mixed = false;                // a provider has two of the numbers
    void add(std::uint32_t number);
  };

  void bring_together(const Link& link);
  bool is_told(const Link& link, const Group& group, UnionFind& clusters, std::span<const std::uint8_t> genders);
  void keep_apart(std::uint32_t root, Weight weight) noexcept;

  std::span<const ClusterNode> nodes_;
  std::span<const Link> links_;
  std::span<const Standing> standings_;
  std::int64_t margin_;
  bool applies_;
  std::size_t ahead_ = 0;  // of links_: all before it were brought together
  UnionFind groups_{0};
  std::vector<Group> at_root_;
  std::vector<Weight> apart_;
};

}  // namespace ligature::clustering_detail
