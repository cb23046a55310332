// The Fellegi-Sunter model: m and u probabilities per comparison level, and match weights in bits.
//
// Three kinds of pairs have weights of their own, for the identifiers are not independent among strangers:
//   - the same NHS number: either one person, or somebody's record that carries another's number by mistake, who is
//     often of the same household;
//   - no common number, the same date of birth and postcode: one person, or twins, or two of many at one address;
//   - all others: log2(prior odds) + sum over identifiers of log2(m/u), with u of an equal value by how common it is.
// A missing identifier adds nothing.
//
// Weights are used as integers (1/1024 bit), computed once per model from the tables below, so that sums, thresholds
// and orders are exact and the same everywhere. Sources: Fellegi and Sunter, JASA 64(328), 1969; term frequencies:
// Winkler, US Bureau of the Census, 2000.
#pragma once

#include <array>
#include <cstdint>

#include "engine/comparison.hpp"
#include "engine/evidence.hpp"

namespace ligature {

// 1/1024 of a bit of evidence.
using Weight = std::int32_t;
inline constexpr Weight kWeightPerBit = 1024;
// A pair lighter than this is more likely two persons than one: they are in conflict.
inline constexpr Weight kConflict = 0;
// Bits to the integer unit, within so many either way.  Not a number becomes the most: nothing reaches such a
// threshold.
Weight to_weight(double bits, double most_bits = 1e6) noexcept;

// No probability is taken to be less, so that nothing observed is impossible.
inline constexpr double kSmallestProbability = 1e-12;

struct LevelProbabilities {
  double m = 0;  // P(level | same person, neither side missing)
  double u = 0;  // P(level | different persons, neither side missing)
};

// Postcodes by how common they are: class k holds rarities 4k to 4k + 3, one bit.
inline constexpr std::size_t kPostcodeClasses = kRarities / 4;
constexpr std::size_t postcode_class(Rarity rarity) noexcept {
  return rarity / 4;
}

// Index = level; entry 0 (missing) is not used.  Doubles throughout, without padding: the bytes are digested.
struct ModelParameters {
  std::array<LevelProbabilities, kNhsLevels> nhs{};
  std::array<LevelProbabilities, kBirthLevels> birth{};
  std::array<LevelProbabilities, kPostcodeLevels> postcode{};
  std::array<LevelProbabilities, kGenderLevels> gender{};
  // P(two persons, at these levels of postcode and gender | the same valid NHS number): half of the mistakes are within
  // a household.  Entries 0 (missing) are sums over the levels; [0][0] is the share of all such pairs.
  std::array<std::array<double, kGenderLevels>, kPostcodeLevels> wrong_number{};
  // P(same date of birth, and same or different gender | two persons of one postcode) beyond chance: twins above all;
  // by class of the postcode.  Index: GenderLevel different and same; entry 0 is their sum.
  std::array<std::array<double, kGenderLevels>, kPostcodeClasses> siblings_at_postcode{};
  double prior = 0;           // P(two random identities of the file are one person)
  double unnumbered = 0;      // P(no row of a person shows a valid NHS number | one row does not)
  double conflict_prior = 0;  // P(two identities with different valid numbers, one seldom seen, are one person)
  // Of two such numbers with the same date of birth and postcode: P(two persons), and P(different genders | two
  // persons).
  double conflict_of_two = 1, conflict_different_gender = 0.5;
  double neighbours_twins = 0;  // P(the same date of birth | two of one postcode with NHS numbers issued together)
  // P(a record's person cannot be found by date of birth and postcode, nor by who moved with him): moves.hpp.
  double elsewhere = 1;
  // P(from two providers | two rows of one person and dataset), by dataset: one_provider.hpp.
  std::array<double, 32> several_providers = [] {
    std::array<double, 32> unknown;
    unknown.fill(1);
    return unknown;
  }();
  // P(they have a provider in common | two records under one number whose dates of birth differ), of one person and of
  // two: same_provider.hpp.
  double provider_shared_by_one = 0.5, provider_shared_by_two = 0.5;
  // P(each date is on several rows | two records under one number whose dates of birth differ), of one person and of
  // two.
  double several_rows_of_one = 0.5, several_rows_of_two = 0.5;
  // P(another patient number | another row of one person by one provider): one_patient.hpp.
  double several_patients = 1;
  double threshold_bits = 0;  // a pair links at or above this weight
  double margin_bits = 0;     // how far the best candidate must lead the next (see clustering.hpp)
};

// What the file itself says before any model: exact integer counts, the same on every rank.
struct FileFrequencies {
  std::uint64_t identities = 0;                      // linkable identities
  std::uint64_t distinct_nhs = 0;                    // different valid NHS numbers
  std::uint64_t different_pairs_both_births = 0;     // pairs of dates of birth of two different valid NHS numbers
  std::uint64_t different_pairs_same_birth = 0;      // ... that are equal
  std::uint64_t different_pairs_both_postcodes = 0;  // pairs of postcodes of two different valid NHS numbers
  std::uint64_t different_pairs_same_postcode = 0;   // ... that are equal
  std::uint64_t male = 0, female = 0;                // linkable identities
  std::uint64_t unnumbered = 0;                      // linkable identities without a valid NHS number
  // Identities with an invalid NHS number, and the pairs of these with a valid number in use that is one error away,
  // both dates of birth known and wholly different.
  std::uint64_t invalid_numbers = 0, near_pairs_other_birth = 0;
  // Of pairs of two different valid NHS numbers at one postcode, by class of the postcode: all with both dates of birth
  // and genders known, and those with the same date of birth by GenderLevel (different, same).
  std::array<std::uint64_t, kPostcodeClasses> pairs_at_postcode{};
  std::array<std::array<std::uint64_t, kGenderLevels>, kPostcodeClasses> same_birth_at_postcode{};
  // Pairs of different valid numbers with the same date of birth and postcode: both numbers in use; and one of them
  // thin (Evidence::number_thin) and not a neighbour of the other.  By GenderLevel.
  std::array<std::uint64_t, kGenderLevels> alike_in_use{}, alike_thin{};
  std::uint64_t thin_numbers = 0;  // of distinct_nhs
  // Neighbours in number (are_neighbours, clustering.hpp) at one postcode, and those with the same date of birth.
  std::uint64_t neighbours = 0, neighbours_same_birth = 0;
  // Of a sample of pairs of two different valid NHS numbers: how many are at each level.
  std::array<std::uint64_t, kBirthLevels> sampled_birth{};
  std::array<std::uint64_t, kPostcodeLevels> sampled_postcode{};
};

// The documented m and u (docs/model.md has each with its source), with u measured on the file's own pairs known to
// differ (two different valid NHS numbers) where there are enough of them (with fewer, a cautious mixture, never below
// the documented), and the prior and the u of equal NHS numbers scaled to the number of persons in the file.  Any
// counts, all zero too, give a finite model.
ModelParameters documented_model(const FileFrequencies& file);

// Sets what is expected of two different valid numbers of which one is seldom seen.  Pairs of records that agree on
// date of birth and postcode but not on the number are twins and neighbours, or one person with a wrong number.  The m
// of date of birth, postcode and gender must be set: again after they have been estimated.
void set_conflicts(const FileFrequencies& file, ModelParameters& model);

// The model as tables of integer weights.
class LinkageModel {
 public:
  // rivals: whether edges short of the threshold count against others.
  explicit LinkageModel(const ModelParameters& parameters, bool rivals = true);
  [[nodiscard]] const ModelParameters& parameters() const noexcept { return parameters_; }
  // For values that are as common as the average, of two identities without a valid number, or with the same.
  [[nodiscard]] Weight weight(Pattern pattern) const noexcept {
    return weight(pattern, kAverageRarity, kAverageRarity);
  }
  // birth, postcode: the rarity of the values, used where the pair agrees on them.
  [[nodiscard]] Weight weight(Pattern pattern, Rarity birth, Rarity postcode) const noexcept;
  // The weight of a pair of weighed identities.  If they agree on birth and postcode, and one of them has a valid
  // number and the other has none, then the only stranger that it could be is a twin or neighbour who never shows a
  // number: the others are in the file to be compared, and are rivals.
  [[nodiscard]] Weight weight(Pattern pattern, const Identity& a, const Identity& b) const noexcept {
    const bool both_numbered = a.has_valid_nhs() && b.has_valid_nhs(),
               one_numbered = a.has_valid_nhs() != b.has_valid_nhs();
    const bool conflict = both_numbered && a.nhs() != b.nhs();
    if (conflict) {
      if (is_together(pattern)) return conflict_together_[static_cast<std::size_t>(levels_of(pattern).gender)];
      return this->weight(without_number(pattern), birth_rarity(a), postcode_rarity(a)) + conflict_;
    }
    const Weight weight = this->weight(pattern, birth_rarity(a), postcode_rarity(a));
    return one_numbered && is_together(pattern) ? weight + to_numbered_ : weight;
  }
  [[nodiscard]] Weight threshold() const noexcept { return threshold_; }
  [[nodiscard]] Weight margin() const noexcept { return margin_; }
  // True if a pair of this pattern becomes an edge: its weight reaches the threshold.
  [[nodiscard]] bool links(Pattern pattern) const noexcept { return weight(pattern) >= threshold_; }
  // What it adds for the owner of a number that a record parted from it has found no other person: a stranger's record
  // would have found its own among that person's other records.
  [[nodiscard]] Weight return_weight() const noexcept { return return_; }
  // An edge from here up, short of the threshold, is a rival to others (clustering.hpp).
  [[nodiscard]] Weight rival_threshold() const noexcept { return rival_threshold_; }
  // True if two identities with different valid numbers can link at all.
  [[nodiscard]] bool conflicts_may_link() const noexcept { return conflicts_may_link_; }

