#include "engine/moves.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ligature {

namespace {

// Fewer records that moved in company teach nothing.
constexpr std::uint64_t kFewestMoves = 100;
// Counts of zero are taken for this.
constexpr double kUnseen = 0.5;
// Company hangs on other people's records, whose mistakes are not seen in the pair.  Where nothing says who recorded
// them it needs this much more than the margin.
constexpr double kOnTrustBits = 2.5;
// Providers are evidence if they know the company of those who moved as a rule: of so many, one may have company that
// they do not know.
constexpr std::uint64_t kKnownAsARule = 8;
// No evidence of this kind counts for more.
constexpr double kMostBits = 40;

// True if it is seen that providers know the company of those who moved.
bool providers_tell(const MoveCounts& counts) noexcept {
  std::uint64_t unknown = 0, in_company = 0;
  for (const auto& alone : counts.held_out[1].alone) {
    for (std::size_t c = 1; c < kCompanyClasses; ++c) {
      in_company += alone[c];
      unknown += is_known_company(c) ? 0 : alone[c];
    }
  }
  return in_company >= kFewestMoves && unknown * kKnownAsARule <= in_company;
}

MoveCounts without_providers(const MoveCounts& counts) noexcept {
  MoveCounts pooled;
  pooled.persons = counts.persons;
  HeldOutCounts& all = pooled.held_out[0];
  for (const HeldOutCounts& of : counts.held_out) {
    all.records += of.records;
    for (std::size_t k = 0; k < kAddressClasses; ++k) {
      for (std::size_t c = 0; c < kCompanyClasses; ++c) all.alone[k][unknown_class(c)] += of.alone[k][c];
    }
  }
  return pooled;
}

}  // namespace

MoveModel::MoveModel(const MoveCounts& all_counts, const ModelParameters& parameters) {
  const MoveCounts counts = ligature::providers_tell(all_counts) ? all_counts : without_providers(all_counts);
  std::uint64_t persons = 0;
  for (const std::uint64_t of_class : counts.persons) persons += of_class;
  double held_out = 0, without = 0;
  for (std::size_t p = 0; p < counts.held_out.size(); ++p) {
    const HeldOutCounts& records = counts.held_out[p];
    std::uint64_t in_company = 0;
    for (const auto& alone : records.alone) in_company += std::accumulate(alone.begin() + 1, alone.end(), 0ULL);
    learnt_[p] = in_company >= kFewestMoves && persons > 0;
    held_out += static_cast<double>(records.records);
    for (std::size_t k = 0; k < kAddressClasses; ++k) {
      without += static_cast<double>(records.alone[k][0]);
      if (!learnt_[p]) continue;
      const double share = (static_cast<double>(counts.persons[k]) + kUnseen) / static_cast<double>(persons);
      for (std::size_t c = 1; c < kCompanyClasses; ++c) {
        const double m = (static_cast<double>(records.alone[k][c]) + kUnseen) / static_cast<double>(records.records);
        bits_[p][k][c] = std::log2(m / share);
      }
    }
  }
  if (!is_learnt()) return;
  elsewhere_ = std::min(1.0, without / held_out + 1 - parameters.birth.back().m + parameters.unnumbered);
  const double margin = std::max(parameters.threshold_bits, parameters.margin_bits);
  const std::array<double, 2> least{margin + kOnTrustBits, margin};
  for (std::size_t p = 0; p < least.size(); ++p) {
    threshold_[p] = to_weight(least[p] + std::log2(elsewhere_), kMostBits);
  }
}

Weight MoveModel::weight(bool with_provider, std::uint64_t postcodes, std::size_t company,
                         double share) const noexcept {
  const double bits = bits_[with_provider ? 1 : 0][address_class(postcodes)][company] - std::log2(share);
  return to_weight(bits, kMostBits);
}

}  // namespace ligature
