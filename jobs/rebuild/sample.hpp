// How alike two different people are by chance at the levels short of equality: measured on a sample.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/identity.hpp"
#include "engine/model.hpp"
#include "partition/communicator.hpp"

namespace ligature {

// NHS numbers in the sample, about; all pairs among them are compared.
inline constexpr std::uint64_t kSampledNumbers = 4096;

// One identity a sampled number.  Who is in the sample follows from the numbers themselves, so it is the same on any
// number of ranks.
class NumberSample {
 public:
  // distinct_nhs: valid numbers of the whole file.
  explicit NumberSample(std::uint64_t distinct_nhs);
  // True if the valid number is in the sample.
  [[nodiscard]] bool has(std::uint64_t nhs) const noexcept;
  // One identity of each number that is in it, in any order.
  void add(std::span<const Identity> sampled) { sampled_.insert(sampled_.end(), sampled.begin(), sampled.end()); }
  // Collective.  Fills file.sampled_birth and file.sampled_postcode.
  void count_different_persons(const Communicator& comm, FileFrequencies& file) const;

 private:
  std::uint64_t below_ = 0;  // numbers whose key is keyed again to no more than this are in the sample
  std::vector<Identity> sampled_;
};

}  // namespace ligature
