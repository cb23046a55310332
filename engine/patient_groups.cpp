#include "engine/patient_groups.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace ligature::clustering_detail {

namespace {

// In a group of more nodes with patient numbers, all of which would have to be looked at for each link, only links
// between two that share a number are taken.
constexpr std::size_t kMostLookedAt = 64;

constexpr bool are_opposite(unsigned gender_a, unsigned gender_b) noexcept {
  return gender_a != 0 && gender_b != 0 && (gender_a & gender_b) == 0;
}

bool has_patients(const ClusterNode& node) noexcept {
  return node.valid_nhs == 0 && !node.patients.empty();
}

}  // namespace

PatientGroups::PatientGroups(std::span<const ClusterNode> nodes, std::span<const Link> links,
                             std::span<const Standing> standings, const ClusterRules& rules)
    : nodes_(nodes),
      links_(links),
      standings_(standings),
      margin_(std::max<Weight>(rules.margin, 1)),
      applies_(rules.one_patient && std::count_if(nodes.begin(), nodes.end(), has_patients) > 1) {
  if (!applies_) return;
  groups_ = UnionFind(nodes.size());
  at_root_.resize(nodes.size());
  apart_.assign(nodes.size(), kNoClaim);
  for (std::uint32_t node = 0; node < nodes.size(); ++node) {
    if (!has_patients(nodes[node])) continue;
    at_root_[node].nodes = {node};
    for (const std::uint32_t number : nodes[node].patients.numbers()) at_root_[node].add(number);
  }
}

bool PatientGroups::may_join(const Link& link, UnionFind& clusters, std::span<const std::uint8_t> genders) {
  if (!applies_) return true;
  for (; ahead_ < links_.size() && links_[ahead_].weight > link.weight - margin_; ++ahead_) {
    const Link& near = links_[ahead_];
    const Standing &a = standings_[near.a], &b = standings_[near.b];
    if (a.nhs == 0 && b.nhs == 0 && judge(a, b, near.weight) == Verdict::join) bring_together(near);
  }
  const Group& group = at_root_[groups_.find(link.a)];
  if (!group.mixed) return true;
  if (group.nodes.size() <= kMostLookedAt) return is_told(link, group, clusters, genders);
  const PatientSet &a = nodes_[link.a].patients, &b = nodes_[link.b].patients;
  if (a.differs(b)) return false;
  if (a.shares(b)) return true;
  // A patient who others fit is one nevertheless.
  if (a.empty() || !b.empty()) keep_apart(clusters.find(link.a), link.weight);
  if (b.empty() || !a.empty()) keep_apart(clusters.find(link.b), link.weight);
  return false;
}

bool PatientGroups::is_told(const Link& link, const Group& group, UnionFind& clusters,
                            std::span<const std::uint8_t> genders) {
  const std::uint32_t root_a = clusters.find(link.a), root_b = clusters.find(link.b);
  std::vector<std::uint32_t> of_a, of_b, others;
  for (const std::uint32_t node : group.nodes) {
    const std::uint32_t root = clusters.find(node);
    const auto numbers = nodes_[node].patients.numbers();
    if (root == root_a) {
      of_a.insert(of_a.end(), numbers.begin(), numbers.end());
    } else if (root == root_b) {
      of_b.insert(of_b.end(), numbers.begin(), numbers.end());
    } else {
      others.push_back(node);
    }
  }
  if (are_different_patients(of_a, of_b)) return false;
  bool told = true;
  std::vector<std::uint32_t> fitting;  // of the others, those that both may be
  for (const std::uint32_t other : others) {
    const auto numbers = nodes_[other].patients.numbers();
    const unsigned gender = genders[clusters.find(other)];
    const bool fits_a = !are_different_patients(of_a, numbers) && !are_opposite(gender, genders[root_a]);
    const bool fits_b = !are_different_patients(of_b, numbers) && !are_opposite(gender, genders[root_b]);
    if (fits_a && fits_b) fitting.push_back(other);
    if (fits_a == fits_b || !are_different_patients(fits_a ? of_b : of_a, numbers)) continue;
    keep_apart(fits_a ? root_a : root_b, link.weight);
    told = false;
  }
  for (std::size_t one = 0; one < fitting.size(); ++one) {
    for (std::size_t two = one + 1; two < fitting.size(); ++two) {
      if (!nodes_[fitting[one]].patients.differs(nodes_[fitting[two]].patients)) continue;
      keep_apart(root_a, link.weight);
      keep_apart(root_b, link.weight);
      return false;
    }
  }
  return told;
}

void PatientGroups::Group::add(std::uint32_t number) {
  const auto [place, is_new] = numbers.insert(number);
  if (!is_new || mixed) return;
  const auto is_of_provider = [&](std::uint32_t other) {
    return provider_of_patient(other) == provider_of_patient(number);
  };
  const auto next = std::next(place);
  mixed = (next != numbers.end() && is_of_provider(*next)) ||
          (place != numbers.begin() && is_of_provider(*std::prev(place)));
}

void PatientGroups::bring_together(const Link& link) {
  const std::uint32_t root_a = groups_.find(link.a), root_b = groups_.find(link.b);
  if (!groups_.unite(root_a, root_b)) return;
  Group kept = std::move(at_root_[root_a]), gone = std::move(at_root_[root_b]);
  if (kept.nodes.size() < gone.nodes.size()) std::swap(kept, gone);
  kept.mixed = kept.mixed || gone.mixed;
  for (const std::uint32_t number : gone.numbers) kept.add(number);
  kept.nodes.insert(kept.nodes.end(), gone.nodes.begin(), gone.nodes.end());
  at_root_[groups_.find(root_a)] = std::move(kept);
}

void PatientGroups::joined(std::uint32_t root_a, std::uint32_t root_b, std::uint32_t root) noexcept {
  if (applies_) apart_[root] = std::max(apart_[root_a], apart_[root_b]);
}

void PatientGroups::keep_apart(std::uint32_t root, Weight weight) noexcept {
  apart_[root] = std::max(apart_[root], weight);
}

}  // namespace ligature::clustering_detail
