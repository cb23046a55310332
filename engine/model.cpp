// The documented model: m and u as published or derived (docs/model.md has the source of each), fitted to the size and
// the spread of the file, and turned into integer weights once.
#include "engine/model.hpp"

#include <algorithm>
#include <cmath>

#include "engine/wrong_numbers.hpp"

namespace ligature {

namespace {

// The rate of records that carry the NHS number of somebody else, and the share of them who live together.
constexpr double kWrongNumberRate = 0.002;
constexpr double kWrongInHousehold = 0.5;

// Members of one household are recorded at one postcode unless one of them has moved since, and one typed for another
// is of the other sex as often as not.
constexpr double kHouseholdSamePostcode = 0.85;
constexpr double kHouseholdDifferentGender = 0.5;

// Persons who share date of birth and postcode with another for each person (half of 0.9 in a hundred are twins: the
// rate of multiple births, and that they part as adults), and the share of twins of one sex (Weinberg).
constexpr double kTwinsAtHome = 0.006;
constexpr double kSameSexTwins = 0.64;

// However few rows lack a number, some persons never show one.
constexpr double kFewestUnnumbered = 0.01;

// Expected agreements that a measured rate is weighed against.
constexpr double kExpectedAgreements = 4;
constexpr double kExpectedSampled = 20;

// A person has about so many other records, any of which finds one that has lost its number; and some have none at all.
constexpr double kOtherRecords = 3;
constexpr double kMostReturnBits = 2;

// What is expected of conflicting numbers counts as this many pairs; fewer seen show nothing: two valid numbers are two
// persons.
constexpr double kConflictPriorPairs = 5;

// What a link needs, and by how much the best candidate must lead, where everybody has a number (docs/model.md has how
// flat the result is about them); and how many identities with a number are taken for seen before any is, so that a
// file of a few rows is linked with care.
constexpr double kThresholdBits = 1.5;
constexpr double kMarginBits = 3.5;
constexpr double kNumberedUnseen = 100;

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

// Where few rows have a number, two identities a person is the better guess of how many people there are.
double persons_in(const FileFrequencies& file) noexcept {
  return std::max({static_cast<double>(file.distinct_nhs), static_cast<double>(file.identities) / 2, kFewestPersons});
}

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

// u of the levels between exact and other: what was sampled, weighed as if a few more pairs had been at the level at
// the expected rate.
template <std::size_t Count>
void measure_partial(std::array<LevelProbabilities, Count>& levels, const std::array<std::uint64_t, Count>& sampled) {
  double pairs = 0;
  for (std::size_t level = 1; level < Count; ++level) pairs += static_cast<double>(sampled[level]);
  for (std::size_t level = 2; level + 1 < Count; ++level) {
    levels[level].u = (static_cast<double>(sampled[level]) + kExpectedSampled) /
                      (pairs + kExpectedSampled / std::max(levels[level].u, kSmallestProbability));
  }
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

// Given that the numbers differ and at most one is valid: two different valid numbers are told apart before.
std::array<LevelProbabilities, kNhsLevels> nhs_probabilities(const FileFrequencies& file, double other_birth) {
  constexpr double kNearByChance = 1e-8;
  // Pairs of an invalid number and one that it is near to, of two persons: those with a wholly different date of birth,
  // but for the share of them that one person's errors make.
  const double pairs = static_cast<double>(file.invalid_numbers) * static_cast<double>(file.distinct_nhs);
  const double seen = static_cast<double>(file.near_pairs_other_birth) / other_birth;
  const double near =
      std::min(kMostCommonAgreement, (seen + kExpectedAgreements) / (pairs + kExpectedAgreements / kNearByChance));
  std::array<LevelProbabilities, kNhsLevels> levels{};
  at(levels, NhsLevel::exact) = {1, 1};
  at(levels, NhsLevel::near) = {0.7, near};
  at(levels, NhsLevel::other) = {0.3, 1 - near};
  return levels;
}

// A person whose row at hand has no number has none in any other as often as rows lack it, about.
double unnumbered_share(const FileFrequencies& file) {
  const double without = static_cast<double>(file.unnumbered) + 1, all = static_cast<double>(file.identities) + 2;
  return std::clamp(without / all, kFewestUnnumbered, 1 - kFewestUnnumbered);
}

// How sure a link must be.  Caution keeps people apart who might be one, and costs the pairs that nothing surer joins:
// few where a number ties most rows to their person, most where hardly a row has one.  So caution is in proportion to
// the share of pairs of which one identity at least has a number.
void set_caution(const FileFrequencies& file, ModelParameters& parameters) {
  const double without = static_cast<double>(file.unnumbered), all = static_cast<double>(file.identities);
  const double unnumbered = without / (all + kNumberedUnseen);
  const double caution = 1 - unnumbered * unnumbered;
  parameters.threshold_bits = kThresholdBits * caution;
  parameters.margin_bits = kMarginBits * caution;
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
  measure_partial(levels, file.sampled_birth);
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
  measure_partial(levels, file.sampled_postcode);
  complete(levels);
  return levels;
}

std::array<LevelProbabilities, kGenderLevels> gender_probabilities(const FileFrequencies& file) {
  std::array<LevelProbabilities, kGenderLevels> levels{};
  // One of each is taken to have been seen: a file of one sex must not make sex worthless in either direction.
  const double male = static_cast<double>(file.male) + 1, female = static_cast<double>(file.female) + 1;
  const double share = male / (male + female), same = share * share + (1 - share) * (1 - share);
  at(levels, GenderLevel::same) = {0.9967, same};
  at(levels, GenderLevel::different) = {0.0033, 1 - same};
  return levels;
}

// How people of one postcode share their date of birth beyond chance: as twins, who are the rarer the more people there
// are; measured where enough such pairs were seen.
void set_siblings_at_postcode(const FileFrequencies& file, double persons, ModelParameters& model) {
  const double average = persons * model.postcode.back().u;  // of people at the postcode that a person is at
  for (std::size_t k = 0; k < kPostcodeClasses; ++k) {
    const double here = std::max(1.0, average * std::exp2(-rarity_bits(static_cast<Rarity>(4 * k + 2))));
    const double twins = kTwinsAtHome / here;
    for (const GenderLevel gender : {GenderLevel::different, GenderLevel::same}) {
      const double share = gender == GenderLevel::same ? kSameSexTwins : 1 - kSameSexTwins;
      const double chance = model.birth.back().u * model.gender[index(gender)].u;
      const double seen = static_cast<double>(file.same_birth_at_postcode[k][index(gender)]);
      const double pairs = static_cast<double>(file.pairs_at_postcode[k]);
      // As if a few twins had been seen at the expected rate.
      model.siblings_at_postcode[k][index(gender)] = (std::max(0.0, seen - pairs * chance) + kExpectedAgreements) /
                                                     (pairs + kExpectedAgreements / (twins * share));
    }
    model.siblings_at_postcode[k][0] = model.siblings_at_postcode[k][1] + model.siblings_at_postcode[k][2];
  }
}

// Not a number counts as the smallest probability.
double bounded(double probability, double largest) noexcept {
  return probability > kSmallestProbability ? std::min(probability, largest) : kSmallestProbability;
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

Weight to_weight(double bits, double most_bits) noexcept {
  if (std::isnan(bits)) bits = most_bits;
  return static_cast<Weight>(std::llround(std::clamp(bits, -most_bits, most_bits) * kWeightPerBit));
}

std::array<double, kPostcodeLevels> household_postcodes() {
  // Where not the same, as good as anywhere.
  std::array<double, kPostcodeLevels> levels{};
  for (std::size_t level = 1; level + 1 < kPostcodeLevels; ++level) {
    levels[level] = (1 - kHouseholdSamePostcode) / (kPostcodeLevels - 2);
  }
  levels.back() = kHouseholdSamePostcode;
  return levels;
}

void set_wrong_numbers(const WrongNumbers& wrong, ModelParameters& model) {
  auto& table = model.wrong_number;
  table = {};
  for (std::size_t p = 1; p < kPostcodeLevels; ++p) {
    for (std::size_t g = 1; g < kGenderLevels; ++g) {
      const double in_household =
          g == index(GenderLevel::different) ? wrong.household_different_gender : 1 - wrong.household_different_gender;
      table[p][g] = wrong.of_strangers * model.postcode[p].u * model.gender[g].u +
                    wrong.of_household * wrong.household_postcode[p] * in_household;
      table[p][0] += table[p][g];
      table[0][g] += table[p][g];
      table[0][0] += table[p][g];
    }
  }
}

// The genders tell: two persons differ in them far more often than one person's records.  So does how many such pairs
// there are, against those whose numbers are both in use.
void set_conflicts(const FileFrequencies& file, ModelParameters& model) {
  const double persons = persons_in(file);
  const double different_gender = at(model.gender, GenderLevel::different).m;
  const auto seen = [](const std::array<std::uint64_t, kGenderLevels>& counts, GenderLevel level) {
    return static_cast<double>(counts[index(level)]);
  };
  const double same = seen(file.alike_thin, GenderLevel::same),
               different = seen(file.alike_thin, GenderLevel::different);
  const double all = same + different + seen(file.alike_thin, GenderLevel::missing);
  if (all < kConflictPriorPairs) return;
  const double in_use_same = seen(file.alike_in_use, GenderLevel::same);
  const double in_use_different = seen(file.alike_in_use, GenderLevel::different);
  const double in_use = in_use_same + in_use_different + seen(file.alike_in_use, GenderLevel::missing);
  // How often two persons differ in gender here.
  const double two_different = std::clamp((in_use_different + kExpectedAgreements * (1 - kSameSexTwins)) /
                                              (in_use_same + in_use_different + kExpectedAgreements),
                                          1e-9, 1 - 1e-9);
  // How many of the pairs are expected to be two persons.
  const double numbers = std::max(1.0, static_cast<double>(file.distinct_nhs));
  const double thin = std::min(1.0, static_cast<double>(file.thin_numbers) / numbers);
  const double both_in_use = (1 - thin) * (1 - thin);
  const double documented = kTwinsAtHome / 2 * std::min(persons, numbers) * (1 - both_in_use);
  const double measured = both_in_use > 0.01 ? in_use * (1 - both_in_use) / both_in_use : 0;
  const double expected = std::min(0.98, std::max(documented, 2 * measured) / all);
  double two = expected;
  for (int iteration = 0; iteration < 200; ++iteration) {
    const auto share = [&](double if_two, double if_one) { return two * if_two / (two * if_two + (1 - two) * if_one); };
    two = (kConflictPriorPairs * expected + same * share(1 - two_different, 1 - different_gender) +
           different * share(two_different, different_gender)) /
          (kConflictPriorPairs + same + different);
  }
  // From those that agree on date of birth and postcode to all, among the pairs that a thin number can be in.
  const double conflicts = all * (1 - two) / (model.birth.back().m * model.postcode.back().m);
  const double pairs = std::max(1.0, static_cast<double>(file.thin_numbers)) * std::max(numbers, kFewestPersons);
  model.conflict_prior = std::min(0.5, conflicts / pairs);
  model.conflict_of_two = two;
  model.conflict_different_gender = two_different;
}

ModelParameters documented_model(const FileFrequencies& file) {
  const double persons = persons_in(file);
  ModelParameters parameters;
  parameters.birth = birth_probabilities(file);
  parameters.nhs = nhs_probabilities(file, at(parameters.birth, BirthLevel::other).u);
  parameters.postcode = postcode_probabilities(file);
  parameters.gender = gender_probabilities(file);
  set_wrong_numbers({2 * kWrongNumberRate * (1 - kWrongInHousehold), 2 * kWrongNumberRate * kWrongInHousehold,
                     household_postcodes(), kHouseholdDifferentGender},
                    parameters);
  set_siblings_at_postcode(file, persons, parameters);
  parameters.unnumbered = unnumbered_share(file);
  set_conflicts(file, parameters);
  // Numbers are issued one after the other to twins, and to hardly anybody else of one household.
  parameters.neighbours_twins = (static_cast<double>(file.neighbours_same_birth) + kExpectedAgreements) /
                                (static_cast<double>(file.neighbours) + kExpectedAgreements);
  parameters.prior = 1 / persons;
  set_caution(file, parameters);
  return parameters;
}

LinkageModel::LinkageModel(const ModelParameters& parameters, bool rivals)
    : parameters_(parameters),
      threshold_(to_weight(parameters.threshold_bits)),
      margin_(to_weight(parameters.margin_bits)),
      rival_threshold_(rivals ? threshold_ - margin_ : threshold_) {
  const double prior = bounded(parameters.prior, 1 - kSmallestProbability);
  const Weight prior_weight = to_weight(std::log2(prior / (1 - prior)));
  const double right_number = bounded(1 - parameters.wrong_number[0][0], 1);
  const auto nhs = level_weights(parameters.nhs);
  const auto birth = level_weights(parameters.birth);
  const auto postcode = level_weights(parameters.postcode);
  const auto gender = level_weights(parameters.gender);
  for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
    const Levels levels = levels_of(static_cast<Pattern>(pattern));
    if (levels.nhs == NhsLevel::exact) {
      const std::size_t p = index(levels.postcode), g = index(levels.gender);
      const double m_here =
          (p == 0 ? 1 : bounded(parameters.postcode[p].m, 1)) * (g == 0 ? 1 : bounded(parameters.gender[g].m, 1));
      weights_[pattern] = birth[index(levels.birth)] +
                          to_weight(std::log2(right_number * m_here / bounded(parameters.wrong_number[p][g], 1)));
    } else {
      weights_[pattern] = prior_weight + nhs[index(levels.nhs)] + birth[index(levels.birth)] +
                          postcode[index(levels.postcode)] + gender[index(levels.gender)];
    }
  }
  for (std::size_t r = 0; r < kRarities; ++r) {
    rarity_[r] = to_weight(rarity_bits(static_cast<Rarity>(r)));
  }
  const double birth_u = bounded(parameters.birth.back().u, 1);
  for (std::size_t g = 0; g < kGenderLevels; ++g) {
    const double gender_u = g == 0 ? 1 : bounded(parameters.gender[g].u, 1);
    for (std::size_t r = 0; r < kRarities; ++r) {
      const double chance = birth_u * std::exp2(-rarity_bits(static_cast<Rarity>(r))) * gender_u;
      for (std::size_t k = 0; k < kPostcodeClasses; ++k) {
        together_[k][r][g] =
            to_weight(std::log2(birth_u * gender_u / bounded(chance + parameters.siblings_at_postcode[k][g], 1)));
      }
    }
  }
  const double unnumbered = bounded(parameters.unnumbered, 1 - kSmallestProbability);
  to_numbered_ = to_weight(std::log2((1 - unnumbered) / unnumbered));
  const double found = parameters.birth.back().m * parameters.postcode.back().m;
  return_ = to_weight(std::min(kMostReturnBits, -kOtherRecords * std::log2(bounded(1 - found, 1))));
  const double conflict = bounded(parameters.conflict_prior, 0.5);
  conflict_ = to_weight(std::log2(conflict / (1 - conflict))) - prior_weight;
  const double two = bounded(parameters.conflict_of_two, 1 - kSmallestProbability);
  const double of_two[kGenderLevels] = {1, bounded(parameters.conflict_different_gender, 1),
                                        bounded(1 - parameters.conflict_different_gender, 1)};
  for (std::size_t g = 0; g < kGenderLevels; ++g) {
    const double of_one = g == 0 ? 1 : bounded(parameters.gender[g].m, 1);
    conflict_together_[g] = to_weight(std::log2((1 - two) * of_one / (two * of_two[g])));
    conflicts_may_link_ = conflicts_may_link_ || conflict_together_[g] >= threshold_;
  }
}

Weight LinkageModel::weight(Pattern pattern, Rarity birth, Rarity postcode) const noexcept {
  const Levels levels = levels_of(pattern);
  Weight weight = weights_[pattern];
  if (levels.nhs == NhsLevel::exact) return weight;
  const bool same_birth = levels.birth == BirthLevel::exact;
  if (levels.postcode == PostcodeLevel::exact) {
    weight += rarity_[postcode];
    if (same_birth) weight += together_[postcode_class(postcode)][birth][index(levels.gender)];
  } else if (same_birth) {
    weight += rarity_[birth];
  }
  return weight;
}

double posterior(Weight weight) noexcept {
  // Beyond this the double is exactly 0 or 1, and the power stays finite.
  const double bits = std::clamp(static_cast<double>(weight) / kWeightPerBit, -100.0, 100.0);
  return 1 / (1 + std::exp2(-bits));
}

int posterior_percent(Weight weight) noexcept {
  return static_cast<int>(std::floor(100 * posterior(weight)));
}

}  // namespace ligature