 private:
  static constexpr bool is_together(Pattern pattern) noexcept {
    const Levels levels = levels_of(pattern);
    return levels.birth == BirthLevel::exact && levels.postcode == PostcodeLevel::exact;
  }

  static constexpr Pattern without_number(Pattern pattern) noexcept {
    Levels levels = levels_of(pattern);
    levels.nhs = NhsLevel::missing;
    return pattern_of(levels);
  }

  ModelParameters parameters_;
  std::array<Weight, kPatterns> weights_{};  // for average values
  // What agreement on birth and postcode together adds to the weight of the pattern, by class of the postcode, rarity
  // of the birth and gender level; the rarity of the postcode itself is not in it.
  std::array<std::array<std::array<Weight, kGenderLevels>, kRarities>, kPostcodeClasses> together_{};
  std::array<Weight, kRarities> rarity_{};
  Weight threshold_ = 0, margin_ = 0, to_numbered_ = 0, conflict_ = 0, return_ = 0, rival_threshold_ = 0;
  std::array<Weight, kGenderLevels> conflict_together_{};  // of the whole pair
  bool conflicts_may_link_ = false;
};

// Posterior probability of a match as a whole percentage, rounded down, 0..100.
int posterior_percent(Weight weight) noexcept;
// The same as a probability.
double posterior(Weight weight) noexcept;

}  // namespace ligature
