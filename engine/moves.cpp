#include "engine/moves.hpp"

#include <algorithm>
#include <cmath>

namespace ligature {

namespace {

// Fewer records that moved in company teach nothing.
constexpr std::uint64_t kFewestMoves = 100;
// Counts of zero are taken for this.
constexpr double kUnseen = 0.5;
// What hangs on others' records needs this much more than the margin.
constexpr double kOnTrustBits = 1;
// No evidence of this kind counts for more.
constexpr double kMostBits = 40;

}  // namespace

MoveModel::MoveModel(const MoveCounts& counts, const ModelParameters& parameters) {
  std::uint64_t in_company = 0, without = 0, persons = 0;
  for (std::size_t k = 0; k < kAddressClasses; ++k) {
    persons += counts.persons[k];
    without += counts.alone[k][0];
    for (std::size_t c = 1; c < kCompanyClasses; ++c) in_company += counts.alone[k][c];
  }
  learnt_ = in_company >= kFewestMoves && persons > 0;
  if (!learnt_) return;
  const double held_out = static_cast<double>(counts.held_out);
  elsewhere_ =
      std::min(1.0, static_cast<double>(without) / held_out + 1 - parameters.birth.back().m + parameters.unnumbered);
  const double least =
      std::max(parameters.threshold_bits, parameters.margin_bits) + kOnTrustBits + std::log2(elsewhere_);
  threshold_ = static_cast<Weight>(std::llround(std::clamp(least, -kMostBits, kMostBits) * kWeightPerBit));
  for (std::size_t k = 0; k < kAddressClasses; ++k) {
    const double share = (static_cast<double>(counts.persons[k]) + kUnseen) / static_cast<double>(persons);
    for (std::size_t c = 1; c < kCompanyClasses; ++c) {
      const double m = (static_cast<double>(counts.alone[k][c]) + kUnseen) / held_out;
      bits_[k][c] = std::log2(m / share);
    }
  }
}

Weight MoveModel::weight(std::uint64_t postcodes, std::uint64_t others, double share) const noexcept {
  const double bits = bits_[address_class(postcodes)][company_class(others)] - std::log2(share);
  return static_cast<Weight>(std::llround(std::clamp(bits, -kMostBits, kMostBits) * kWeightPerBit));
}

}  // namespace ligature
