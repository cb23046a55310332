// Of some datasets a person's records come from one provider: whoever is registered with a practice is not registered
// with another.  Where the file shows it, a record without a number does not go to somebody whom another provider has.
//
// The file shows it by its numbers: of those with two rows or more in a dataset, hardly any has them from two
// providers.  "Hardly any" is what outweighs the margin: among strangers of one neighbourhood at least half are taken
// to be with another provider.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/clustering.hpp"
#include "engine/provider_set.hpp"

namespace ligature {

inline constexpr std::size_t kMostDatasets = 32;

// By dataset.
struct OneProviderCounts {
  std::array<std::uint64_t, kMostDatasets> numbers{};  // with two rows or more whose provider is known
  std::array<std::uint64_t, kMostDatasets> several{};  // ... by several providers
};

// P(two providers | two rows of one person), by dataset; 1 where fewer than 100 numbers tell.
std::array<double, kMostDatasets> several_providers(const OneProviderCounts& counts) noexcept;
// The datasets of which a person has one provider, a bit each.
std::uint32_t one_provider_datasets(std::span<const double, kMostDatasets> several, double margin_bits) noexcept;

// The providers of the people of one component.
class OneProvider {
 public:
  // datasets: of which a person has one provider.  Keeps nothing of nodes.
  OneProvider(std::span<const ClusterNode> nodes, std::uint32_t datasets);
  // False if the node is a record of such a dataset, by a provider that is not the number's.
  [[nodiscard]] bool may_be(const ClusterNode& node, std::uint64_t nhs) const noexcept;

 private:
  struct Known {
    std::uint64_t nhs = 0;
    std::uint32_t dataset = 0;  // its bit
    ProviderSet providers = 0;
  };
  std::uint32_t datasets_;
  std::vector<Known> known_;  // by number and dataset, each once
};

}  // namespace ligature
