#include "engine/dependence.hpp"

#include <cmath>

namespace ligature {

namespace {

enum class Agreement : std::uint8_t { missing, disagree, agree };

template <typename Level>
Agreement agreement(Level level, Level exact) noexcept {
  if (level == Level::missing) return Agreement::missing;
  return level == exact ? Agreement::agree : Agreement::disagree;
}

void count(Agreement first, Agreement second, std::uint64_t pairs, Association& table) noexcept {
  if (first == Agreement::missing || second == Agreement::missing) return;
  const bool first_agrees = first == Agreement::agree, second_agrees = second == Agreement::agree;
  (first_agrees    ? second_agrees ? table.agree : table.second_disagrees
   : second_agrees ? table.first_disagrees
                   : table.disagree) += pairs;
}

void measure(Association& table) noexcept {
  const auto corrected = [](std::uint64_t pairs) { return static_cast<double>(pairs) + 0.5; };
  const double agree = corrected(table.agree), disagree = corrected(table.disagree);
  const double first = corrected(table.first_disagrees), second = corrected(table.second_disagrees);
  table.log_odds_ratio = std::log(agree) + std::log(disagree) - std::log(first) - std::log(second);
  table.standard_error = std::sqrt(1 / agree + 1 / disagree + 1 / first + 1 / second);
}

}  // namespace

std::vector<Dependence> measure_dependence(const PatternCounts& same_number) {
  constexpr std::array<std::string_view, 3> kNames{"birth", "postcode", "gender"};
  std::vector<Dependence> found;
  for (std::size_t first = 0; first < kNames.size(); ++first) {
    for (std::size_t second = first + 1; second < kNames.size(); ++second) {
      Dependence dependence{kNames[first], kNames[second], {}, {}};
      for (std::size_t p = 0; p < kPatterns; ++p) {
        const Levels levels = levels_of(static_cast<Pattern>(p));
        if (levels.nhs != NhsLevel::exact) continue;
        const std::array<Agreement, 3> agreements{agreement(levels.birth, BirthLevel::exact),
                                                  agreement(levels.postcode, PostcodeLevel::exact),
                                                  agreement(levels.gender, GenderLevel::same)};
        count(agreements[first], agreements[second], same_number[p], dependence.all);
        // Without a date of birth, or with a wholly different one, nothing says that the two are one person.
        const bool alike = levels.birth != BirthLevel::other && levels.birth != BirthLevel::missing;
        if (alike) count(agreements[first], agreements[second], same_number[p], dependence.alike);
      }
      measure(dependence.all);
      measure(dependence.alike);
      found.push_back(dependence);
    }
  }
  return found;
}

}  // namespace ligature
