// What the numbers of one component claim: which identity without a number each reaches, and how strongly.
//
// Claims are bottlenecks of paths (the weakest link of the best path), so they follow from one sweep over the edges
// from the heaviest down, merging as Kruskal does; a maximum spanning forest keeps every bottleneck (Hu, Operations
// Research 9(6), 1961: the maximum capacity route problem), which is why dropping all other edges beforehand changes
// nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/error.hpp"
#include "engine/nhs_number.hpp"
#include "engine/one_patient.hpp"
#include "engine/one_provider.hpp"
#include "engine/union_find.hpp"

namespace ligature::clustering_detail {

inline constexpr Weight kNoClaim = std::numeric_limits<Weight>::min();
inline constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();

// An edge between two nodes of the component by their indexes.
struct Link {
  std::uint32_t a, b;
  Weight weight;
  EdgeKind kind;
};

// What the numbers say of one identity without a number: the strongest claim, and the strongest of any other number.
struct Claim {
  std::uint64_t nhs = 0;
  Weight strongest = kNoClaim;
  Weight rival = kNoClaim;
};

inline constexpr unsigned kBothGenders = 3;

// 1 for male, 2 for female, else 0.
inline unsigned gender_bit(const ClusterNode& node) noexcept {
  return node.gender == Gender::male ? 1 : node.gender == Gender::female ? 2 : 0;
}

// The node of an identity.  nodes: sorted by id.
inline std::uint32_t index_of(std::span<const ClusterNode> nodes, IdentityId id) {
  const auto found = std::lower_bound(nodes.begin(), nodes.end(), id,
                                      [](const ClusterNode& node, IdentityId wanted) { return node.id < wanted; });
  if (found == nodes.end() || found->id != id) throw Error("a link names an identity outside its component");
  return static_cast<std::uint32_t>(found - nodes.begin());
}

// Which numbers may claim a node.
class Claimants {
 public:
  Claimants(std::span<const ClusterNode> nodes, const ClusterRules& rules)
      : neighbours_are_twins_(rules.neighbours_are_twins),
        one_provider_(nodes, rules.one_provider),
        one_patient_(nodes, rules.one_patient) {}

  // A record that was parted from the owner of its number goes neither back to it by the way of other links, nor to a
  // twin of the one whose number it rightly carries.
  [[nodiscard]] bool may_claim(const ClusterNode& node, std::uint64_t nhs) const noexcept {
    if (!is_of_provider(node, nhs) || !is_patient(node, nhs)) return false;
    if (node.disowned_nhs == 0) return true;
    return node.disowned_nhs != nhs && !(neighbours_are_twins_ && are_neighbours(node.disowned_nhs, nhs));
  }
  // False of a record whose provider is not the number's, where a person has one.
  [[nodiscard]] bool is_of_provider(const ClusterNode& node, std::uint64_t nhs) const noexcept {
    return one_provider_.may_be(node, nhs);
  }
  // False of a record whose provider has the number's person under another patient number.
  [[nodiscard]] bool is_patient(const ClusterNode& node, std::uint64_t nhs) const noexcept {
    return one_patient_.may_be(node, nhs);
  }
  [[nodiscard]] bool may_return(const ClusterNode& node) const noexcept {
    return is_of_provider(node, node.disowned_nhs) && is_patient(node, node.disowned_nhs);
  }
  // Of two without a number.
  [[nodiscard]] bool may_be_one(const ClusterNode& a, const ClusterNode& b) const noexcept {
    return one_patient_.may_be_one(a, b);
  }

 private:
  bool neighbours_are_twins_;
  OneProvider one_provider_;
  OnePatient one_patient_;
};

// The claims on every identity without a number.
//
// Groups of identities without a number grow as the links get weaker.  The first number to reach a group at weight w
// has a claim of w on its members; the first other number to reach it is the rival.  A third can change nothing.
class Claims {
 public:
  // claimants: must outlive this.
  Claims(std::span<const ClusterNode> nodes, const Claimants& claimants)
      : nodes_(nodes), claimants_(claimants), claims_(nodes.size()), refused_(nodes.size(), 0), groups_(nodes.size()) {
    for (std::uint32_t node = 0; node < groups_.size(); ++node) members_.push_back({node, node, node});
  }

  // Takes the next lighter link.
  void take(const Link& link) {
    const std::uint64_t nhs_a = nodes_[link.a].valid_nhs, nhs_b = nodes_[link.b].valid_nhs;
    if (nhs_a == 0 && nhs_b == 0) {
      if (!claimants_.may_be_one(nodes_[link.a], nodes_[link.b])) {
        for (const std::uint32_t node : {link.a, link.b}) refused_[node] |= kByPatient;
        return;
      }
      join(groups_.find(link.a), groups_.find(link.b), link.weight);
    } else if (nhs_a == 0) {
      claim_with_twin(link.a, nhs_b, link);
    } else if (nhs_b == 0) {
      claim_with_twin(link.b, nhs_a, link);
    }
  }

