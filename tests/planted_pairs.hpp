// A file whose pairs follow a known model, for tests of engine/expectation.hpp.  The model is written out pattern by
// pattern, never-compared pairs too, apart from the engine's own.
#pragma once

#include <array>
#include <cstdint>

#include "engine/expectation.hpp"
#include "engine/model.hpp"
#include "tests/planted.hpp"

namespace ligature {

// Where each identifier's levels 2, 3, ... are in a vector of parameters; level 1 is what they leave.
inline constexpr std::size_t kNhs = 0, kBirth = 2, kPostcode = 7, kGender = 12, kLambda = 13, kOnes = 14;
// The partial levels among two persons follow: near; birth and postcode from 2 up, but for exact.
inline constexpr std::size_t kNearU = 14, kBirthU = 15, kPostcodeU = 19, kPartial = 23;
// And exact birth and postcode.
inline constexpr std::size_t kSameBirthU = 23, kSamePostcodeU = 24, kAll = 25;

// Shares from parameters: levels 2 up, with 1 for missing, and the rest to level 1.
template <std::size_t Count>
std::array<double, Count> shares_of(const Vector& parameters, std::size_t first, double exact = -1) {
  std::array<double, Count> shares{1, 1};
  for (std::size_t level = 2; level < Count; ++level) {
    shares[level] = exact >= 0 && level + 1 == Count ? exact : parameters[first + level - 2];
    shares[1] -= shares[level];
  }
  return shares;
}

// A file to draw pairs from.
struct World {
  ModelParameters start;  // its u are true, its m documented
  Vector truth = Vector(kAll);
  std::array<double, 4> both{0.9, 0.98, 0.9, 0.97};  // P(both sides have it): NHS number, birth, postcode, gender
  double same = 0;                                   // P(the same number | two persons with two numbers)
  double known = 0.99;                               // P(two different valid numbers | two persons, different numbers)
  std::array<double, kGenderLevels> siblings{};
  bool near_compared = false;

  // The probabilities of all cells: the patterns, those not compared by what is present, those known to differ.
  [[nodiscard]] Vector cells(const Vector& parameters) const {
    const auto m_nhs = shares_of<kNhsLevels>(parameters, kNhs);
    const auto m_birth = shares_of<kBirthLevels>(parameters, kBirth);
    const auto m_postcode = shares_of<kPostcodeLevels>(parameters, kPostcode);
    const auto m_gender = shares_of<kGenderLevels>(parameters, kGender);
    const auto u_birth = shares_of<kBirthLevels>(parameters, kBirthU, parameters[kSameBirthU]);
    const auto u_postcode = shares_of<kPostcodeLevels>(parameters, kPostcodeU, parameters[kSamePostcodeU]);
    const double lambda = parameters[kLambda], near = parameters[kNearU];
    Vector found(kPatterns + kPresentSets + 1);
    for (std::size_t pattern = 0; pattern < kPatterns; ++pattern) {
      const Levels levels = levels_of(static_cast<Pattern>(pattern));
      const auto n = static_cast<std::size_t>(levels.nhs), b = static_cast<std::size_t>(levels.birth);
      const auto p = static_cast<std::size_t>(levels.postcode), g = static_cast<std::size_t>(levels.gender);
      const std::size_t present = present_of(levels);
      double here = 1;
      for (std::size_t i = 0; i < 4; ++i) here *= (present >> i & 1) != 0 ? both[i] : 1 - both[i];
      const double one = m_nhs[n] * m_birth[b] * m_postcode[p] * m_gender[g];
      double two = u_birth[b] * u_postcode[p] * (g == 0 ? 1 : start.gender[g].u);
      if (levels.postcode == PostcodeLevel::exact) {
        two *= 1 - siblings[0];
        if (b == 0 || levels.birth == BirthLevel::exact) two += siblings[g] * u_postcode[p];
      }
      if (levels.nhs == NhsLevel::exact) {
        two = same * u_birth[b] * start.wrong_number[p][g] / start.wrong_number[0][0];
      } else if (levels.nhs != NhsLevel::missing) {
        two *= (1 - same) * (1 - known) * (levels.nhs == NhsLevel::near ? near : 1 - near);
      }
      const bool met = levels.nhs == NhsLevel::exact || levels.birth == BirthLevel::exact ||
                       levels.postcode == PostcodeLevel::exact || (near_compared && levels.nhs == NhsLevel::near);
      found[met ? pattern : kPatterns + present] += here * (lambda * one + (1 - lambda) * two);
    }
    found.back() = (1 - lambda) * both[0] * (1 - same) * known;
    return found;
  }

  [[nodiscard]] ComparedPairs pairs(std::uint64_t count, std::uint64_t seed) const {
    const std::vector<std::uint64_t> drawn = draw(cells(truth), count, seed);
    ComparedPairs found;
    for (std::size_t p = 0; p < kPatterns; ++p) found.counts[p] = drawn[p];
    for (std::size_t p = 0; p < kPresentSets; ++p) found.not_compared[p] = drawn[kPatterns + p];
    found.known_different = drawn.back();
    found.near_numbers_compared = near_compared;
    return found;
  }

  [[nodiscard]] Matrix precision(const std::vector<std::size_t>& free, double count) const {
    return information([this](const Vector& parameters) { return cells(parameters); }, truth, free, count);
  }
};

// A file with more errors than the documented model has.
inline World planted(double lambda) {
  World world;
  FileFrequencies file;
  file.identities = 2'000'000;
  file.distinct_nhs = 1'000'000;
  world.start = documented_model(file);
  const double values[] = {0.025, 0.965,                       // near, exact
                           0.003, 0.008, 0.010, 0.004, 0.970,  // same year, two parts, one digit, swapped, exact
                           0.100, 0.050, 0.020, 0.010, 0.620,  // area, district, sector, near, exact
                           0.990, lambda};                     // same
  std::copy(std::begin(values), std::end(values), world.truth.begin());
  world.truth[kNearU] = world.start.nhs[static_cast<std::size_t>(NhsLevel::near)].u;
  for (std::size_t i = 0; i < 4; ++i) {
    world.truth[kBirthU + i] = world.start.birth[i + 2].u;
    world.truth[kPostcodeU + i] = world.start.postcode[i + 2].u;
  }
  world.truth[kSameBirthU] = world.start.birth.back().u;
  world.truth[kSamePostcodeU] = world.start.postcode.back().u;
  const double wrong = world.start.wrong_number[0][0];
  world.same = wrong / (1 - wrong) * lambda * world.truth[kNhs + 1] / (1 - lambda);
  return world;
}

}  // namespace ligature
