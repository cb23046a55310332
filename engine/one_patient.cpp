#include "engine/one_patient.hpp"

#include <algorithm>
#include <cmath>

#include "engine/clustering.hpp"

namespace ligature {

namespace {

// Fewer rows teach nothing.
constexpr std::uint64_t kFewestRows = 100;
// A count of zero is taken for this.
constexpr double kUnseen = 0.5;
// What a smaller margin does not make less of: the rule refuses, where a margin only waits.
constexpr double kLeastBits = 5;

// True if the other has a provider of these numbers, and none of the numbers.  has(number): whether it has the number;
// has_provider(number): or one of its provider.
template <typename Has, typename HasProvider>
bool are_different(std::span<const std::uint32_t> numbers, const Has& has, const HasProvider& has_provider) {
  bool differ = false;
  for (const std::uint32_t number : numbers) {
    if (has(number)) return false;
    differ = differ || has_provider(number);
  }
  return differ;
}

}  // namespace

double several_patient_numbers(const PatientCounts& counts) noexcept {
  if (counts.rows < kFewestRows) return 1;
  return (static_cast<double>(counts.numbers) + kUnseen) / static_cast<double>(counts.rows + 1);
}

bool is_one_patient(double several, double margin_bits) noexcept {
  return several <= std::exp2(-std::max(margin_bits, kLeastBits));
}

PatientSet::PatientSet(std::span<const std::uint64_t> keys) noexcept {
  std::size_t taken = 0;
  for (std::size_t begin = 0, end = 0; begin < keys.size(); begin = end) {
    while (end < keys.size() && same_provider(keys[end], keys[begin])) ++end;
    if (taken + end - begin > numbers_.size()) break;
    for (std::size_t k = begin; k < end; ++k) {
      numbers_[taken++] = static_cast<std::uint32_t>((keys[k] & 0xFFFF) << 16 | keys[k] >> 48);
    }
  }
  std::sort(numbers_.begin(), numbers_.begin() + taken);
}

std::size_t PatientSet::size() const noexcept {
  return static_cast<std::size_t>(std::find(numbers_.begin(), numbers_.end(), 0U) - numbers_.begin());
}

bool PatientSet::shares(const PatientSet& other) const noexcept {
  const auto mine = numbers(), theirs = other.numbers();
  return std::find_first_of(mine.begin(), mine.end(), theirs.begin(), theirs.end()) != mine.end();
}

bool are_different_patients(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) noexcept {
  return are_different(
      a, [&](std::uint32_t number) { return std::find(b.begin(), b.end(), number) != b.end(); },
      [&](std::uint32_t number) {
        return std::any_of(b.begin(), b.end(), [&](std::uint32_t other) {
          return provider_of_patient(other) == provider_of_patient(number);
        });
      });
}

OnePatient::OnePatient(std::span<const ClusterNode> nodes, bool applies)
    : applies_(applies && std::any_of(nodes.begin(), nodes.end(), [](const ClusterNode& node) {
                 return node.valid_nhs == 0 && !node.patients.empty();
               })) {
  if (!applies_) return;
  for (const ClusterNode& node : nodes) {
    if (node.valid_nhs == 0) continue;
    for (const std::uint32_t number : node.patients.numbers()) known_.emplace_back(node.valid_nhs, number);
  }
  std::sort(known_.begin(), known_.end());
  known_.erase(std::unique(known_.begin(), known_.end()), known_.end());
}

bool OnePatient::may_be(const ClusterNode& node, std::uint64_t nhs) const noexcept {
  if (!applies_) return true;
  return !are_different(
      node.patients.numbers(),
      [&](std::uint32_t number) { return std::binary_search(known_.begin(), known_.end(), std::pair(nhs, number)); },
      [&](std::uint32_t number) {
        const auto first = std::lower_bound(known_.begin(), known_.end(), std::pair(nhs, number & 0xFFFF0000));
        return first != known_.end() && first->first == nhs &&
               provider_of_patient(first->second) == provider_of_patient(number);
      });
}

bool OnePatient::may_be_one(const ClusterNode& a, const ClusterNode& b) const noexcept {
  return !applies_ || !a.patients.differs(b.patients);
}

}  // namespace ligature
