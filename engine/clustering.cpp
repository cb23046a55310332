// Clustering of one component: first the claims that numbers have on identities without one, then the links.
//
// Claims are bottlenecks of paths (the weakest link of the best path), so they follow from one sweep over the edges
// from the heaviest down, merging as Kruskal does; a maximum spanning forest keeps every bottleneck (Hu, Operations
// Research 9(6), 1961: the maximum capacity route problem), which is why dropping all other edges beforehand changes
// nothing.
#include "engine/clustering.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "engine/edge_reducer.hpp"
#include "engine/error.hpp"
#include "engine/nhs_number.hpp"
#include "engine/one_provider.hpp"
#include "engine/union_find.hpp"

namespace ligature {

namespace {

constexpr Weight kNoClaim = std::numeric_limits<Weight>::min();
// A record that was parted from the owner of its number goes to another only if that one leads the owner by this much.
constexpr Weight kLeavesAt = 3 * kWeightPerBit;

// One that has joined records without a number goes back, with them, only by this much more than a link needs.
constexpr Weight kInCompany = 2 * kWeightPerBit;

constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();

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

constexpr unsigned kBothGenders = 3;

// 1 for male, 2 for female, else 0.
unsigned gender_bit(const ClusterNode& node) noexcept {
  return node.gender == Gender::male ? 1 : node.gender == Gender::female ? 2 : 0;
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

// To whom a node belongs as far as numbers go.
struct Standing {
  std::uint64_t nhs = 0;        // its own number, or the one whose claim leads
  bool ambiguous = false;       // claimed, but no claim leads
  Weight strongest = kNoClaim;  // the strongest claim on it
};

// What is known of a node that was parted from the owner of its number: how heavy its pair with the owner is, without
// any number; and the nearest other number, which need not reach it by a link.
struct Parted {
  Weight own = kNoClaim;
  Weight other = kNoClaim;
};

// In 64 bits: weights of opposite sign may be more than 2^31 apart.
Weight lead_of(const Claim& claim) noexcept {
  const std::int64_t lead = std::int64_t{claim.strongest} - claim.rival;
  return static_cast<Weight>(std::min<std::int64_t>(lead, kNoRival - 1));
}

Standing standing_of(const ClusterNode& node, const Claim& claim, const Parted& parted, const Claimants& claimants,
                     const ClusterRules& rules) noexcept {
  if (node.valid_nhs != 0) return {node.valid_nhs, false, kNoClaim};
  if (claim.strongest == kNoClaim) return {};
  // Claimed over another identity by the number that it was parted from: it neither follows nor is in doubt.
  if (!claimants.may_claim(node, claim.nhs)) return {0, false, claim.strongest};
  // Two equal claims are never a lead.
  const std::int64_t lead = std::int64_t{claim.strongest} - claim.rival;  // may be wider than a weight
  const std::int64_t lead_of_own = std::int64_t{claim.strongest} - parted.own;
  // Its own number may be the best after all.
  if (parted.own != kNoClaim && lead_of_own <= 0) return {0, false, claim.strongest};
  const std::int64_t least = std::max<Weight>(rules.margin, 1);
  const bool leads = (claim.rival == kNoClaim || lead >= least) && (parted.own == kNoClaim || lead_of_own >= kLeavesAt);
  return {leads ? claim.nhs : 0, !leads, claim.strongest};
}

enum class Verdict { join, apart, vetoed };

Verdict judge(const Standing& a, const Standing& b, Weight weight) noexcept {
  if (a.nhs != 0 && b.nhs != 0) return a.nhs == b.nhs ? Verdict::join : Verdict::vetoed;
  if (a.nhs != 0 || b.nhs != 0) return Verdict::apart;  // the other end is ambiguous
  // Identities without a number keep together, but not on evidence that is no better than what was found ambiguous.
  return weight > std::max(a.strongest, b.strongest) ? Verdict::join : Verdict::apart;
}

std::uint32_t index_of(std::span<const ClusterNode> nodes, IdentityId id) {
  const auto found = std::lower_bound(nodes.begin(), nodes.end(), id,
                                      [](const ClusterNode& node, IdentityId wanted) { return node.id < wanted; });
  if (found == nodes.end() || found->id != id) throw Error("a link names an identity outside its component");
  return static_cast<std::uint32_t>(found - nodes.begin());
}

std::vector<Edge> reduced(std::span<const ClusterNode> nodes, std::span<const Edge> edges, ClusterCounts& counts) {
  EdgeReducer reducer;
  for (const Edge& edge : edges) {
    reducer.add(edge, nodes[index_of(nodes, edge.a)].valid_nhs, nodes[index_of(nodes, edge.b)].valid_nhs);
  }
  counts.vetoed_different_nhs += reducer.vetoed();
  return reducer.take();
}

// Drops the rivals that would have been dropped had all edges met in one reducer.  links: reduced; rivals: sorted.
void reduce_rivals(std::span<const ClusterNode> nodes, std::span<const Edge> links, std::vector<Edge>& rivals) {
  std::vector<NumbersOfNode> nearest(nodes.size());
  for (const Edge& link : links) {
    const std::uint32_t a = index_of(nodes, link.a), b = index_of(nodes, link.b);
    const std::uint64_t nhs_a = nodes[a].valid_nhs, nhs_b = nodes[b].valid_nhs;
    if ((nhs_a == 0) != (nhs_b == 0)) nearest[nhs_a == 0 ? a : b].add(nhs_a + nhs_b);
  }
  std::erase_if(rivals, [&](const Edge& rival) { return !nearest[index_of(nodes, rival.a)].add(rival.b); });
}

// Of two with equal claims to one number the one that fits another person may go, but not both: then it is not known
// who is the intruder, and both stay.
void keep_ties(std::span<const ClusterNode> nodes, std::span<const Edge> ties, std::vector<Standing>& standings) {
  std::vector<std::uint32_t> staying;
  for (const Edge& tie : ties) {
    const std::uint32_t a = index_of(nodes, tie.a), b = index_of(nodes, tie.b);
    if (standings[a].nhs != 0 && standings[b].nhs != 0) staying.insert(staying.end(), {a, b});
  }
  for (const std::uint32_t node : staying) {
    standings[node].nhs = 0;
    standings[node].ambiguous = true;
  }
}

// To a conflict a thin number is none.
std::vector<ClusterNode> thin_unnumbered(std::span<const ClusterNode> nodes) {
  std::vector<ClusterNode> result(nodes.begin(), nodes.end());
  for (ClusterNode& node : result) {
    if (node.thin) node.valid_nhs = 0;
  }
  return result;
}

// Whose number each thin number is: those of the nodes with numbers, once the thin ones that a conflict ties to another
// number, or to each other, are given that number.  A thin number goes to a number in use as an identity without a
// number would: to the one whose claim leads.
std::vector<ClusterNode> settle_conflicts(std::span<const ClusterNode> nodes, std::span<const Edge> conflicts,
                                          const ClusterRules& rules) {
  std::vector<ClusterNode> numbered;
  std::vector<std::uint32_t> place;  // of each of them in nodes
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (nodes[node].valid_nhs == 0) continue;
    place.push_back(node);
    ClusterNode& copy = numbered.emplace_back(nodes[node]);
    if (!copy.thin) continue;
    copy.disowned_nhs = copy.valid_nhs;  // a neighbour in number is a twin
    copy.valid_nhs = 0;
  }
  std::vector<Edge> links(conflicts.begin(), conflicts.end());
  for (Edge& link : links) link.kind = EdgeKind::link;
  ClusterCounts unused;
  const std::vector<ClusterResult> clusters = resolve_component(numbered, std::move(links), rules, unused);
  // The number of each cluster, at its smallest node: the one in use, else the smallest.
  std::vector<ClusterNode> settled(nodes.begin(), nodes.end());
  std::vector<std::uint64_t> number_of(nodes.size(), 0);
  for (const bool in_use : {true, false}) {
    for (std::size_t n = 0; n < numbered.size(); ++n) {
      std::uint64_t& number = number_of[index_of(nodes, clusters[n].cluster)];
      const std::uint64_t own = nodes[place[n]].valid_nhs;
      if (nodes[place[n]].thin == in_use) continue;
      if (in_use || number == 0) number = own;
    }
  }
  for (std::size_t n = 0; n < numbered.size(); ++n) {
    ClusterNode& node = settled[place[n]];
    if (node.thin) node.valid_nhs = number_of[index_of(nodes, clusters[n].cluster)];
  }
  return settled;
}

// Names the rivals by the numbers that theirs were settled to.
void settle_rivals(std::span<const ClusterNode> nodes, std::span<const ClusterNode> settled,
                   std::vector<Edge>& rivals) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> numbers;  // before and after
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if (nodes[node].thin) numbers.emplace_back(nodes[node].valid_nhs, settled[node].valid_nhs);
  }
  std::sort(numbers.begin(), numbers.end());
  for (Edge& rival : rivals) {
    const auto found = std::lower_bound(numbers.begin(), numbers.end(), std::pair(rival.b, std::uint64_t{0}));
    if (found != numbers.end() && found->first == rival.b) rival.b = found->second;
  }
}