  // A number that is near a node, too light to claim it: a rival where another does.
  void rival(std::uint32_t node, std::uint64_t nhs, Weight weight) {
    if (claims_[node].strongest != kNoClaim) claim(node, nhs, weight);
  }

  // A number's claim on a node, no heavier than anything before.
  void claim(std::uint32_t node, std::uint64_t nhs, Weight weight) {
    if (claimants_.may_claim(nodes_[node], nhs)) {
      reach(groups_.find(node), nhs, weight);
    } else if (!claimants_.is_of_provider(nodes_[node], nhs)) {
      refused_[node] |= kByProvider;
    } else if (!claimants_.is_patient(nodes_[node], nhs)) {
      refused_[node] |= kByPatient;
    }
  }

  [[nodiscard]] const Claim& operator[](std::uint32_t node) const noexcept { return claims_[node]; }
  // True of a node that another provider's number would have claimed, or another patient's, whether that has a number
  // or not.
  [[nodiscard]] bool other_provider(std::uint32_t node) const noexcept { return (refused_[node] & kByProvider) != 0; }
  [[nodiscard]] bool other_patient(std::uint32_t node) const noexcept { return (refused_[node] & kByPatient) != 0; }

  // Notes the twins that the nodes with numbers are known to have.
  void note_twins() {
    for (const ClusterNode& node : nodes_) {
      if (node.twins != 0 && node.valid_nhs != 0) twins_.emplace_back(node.valid_nhs, node.twins);
    }
    std::sort(twins_.begin(), twins_.end());
  }

 private:
  // The number of somebody's twin, where it is not known, or not in the component.
  static constexpr std::uint64_t kTwin = std::uint64_t{1} << 63;
  static constexpr std::uint8_t kByProvider = 1, kByPatient = 2;  // refused

  void claim_with_twin(std::uint32_t node, std::uint64_t nhs, const Link& link) {
    claim(node, nhs, link.weight);
    const bool may_be_twins = link.kind != EdgeKind::local_id && claimants_.may_claim(nodes_[node], nhs);
    if (may_be_twins && twin_fits(nodes_[node], nhs)) claim(node, nhs | kTwin, link.weight);
  }

  // True if what a number claims may as well be its twin's: one with the twin's gender, or with a number that was meant
  // to be another of the batch.
  [[nodiscard]] bool twin_fits(const ClusterNode& node, std::uint64_t nhs) const {
    if (node.invalid_nhs != 0) {
      bool of_batch = false, of_number = false;
      for_each_valid_neighbour(node.invalid_nhs, [&](std::uint64_t meant) {
        of_number = of_number || meant == nhs;
        of_batch = of_batch || are_neighbours(meant, nhs);
      });
      if (of_number || of_batch) return !of_number;
    }
    const unsigned genders = gender_bit(node) == 0 ? kBothGenders : gender_bit(node);
    for (auto twin = std::lower_bound(twins_.begin(), twins_.end(), std::pair(nhs, std::uint8_t{0}));
         twin != twins_.end() && twin->first == nhs; ++twin) {
      if ((twin->second & genders) != 0) return true;
    }
    return false;
  }

  struct Members {
    std::uint32_t head, tail;             // list of the group's members that lack a rival claim
    std::uint32_t next;                   // of this node in its group's list; itself at the end
    std::uint64_t first = 0, second = 0;  // the numbers that reached the group
  };

  void reach(std::uint32_t group, std::uint64_t nhs, Weight weight) {
    Members& members = members_[group];
    if (nhs == 0 || nhs == members.first || members.second != 0) return;
    const bool is_rival = members.first != 0;
    (is_rival ? members.second : members.first) = nhs;
    for (std::uint32_t node = members.head; node != kNobody;) {
      if (is_rival) {
        claims_[node].rival = weight;
      } else {
        claims_[node].nhs = nhs;
        claims_[node].strongest = weight;
      }
      node = members_[node].next == node ? kNobody : members_[node].next;
    }
    if (is_rival) members.head = kNobody;
  }

  void join(std::uint32_t a, std::uint32_t b, Weight weight) {
    if (a == b) return;
    const Members before_a = members_[a], before_b = members_[b];
    reach(a, before_b.first, weight);
    reach(a, before_b.second, weight);
    reach(b, before_a.first, weight);
    reach(b, before_a.second, weight);
    groups_.unite(a, b);
    // Both groups have now been reached by the same numbers, or each by two.
    Members& kept = members_[std::min(a, b)];
    const Members& gone = members_[std::max(a, b)];
    if (gone.head == kNobody) return;
    members_[kept.tail].next = gone.head;
    kept.tail = gone.tail;
  }

  std::span<const ClusterNode> nodes_;
  const Claimants& claimants_;
  std::vector<Claim> claims_;
  std::vector<std::uint8_t> refused_;
  std::vector<Members> members_;
  std::vector<std::pair<std::uint64_t, std::uint8_t>> twins_;  // numbers and the genders of their twins
  UnionFind groups_;
};

}  // namespace ligature::clustering_detail
