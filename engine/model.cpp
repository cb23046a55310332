// The documented model: m and u as published or derived (docs/model.md has the source of each), fitted to the size and
// the spread of the file, and turned into integer weights once.
#include "engine/model.hpp"

#include <algorithm>
#include <cmath>

namespace ligature {

namespace {

// Probabilities below this are taken as this, so that no count of zero makes a weight infinite.
constexpr double kSmallestProbability = 1e-12;

// The rate of records that carry the NHS number of somebody else.
constexpr double kWrongNumberRate = 0.002;

// The prior of the smallest files: with it a date of birth and a gender alone do not link in any file.
constexpr double kFewestPersons = 8192;

// So many agreements among pairs known to differ make a measured u trustworthy in either direction.
constexpr std::uint64_t kEnoughAgreements = 100;

// With fewer, they are weighed as if this many pairs without agreement had been seen too: one pair of twins in a file
// of ten rows must not make every shared postcode worthless.
constexpr double kUnseenPairs = 1e5;

// No exact agreement is taken to be more common by chance than this, nor any agreement down to the postcode area.
constexpr double kMostCommonAgreement = 0.5;
constexpr double kMostCommonArea = 0.7;

template <typename Level>
constexpr std::size_t index(Level level) noexcept {
  return static_cast<std::size_t>(level);
}

template <std::size_t Count, typename Level>
LevelProbabilities& at(std::array<LevelProbabilities, Count>& levels, Level level) {
  return levels[index(level)];
}

// u of exact agreement: measured where the file says enough; else documented, or more if what there is says so clearly.
double exact_u(double documented, std::uint64_t same, std::uint64_t both) noexcept {
  if (both == 0 || same > both) return documented;
  const bool enough = same >= kEnoughAgreements;
  const double measured = static_cast<double>(same) / (static_cast<double>(both) + (enough ? 0 : kUnseenPairs));
  const double u = enough ? measured : std::max(measured, documented);
  return std::min(u, kMostCommonAgreement);
}

// Sets the level "other" to what the rest leave, and holds every partial agreement to no more evidence than the exact.
template <std::size_t Count>
void complete(std::array<LevelProbabilities, Count>& levels) {
  constexpr std::size_t kOther = 1, kExact = Count - 1;
  double m = levels[kExact].m, u = levels[kExact].u;
  for (std::size_t level = kOther + 1; level < kExact; ++level) {
    levels[level].u = std::max(levels[level].u, levels[level].m * levels[kExact].u / levels[kExact].m);
    m += levels[level].m;
    u += levels[level].u;
  }
  levels[kOther] = {1 - m, 1 - u};
}

std::array<LevelProbabilities, kNhsLevels> nhs_probabilities(double persons) {
  std::array<LevelProbabilities, kNhsLevels> levels{};
  // Two records share a number by chance if either carries a wrong one, and that one is the other's.
  at(levels, NhsLevel::exact) = {0.992, 2 * kWrongNumberRate / persons};
  at(levels, NhsLevel::near) = {0.003, 1e-8};
  at(levels, NhsLevel::other) = {0.005, 1 - 1e-8 - 2 * kWrongNumberRate / persons};
  return levels;
}

std::array<LevelProbabilities, kBirthLevels> birth_probabilities(const FileFrequencies& file) {
  constexpr double kExactU = 9.03e-5;
  std::array<LevelProbabilities, kBirthLevels> levels{};
  const double u = exact_u(kExactU, file.different_pairs_same_birth, file.different_pairs_both_births);
  const double remaining = (1 - u) / (1 - kExactU);
  at(levels, BirthLevel::exact) = {0.99508, u};
  at(levels, BirthLevel::swapped) = {0.00016, 9.4e-5 * remaining};
  at(levels, BirthLevel::one_digit) = {0.00275, 2.5e-3 * remaining};
  at(levels, BirthLevel::two_parts) = {0.00170, 3.7e-3 * remaining};
  at(levels, BirthLevel::same_year) = {0.00012, 2.95e-2 * remaining};
  complete(levels);
  return levels;
}

std::array<LevelProbabilities, kPostcodeLevels> postcode_probabilities(const FileFrequencies& file) {
  constexpr double kExactU = 1 / 1.5e6;
  std::array<LevelProbabilities, kPostcodeLevels> levels{};
  const double u = exact_u(kExactU, file.different_pairs_same_postcode, file.different_pairs_both_postcodes);
  // A file whose people share postcodes k times as often as the nation covers about a k-th of it: they share its
  // sectors, districts and areas more often too, in the limit nearly always.
  const double k = std::max(1.0, u / kExactU);
  const auto at_least = [k](double nationally) {
    return k * nationally * kMostCommonArea / (kMostCommonArea + (k - 1) * nationally);
  };
  const double near = at_least(2.1e-5), sector = at_least(1.4e-4), district = at_least(6e-4), area = at_least(1.5e-2);
  at(levels, PostcodeLevel::exact) = {0.690, u};
  at(levels, PostcodeLevel::near) = {0.0045, near - u};
  at(levels, PostcodeLevel::sector) = {0.0055, sector - near};
  at(levels, PostcodeLevel::district) = {0.020, district - sector};
  at(levels, PostcodeLevel::area) = {0.095, area - district};
  complete(levels);
  return levels;
}

std::array<LevelProbabilities, kGenderLevels> gender_probabilities() {
  std::array<LevelProbabilities, kGenderLevels> levels{};
  at(levels, GenderLevel::same) = {0.9967, 0.5};
  at(levels, GenderLevel::different) = {0.0033, 0.5};
  return levels;
}

// Not a number counts as the smallest probability.
double bounded(double probability, double largest) noexcept {
  return probability > kSmallestProbability ? std::min(probability, largest) : kSmallestProbability;
}

// Bits to the integer unit, far inside its range.  Not a number becomes the largest: nothing reaches such a threshold.
Weight to_weight(double bits) noexcept {
  constexpr double kMostBits = 1e6;
  if (std::isnan(bits)) bits = kMostBits;
  return static_cast<Weight>(std::llround(std::clamp(bits, -kMostBits, kMostBits) * kWeightPerBit));
}

template <std::size_t Count>
std::array<Weight, Count> level_weights(const std::array<LevelProbabilities, Count>& levels) noexcept {
  std::array<Weight, Count> weights{};
  for (std::size_t level = 1; level < Count; ++level) {
    weights[level] = to_weight(std::log2(bounded(levels[level].m, 1) / bounded(levels[level].u, 1)));
  }
  return weights;
}

}  // namespace

ModelParameters documented_model(const FileFrequencies& file) {
  // Where few rows have a number, two identities a person is the better guess of how many people there are.
  const double persons =
      std::max({static_cast<double>(file.distinct_nhs), static_cast<double>(file.identities) / 2, kFewestPersons});
  ModelParameters parameters;
  parameters.nhs = nhs_probabilities(persons);
  parameters.birth = birth_probabilities(file);
  parameters.postcode = postcode_probabilities(file);
  parameters.gender = gender_probabilities();
  parameters.prior = 1 / persons;
  parameters.threshold_bits = 2;
  parameters.margin_bits = 5;
  return parameters;
}

LinkageModel::LinkageModel(const ModelParameters& parameters)
    : parameters_(parameters),
      threshold_(to_weight(parameters.threshold_bits)),
      margin_(to_weight(parameters.margin_bits)) {
  const double prior = bounded(parameters.prior, 1 - kSmallestProbability);
  const Weight prior_weight = to_weight(std::log2(prior / (1 - prior)));
  const auto nhs = level_weights(parameters.nhs);
  const auto birth = level_weights(parameters.birth);
  const auto postcode = level_weights(parameters.postcode);
  const auto gender = level_weights(parameters.gender);
  for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
    const Levels levels = levels_of(static_cast<Pattern>(pattern));
    weights_[pattern] = prior_weight + nhs[index(levels.nhs)] + birth[index(levels.birth)] +
                        postcode[index(levels.postcode)] + gender[index(levels.gender)];
  }
}

int posterior_percent(Weight weight) noexcept {
  // Beyond this the double is exactly 0 or 1, and the power stays finite.
  const double bits = std::clamp(static_cast<double>(weight) / kWeightPerBit, -100.0, 100.0);
  return static_cast<int>(std::floor(100 / (1 + std::exp2(-bits))));
}

}  // namespace ligature