// What the nodes that were parted from the owner of their number are worth to it, and to the nearest other number.
std::vector<Parted> find_parted(std::span<const ClusterNode> nodes, std::span<const Link> links,
                                std::span<const Edge> rivals, std::span<const Edge> returns, const Claims& claims,
                                const Claimants& claimants, const ClusterRules& rules) {
  std::vector<Parted> parted(nodes.size());
  if (returns.empty()) return parted;
  for (const Edge& edge : returns) {
    const std::uint32_t a = index_of(nodes, edge.a), b = index_of(nodes, edge.b);
    const std::int64_t own = std::int64_t{edge.weight} - rules.return_weight;
    for (const std::uint32_t node : {a, b}) {
      if (nodes[node].disowned_nhs == 0) continue;
      parted[node].own = std::max(parted[node].own, static_cast<Weight>(std::max<std::int64_t>(own, kNoClaim + 1)));
    }
  }
  const auto other = [&](std::uint32_t node, std::uint64_t nhs, Weight weight) {
    if (claimants.may_claim(nodes[node], nhs)) {
      parted[node].other = std::max(parted[node].other, weight);
    }
  };
  for (const Edge& rival : rivals) other(index_of(nodes, rival.a), rival.b, rival.weight);
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (claims[node].strongest != kNoClaim) other(node, claims[node].nhs, claims[node].strongest);
  }
  // A patient number that it shares with the owner speaks for the owner.
  for (const Link& link : links) {
    if (link.kind != EdgeKind::local_id) continue;
    for (const auto& [node, owner] : {std::pair(link.a, link.b), std::pair(link.b, link.a)}) {
      const std::uint64_t number = nodes[node].disowned_nhs;
      if (number == 0 || nodes[owner].valid_nhs != number) continue;
      parted[node].own = std::max(parted[node].own, link.weight);
    }
  }
  return parted;
}

