// Two records under one NHS number with different dates of birth: are they from one provider, and is each date on
// several rows?
//
// A provider writes what it knows of a person on all that it sends, so the records of one person that differ in their
// date of birth are mostly of two providers, and a wrong date is on several rows as soon as there are several.
// Another's number slips onto a single row, as often as not where its owner is known too.  How much that says is
// counted in the file, where it is certain: an error in a part of the date and one gender are one person; wholly
// different dates and genders are two.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/comparison.hpp"
#include "engine/model.hpp"
#include "engine/provider_set.hpp"

namespace ligature {

// Pairs of records under one valid number with different dates of birth.
struct SameProviderCounts {
  std::array<std::uint64_t, 2> all{};      // of one person, of two
  std::array<std::uint64_t, 2> several{};  // ... both dates on two rows of the number or more
  // Both of known providers:
  std::array<std::uint64_t, 2> pairs{};   // of one person, of two
  std::array<std::uint64_t, 2> shared{};  // ... with a provider in common
  // All with wholly different dates, by pattern: with a provider in common, and without.
  PatternCounts other_shared{}, other_apart{};
  // P(a provider in common, or several rows | records of one person, persons = 0, or of two, 1); half of 30 pairs more
  // are taken to have it.
  [[nodiscard]] double share(std::size_t persons) const noexcept;
  [[nodiscard]] double several_share(std::size_t persons) const noexcept;
  // Adds pairs of this pattern.  Those that may be either are counted by pattern alone.
  void add(Pattern pattern, ProviderSet a, ProviderSet b, bool several_rows, std::uint64_t count) noexcept;
};

// Sets provider_shared_by_one and _by_two; or several_rows_of_one and _of_two.
void set_same_provider(const SameProviderCounts& counts, ModelParameters& model) noexcept;
void set_several_rows(const SameProviderCounts& counts, ModelParameters& model) noexcept;

// What it adds to the weight of a pair under one number, with different dates of birth, that it is from one provider,
// or is not.
Weight same_provider_weight(const ModelParameters& model, bool shared) noexcept;
// Likewise, that both dates are on several rows.  That one is on a single row says nothing: it may be all that its
// provider sent.
Weight several_rows_weight(const ModelParameters& model) noexcept;

}  // namespace ligature
