// Counting patterns as fast as they are compared.
//
// Neighbouring pairs often have one pattern, and an addition to a place that was just written waits for it: four tables
// are filled in turn, and added up at the end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/comparison.hpp"

namespace ligature {

// So many patterns are counted while they are near.
inline constexpr std::size_t kTallyBlock = 512;

class PatternTally {
 public:
  // Adds factor * weights[i] to the count of patterns[i], for i in [0, count).
  void add(const Pattern* patterns, const std::uint8_t* weights, std::size_t count, std::uint64_t factor) noexcept {
    std::size_t i = 0;
    for (; i + kTables <= count; i += kTables) {
      for (std::size_t t = 0; t < kTables; ++t) tables_[t][patterns[i + t]] += factor * weights[i + t];
    }
    for (; i < count; ++i) tables_[0][patterns[i]] += factor * weights[i];
  }

  // Counts each of patterns[0, count) once.
  void add(const Pattern* patterns, std::size_t count) noexcept {
    std::size_t i = 0;
    for (; i + kTables <= count; i += kTables) {
      for (std::size_t t = 0; t < kTables; ++t) ++tables_[t][patterns[i + t]];
    }
    for (; i < count; ++i) ++tables_[0][patterns[i]];
  }

  [[nodiscard]] PatternCounts counts() const noexcept {
    PatternCounts sums{};
    for (const PatternCounts& table : tables_) {
      for (std::size_t p = 0; p < kPatterns; ++p) sums[p] += table[p];
    }
    return sums;
  }

 private:
  static constexpr std::size_t kTables = 4;
  std::array<PatternCounts, kTables> tables_{};
};

}  // namespace ligature
