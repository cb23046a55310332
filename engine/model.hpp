// The Fellegi-Sunter model: m and u probabilities per comparison level, and match weights in bits.
//
//   weight(pattern) = log2(prior odds) + sum over identifiers of log2(m/u); a missing identifier adds nothing.
//
// Weights are used as integers (1/1024 bit), computed once per model from the table below, so that sums, thresholds and
// orders are exact and the same everywhere.
// Source: Fellegi and Sunter, JASA 64(328), 1969.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/comparison.hpp"

namespace ligature {

// 1/1024 of a bit of evidence.
using Weight = std::int32_t;
inline constexpr Weight kWeightPerBit = 1024;

struct LevelProbabilities {
  double m = 0;  // P(level | same person, neither side missing)
  double u = 0;  // P(level | different persons, neither side missing)
};

// Index = level; entry 0 (missing) is not used.
struct ModelParameters {
  std::array<LevelProbabilities, kNhsLevels> nhs{};
  std::array<LevelProbabilities, kBirthLevels> birth{};
  std::array<LevelProbabilities, kPostcodeLevels> postcode{};
  std::array<LevelProbabilities, kGenderLevels> gender{};
  double prior = 0;           // P(two random identities of the file are one person)
  double threshold_bits = 0;  // a pair links at or above this weight
  double margin_bits = 0;     // how far the best candidate must lead the next (see clustering.hpp)
};

// What the file itself says before any model: exact integer counts, the same on every rank.
struct FileFrequencies {
  std::uint64_t identities = 0;                      // linkable identities
  std::uint64_t distinct_nhs = 0;                    // different valid NHS numbers
  std::uint64_t different_pairs = 0;                 // pairs of identities with two different valid NHS numbers
  std::uint64_t different_pairs_both_births = 0;     // ... of which both have a date of birth
  std::uint64_t different_pairs_same_birth = 0;      // ... and the same one
  std::uint64_t different_pairs_both_postcodes = 0;  // ... of which both have a postcode
  std::uint64_t different_pairs_same_postcode = 0;   // ... and the same one
};

// The documented m and u (docs/model.md has each with its source), with the u of exact agreement on date of birth and
// on postcode measured on the file's own pairs known to differ (two different valid NHS numbers) where there are at
// least a hundred such agreements (with fewer, a cautious mixture, never below the documented), and the prior and the u
// of equal NHS numbers scaled to the number of persons in the file.  Any counts, all zero too, give a finite model.
ModelParameters documented_model(const FileFrequencies& file);

// The model as a table of integer weights.
class LinkageModel {
 public:
  explicit LinkageModel(const ModelParameters& parameters);
  [[nodiscard]] const ModelParameters& parameters() const noexcept { return parameters_; }
  [[nodiscard]] Weight weight(Pattern pattern) const noexcept { return weights_[pattern]; }
  [[nodiscard]] Weight threshold() const noexcept { return threshold_; }
  [[nodiscard]] Weight margin() const noexcept { return margin_; }
  // True if a pair of this pattern becomes an edge: its weight reaches the threshold.
  [[nodiscard]] bool links(Pattern pattern) const noexcept { return weights_[pattern] >= threshold_; }

 private:
  ModelParameters parameters_;
  std::array<Weight, kPatterns> weights_{};
  Weight threshold_ = 0, margin_ = 0;
};

// Posterior probability of a match as a whole percentage, rounded down, 0..100.
int posterior_percent(Weight weight) noexcept;

}  // namespace ligature
