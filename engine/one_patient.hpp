// A provider has a patient under one number of its own.  Where the file shows it, a record without an NHS number does
// not go to somebody whom one of its providers has under another patient number, nor to another such record.
//
// The file shows it by rows that are equal in everything, an NHS number too, and of one provider: hardly any have two
// patient numbers.  Strangers always have two, so what hardly any have weighs as much as it is rare; it must outweigh
// the margin.  Patients who were registered twice are what it is rare by.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace ligature {

struct ClusterNode;

// Rows with patient numbers, of identities that say who their person is.
struct PatientCounts {
  std::uint64_t rows = 0;     // of one identity and provider, beyond the first
  std::uint64_t numbers = 0;  // their different patient numbers, beyond the first
};

// P(another patient number | another row of one person by one provider); 1 where fewer than 100 rows tell.
double several_patient_numbers(const PatientCounts& counts) noexcept;
// True if that is rare enough to refuse by.
bool is_one_patient(double several, double margin_bits) noexcept;

// Of a patient number as it is kept: 16 bits of the provider above 16 of the number.
constexpr std::uint32_t provider_of_patient(std::uint32_t number) noexcept {
  return number >> 16;
}
// True if two sets of patient numbers share a provider, but no number.
bool are_different_patients(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) noexcept;

// The patient numbers of an identity, by provider, in 16 bytes: up to four, of whole providers; what is more is left
// out.
class PatientSet {
 public:
  PatientSet() = default;
  // keys: local_key() of its rows, ascending by provider (by_provider), each once.
  explicit PatientSet(std::span<const std::uint64_t> keys) noexcept;

  // Ascending.
  [[nodiscard]] std::span<const std::uint32_t> numbers() const noexcept { return {numbers_.data(), size()}; }
  [[nodiscard]] bool empty() const noexcept { return numbers_[0] == 0; }
  [[nodiscard]] bool differs(const PatientSet& other) const noexcept {
    return are_different_patients(numbers(), other.numbers());
  }
  // True if they share a patient number.
  [[nodiscard]] bool shares(const PatientSet& other) const noexcept;

 private:
  [[nodiscard]] std::size_t size() const noexcept;
  std::array<std::uint32_t, 4> numbers_{};  // 0 for none
};

// Of two keys.
constexpr bool same_provider(std::uint64_t a, std::uint64_t b) noexcept {
  return ((a ^ b) & 0xFFFF) == 0;
}
// The order that PatientSet takes them in.
constexpr bool by_provider(std::uint64_t a, std::uint64_t b) noexcept {
  return same_provider(a, b) ? a < b : (a & 0xFFFF) < (b & 0xFFFF);
}

// The patient numbers of the people of one component.
class OnePatient {
 public:
  // applies: whether the file shows that a patient has one.  Keeps nothing of nodes.
  OnePatient(std::span<const ClusterNode> nodes, bool applies);
  // False if a provider of the node has the number's person under other patient numbers, and none under the same.
  [[nodiscard]] bool may_be(const ClusterNode& node, std::uint64_t nhs) const noexcept;
  // The same of two nodes without a number.
  [[nodiscard]] bool may_be_one(const ClusterNode& a, const ClusterNode& b) const noexcept;

 private:
  bool applies_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> known_;  // NHS number and patient number, ascending, each once
};

}  // namespace ligature