// A cluster of nothing but records that a number does not own goes back to it, heaviest first: if no other number is
// nearer.
template <typename Join>
void take_returns(std::span<const ClusterNode> nodes, std::span<const Edge> returns,
                  std::span<const Standing> standings, std::span<const Parted> parted, const Claimants& claimants,
                  const ClusterRules& rules, UnionFind& clusters, const Join& join, std::vector<bool>& returned,
                  ClusterCounts& counts) {
  // By root: the number of which all members are disowned, or have no number; 0 if there is none, or several.
  constexpr std::uint64_t kSeveral = ~std::uint64_t{0};
  struct Waiting {
    std::uint64_t number = 0;
    bool pure = true;  // all are disowned
    Weight other = kNoClaim;
  };
  std::vector<Waiting> waiting(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    Waiting& of = waiting[clusters.find(node)];
    const std::uint64_t number = nodes[node].disowned_nhs;
    if (standings[node].ambiguous || standings[node].nhs != 0) {
      of.number = kSeveral;
    } else if (number == 0) {
      of.pure = false;
    } else {
      of.number = of.number == 0 || of.number == number ? number : kSeveral;
    }
    of.other = std::max(of.other, parted[node].other);
  }
  // The members of each cluster as a ring.
  std::vector<std::uint32_t> next(nodes.size());
  std::iota(next.begin(), next.end(), 0U);
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (const std::uint32_t root = clusters.find(node); root != node) std::swap(next[root], next[node]);
  }
  for (const Edge& edge : returns) {
    Link link{index_of(nodes, edge.a), index_of(nodes, edge.b), edge.weight, edge.kind};
    if (nodes[link.a].disowned_nhs == 0) std::swap(link.a, link.b);
    const std::uint64_t number = nodes[link.a].disowned_nhs;
    if (!claimants.may_return(nodes[link.a])) continue;
    const std::uint32_t from = clusters.find(link.a), to = clusters.find(link.b);
    const bool is_owner = nodes[link.b].valid_nhs == number;
    if (from == to || waiting[from].number != number || !(is_owner || waiting[to].number == number)) continue;
    // In company it has found a person, though one without a number: it goes back only where nothing else would be
    // believed.
    const std::int64_t own = std::int64_t{link.weight} - rules.return_weight;
    const Weight least = rules.threshold + (waiting[from].pure ? 0 : kInCompany);
    if ((waiting[from].pure ? link.weight : own) < least) continue;
    // What would not have linked by itself must lead the nearest other number by what a link needs.
    const Weight lead = own < rules.threshold + kInCompany ? rules.threshold : 0;
    if (own - waiting[from].other < lead) continue;
    std::uint32_t member = from;
    do {
      returned[member] = true;
      member = next[member];
    } while (member != from);
    std::swap(next[from], next[to]);
    join(link);
    waiting[clusters.find(link.a)] = {is_owner ? kSeveral : number, waiting[from].pure && waiting[to].pure,
                                      std::max(waiting[from].other, waiting[to].other)};
    ++counts.returned;
  }
}

