#include "engine/richness.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

namespace ligature {

namespace {

// Where more steps no longer change what comes out by more than another sample would (bench/README.md, "Plan").
constexpr int kSteps = 3'000;

// Numbers of blocks that a thing may stand in: all of the small ones, and then some, up to twice as many as would be
// expected of what was seen most often.
std::vector<double> possible_numbers(double most_seen, double share) {
  std::vector<double> numbers;
  for (double number = 1; number <= 8 || number < 2 * most_seen / share;) {
    numbers.push_back(number);
    number += std::max(1.0, std::floor(number / 4));
  }
  return numbers;
}

// That of `number` blocks `seen` are in the sample.
double probability(double number, double seen, double share) {
  if (seen > number) return 0;
  return std::exp(std::lgamma(number + 1) - std::lgamma(seen + 1) - std::lgamma(number - seen + 1) +
                  seen * std::log(share) + (number - seen) * std::log1p(-share));
}

}  // namespace

double different_in_all(std::span<const std::uint64_t> standing, double share) {
  while (!standing.empty() && standing.back() == 0) standing = standing.first(standing.size() - 1);
  const double seen = static_cast<double>(std::accumulate(standing.begin(), standing.end(), std::uint64_t{0}));
  if (share >= 1 || seen == 0) return seen;

  const std::vector<double> numbers = possible_numbers(static_cast<double>(standing.size()), share);
  // Of the things that stand in so many blocks: which of them is seen at all, and of these, in how many blocks.
  std::vector<double> is_seen(numbers.size()), in_blocks(numbers.size() * standing.size());
  for (std::size_t n = 0; n < numbers.size(); ++n) {
    is_seen[n] = -std::expm1(numbers[n] * std::log1p(-share));
    for (std::size_t k = 0; k < standing.size(); ++k) {
      in_blocks[n * standing.size() + k] = probability(numbers[n], static_cast<double>(k + 1), share) / is_seen[n];
    }
  }
  // How many of what was seen stand in so many blocks: any, to begin with.
  std::vector<double> of_seen(numbers.size(), seen / static_cast<double>(numbers.size()));
  std::vector<double> scale(standing.size());
  for (int step = 0; step < kSteps; ++step) {
    for (std::size_t k = 0; k < standing.size(); ++k) {
      double expected = 0;
      for (std::size_t n = 0; n < numbers.size(); ++n) expected += of_seen[n] * in_blocks[n * standing.size() + k];
      scale[k] = expected == 0 ? 0 : static_cast<double>(standing[k]) / expected;
    }
    for (std::size_t n = 0; n < numbers.size(); ++n) {
      const double* const of_number = &in_blocks[n * standing.size()];
      of_seen[n] *= std::inner_product(scale.begin(), scale.end(), of_number, 0.0);
    }
  }
  double all = 0;
  for (std::size_t n = 0; n < numbers.size(); ++n) all += of_seen[n] / is_seen[n];
  return std::max(all, seen);
}

}  // namespace ligature
