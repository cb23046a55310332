#include "engine/one_provider.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <tuple>

namespace ligature {

namespace {

// Fewer numbers teach nothing.
constexpr std::uint64_t kFewestNumbers = 100;
// A count of zero is taken for this.
constexpr double kUnseen = 0.5;
// Strangers of one neighbourhood of whom two providers are taken to have the records.
constexpr double kStrangersApart = 0.5;
// What a smaller margin does not make less of: the rule refuses, where a margin only waits.
constexpr double kLeastBits = 5;

// True if the node has records of one dataset, one of those, and names the provider.
bool is_of_one(const ClusterNode& node, std::uint32_t datasets) noexcept {
  return (node.datasets & datasets) != 0 && std::has_single_bit(node.datasets) && node.providers != 0;
}

}  // namespace

std::array<double, kMostDatasets> several_providers(const OneProviderCounts& counts) noexcept {
  std::array<double, kMostDatasets> several;
  for (std::size_t d = 0; d < kMostDatasets; ++d) {
    const double numbers = static_cast<double>(counts.numbers[d]);
    several[d] =
        counts.numbers[d] < kFewestNumbers ? 1 : (static_cast<double>(counts.several[d]) + kUnseen) / (numbers + 1);
  }
  return several;
}

std::uint32_t one_provider_datasets(std::span<const double, kMostDatasets> several, double margin_bits) noexcept {
  const double most = kStrangersApart * std::exp2(-std::max(margin_bits, kLeastBits));
  std::uint32_t datasets = 0;
  for (std::size_t d = 0; d < kMostDatasets; ++d) {
    if (several[d] <= most) datasets |= 1U << d;
  }
  return datasets;
}

OneProvider::OneProvider(std::span<const ClusterNode> nodes, std::uint32_t datasets) : datasets_(datasets) {
  if (datasets == 0) return;
  const auto asks = [&](const ClusterNode& node) { return node.valid_nhs == 0 && is_of_one(node, datasets); };
  if (std::none_of(nodes.begin(), nodes.end(), asks)) return;
  for (const ClusterNode& node : nodes) {
    if (node.valid_nhs != 0 && is_of_one(node, datasets)) {
      known_.push_back({node.valid_nhs, node.datasets, node.providers});
    }
  }
  const auto order = [](const Known& known) { return std::tie(known.nhs, known.dataset); };
  std::sort(known_.begin(), known_.end(), [&](const Known& a, const Known& b) { return order(a) < order(b); });
  std::size_t kept = 0;
  for (std::size_t k = 0; k < known_.size(); ++k) {
    if (kept > 0 && order(known_[kept - 1]) == order(known_[k])) {
      known_[kept - 1].providers |= known_[k].providers;
    } else {
      known_[kept++] = known_[k];
    }
  }
  known_.resize(kept);
}

bool OneProvider::may_be(const ClusterNode& node, std::uint64_t nhs) const noexcept {
  if (known_.empty() || !is_of_one(node, datasets_)) return true;
  const auto found = std::lower_bound(
      known_.begin(), known_.end(), std::pair(nhs, node.datasets),
      [](const Known& known, const auto& wanted) { return std::pair(known.nhs, known.dataset) < wanted; });
  if (found == known_.end() || found->nhs != nhs || found->dataset != node.datasets) return true;
  return (found->providers & node.providers) != 0;
}

}  // namespace ligature