// Hangs every cluster's tree of links on one root: its first node with a valid number, else its first.
void root_links(std::span<const ClusterNode> nodes, std::span<const Link> taken, std::vector<ClusterResult>& results) {
  // Links by node, as one array of both directions.
  std::vector<std::uint32_t> first(nodes.size() + 1, 0);
  for (const Link& link : taken) {
    ++first[link.a + 1];
    ++first[link.b + 1];
  }
  for (std::size_t node = 0; node < nodes.size(); ++node) first[node + 1] += first[node];
  struct Neighbour {
    std::uint32_t node;
    Weight weight;
    EdgeKind kind;
  };
  std::vector<Neighbour> neighbours(2 * taken.size());
  std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
  for (const Link& link : taken) {
    neighbours[next[link.a]++] = {link.b, link.weight, link.kind};
    neighbours[next[link.b]++] = {link.a, link.weight, link.kind};
  }
  std::vector<bool> reached(nodes.size(), false);
  std::vector<std::uint32_t> queue;
  const auto spread = [&](std::uint32_t root) {
    if (reached[root] || first[root] == first[root + 1]) return;
    reached[root] = true;
    results[root].weight = std::numeric_limits<Weight>::min();
    for (std::uint32_t n = first[root]; n < first[root + 1]; ++n) {
      if (neighbours[n].weight <= results[root].weight) continue;
      results[root].weight = neighbours[n].weight;
      results[root].kind = neighbours[n].kind;
    }
    queue.assign(1, root);
    for (std::size_t at = 0; at < queue.size(); ++at) {
      const std::uint32_t node = queue[at];
      for (std::uint32_t n = first[node]; n < first[node + 1]; ++n) {
        const auto& [neighbour, weight, kind] = neighbours[n];
        if (reached[neighbour]) continue;
        reached[neighbour] = true;
        results[neighbour].linked_to = node;
        results[neighbour].weight = weight;
        results[neighbour].kind = kind;
        queue.push_back(neighbour);
      }
    }
  };
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (nodes[node].valid_nhs != 0) spread(node);
  }
  for (std::uint32_t node = 0; node < nodes.size(); ++node) spread(node);
}

}  // namespace

ClusterRules cluster_rules(const LinkageModel& model) noexcept {
  const ModelParameters& parameters = model.parameters();
  return {model.margin(),
          parameters.neighbours_twins > 0.5,
          model.threshold(),
          model.return_weight(),
          one_provider_datasets(parameters.several_providers, parameters.margin_bits),
          is_one_patient(parameters.several_patients, parameters.margin_bits)};
}

bool are_neighbours(std::uint64_t nhs_a, std::uint64_t nhs_b) noexcept {
  constexpr std::uint64_t kBatch = 10;
  const std::uint64_t stem_a = nhs_a / 10, stem_b = nhs_b / 10;  // without the check digit
  return (stem_a > stem_b ? stem_a - stem_b : stem_b - stem_a) < kBatch;
}

bool resolve_pair(std::span<const ClusterNode> nodes, std::span<const Edge> edges,
                  std::array<ClusterResult, 2>& results, ClusterCounts& counts) {
  if (nodes.size() != 2 || nodes[0].valid_nhs == 0 || nodes[0].valid_nhs != nodes[1].valid_nhs) return false;
  const bool are_links = std::all_of(edges.begin(), edges.end(), [&](const Edge& edge) {
    const bool is_link = edge.kind == EdgeKind::link || edge.kind == EdgeKind::local_id;
    return is_link && edge.a == nodes[0].id && edge.b == nodes[1].id;
  });
  if (edges.empty() || !are_links) return false;
  const Edge& heaviest = *std::min_element(edges.begin(), edges.end(), heavier);
  ++counts.links_used;
  ClusterResult result;
  result.cluster = nodes[0].id;
  result.linked = true;
  result.weakest = result.weight = heaviest.weight;
  result.kind = heaviest.kind;
  results = {result, result};
  return true;
}

std::vector<ClusterResult> resolve_component(std::span<const ClusterNode> nodes, std::vector<Edge> edges,
                                             const ClusterRules& rules, ClusterCounts& counts) {
  if (std::array<ClusterResult, 2> pair; resolve_pair(nodes, edges, pair, counts)) return {pair.begin(), pair.end()};
  if (std::any_of(nodes.begin(), nodes.end(), [](const ClusterNode& node) { return node.several; })) {
    std::erase_if(edges, [&](const Edge& edge) {
      if (nodes[index_of(nodes, edge.a)].several) return true;
      return edge.kind != EdgeKind::rival && nodes[index_of(nodes, edge.b)].several;
    });
  }
  const auto split_off = [&edges](EdgeKind kind) {
    const auto first =
        std::stable_partition(edges.begin(), edges.end(), [kind](const Edge& edge) { return edge.kind != kind; });
    std::vector<Edge> split(first, edges.end());
    edges.erase(first, edges.end());
    std::sort(split.begin(), split.end(), heavier);
    return split;
  };
  const std::vector<Edge> returns = split_off(EdgeKind::ret), ties = split_off(EdgeKind::tie);
  std::vector<Edge> rivals = split_off(EdgeKind::rival), conflicts = split_off(EdgeKind::conflict);
  edges = reduced(nodes, edges, counts);
  reduce_rivals(nodes, edges, rivals);
  if (!conflicts.empty()) {
    ClusterCounts unused;
    conflicts = reduced(thin_unnumbered(nodes), conflicts, unused);
    // From here on a number that was found to be another's is that number.
    const std::vector<ClusterNode> settled = settle_conflicts(nodes, conflicts, rules);
    // Within one number any link will do, and these are what holds it together.
    for (Edge& edge : conflicts) {
      if (settled[index_of(nodes, edge.a)].valid_nhs != settled[index_of(nodes, edge.b)].valid_nhs) continue;
      edge.kind = EdgeKind::link;
      edges.push_back(edge);
    }
    settle_rivals(nodes, settled, rivals);
    for (const auto* kept : {&returns, &std::as_const(rivals), &ties})
      edges.insert(edges.end(), kept->begin(), kept->end());
    return resolve_component(settled, std::move(edges), rules, counts);
  }
  std::vector<Link> links;
  links.reserve(edges.size());
  for (const Edge& edge : edges) {
    links.push_back({index_of(nodes, edge.a), index_of(nodes, edge.b), edge.weight, edge.kind});
  }
  const Claimants claimants(nodes, rules);
  Claims claims(nodes, claimants);
  claims.note_twins();
  for (const Link& link : links) claims.take(link);
  for (const Edge& rival : rivals) claims.rival(index_of(nodes, rival.a), rival.b, rival.weight);
  const std::vector<Parted> parted = find_parted(nodes, links, rivals, returns, claims, claimants, rules);

  std::vector<Standing> standings(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    standings[node] = standing_of(nodes[node], claims[node], parted[node], claimants, rules);
    standings[node].ambiguous = standings[node].ambiguous || nodes[node].several;
  }
  keep_ties(nodes, ties, standings);

  UnionFind clusters(nodes.size());
  std::vector<std::uint8_t> genders;  // of the cluster, at its root
  genders.reserve(nodes.size());
  for (const ClusterNode& node : nodes) genders.push_back(static_cast<std::uint8_t>(gender_bit(node)));
  std::vector<ClusterResult> at_root(nodes.size());
  std::vector<Link> taken;
  const auto join = [&](const Link& link) {
    const ClusterResult before_a = at_root[clusters.find(link.a)], before_b = at_root[clusters.find(link.b)];
    if (!clusters.unite(link.a, link.b)) return;
    ++counts.links_used;
    taken.push_back(link);
    ClusterResult& cluster = at_root[clusters.find(link.a)];
    cluster.weakest = link.weight;
    if (before_a.linked) cluster.weakest = std::min(cluster.weakest, before_a.weakest);
    if (before_b.linked) cluster.weakest = std::min(cluster.weakest, before_b.weakest);
    cluster.linked = true;
  };
  for (const Link& link : links) {
    const Verdict verdict = judge(standings[link.a], standings[link.b], link.weight);
    if (verdict == Verdict::vetoed) ++counts.vetoed_different_nhs;
    if (verdict != Verdict::join) continue;
    const std::uint32_t root_a = clusters.find(link.a), root_b = clusters.find(link.b);
    const unsigned both = genders[root_a] | genders[root_b];
    const bool bridges = both == kBothGenders && genders[root_a] != kBothGenders && genders[root_b] != kBothGenders &&
                         (gender_bit(nodes[link.a]) == 0 || gender_bit(nodes[link.b]) == 0);
    if (standings[link.a].nhs == 0 && (bridges || !claimants.may_be_one(nodes[link.a], nodes[link.b]))) continue;
    join(link);
    genders[clusters.find(link.a)] = static_cast<std::uint8_t>(both);
  }
  std::vector<bool> returned(nodes.size(), false);
  if (!returns.empty())
    take_returns(nodes, returns, standings, parted, claimants, rules, clusters, join, returned, counts);

  std::vector<ClusterResult> results(nodes.size());
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    const std::uint32_t root = clusters.find(node);
    ClusterResult& result = results[node];
    result = at_root[root];
    result.cluster = nodes[root].id;
    result.ambiguous = standings[node].ambiguous;
    result.returned = returned[node];
    result.other_provider = claims.other_provider(node);
    result.other_patient = claims.other_patient(node);
    result.linked_to = node;
    const Claim& claim = claims[node];
    result.weight = claim.strongest == kNoClaim ? 0 : claim.strongest;
    result.lead = claim.rival == kNoClaim ? kNoRival : lead_of(claim);
    if (claim.strongest != kNoClaim && parted[node].own != kNoClaim) {
      result.lead = std::min(result.lead, lead_of({0, claim.strongest, parted[node].own}));
    }
    if (root == node && standings[node].ambiguous) ++counts.ambiguous_clusters;
  }
  root_links(nodes, taken, results);
  return results;
}

}  // namespace ligature
